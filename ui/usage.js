// Code that runs the models elsewhere, a tab for each language, with a button that copies it.
function usage(code) {
  const languages = Object.keys(code);
  if (!languages.length) return null;
  const text = el("code", {});
  const panel = el("pre", { tabindex: 0, role: "tabpanel", "aria-label": say("code") }, text);
  const copy = el("button", { class: "quiet", type: "button", onclick: () => copied() }, say("copy"));
  const tabs = languages.map((name, i) =>
    el("button", { type: "button", role: "tab", onclick: () => choose(i), onkeydown: (event) => move(event, i) }, name === "shell" ? say("shell") : name),
  );
  async function copied() {
    const done = await navigator.clipboard?.writeText(text.textContent).then(() => true, () => false);
    if (!done) getSelection().selectAllChildren(text); // where a page may not copy, the keyboard still can
    copy.textContent = say(done ? "copied" : "selected");
    setTimeout(() => (copy.textContent = say("copy")), 2000);
  }
  function choose(i) {
    tabs.forEach((tab, j) => (tab.setAttribute("aria-selected", i === j), (tab.tabIndex = i === j ? 0 : -1)));
    text.textContent = code[languages[i]];
  }
  function move(event, i) {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by) return;
    const next = (i + by + tabs.length) % tabs.length;
    choose(next);
    tabs[next].focus();
  }
  choose(0);
  return el(
    "section",
    { class: "usage" },
    el("p", { class: "heading" }, say("code")),
    el("div", { class: "languages" }, el("div", { role: "tablist", "aria-label": say("code") }, ...tabs), copy),
    panel,
  );
}
