// A film that loops; it stands still at first for those who asked their system for less motion.
function size(bytes) {
  return bytes >= 1e6 ? `${(bytes / 1e6).toFixed(1)} MB` : `${Math.max(1, Math.round(bytes / 1e3))} kB`;
}

function screen(v) {
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const words = say("alt", { seeds: v.seeds.join(", ") });
  const place = { class: "screen", width: v.side, height: v.side };
  if (v.kind !== "mp4") return el("img", { ...place, src: v.file.url, alt: words });
  const video = el("video", { ...place, src: v.file.url, "aria-label": words, loop: true, playsinline: true, controls: true });
  video.muted = true; // or a browser does not begin by itself
  video.autoplay = !still;
  return video;
}

function render() {
  const v = props.value;
  root.className = "film";
  if (!v) return root.replaceChildren(el("div", { class: "screen nothing" }, el("p", {}, say("nothing"))));
  const kind = v.kind === "webp" ? "WebP" : v.kind.toUpperCase();
  root.replaceChildren(
    screen(v),
    el("p", { class: "remark" }, say("about", { frames: v.frames, speed: v.speed, side: v.side })),
    el("a", { class: "quiet", href: v.file.url, download: v.file.orig_name }, say("save", { kind, size: size(v.file.size) })),
  );
}

watch("value", render);
render();
if (!props.value) trigger("begin"); // the tab is shown for the first time
