// Figures as drawings: distances on a line between what real pictures have and known harms; shares as bars.
function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

// What a figure is called here, where that is known.
const nameOf = (metric) => TEXTS[metric] ?? metric.replaceAll("_", " ");
const short = (v) => (v !== 0 && Math.abs(v) < 0.01 ? v.toExponential(1) : String(Number(v.toPrecision(3))));

// A distance on a line whose steps are factors; a floor that is 0 or less stands at the left end.
function distance(m) {
  const marks = [[say("floor"), m.floor, "floor"], ...Object.entries(m.ceilings).map(([how, v]) => [how, v, "harm"]), [say("fakes"), m.value, "own"]];
  const above = marks.map(([, v]) => v).filter((v) => v > 0);
  const low = Math.log10(Math.min(...above)) - 0.1, high = Math.log10(Math.max(...above)) + 0.05;
  const at = (v) => (v > 0 ? 2 + (96 * (Math.log10(v) - low)) / (high - low) : 0.5);
  const dots = marks.map(([words, v, kind]) => {
    const place = `${at(v)}%`;
    const dot = svg("circle", { class: kind, cx: place, cy: 12, r: kind === "own" ? 7 : 5 });
    dot.append(svg("title", {}, `${words}: ${short(v)}`));
    return dot;
  });
  const words = marks.map(([words, v]) => `${words} ${short(v)}`).join("; ");
  const line = svg("line", { x1: "0", x2: "100%", y1: 12, y2: 12 });
  const key = marks.map(([words, v, kind]) => el("span", { class: kind }, `${words} ${short(v)}`));
  return el(
    "li",
    {},
    el("p", { class: "figure" }, nameOf(m.metric)),
    svg("svg", { role: "img", "aria-label": `${nameOf(m.metric)}: ${words}`, width: "100%", height: 24 }, line, ...dots),
    el("p", { class: "key" }, ...key),
  );
}

// A share as a bar, with the interval in which it lies at 95 %.
function bar(m) {
  const [low, high] = m.interval ?? [m.value, m.value];
  const words = `${nameOf(m.metric)}: ${(100 * m.value).toFixed(1)} %`;
  const whole = svg("rect", { class: "whole", x: "0", y: 6, width: "100%", height: 10, rx: 5 });
  const part = svg("rect", { class: "part", x: "0", y: 6, width: `${100 * m.value}%`, height: 10, rx: 5 });
  const between = svg("rect", { class: "interval", x: `${100 * low}%`, y: 2, width: `${Math.max(0.4, 100 * (high - low))}%`, height: 18 });
  between.append(svg("title", {}, `${short(100 * low)} % to ${short(100 * high)} %`));
  return el("li", {}, el("p", { class: "figure" }, words), svg("svg", { role: "img", "aria-label": words, width: "100%", height: 22 }, whole, part, between));
}

function plot(heading, note, items) {
  return items.length
    ? el("section", { class: "plot" }, el("p", { class: "heading" }, heading), el("ul", {}, ...items), el("p", { class: "remark" }, note))
    : null;
}

function plots(metrics) {
  const numbers = metrics.filter((m) => typeof m.value === "number" && typeof m.metric === "string");
  const distances = numbers.filter((m) => m.of === "generator" && typeof m.floor === "number" && m.ceilings);
  const tiers = numbers.filter((m) => m.metric.startsWith("real_or_fake_balanced_accuracy"));
  return [plot(say("distances"), say("distances_note"), distances.map(distance)), plot(say("tiers"), say("tiers_note"), tiers.map(bar))];
}
