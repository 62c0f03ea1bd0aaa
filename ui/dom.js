// el("p", {class: "note"}, "text", child): an element. Text stays text, whatever it holds.
function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

// say("seed", {seed: 7}): a text of this part, its {placeholders} filled.
function say(key, values = {}) {
  return Object.entries(values).reduce((text, [name, value]) => text.replaceAll(`{${name}}`, value), TEXTS[key] ?? key);
}

// What a class is called here; programs and addresses keep its name.
const called = (label) => CLASSES[label] ?? label;

// A probability in words that never claim certainty.
function percent(p) {
  if (p > 0.99) return say("over"); // nothing is certain
  if (p < 0.01) return say("under");
  return say("percent", { number: Math.round(100 * p) });
}

const root = element.querySelector("div") ?? element;
