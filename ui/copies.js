// Whether a picture is a copy: the answer, where it lies among real pictures, and the training pictures beside it.
const distanceOf = (d) => say("distance", { distance: d.toFixed(2) });

// Of the unseen real pictures, how many are nearer: none for a copy, which lies at the left end.
function place(v) {
  const nearer = say("nearer", { share: percent(1 - v.percentile / 100) });
  const meter = { class: "scale plain", role: "meter", "aria-valuemin": 0, "aria-valuemax": 100, "aria-valuenow": Math.round(v.percentile) };
  return el(
    "div",
    { class: "gauge" },
    el("div", { ...meter, "aria-label": say("meter") }, el("i", { style: `left: ${v.percentile}%` })),
    el("div", { class: "ends" }, el("span", {}, say("end_copy")), el("span", { class: "middle" }, nearer), el("span", {}, say("end_far"))),
  );
}

function one(src, alt, caption, note, name = "") {
  const image = src ? el("img", { src, alt }) : el("span", { class: "blank", "aria-hidden": "true" });
  return el("li", { class: name }, image, el("span", { class: "caption" }, caption), el("span", { class: "note" }, note));
}

function beside(v) {
  const others = v.nearest.map((n) => {
    const number = say("number", { number: n.number });
    return one(n.png, say("training_alt", { number: n.number }), n.label ? called(n.label) : number, distanceOf(n.distance));
  });
  return el(
    "section",
    {},
    el("p", { class: "heading" }, say("nearest")),
    el("ol", { class: "strip" }, one(v.seen, say("this"), say("this"), "\u00a0", "own"), ...others),
    v.kept_back ? el("p", { class: "remark" }, v.kept_back) : null,
  );
}

function tried(found) {
  const rows = Object.entries(found).map(([how, share]) =>
    el(
      "li",
      {},
      el("span", { class: "name" }, how),
      el("span", { class: "bar" }, el("i", { style: `width: ${Math.max(0.5, 100 * share)}%` })),
      el("span", { class: "number" }, `${Math.round(100 * share)} %`),
    ),
  );
  return el("section", {}, el("p", { class: "heading" }, say("tried")), el("ol", { class: "classes even" }, ...rows));
}

function render() {
  const v = props.value;
  root.className = "verdict copied";
  if (!v || v.unable) {
    const words = [el("p", { class: "headline" }, say("title")), el("p", {}, v?.unable ?? say("nothing"))];
    return root.replaceChildren(el("div", { class: "nothing" }, ...words));
  }
  root.replaceChildren(
    el("p", { class: "headline", "data-answer": v.answer, "aria-live": "polite" }, v.headline),
    el("p", { class: "sentence" }, v.why),
    place(v),
    beside(v),
    tried(v.found),
    el("p", { class: "remark" }, v.measured),
  );
}

watch("value", render);
render();
if (!props.value) trigger("begin"); // the tab is shown for the first time
