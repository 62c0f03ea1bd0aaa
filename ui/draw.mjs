// Draws the pictures of seeds onto canvases, in a browser. npm install onnxruntime-web, and generator.onnx beside it.
import * as ort from "onnxruntime-web";

const LATENT_DIM = __LATENT_DIM__, CLASSES = __CLASSES__;

// A seed's own random numbers (Philox 4x32-10): the same picture in every language.
function philox(counter, seed) {
  let [a, b, c, d] = [counter, 0, 0, 0], [k, l] = [seed, 0];
  const product = (x, y) => BigInt(x) * BigInt(y);
  for (let round = 0; round < 10; round++) {
    const p = product(0xd2511f53, a), q = product(0xcd9e8d57, c);
    [a, b, c, d] = [Number(q >> 32n) ^ b ^ k, Number(q & 0xffffffffn), Number(p >> 32n) ^ d ^ l, Number(p & 0xffffffffn)];
    [a, c, k, l] = [a >>> 0, c >>> 0, (k + 0x9e3779b9) >>> 0, (l + 0xbb67ae85) >>> 0];
  }
  return [a, b, c, d].map((word) => (word + 0.5) / 2 ** 32);
}

// Standard normal numbers of a seed (Box-Muller).
export function latents(seed, n = LATENT_DIM) {
  const z = [];
  for (let block = 0; z.length < n; block++) {
    const u = philox(block, seed);
    for (const i of [0, 2]) {
      const r = Math.sqrt(-2 * Math.log(u[i])), angle = 2 * Math.PI * u[i + 1];
      z.push(r * Math.cos(angle), r * Math.sin(angle));
    }
  }
  return Float32Array.from(z.slice(0, n));
}

// RGB pixels of a seed, and their side; label: the number of a class, where there are classes.
export async function draw(session, seed, label = CLASSES ? seed % CLASSES : 0) {
  const inputs = { latents: new ort.Tensor("float32", latents(seed), [1, LATENT_DIM]) };
  if (CLASSES) inputs.label = new ort.Tensor("int64", BigInt64Array.of(BigInt(label)), [1]);
  const { pixels } = await session.run(inputs);
  return { rgb: pixels.data, side: pixels.dims[1] };
}

export function toCanvas({ rgb, side }) {
  const canvas = Object.assign(document.createElement("canvas"), { width: side, height: side });
  const rgba = new Uint8ClampedArray(4 * side * side).map((_, i) => (i % 4 < 3 ? rgb[3 * (i >> 2) + (i % 4)] : 255));
  canvas.getContext("2d").putImageData(new ImageData(rgba, side, side), 0, 0);
  return canvas;
}

if (globalThis.document) {
  const session = await ort.InferenceSession.create("generator.onnx");
  for (const seed of [1, 2, 3]) document.body.append(toCanvas(await draw(session, seed)));
}
