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
    : el("strong", { class: "broken" }, f.sha256 ? "altered: it is not the file that the bundle was made with" : "missing");
  return [name, f.sha256 ? size(f.bytes) : "", state];
}

function figures(metrics) {
  if (!metrics.length)
    return el("section", {}, el("p", { class: "heading" }, "Measured"), el("p", { class: "remark" }, "Nothing yet."));
  const number = (v) => (typeof v === "number" ? v.toFixed(4) : String(v));
  const rows = metrics.map((m) => [String(m.of ?? ""), String(m.metric ?? "").replaceAll("_", " "), number(m.value), String(m.n ?? ""), String(m.on ?? "")]);
  const all = table("Measured", ["of", "metric", "value", "n", "on"], rows);
  const words = el("summary", { class: "heading" }, say("all_figures", { number: rows.length }));
  return rows.length > MANY ? el("details", { class: "all" }, words, all) : all;
}

// It moves, so it can be closed; it stands closed for those who asked their system for less motion.
function learning(p) {
  const number = (n) => n.toLocaleString("en");
  const seeds = `seeds ${p.seeds[0]} to ${p.seeds[1]}`;
  const [first, last] = [p.steps[0], p.steps.at(-1)].map(number);
  const words = `The pictures of ${seeds} while the generator learns, from step ${first} to step ${last}`;
  const figure = el("div", { class: "frames" }, el("img", { src: p.url, alt: words, loading: "lazy" }));
  scrub(p, figure, words);
  return el(
    "details",
    { class: "learning", open: !matchMedia("(prefers-reduced-motion: reduce)").matches },
    el("summary", {}, "How it learnt"),
    figure,
    el("p", { class: "remark" }, `Always ${seeds}, at the steps ${p.steps.map(number).join(", ")}`),
  );
}

function render() {
  const v = props.value;
  root.className = "bundle";
  if (!v) return;
  root.replaceChildren(
    ...[
      el("p", { class: "name" }, v.name),
      el("p", { class: "remark" }, [v.data, v.classes.length ? `${v.classes.length} classes` : ""].filter(Boolean).join(" · ")),
      el(
        "p",
        { class: v.non_commercial ? "licence warning" : "licence" },
        v.non_commercial ? "Not for commercial use. " : "",
        `Licence of the pictures: ${v.licence}.`,
      ),
      v.samples
        ? el("figure", { class: "samples" }, el("img", { src: v.samples, alt: "Pictures of the first seeds, not picked" }), el("figcaption", {}, "The first seeds, not picked"))
        : null,
      v.progress ? learning(v.progress) : null,
      ...plots(v.metrics),
      figures(v.metrics),
      usage(v.code),
      table("Files", ["file", "size", "sha256"], v.files.map(file)),
    ].filter(Boolean),
  );
}

watch("value", render);
render();
