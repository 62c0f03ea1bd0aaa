// Pictures of which several are picked: with the mouse, a finger, or arrow keys and Space (one stop for Tab). The one
// that was touched last is shown large (picture.js), with where it comes from.
// The generations before this one, and who is whose child, are remembered here, in the visitor's page alone.
const MOST_PICKED = 12;
let generations = []; // {sheet, picked: numbers of its pictures}, the first one first
let shown = null; // the picture that is large
const family = new Map(); // a recipe as text -> {picture, generation: that it was born in, parents: [recipe as text]}

const keyOf = (p) => JSON.stringify(recipeOf(p));
const now = () => generations.at(-1);
const tiles = () => [...root.querySelectorAll(".grid .tile")];

function remember(sheet) {
  for (const p of sheet.pictures) {
    const parents = (p.parents ?? []).map((number) => keyOf(sheet.pictures[number]));
    if (!family.has(keyOf(p))) family.set(keyOf(p), { picture: p, generation: sheet.generation, parents });
  }
}

// All that a picture descends from, and itself: a list for each generation, the first one first.
function lineOf(p) {
  const line = new Map();
  const add = (key) => {
    const one = family.get(key);
    if (!one || line.get(one.generation)?.includes(one)) return;
    line.set(one.generation, [...(line.get(one.generation) ?? []), one]);
    one.parents.forEach(add);
  };
  add(keyOf(p));
  return [...line].sort(([a], [b]) => a - b);
}

// --- what is done ---

function show(p, number) {
  shown = p;
  tiles().forEach((tile, i) => {
    if (i === number) tile.setAttribute("aria-current", "true");
    else tile.removeAttribute("aria-current");
    if (number >= 0) tile.tabIndex = i === number ? 0 : -1;
  });
  root.querySelector(".chosen").replaceChildren(...chosenParts(p));
  root.querySelector(".family").replaceChildren(...familyParts(p));
}

function toggle(number) {
  const { sheet, picked } = now();
  if (!picked.delete(number) && picked.size < MOST_PICKED) picked.add(number);
  tiles()[number].setAttribute("aria-pressed", picked.has(number));
  show(sheet.pictures[number], number);
  root.querySelector(".bar").replaceChildren(...barParts());
}

function move(event) {
  const all = tiles();
  const number = all.indexOf(document.activeElement);
  const row = all.filter((tile) => tile.offsetTop === all[number]?.offsetTop).length;
  const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -row, ArrowDown: row };
  const next = steps[event.key] !== undefined ? number + steps[event.key] : { Home: 0, End: all.length - 1 }[event.key];
  if (number < 0 || next === undefined) return;
  event.preventDefault();
  const at = Math.max(0, Math.min(all.length - 1, next));
  show(now().sheet.pictures[at], at);
  all[at].focus();
}

function breed() {
  const { sheet, picked } = now();
  const chosen = [...picked].sort((a, b) => a - b).map((number) => sheet.pictures[number]);
  const parents = chosen.map((p) => ({ ...recipeOf(p), caption: captionOf(p) }));
  trigger("next", { bundle: sheet.bundle, parents, generation: sheet.generation + 1 });
}

function undo() {
  generations.pop();
  props.value = now().sheet;
  render();
  root.querySelector(".bar button").focus();
}

// --- what is seen ---

function barParts() {
  const { sheet, picked } = now();
  const button = (name, act, more) => el("button", { type: "button", onclick: act, ...more }, say(name));
  const count = { 0: say("none"), 1: say("one") }[picked.size] ?? say("several", { count: picked.size });
  const full = picked.size === MOST_PICKED ? say("full", { most: MOST_PICKED }) : null;
  return [
    button("go", breed, { class: "primary", disabled: !picked.size, title: picked.size ? null : say("pick") }),
    button("undo", undo, { class: "secondary", disabled: generations.length < 2 }),
    button("others", () => trigger("others", {}), { class: "secondary" }),
    el(
      "p",
      { class: "state", "aria-live": "polite" },
      el("strong", {}, sheet.generation ? say("generation", { number: sheet.generation }) : say("first")),
      ` · ${full ?? count}`,
    ),
  ];
}

function tile(p, i) {
  const attributes = { class: "tile", type: "button", "aria-pressed": String(now().picked.has(i)), "aria-label": wordsOf(p), title: wordsOf(p) };
  return el(
    "button",
    { ...attributes, tabindex: -1, onclick: () => toggle(i) },
    el("img", { src: p.png, alt: "", draggable: "false" }),
    el("span", { class: "caption" }, captionOf(p)),
    el("span", { class: "note" }, noteOf(p)),
  );
}

function relative(p, self) {
  const words = self ? say("this") : captionOf(p);
  const image = el("img", { src: p.png, alt: "" });
  return el(
    "button",
    { class: "relative", type: "button", title: wordsOf(p), "aria-label": say("relative", { words: wordsOf(p) }), onclick: () => show(p, now().sheet.pictures.indexOf(p)) },
    image,
    el("span", { class: "caption" }, words),
  );
}

function familyParts(p) {
  const line = lineOf(p);
  if (line.length < 2) return [];
  const rows = line.map(([generation, members]) =>
    el(
      "li",
      {},
      el("span", { class: "when" }, generation ? say("generation", { number: generation }) : say("first")),
      el("div", { class: "members" }, ...members.map((each) => relative(each.picture, keyOf(each.picture) === keyOf(p)))),
    ),
  );
  return [el("p", { class: "heading" }, say("family")), el("ol", {}, ...rows)];
}

function gridOf(sheet) {
  const heading = (name) => el("p", { class: "heading" }, say(name));
  const all = sheet.pictures.map(tile);
  const two = sheet.favourites ? [heading("favourites"), ...all.slice(0, sheet.favourites), heading("children"), ...all.slice(sheet.favourites)] : all;
  return el("div", { class: "grid", role: "group", "aria-label": say("pictures"), onkeydown: move }, ...two);
}

function render() {
  const { sheet, picked } = now();
  const said = [sheet.note, sheet.notice].filter(Boolean).map((text) => el("p", { class: "notice" }, text));
  const bar = el("div", { class: "bar" }, ...barParts());
  const left = el("div", { class: "shown" }, bar, gridOf(sheet), saving(sheet), ...said, el("section", { class: "family" }));
  root.replaceChildren(el("div", { class: "chosen" }), left);
  const number = picked.size ? Math.min(...picked) : (sheet.favourites % sheet.pictures.length);
  show(sheet.pictures[number], number);
}

function renderWaiting() {
  const blank = (tag, name) => el(tag, { class: name }, "\u00a0");
  const waiting = Array.from({ length: props.waiting }, () =>
    el("div", { class: "tile waiting" }, el("div", { class: "blank" }), blank("span", "caption"), blank("span", "note")),
  );
  const bar = el("div", { class: "bar" }, blank("span", "primary"));
  root.replaceChildren(chosenWaiting(), el("div", { class: "shown" }, bar, el("div", { class: "grid" }, ...waiting)));
}

// A sheet has come: the first one of a family, or the next one.
function arrive() {
  const sheet = props.value;
  if (!sheet?.pictures || sheet === now()?.sheet) return;
  if (!sheet.generation) family.clear();
  generations = [...generations.slice(0, sheet.generation), { sheet, picked: new Set(sheet.picked) }];
  remember(sheet);
  render();
}

root.className = "sheet with-detail breeder";
watch("value", arrive);
if (props.value?.pictures) arrive();
else {
  renderWaiting();
  trigger("begin"); // the tab is shown for the first time
}
