// A picture after and before it was steered.
function render() {
  const v = props.value;
  root.className = "sheet steered";
  if (!v) return root.replaceChildren(chosenWaiting());
  const before = el("img", { src: v.start.png, alt: `${say("start")}: ${wordsOf(v.start)}` });
  root.replaceChildren(
    el("div", { class: "chosen" }, ...chosenParts(v.picture)),
    el("figure", {}, before, el("figcaption", {}, say("start"))),
    ...[v.notice].filter(Boolean).map((text) => el("p", { class: "notice" }, text)),
  );
}

watch("value", render);
render();
if (!props.value) trigger("begin"); // the tab is shown for the first time
