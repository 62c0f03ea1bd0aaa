function render() {
  const v = props.value;
  root.className = "ran";
  if (!v) return root.replaceChildren("\u00a0");
  const took = v.milliseconds < 10 ? v.milliseconds.toFixed(1) : Math.round(v.milliseconds);
  const parts = [v.model, v.provider, say("took", { milliseconds: took }), say("licence", { licence: v.licence })];
  root.replaceChildren(...parts.map((part) => el("span", {}, part)));
}

watch("value", render);
render();
