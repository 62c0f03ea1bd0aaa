// The page's languages: links to the same page in another one.
function address(language) {
  const query = new URLSearchParams(window.location.search); // it changes with every sheet
  query.set("lang", language);
  return `?${query}`;
}

function option([language, name]) {
  if (language === props.reading) return el("span", { lang: language, "aria-current": "true" }, name);
  const link = el("a", { href: address(language), lang: language, hreflang: language }, name);
  for (const event of ["pointerdown", "focus", "click"]) link.addEventListener(event, () => (link.href = address(language)));
  return link;
}

root.className = "languages";
root.append(el("nav", { "aria-label": props.label }, ...Object.entries(props.languages).map(option)));
