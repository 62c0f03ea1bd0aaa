// The terms of A - B + C: the pictures of each, and what their mean looks like.
function image(p, words, name) {
  return el("img", { class: name, src: p.png, alt: words, title: words });
}

function term(t) {
  const words = (p) => say("picture", { name: t.name, seed: p.seed });
  return el(
    "div",
    { class: "term", role: "group", "aria-label": say("term", { name: t.name }) },
    el("p", { class: "heading" }, `${t.sign} ${t.name}`.trim()),
    el("div", { class: "members" }, ...t.pictures.map((p) => image(p, words(p), "member"))),
    image(t.mean, say("mean", { name: t.name }), "mean"),
  );
}

function render() {
  root.className = "equation";
  root.replaceChildren(...(props.value?.terms ?? []).map(term));
}

watch("value", render);
render();
