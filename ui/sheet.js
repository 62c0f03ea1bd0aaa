// A sheet of small pictures, one of which is chosen: with the mouse, a finger, or the arrow keys (one stop for Tab).
const captionOf = (p) => p.caption ?? `seed ${p.seed}`;
const noteOf = (p) => p.note ?? p.label ?? "";
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
  if (props.detail) showChosen(props.value.pictures[index]);
  else if (byPerson) trigger("select", { index });
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
  const words = [captionOf(p), noteOf(p)].filter(Boolean).join(", ");
  return el(
    "button",
    {
      class: "tile",
      type: "button",
      role: "radio",
      "aria-checked": false,
      "aria-label": words,
      title: words,
      onclick: () => choose(i, true),
      ondblclick: () => props.value.can_be_asked_about && ask(p),
    },
    el("img", { src: p.png, alt: "", draggable: "false" }),
    el("span", { class: "caption" }, captionOf(p)),
    el("span", { class: "note" }, noteOf(p)),
  );
}

function ask(p) {
  window.scrollTo({ top: 0 });
  trigger("submit", { bundle: props.value.bundle, seed: p.seed, label: p.label });
}

function showChosen(p) {
  const name = [props.value.bundle, "seed", p.seed, p.label].filter((part) => part !== null).join("-");
  root.querySelector(".chosen").replaceChildren(
    el("img", { class: "large", src: p.png, alt: `The chosen picture: ${captionOf(p)}, ${noteOf(p)}` }),
    el(
      "div",
      { class: "about" },
      el("p", { class: "what" }, noteOf(p) || captionOf(p)),
      el("p", { class: "which" }, noteOf(p) ? captionOf(p) : ""),
      props.value.can_be_asked_about
        ? el("button", { class: "primary", type: "button", onclick: () => ask(p) }, "Ask: real or fake?")
        : el("p", { class: "remark" }, `${props.value.bundle} has no DCNN that could be asked: real or fake?`),
      el("a", { class: "quiet", href: p.png, download: `${name.replace(/[^\w.-]+/g, "-")}.png` }, "Download this picture"),
    ),
  );
}

function rememberInAddress(value) {
  const query = new URLSearchParams(window.location.search);
  for (const key of ["bundle", "label", "seed"]) query.set(key, value[key]);
  query.set("count", value.pictures.length);
  window.history.replaceState(window.history.state, "", `?${query}`);
}

// What stands there until the first pictures come: as large as they will be, so that nothing jumps.
function renderWaiting() {
  const blank = (tag, name) => el(tag, { class: name }, "\u00a0");
  const waiting = Array.from({ length: props.detail ? 24 : 6 }, () =>
    el("div", { class: "tile waiting" }, el("div", { class: "blank" }), blank("span", "caption"), blank("span", "note")),
  );
  const lines = [blank("p", "what"), blank("p", "which"), blank("span", "primary"), blank("span", "quiet")];
  const chosen = el("div", { class: "chosen waiting" }, el("div", { class: "large" }), el("div", { class: "about" }, ...lines));
  const grid = el("div", { class: "grid" }, ...waiting);
  root.replaceChildren(...(props.detail ? [chosen, grid] : [el("p", { class: "heading" }, "Examples"), grid]));
}

function render() {
  const pictures = props.value?.pictures;
  root.className = props.detail ? "sheet with-detail" : "sheet";
  if (!pictures) return renderWaiting();
  const heading = props.detail ? null : el("p", { class: "heading" }, "Examples");
  const grid = el(
    "div",
    { class: "grid", role: "radiogroup", "aria-label": props.label ?? "Pictures", onkeydown: move },
    ...pictures.map(tile),
  );
  const notice = props.value.notice ? el("p", { class: "notice" }, props.value.notice) : null;
  const beside = props.detail ? el("div", { class: "chosen", "aria-live": "polite" }) : heading;
  root.replaceChildren(...[beside, grid, notice].filter(Boolean));
  if (props.detail) {
    choose(0, false);
    rememberInAddress(props.value);
  } else if (pictures.length) tiles()[0].tabIndex = 0;
}

watch("value", render);
render();
