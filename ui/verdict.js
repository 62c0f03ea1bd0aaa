// The verdict, from large to small: how real, why, of which class.
function sentence(real) {
  if (real >= 0.95) return "The network takes it for a real picture.";
  if (real >= 0.6) return "The network leans towards real.";
  if (real > 0.4) return "The network cannot decide.";
  if (real > 0.05) return "The network leans towards fake.";
  return "The network takes it for a fake.";
}

function scale(real) {
  const meter = { class: "scale", role: "meter", "aria-valuemin": 0, "aria-valuemax": 100, "aria-valuenow": Math.round(100 * real) };
  return el(
    "div",
    { class: "gauge" },
    el("div", { ...meter, "aria-label": "Probability that the picture is real" }, el("i", { style: `left: ${100 * real}%` })),
    el("div", { class: "ends" }, el("span", {}, "fake"), el("span", {}, "real")),
  );
}

function figure(src, alt, caption) {
  return el("figure", {}, el("img", { src, alt }), el("figcaption", {}, caption));
}

function legend() {
  return el("div", { class: "legend" }, el("span", {}, "speaks for fake"), el("i", {}), el("span", {}, "speaks for real"));
}

function classes(probabilities) {
  const top = Object.entries(probabilities).slice(0, 5);
  const rows = top.map(([name, p]) =>
    el(
      "li",
      {},
      el("span", { class: "name" }, name),
      el("span", { class: "bar" }, el("i", { style: `width: ${Math.max(0.5, 100 * p)}%` })),
      el("span", { class: "number" }, percent(p)),
    ),
  );
  return el("section", {}, el("p", { class: "heading" }, "What it shows"), el("ol", { class: "classes" }, ...rows));
}

function critic(score) {
  const points = `${score >= 0 ? "+" : "−"}${Math.abs(score).toFixed(2)}`;
  const words = `A second opinion: the critic, which the generator learnt to fool and often does, gives it ${points} (above 0: real).`;
  return el("p", { class: "remark" }, words);
}

function render() {
  const v = props.value;
  root.className = "verdict";
  if (!v || v.unable) {
    const why = v?.unable ?? "Give it a picture, or choose an example, and the answer stands here.";
    root.replaceChildren(el("div", { class: "nothing" }, el("p", { class: "headline" }, "Real or fake?"), el("p", {}, why)));
    return;
  }
  const known = v.real !== null && v.real !== undefined;
  root.replaceChildren(
    ...[
      known ? el("p", { class: "headline", "aria-live": "polite" }, `${percent(v.real)} real`) : null,
      known ? el("p", { class: "sentence" }, sentence(v.real)) : null,
      known ? scale(v.real) : null,
      el(
        "div",
        { class: "pair" },
        figure(v.seen, "The picture as the network sees it", "As the network sees it"),
        v.map ? figure(v.map, "The evidence over the picture", "Its evidence") : null,
      ),
      v.map ? legend() : null,
      v.classes ? classes(v.classes) : null,
      el("p", { class: "remark" }, `This network knows only pictures like those of ${v.knows}. Of others its verdict means little.`),
      v.critic === null || v.critic === undefined ? null : critic(v.critic),
    ].filter(Boolean),
  );
}

watch("value", render);
render();
