// One picture: what it is called, and what can be done with it.
const captionOf = (p) => p.caption ?? (p.seed === null || p.seed === undefined ? say("own") : say("seed", { seed: p.seed }));
const noteOf = (p) => p.note ?? called(p.label) ?? "";
const wordsOf = (p) => [captionOf(p), noteOf(p)].filter(Boolean).join(", ");

const recipeOf = ({ label, seed, truncation, latent }) => ({ label, seed, truncation, latent });

// Asks the page for something about one picture; the answer is shown at the top, often in another tab.
function tell(event, p) {
  window.scrollTo({ top: 0 });
  trigger(event, { bundle: props.value.bundle, ...recipeOf(p) });
}

function linkTo(p) {
  const query = new URLSearchParams({ bundle: props.value.bundle, count: 1, model: props.value.model.slice(0, 12) });
  const lang = new URLSearchParams(window.location.search).get("lang");
  if (lang) query.set("lang", lang);
  for (const [key, value] of Object.entries(recipeOf(p))) if (value !== null && value !== undefined) query.set(key, value);
  return `?${query}`;
}

function fileName(p) {
  const parts = [props.value.bundle, p.seed === null || p.seed === undefined ? p.caption : `seed ${p.seed}`, p.label];
  return `${parts.filter(Boolean).join("-").replace(/[^\w.-]+/g, "-")}.png`;
}

function enlarge(p) {
  const image = el("img", { src: p.png, alt: wordsOf(p) });
  const dialog = el("dialog", { class: "enlarged", "aria-label": wordsOf(p) }, image, el("button", { type: "button", autofocus: true }, say("close")));
  dialog.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  root.append(dialog);
  dialog.showModal();
  const room = Math.min(0.9 * window.innerWidth, window.innerHeight - 120);
  image.width = Math.max(1, Math.floor(room / image.naturalWidth)) * image.naturalWidth; // whole pixels stay square
}

// The large picture, what it is, and the row of what can be done with it.
function chosenParts(p) {
  const action = (event) => el("button", { class: "quiet", type: "button", onclick: () => tell(event, p) }, say(event));
  const large = el("img", { class: "large", src: p.png, alt: say("chosen", { words: wordsOf(p) }) });
  return [
    el("button", { class: "enlarge", type: "button", title: say("enlarge"), "aria-label": say("enlarge"), onclick: () => enlarge(p) }, large),
    el(
      "div",
      { class: "about", "aria-live": "polite" },
      el("p", { class: "what" }, noteOf(p) || captionOf(p)),
      el("p", { class: "which" }, noteOf(p) ? captionOf(p) : ""),
      props.value.can_be_asked_about
        ? el("button", { class: "primary", type: "button", onclick: () => tell("submit", p) }, say("ask"))
        : el("p", { class: "remark" }, say("no_dcnn", { bundle: props.value.bundle })),
    ),
    el(
      "div",
      { class: "doings" },
      ...(props.actions ?? ["more", "steer", "breed"]).map(action),
      ...(props.value.can_be_compared ? ["compare"] : []).map(action),
      el("a", { class: "quiet", href: p.png, download: fileName(p) }, say("save")),
      el("a", { class: "quiet", href: linkTo(p), target: "_blank" }, say("link")),
    ),
  ];
}

// The place of the large picture before there is one: as large as it will be, so that nothing jumps.
function chosenWaiting() {
  const blank = (tag, name) => el(tag, { class: name }, "\u00a0");
  const about = el("div", { class: "about" }, ...[blank("p", "what"), blank("p", "which"), blank("span", "primary")]);
  const doings = el("div", { class: "doings" }, blank("span", "quiet"), blank("span", "quiet"), blank("span", "quiet"));
  return el("div", { class: "chosen waiting" }, el("div", { class: "large" }), about, doings);
}

// Buttons that save the pictures of a sheet in one file.
function saving(sheet) {
  const save = (how) => () =>
    trigger("save", { how, bundle: sheet.bundle, columns: sheet.columns, pictures: sheet.pictures.map(recipeOf) });
  const button = (how) => el("button", { class: "quiet", type: "button", onclick: save(how) }, say(`save_${how}`));
  return el("div", { class: "saving" }, button("sheet"), button("zip"));
}
