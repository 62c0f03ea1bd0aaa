// The training as a slider: each frame of the animation, decoded here where the browser can, else asked of the page.
async function decoded(url) {
  if (!("ImageDecoder" in window)) return null;
  try {
    const decoder = new ImageDecoder({ data: (await fetch(url)).body, type: "image/webp" });
    await decoder.completed;
    const frames = [];
    for (let i = 0; i < decoder.tracks.selectedTrack.frameCount; i++) {
      const { image } = await decoder.decode({ frameIndex: i });
      frames.push(await createImageBitmap(image));
      image.close();
    }
    return frames;
  } catch {
    return null; // a browser that cannot decode WebP in this way
  }
}

async function loaded(sources) {
  return Promise.all(sources.map((src) => Object.assign(new Image(), { src })).map((image) => image.decode().then(() => image)));
}

// Takes the place of the animation once all frames are there; it stands still until it is asked to play.
async function scrub(p, figure, words) {
  const frames = p.frames ? await loaded(p.frames) : await decoded(p.url);
  if (!frames) return trigger("frames", { bundle: props.value.name });
  const [width, height] = [frames[0].naturalWidth ?? frames[0].width, frames[0].naturalHeight ?? frames[0].height];
  const canvas = el("canvas", { width, height, role: "img", "aria-label": words });
  const step = el("p", { class: "step", "aria-live": "polite" });
  const slider = el("input", { type: "range", min: 0, max: frames.length - 1, step: 1, "aria-label": say("step_slider") });
  const button = el("button", { class: "quiet", type: "button" }, say("play"));
  let timer = null;
  const show = (i) => {
    slider.value = i;
    canvas.getContext("2d").drawImage(frames[i], 0, 0);
    step.textContent = say("step", { step: p.steps[i].toLocaleString("en") });
  };
  const stop = () => {
    clearInterval(timer);
    timer = null;
    button.textContent = say("play");
  };
  const play = () => {
    if (timer) return stop();
    button.textContent = say("pause");
    timer = setInterval(() => (canvas.isConnected ? show((Number(slider.value) + 1) % frames.length) : stop()), 400);
  };
  slider.addEventListener("input", () => (stop(), show(Number(slider.value))));
  button.addEventListener("click", play);
  show(frames.length - 1);
  figure.replaceChildren(canvas, el("div", { class: "scrub" }, button, slider, step));
}
