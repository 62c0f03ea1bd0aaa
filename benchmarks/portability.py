"""Do the files compute the same elsewhere? python benchmarks/portability.py models/fashion-mnist

Makes a fresh virtual environment for each of onnxruntime 1.18, the newest onnxruntime and OpenVINO, runs generator.onnx
and dcnn.onnx of the bundle there on the same inputs, and compares: pixels within 1 level, probabilities within 1e-3,
or, of a DCNN that computes in 8 bits, within 0.03.
Exit code 1 if one of them does not. Needs numpy, Pillow and a package registry.
"""

import argparse
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from export.latents import label_of_seed, latents
from export.pictures import read_picture
from export.runtime import Bundle

RUNTIMES = {
    "onnxruntime 1.18": ["onnxruntime==1.18.1", "numpy==1.26.4"],
    "onnxruntime 1.31": ["onnxruntime==1.31.1", "numpy==2.4.6"],
    "OpenVINO 2026.4": ["openvino==2026.4.1", "numpy==2.4.6"],
}
LEVELS, PROBABILITY = 1, {32: 1e-3, 8: 0.03}  # by the bits of the arithmetic

# What runs inside each environment: numpy and one runtime, nothing of this project.
PROBE = """
import sys
import numpy as np
given, found, models = np.load(sys.argv[1]), sys.argv[2], sys.argv[3:]

def run(path, inputs):
    try:
        import onnxruntime
    except ModuleNotFoundError:
        import openvino
        compiled = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        return {port.get_any_name(): value for port, value in compiled(inputs).items()}
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs)))

out = {}
for path in models:
    kind = "generator" if path.endswith("generator.onnx") else "dcnn"
    calls = {}
    for key in given.files:
        owner, call, name = key.split("/")
        if owner == kind:
            calls.setdefault(call, {})[name] = given[key]
    for call, inputs in calls.items():
        out.update({f"{kind}/{call}/{name}": value for name, value in run(path, inputs).items()})
np.savez(found, **out)
"""


def make_inputs(bundle: Bundle) -> dict[str, np.ndarray]:
    """model/call/input -> array: seeds 0 to 15; generated pictures, and one of another size and shape."""
    seeds = range(16)
    generator = bundle.generator
    inputs = {"generator/seeds/latents": latents(seeds, generator.facts["latent_dim"])}
    if generator.classes:
        inputs["generator/seeds/label"] = label_of_seed(seeds, len(generator.classes))
    inputs["dcnn/generated/pixels"] = generator.draw(seeds)
    inputs["dcnn/sheet/pixels"] = read_picture(bundle.folder / "samples.png")[None]
    return inputs


def run_elsewhere(packages: list[str], given: Path, models: list[Path], folder: Path) -> dict[str, np.ndarray]:
    """The outputs of the models in a new environment with these packages."""
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *packages], check=True)
    found = folder / "found.npz"
    subprocess.run([python, "-c", PROBE, given, found, *models], check=True)
    with np.load(found) as outputs:
        return {name: outputs[name] for name in outputs.files}


def difference(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(found.astype(np.float64) - expected.astype(np.float64)).max())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("?")[0] + "?")
    parser.add_argument("bundle", type=Path)
    args = parser.parse_args()
    bundle = Bundle(args.bundle)
    models = [(bundle.folder / f"{kind}.onnx").resolve() for kind in ("generator", "dcnn")]
    with tempfile.TemporaryDirectory() as folder:
        given = Path(folder) / "given.npz"
        inputs = make_inputs(bundle)
        np.savez(given, **inputs)
        found = {
            name: run_elsewhere(packages, given, models, Path(folder) / f"env-{i}")
            for i, (name, packages) in enumerate(RUNTIMES.items())
        }
    probability = PROBABILITY[bundle.dcnn.facts["config"].get("bits", 32)]
    expected, fine = found["onnxruntime 1.31"], True
    print("| runtime | output | n | largest difference | allowed |\n| --- | --- | --- | --- | --- |")
    for runtime, outputs in found.items():
        for name, value in outputs.items():
            if name.endswith(("evidence", "features")):
                continue  # of any size; `real` and `classes` are made of them
            most = LEVELS if name.endswith("pixels") else probability
            apart = difference(value, expected[name])
            fine &= apart <= most and value.shape == expected[name].shape
            print(f"| {runtime} | {name} | {len(value)} | {apart:.2g} | {most} |")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
