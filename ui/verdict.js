// The verdict, from large to small: the answer, how sure, what it rests on, why, of which class.
const HEADLINES = { real: "Real", fake: "Fake", unsure: "Unsure", "unlike anything known": "Unlike anything it knows" };
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
      { ...meter, "aria-label": "Probability that the picture is real" },
      v.unsure_band ? el("b", { style: `left: ${100 * low}%; width: ${100 * (high - low)}%` }) : null,
      el("s", { style: `left: ${100 * v.threshold}%` }),
      el("i", { style: `left: ${100 * p}%` }),
    ),
    el("div", { class: "ends" }, el("span", {}, "fake"), el("span", { class: "middle" }, `probability of real: ${percent(p)}`), el("span", {}, "real")),
  );
}

// The picture and its re-savings, each with its probability; those with another answer stand out.
function strip(v) {
  const all = [{ name: "as it is", png: v.png, real: v.real }, ...v.resavings];
  const own = side(v.real, v);
  const items = all.map((each) => {
    const called = side(each.real, v);
    return el(
      "li",
      { class: called === own ? "" : `flips ${called}` },
      el("img", { src: each.png, alt: `The picture, ${each.name}` }),
      el("span", { class: "caption" }, each.name),
      el("span", { class: "note" }, percent(each.real)),
      called === own ? null : el("span", { class: "other" }, called),
    );
  });
  return el(
    "section",
    {},
    el("p", { class: "heading" }, "Saved again: probability of real"),
    el("ol", { class: "strip" }, ...items),
  );
}

// A slider that makes the picture harder to judge. All its steps have come with the verdict, so nothing is asked again.
function harder(v) {
  const steps = v.harder;
  const changes = steps.findIndex((step) => step.answer !== steps[0].answer);
  const image = el("img", { alt: "The picture, made harder to judge" });
  const answer = el("p", { class: "answer", "aria-live": "polite" });
  const how = el("p", { class: "how" });
  const show = (i) => {
    const step = steps[i];
    image.src = step.png;
    answer.textContent = `${HEADLINES[step.answer]}${step.answer === "unlike anything known" ? "" : `, ${percent(step.real)} real`}`;
    how.textContent = has(step.side) ? `shrunk to ${step.side} x ${step.side} and back, then JPEG ${step.quality}` : "as it is";
  };
  const slider = el("input", {
    ...{ type: "range", min: 0, max: steps.length - 1, step: 1, value: 0, "aria-label": "How much harder" },
    oninput: (event) => show(Number(event.target.value)),
  });
  slider.value = 0;
  const marks = steps.map((step) => el("i", { class: step.answer.split(" ")[0], title: HEADLINES[step.answer] }));
  show(0);
  return el(
    "section",
    { class: "harder" },
    el("p", { class: "heading" }, "Make it harder"),
    image,
    el("div", {}, answer, how, slider, el("div", { class: "marks", "aria-hidden": "true" }, ...marks)),
    el(
      "p",
      { class: "remark" },
      changes < 0
        ? "Its answer holds to the end."
        : `Its answer changes at step ${changes} of ${steps.length - 1}: ${HEADLINES[steps[changes].answer].toLowerCase()}.`,
    ),
  );
}

// How often it was wrong about pictures that it had not learnt from; in tenths of a percent, as it is often right.
function errors(e) {
  const share = (p) => `${(100 * p).toFixed(1)} %`;
  const say = ({ false_alarms, misses }) => `${share(false_alarms)} of the real ones and ${share(misses)} of the fakes`;
  return el("p", { class: "remark" }, `Of pictures that it had not learnt from it got wrong ${say(e.clean)}; after re-savings and the like, ${say(e.degraded)}.`);
}

function typical(v) {
  const share = v.typical <= 0 ? "No real picture" : v.typical < 0.01 ? "Fewer than 1 % of the real pictures" : `${Math.round(100 * v.typical)} % of the real pictures`;
  return el("p", { class: "remark" }, `${share} that its training held back ${v.typical <= 0 ? "is" : "are"} more unusual than this one.`);
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
  const judged = v.answer !== "unlike anything known";
  root.replaceChildren(
    ...[
      el("p", { class: `headline ${side(v.real, v)}`, "data-answer": v.answer, "aria-live": "polite" }, HEADLINES[v.answer]),
      el("p", { class: "sentence" }, v.why),
      judged ? gauge(v.real, v) : null,
      judged ? strip(v) : null,
      el(
        "section",
        { class: "pair" },
        figure(v.seen, "The picture as the network sees it", "As the network sees it"),
        judged ? figure(v.map, "The evidence over the picture", "Its evidence") : null,
      ),
      judged ? legend() : null,
      judged && v.classes ? classes(v.classes) : null,
      judged ? harder(v) : null,
      has(v.typical) ? typical(v) : null,
      judged ? el("p", { class: "remark" }, `This network knows only pictures like those of ${v.knows}.${has(v.typical) ? "" : " Of others its verdict means little."}`) : null,
      judged && v.errors ? errors(v.errors) : null,
      judged && has(v.critic) ? critic(v.critic) : null,
    ].filter(Boolean),
  );
}

watch("value", render);
render();
