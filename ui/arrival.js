// The page's parts come one by one, in any order. They are shown together, when none has come for a moment: nothing jumps.
(() => {
  const MOMENT = 120, PATIENCE = 3000; // milliseconds
  const hidden = document.createElement("style");
  hidden.textContent = ".gradio-container .main { visibility: hidden !important; }";
  document.head.append(hidden);
  let waiting = 0;
  const show = () => {
    observer.disconnect();
    hidden.remove();
  };
  const observer = new MutationObserver(() => {
    clearTimeout(waiting);
    if (document.querySelector("#sheet .grid")) waiting = setTimeout(show, MOMENT);
  });
  observer.observe(document.body, { childList: true, subtree: true });
  setTimeout(show, PATIENCE);
})();
