// The verdict, from large to small: the answer, how sure, what it rests on, why, of which class.
const UNLIKE = "unlike anything known";
const headline = (answer) => say(`answer_${answer === UNLIKE ? "unlike" : answer}`);
const side = (p, v) => (p >= v.threshold ? "real" : "fake");
const has = (value) => value !== null && value !== undefined;

// Where the probability lies, where it is too close to call, and from where on it is called real.
function gauge(p, v) {
  const meter = { class: "scale", role: "meter", "aria-valuemin": 0, "aria-valuemax": 100, "aria-valuenow": Math.round(100 * p) };
  const [low, high] = v.unsure_band ?? [0, 0];
  return el(
    "div",
    { class: "gauge" },
    el(
      "div",
      { ...meter, "aria-label": say("meter") },
      v.unsure_band ? el("b", { style: `left: ${100 * low}%; width: ${100 * (high - low)}%` }) : null,
      el("s", { style: `left: ${100 * v.threshold}%` }),
      el("i", { style: `left: ${100 * p}%` }),
    ),
    el("div", { class: "ends" }, el("span", {}, say("fake")), el("span", { class: "middle" }, say("probability", { percent: percent(p) })), el("span", {}, say("real"))),
  );
}

// The picture and its re-savings, each with its probability; those with another answer, and not by a hair, stand out.
function strip(v) {
  const all = [{ name: "as_it_is", png: v.png, real: v.real }, ...v.resavings];
  const own = side(v.real, v);
  const [low, high] = v.resaved_band ?? [1, 0];
  const items = all.map((each) => {
    const called = side(each.real, v);
    const flips = called !== own && !(low <= each.real && each.real <= high);
    return el(
      "li",
      { class: flips ? `flips ${called}` : "" },
      el("img", { src: each.png, alt: say("resaved_alt", { name: say(each.name) }) }),
      el("span", { class: "caption" }, say(each.name)),
      el("span", { class: "note" }, percent(each.real)),
      flips ? el("span", { class: "other" }, say(called)) : null,
    );
  });
  return el(
    "section",
    {},
    el("p", { class: "heading" }, say("resaved")),
    el("ol", { class: "strip" }, ...items),
  );
}

// A slider that makes the picture harder to judge. All its steps have come with the verdict, so nothing is asked again.
function harder(v) {
  const steps = v.harder;
  const changes = steps.findIndex((step) => step.answer !== steps[0].answer);
  const image = el("img", { alt: say("harder_alt") });
  const answer = el("p", { class: "answer", "aria-live": "polite" });
  const how = el("p", { class: "how" });
  const show = (i) => {
    const step = steps[i];
    image.src = step.png;
    answer.textContent = step.answer === UNLIKE ? headline(UNLIKE) : say("answer_at", { answer: headline(step.answer), percent: percent(step.real) });
    how.textContent = has(step.side) ? say("shrunk", { side: step.side, quality: step.quality }) : say("as_it_is");
  };
  const slider = el("input", {
    ...{ type: "range", min: 0, max: steps.length - 1, step: 1, value: 0, "aria-label": say("how_much_harder") },
    oninput: (event) => show(Number(event.target.value)),
  });
  slider.value = 0;
  const marks = steps.map((step) => el("i", { class: step.answer.split(" ")[0], title: headline(step.answer) }));
  show(0);
  return el(
    "section",
    { class: "harder" },
    el("p", { class: "heading" }, say("harder")),
    image,
    el("div", {}, answer, how, slider, el("div", { class: "marks", "aria-hidden": "true" }, ...marks)),
    el(
      "p",
      { class: "remark" },
      changes < 0
        ? say("holds")
        : say("changes", { step: changes, steps: steps.length - 1, answer: headline(steps[changes].answer).toLowerCase() }),
    ),
  );
}

// How often it was wrong about pictures that it had not learnt from; in tenths of a percent, as it is often right.
function errors(e) {
  const share = (p) => say("percent", { number: (100 * p).toFixed(1) });
  const shares = {};
  for (const set of ["clean", "degraded"])
    for (const kind of ["false_alarms", "misses"]) shares[`${set}_${kind}`] = share(e[set][kind]);
  return el("p", { class: "remark" }, say("errors", shares));
}

function typical(v) {
  const key = v.typical <= 0 ? "most_typical" : v.typical < 0.01 ? "hardly_typical" : "typical";
  return el("p", { class: "remark" }, say(key, { number: Math.round(100 * v.typical) }));
}

function figure(src, alt, caption) {
  return el("figure", {}, el("img", { src, alt }), el("figcaption", {}, caption));
}

function legend() {
  return el("div", { class: "legend" }, el("span", {}, say("for_fake")), el("i", {}), el("span", {}, say("for_real")));
}

function classes(probabilities) {
  const top = Object.entries(probabilities).slice(0, 5);
  const rows = top.map(([name, p]) =>
    el(
      "li",
      {},
      el("span", { class: "name" }, called(name)),
      el("span", { class: "bar" }, el("i", { style: `width: ${Math.max(0.5, 100 * p)}%` })),
      el("span", { class: "number" }, percent(p)),
    ),
  );
  return el("section", {}, el("p", { class: "heading" }, say("shows")), el("ol", { class: "classes" }, ...rows));
}

function critic(score) {
  const points = `${score >= 0 ? "+" : "−"}${Math.abs(score).toFixed(2)}`;
  return el("p", { class: "remark" }, say("critic", { points }));
}

function render() {
  const v = props.value;
  root.className = "verdict";
  if (!v || v.unable) {
    const why = v?.unable ?? say("nothing_hint");
    root.replaceChildren(el("div", { class: "nothing" }, el("p", { class: "headline" }, say("nothing")), el("p", {}, why)));
    return;
  }
  const judged = v.answer !== UNLIKE;
  root.replaceChildren(
    ...[
      el("p", { class: `headline ${side(v.real, v)}`, "data-answer": v.answer, "aria-live": "polite" }, headline(v.answer)),
      el("p", { class: "sentence" }, v.why),
      judged ? gauge(v.real, v) : null,
      judged ? strip(v) : null,
      el(
        "section",
        { class: "pair" },
        figure(v.seen, say("seen_alt"), say("seen")),
        judged ? figure(v.map, say("map_alt"), say("map")) : null,
      ),
      judged ? legend() : null,
      judged && v.classes ? classes(v.classes) : null,
      judged ? harder(v) : null,
      has(v.typical) ? typical(v) : null,
      judged ? el("p", { class: "remark" }, [say("knows", { data: v.knows }), has(v.typical) ? "" : say("little")].filter(Boolean).join(" ")) : null,
      judged && v.errors ? errors(v.errors) : null,
      judged && has(v.critic) ? critic(v.critic) : null,
    ].filter(Boolean),
  );
}

watch("value", render);
render();
if (!props.value) trigger("begin"); // the tab is shown for the first time
