// The game: a picture, two buttons, then the truth. Rounds are remembered here, and the best score by the browser.
const STORE = "dcgan-studio-game";
let rounds = []; // what was answered, with the truth
let looked = null; // the round that is looked at again, at the end

const isRight = (round, who) => (who === "you" ? round.answer : round.dcnn.answer) === round.truth;
const total = (who) => rounds.filter((round) => isRight(round, who)).length;

function bestOf(bundle) {
  try {
    return JSON.parse(localStorage.getItem(STORE))?.[bundle] ?? null;
  } catch {
    return null; // a browser that keeps nothing
  }
}

function keepBest(bundle, score) {
  try {
    const all = JSON.parse(localStorage.getItem(STORE)) ?? {};
    localStorage.setItem(STORE, JSON.stringify({ ...all, [bundle]: Math.max(score, all[bundle] ?? 0) }));
  } catch {
    // it is not kept, then
  }
}

// --- what is done ---

function guess(answer) {
  const v = props.value;
  if (v?.png && !v.truth) trigger("answer", { bundle: v.bundle, game: v.game, round: v.round, answer });
}

function next() {
  const v = props.value;
  if (v.round < v.of) trigger("next", { bundle: v.bundle, game: v.game, round: v.round + 1 });
  else result();
}

function press(event) {
  if (!root.isConnected) return document.removeEventListener("keydown", press);
  const elsewhere = event.target.closest("input, textarea, select, dialog, [role=listbox], [role=option]");
  if (elsewhere || root.offsetParent === null || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const answer = { f: "fake", F: "fake", ArrowLeft: "fake", r: "real", R: "real", ArrowRight: "real" }[event.key];
  if (!answer || !root.querySelector(".guesses")) return;
  event.preventDefault();
  guess(answer);
}

// --- what is seen ---

function button(name, act, more = {}) {
  return el("button", { type: "button", class: "secondary", onclick: act, ...more }, say(name));
}

function score() {
  return el("p", { class: "score" }, el("span", {}, say("you")), el("strong", {}, `${total("you")} : ${total("dcnn")}`), el("span", {}, say("machine")));
}

const judged = (round, who) => (isRight(round, who) ? "right" : "wrong");

function mark(round, who) {
  return el("span", { class: `mark ${judged(round, who)}`, title: say(judged(round, who)) }, isRight(round, who) ? "✓" : "✗");
}

// All ten: what they were, and who was right.
function strip(open) {
  const items = Array.from({ length: props.value.of }, (_, i) => {
    const round = rounds[i];
    if (!round) return el("li", { class: i + 1 === props.value.round ? "now" : "" }, el("span", { class: "blank" }, String(i + 1)));
    const words = say("told", { number: i + 1, truth: say(round.truth), you: say(judged(round, "you")), machine: say(judged(round, "dcnn")) });
    const image = el("img", { class: round.truth, src: round.png, alt: words, title: words });
    const pressed = looked === round ? "true" : "false";
    return el(
      "li",
      {},
      open ? el("button", { type: "button", "aria-pressed": pressed, onclick: () => result(looked === round ? null : round) }, image) : image,
      el("span", { class: "marks", "aria-hidden": "true" }, mark(round, "you"), mark(round, "dcnn")),
    );
  });
  return el("ol", { class: "ten" }, ...items);
}

// Where the fake of a seed is drawn again.
function origin(round) {
  const query = new URLSearchParams({ bundle: round.bundle, seed: round.seed, count: 1 });
  const words = [say("drawn", { seed: round.seed }), round.label].filter(Boolean).join(", ");
  return el("p", { class: "why" }, el("a", { href: `?${query}`, target: "_blank" }, words));
}

// The truth of a round, and why the DCNN thought what it thought.
function truth(round) {
  const said = round.dcnn;
  const share = percent(said.real).replace(" %", "\u00a0%");
  const machine = { answer: say(said.answer), share, verdict: say(said.verdict) };
  const yours = say(`you_${judged(round, "you")}`, { answer: say(round.answer) });
  return el(
    "div",
    { id: "game-truth" },
    el("p", { class: "truth" }, say(`is_${round.truth}`)),
    el("p", { class: "answer" }, mark(round, "you"), yours),
    el("p", { class: "answer" }, mark(round, "dcnn"), say(said.verdict === said.answer ? "machine_said" : "machine_had_to", machine)),
    el("p", { class: "why" }, said.why),
    round.seed === null ? null : origin(round),
  );
}

function evidence(round) {
  if (!round.dcnn.map) return null;
  return el(
    "figure",
    {},
    el("img", { class: "map", src: round.dcnn.map, alt: say("map_alt") }),
    el("figcaption", {}, say("map")),
    el("div", { class: "legend" }, el("span", {}, say("for_fake")), el("i", {}), el("span", {}, say("for_real"))),
  );
}

function board(v) {
  const answered = Boolean(v.truth);
  const guesses = ["fake", "real"].map((answer) => button(`guess_${answer}`, () => guess(answer), { class: `guess ${answer}` }));
  const go = button(v.round < v.of ? "next" : "result", next, { class: "primary", "aria-describedby": "game-truth" }); // it has the focus, so it is read
  return el(
    "div",
    { class: "board" },
    el("p", { class: "heading" }, say("round", { number: v.round, of: v.of })),
    el("img", { class: `large ${v.truth ?? ""}`, src: v.png, alt: say("picture") }),
    answered ? el("div", { class: "going" }, go) : el("div", { class: "guesses", role: "group", "aria-label": say("question") }, ...guesses),
    v.notice ? el("p", { class: "notice" }, v.notice) : null,
  );
}

function render() {
  const v = props.value;
  looked = null;
  root.className = "game";
  if (!v) return root.replaceChildren(el("p", { class: "nothing" }, "\u00a0"));
  if (v.unable) {
    const again = v.again ? button("again", () => trigger("again", {}), { class: "primary" }) : null;
    return root.replaceChildren(el("div", { class: "nothing" }, el("p", {}, v.unable), ...[again].filter(Boolean)));
  }
  if (v.truth) rounds[v.round - 1] = v;
  else if (v.round === 1) rounds = [];
  const best = bestOf(v.bundle);
  const hint = el(
    "div",
    { class: "hints" },
    el("p", { class: "question" }, say("question")),
    el("p", { class: "why" }, say("how")),
    best === null ? null : el("p", { class: "why" }, say("best", { best: best, of: v.of })),
  );
  const told = v.truth ? el("div", { class: "reveal" }, truth(v), evidence(v)) : hint;
  root.replaceChildren(board(v), el("div", { class: "told" }, el("div", { class: "standing" }, score(), strip(false)), told));
  if (v.truth) {
    if (v.round === v.of) keepBest(v.bundle, total("you"));
    root.querySelector(".going button").focus({ preventScroll: true });
  }
}

// The end: all ten, which can be looked at again.
function result(round = null) {
  const v = props.value;
  looked = round;
  const [you, machine] = [total("you"), total("dcnn")];
  const words = you > machine ? "won" : you < machine ? "lost" : "even";
  const head = [
    el("p", { class: "heading" }, say("over")),
    el("p", { class: "final" }, `${you} : ${machine}`),
    el("p", { class: "question" }, say(words)),
    el("p", { class: "why" }, say("best", { best: bestOf(v.bundle) ?? you, of: v.of })),
    el("div", { class: "going" }, button("again", () => trigger("again", {}), { class: "primary" })),
  ];
  const right = el("div", { class: "told" }, el("p", { class: "heading" }, say("all")), strip(true), el("p", { class: "why" }, say("marks")));
  const again = round ? el("div", { class: "looked" }, truth(round), evidence(round)) : null;
  root.replaceChildren(el("div", { class: "board over", "aria-live": "polite" }, ...head), right, ...[again].filter(Boolean));
}

document.addEventListener("keydown", press);
watch("value", render);
render();
if (!props.value) trigger("begin"); // the tab is shown for the first time
