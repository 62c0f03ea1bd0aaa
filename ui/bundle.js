// A bundle: what it is, what it can do, its files.
const MANY = 12; // figures; more of them are folded up, as the drawings show what matters most

function size(bytes) {
  return bytes >= 1e6 ? `${(bytes / 1e6).toFixed(1)} MB` : `${Math.max(1, Math.round(bytes / 1e3))} kB`;
}

function table(caption, head, rows) {
  return el(
    "section",
    {},
    el("p", { class: "heading" }, caption),
    el(
      "div",
      { class: "scroller", tabindex: 0, role: "region", "aria-label": caption },
      el(
        "table",
        {},
        el("thead", {}, el("tr", {}, ...head.map((h) => el("th", { scope: "col" }, h)))),
        el("tbody", {}, ...rows.map((cells) => el("tr", {}, ...cells.map((c) => el("td", {}, c))))),
      ),
    ),
  );
}

function file(f) {
  const name = f.url ? el("a", { href: f.url, download: f.name }, f.name) : f.name;
  const state = f.whole
    ? el("code", { title: f.sha256 }, f.sha256)
    : el("strong", { class: "broken" }, say(f.sha256 ? "altered" : "missing"));
  return [name, f.sha256 ? size(f.bytes) : "", state];
}

function figures(metrics) {
  if (!metrics.length)
    return el("section", {}, el("p", { class: "heading" }, say("measured")), el("p", { class: "remark" }, say("nothing_measured")));
  const number = (v) => (typeof v === "number" ? v.toFixed(4) : String(v));
  const rows = metrics.map((m) => [String(m.of ?? ""), nameOf(String(m.metric ?? "")), number(m.value), String(m.n ?? ""), String(m.on ?? "")]);
  const all = table(say("measured"), ["of", "metric", "value", "n", "on"].map((key) => say(key)), rows);
  const words = el("summary", { class: "heading" }, say("all_figures", { number: rows.length }));
  return rows.length > MANY ? el("details", { class: "all" }, words, all) : all;
}

// What keeps a picture's place until it has come.
const sized = (size) => (size ? { width: size[0], height: size[1] } : {});

// It moves, so it can be closed; it stands closed for those who asked their system for less motion.
function learning(p) {
  const number = (n) => n.toLocaleString(LANGUAGE);
  const [first, last] = p.seeds;
  const words = say("learning_alt", { first, last, from: number(p.steps[0]), to: number(p.steps.at(-1)) });
  const figure = el("div", { class: "frames" }, el("img", { src: p.url, alt: words, loading: "lazy", ...sized(p.size) }));
  scrub(p, figure, words);
  return el(
    "details",
    { class: "learning", open: !matchMedia("(prefers-reduced-motion: reduce)").matches },
    el("summary", {}, say("learnt")),
    figure,
    el("p", { class: "remark" }, say("learning", { first, last, steps: p.steps.map(number).join(", ") })),
  );
}

function render() {
  const v = props.value;
  root.className = "bundle";
  if (!v) return;
  root.replaceChildren(
    ...[
      el("p", { class: "name" }, v.name),
      el("p", { class: "remark" }, [v.data, v.classes.length ? say("classes", { number: v.classes.length }) : ""].filter(Boolean).join(" · ")),
      el(
        "p",
        { class: v.non_commercial ? "licence warning" : "licence" },
        [v.non_commercial ? say("non_commercial") : "", say("licence", { licence: v.licence })].filter(Boolean).join(" "),
      ),
      v.samples
        ? el("figure", { class: "samples" }, el("img", { src: v.samples, alt: say("samples_alt"), ...sized(v.samples_size) }), el("figcaption", {}, say("samples")))
        : null,
      v.progress ? learning(v.progress) : null,
      ...plots(v.metrics),
      figures(v.metrics),
      usage(v.code),
      table(say("files"), ["file", "size", "sha256"].map((key) => say(key)), v.files.map(file)),
    ].filter(Boolean),
  );
}

// The card's code and tables may be wider than the page: the keyboard can scroll what it can reach.
function makeReachable() {
  for (const part of document.querySelectorAll("#card pre, #card table")) part.tabIndex = 0;
}

watch("value", render);
render();
if (!props.value) trigger("begin"); // the tab is shown for the first time
new MutationObserver(makeReachable).observe(root.closest(".tabitem") ?? document.body, { childList: true, subtree: true });
