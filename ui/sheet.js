// A sheet of small pictures, one of which is chosen: with the mouse, a finger, or the arrow keys (one stop for Tab).
// With `detail` the chosen one is also shown large, with what can be done with it (picture.js).
let chosen = 0;

function tiles() {
  return [...root.querySelectorAll("[role=radio]")];
}

function choose(index, byPerson) {
  chosen = index;
  tiles().forEach((tile, i) => {
    tile.setAttribute("aria-checked", i === index);
    tile.tabIndex = i === index ? 0 : -1;
  });
  if (props.detail) root.querySelector(".chosen").replaceChildren(...chosenParts(props.value.pictures[index]));
  else if (byPerson) trigger("select", { index, seed: props.value.pictures[index].seed });
}

function move(event) {
  const all = tiles();
  const columns = all.findIndex((tile) => tile.offsetTop > all[0].offsetTop);
  const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns };
  let next = steps[event.key] !== undefined ? chosen + steps[event.key] : { Home: 0, End: all.length - 1 }[event.key];
  if (next === undefined) return;
  event.preventDefault();
  next = Math.max(0, Math.min(all.length - 1, next));
  if (props.detail) choose(next, true);
  else all.forEach((tile, i) => (tile.tabIndex = i === next ? 0 : -1)), (chosen = next);
  all[next].focus();
}

function tile(p, i) {
  return el(
    "button",
    {
      class: "tile",
      type: "button",
      role: "radio",
      "aria-checked": "false", // a missing one would say nothing
      "aria-label": wordsOf(p),
      title: wordsOf(p),
      onclick: () => choose(i, true),
      ondblclick: () => props.detail && props.value.can_be_asked_about && tell("submit", p),
    },
    el("img", { src: p.png, alt: "", draggable: "false" }),
    el("span", { class: "caption" }, captionOf(p)),
    el("span", { class: "note" }, noteOf(p)),
  );
}

// --- the page around it ---

function rememberInAddress(address) {
  const query = new URLSearchParams(window.location.search);
  for (const key of ["bundle", "label", "seed", "truncation", "latent", "near", "count", "model"])
    if (address[key] === undefined) query.delete(key);
    else query.set(key, address[key]);
  window.history.replaceState(window.history.state, "", `?${query}`);
}

// A saved picture that is dropped here is opened as if it had been chosen with the button.
function takeDropped(event) {
  const input = document.querySelector(props.opener);
  if (!input || !event.dataTransfer?.files.length) return;
  event.preventDefault();
  input.files = event.dataTransfer.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
}

if (props.opener) {
  root.addEventListener("dragover", (event) => event.preventDefault());
  root.addEventListener("drop", takeDropped);
}

// So many pictures a row, close together, where rows and columns mean something.
function inColumns(grid, columns) {
  if (!columns) return;
  grid.classList.add("square");
  grid.style.gridTemplateColumns = `repeat(${columns}, minmax(0, 1fr))`;
  grid.style.maxWidth = `${110 * columns}px`;
}

// What stands there until the first pictures come: as large as they will be, so that nothing jumps.
function renderWaiting() {
  const blank = (tag, name) => el(tag, { class: name }, "\u00a0");
  const waiting = Array.from({ length: props.waiting ?? 24 }, () =>
    el("div", { class: "tile waiting" }, el("div", { class: "blank" }), blank("span", "caption"), blank("span", "note")),
  );
  const grid = el("div", { class: "grid" }, ...waiting);
  inColumns(grid, props.columns);
  root.replaceChildren(...(props.detail ? [chosenWaiting(), grid] : [el("p", { class: "heading" }, props.label), grid]));
}

function render() {
  const v = props.value;
  root.className = props.detail ? "sheet with-detail" : "sheet";
  if (!v?.pictures) return renderWaiting();
  const grid = el(
    "div",
    { class: "grid", role: "radiogroup", "aria-label": v.heading ?? props.label ?? say("pictures"), onkeydown: move },
    ...v.pictures.map(tile),
  );
  inColumns(grid, v.columns);
  const said = [v.note, v.notice].filter(Boolean).map((text) => el("p", { class: "notice" }, text));
  if (props.detail) {
    const heading = v.heading ? el("p", { class: "heading" }, v.heading) : null;
    const shown = el("div", { class: "shown" }, ...[heading, grid, saving(v), ...said].filter(Boolean));
    root.replaceChildren(el("div", { class: "chosen" }), shown);
    choose(v.chosen ?? 0, false);
    if (v.address) rememberInAddress(v.address);
  } else {
    root.replaceChildren(el("p", { class: "heading" }, props.label), grid, ...said);
    if (v.pictures.length) tiles()[0].tabIndex = 0;
  }
}

watch("value", render);
render();
