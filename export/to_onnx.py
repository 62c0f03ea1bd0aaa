"""Export runs to a bundle: python -m export.to_onnx runs/clothes-gan runs/clothes-dcnn --out models/clothes

Each graph takes and gives pixels, says what it is in its metadata, and appears only after it was run in onnxruntime and
agreed with torch.
"""

import argparse
import contextlib
import dataclasses
import hashlib
import json
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort

try:
    import onnx
    import onnxscript  # noqa: F401  torch's exporter imports it when it is called
    import torch
except ModuleNotFoundError as error:
    if __name__ != "__main__":
        raise
    sys.exit(f"Export needs {error.name}. Install it with: pip install -r requirements-train.txt")
from torch import Tensor, nn
from torch.export import Dim

from dcgan import checkpoint
from dcgan.config import PRESETS, GanConfig, RunConfig, TrainingError
from dcgan.models import make_gan
from dcgan.pixels import PixelCritic, PixelDCNN, PixelGenerator
from dcgan.train_gan import GRID_SEEDS
from dcgan.typical import ATYPICAL_BELOW
from export import progress
from export.card import write_card
from export.directions import directions_of
from export.latents import RECIPE, SEED_MAX, latents
from export.neighbours import INDEX, PICTURES, Neighbours
from export.pictures import PictureError, columns_of, contact_sheet, png_bytes, read_picture
from export.products import multiply_points
from export.runtime import DCNN, MANIFEST, Critic, Generator, ModelError, read_manifest
from export.weights import plain, rounded, store_halves

VERSION = "1.0.0"  # of this project
FORMAT = 1  # of facts and manifest; raised when a reader of the old one would go wrong
IR_VERSION, OPSET = 8, 18  # onnxruntime 1.15 and later
MOST_BYTES = 10_000_000
RELATIVE, ABSOLUTE, LEVELS = 1e-4, 1e-5, 1  # how far onnxruntime may be from torch
# Settings of a run that facts state elsewhere, or that have no effect on what is learnt.
PLACES = ("out", "data", "data_dir", "gan", "teacher", "start")  # what was there, facts of the data tell
TRUSTED = ("threshold", "unsure_band", "resaved_band", "errors")  # of a calibration, what facts tell
DULL = (*PLACES, "licence", "image_size", "channels", "steps", "tick", "device", "tensorboard")
# How far weights rounded to 16 bits may move what a person sees of a network: grey levels, probabilities.
MOST_MOVED = {"pixels": 2, "real": 0.01, "classes": 0.01, "typical": 0.01}

MODELS = {"generator.onnx": Generator, "critic.onnx": Critic, "dcnn.onnx": DCNN, "referee.onnx": DCNN}


class ExportError(ValueError):
    """A model that cannot be exported; its message is a sentence for the person who asked for it."""


@dataclass(frozen=True)
class Graph:
    """A network between pixels, how to call it for comparison, and what its file will say of itself."""

    module: nn.Module
    example: Callable[[int, int], dict[str, Tensor]]  # (batch, case) -> inputs by name
    outputs: tuple[str, ...]
    dynamic: dict[str, dict[int, object]]  # axes of the inputs that are free
    facts: dict


# --- graphs of a checkpoint ---------------------------------------------------------------------------------------

BATCH = {0: Dim("batch", min=1)}
PICTURE_AXES = {0: Dim("batch", min=1), 1: Dim.DYNAMIC, 2: Dim.DYNAMIC}


def graphs_of(state: dict) -> dict[str, Graph]:
    """File name -> Graph, for a loaded checkpoint of either trainer."""
    c, classes = state["config"], state["data"]["classes"]
    facts = {
        "format": FORMAT,
        "version": VERSION,
        "image_size": c.image_size,
        "channels": c.channels,
        "classes": classes,
        "data": {name: value for name, value in state["data"].items() if name not in ("classes", "fakes")},
        "step": state["step"],
        "images": state["step"] * c.real_batch,  # real ones; a DCNN saw as many fakes
        "weights": {"stored": "float32"},
        "made": state["made"],
        "settings": settings(c)
        | {name: state["data"][name][:12] for name in ("start", "teacher") if name in state["data"]},
        "config": {name: value for name, value in vars(c).items() if name not in PLACES},
        "checkpoint_sha256": state["sha256"],
    }
    return gan_graphs(state, c, facts) if isinstance(c, GanConfig) else dcnn_graphs(state, c, facts)


def settings(c: RunConfig) -> dict:
    """The preset, if it has one, the precision, and every knob whose value is neither the preset's nor the default."""
    preset = getattr(c, "preset", None)
    usual = type(c)(**PRESETS.get(preset, {}))
    changed = {name: value for name, value in vars(c).items() if value != getattr(usual, name) and name not in DULL}
    return ({"preset": preset} if preset else {}) | {"precision": c.precision} | changed


def gan_graphs(state: dict, c: GanConfig, facts: dict) -> dict[str, Graph]:
    K = len(facts["classes"])
    G, D = make_gan(c, K)
    G.load_state_dict(checkpoint.generator_state(state))
    D.load_state_dict(state["D"])
    best = state.get("G_best", {})
    best = {name: value for name, value in best.items() if name != "network"} if best.get("network") else {}
    label_says = {"label": f"int64 [batch], 0 to {K - 1}"} if K else {}
    noise = {"latents": f"float32 [batch, {c.latent_dim}], standard normal"}

    def with_labels(inputs: dict[str, Tensor], n: int) -> dict[str, Tensor]:
        return inputs | ({"label": torch.arange(n) % K} if K else {})

    def draw_example(n: int, case: int) -> dict[str, Tensor]:
        return with_labels({"latents": torch.from_numpy(latents(range(100 * case, 100 * case + n), c.latent_dim))}, n)

    def score_example(n: int, case: int) -> dict[str, Tensor]:
        return with_labels({"pixels": example_pixels(n, case, c.image_size)}, n)

    generator_facts = facts | {
        "kind": "generator",
        **({"best": best, "images": best["step"] * c.real_batch} if best else {}),
        "latent_dim": c.latent_dim,
        "seeds": {"recipe": RECIPE, "from": 0, "to": SEED_MAX, "class": "seed modulo the number of classes"},
        "inputs": noise | label_says,
        "outputs": {"pixels": f"uint8 [batch, {c.image_size}, {c.image_size}, 3], RGB, 0 to 255"},
    }
    critic_facts = facts | {
        "kind": "critic",
        "inputs": {"pixels": "uint8 [batch, height, width, 3], RGB, 0 to 255"} | label_says,
        "outputs": {"score": "float32 [batch], any number; the higher, the more real"},
    }
    label_axes = {"label": BATCH} if K else {}
    drawing = plain(PixelGenerator(G))
    if directions := directions_of(G):
        generator_facts["directions"] = directions
    return {
        "generator.onnx": Graph(drawing, draw_example, ("pixels",), {"latents": BATCH} | label_axes, generator_facts),
        "critic.onnx": Graph(
            plain(PixelCritic(D)), score_example, ("score",), {"pixels": PICTURE_AXES} | label_axes, critic_facts
        ),
    }


def dcnn_graphs(state: dict, c, facts: dict) -> dict[str, Graph]:
    network = checkpoint.network_of(state)
    says = {
        "evidence": "float32 [batch, h, w], positive where the picture speaks for real; its mean is the logit of real",
        "real": "float32 [batch], probability",
        "classes": f"float32 [batch, {len(facts['classes'])}], probabilities",
        "features": "float32 [batch, F], what the verdicts are made of; sets of pictures are compared in them",
        "typical": "float32 [batch], share of unseen real pictures that are farther from those it learnt from; 0: none",
    }
    module = plain(PixelDCNN(network, state.get("appearance")))

    def example(n: int, case: int) -> dict[str, Tensor]:
        return {"pixels": example_pixels(n, case, c.image_size)}

    outputs = tuple(module(**example(1, 0)))
    dcnn_facts = facts | {
        "kind": "dcnn",
        "inputs": {"pixels": "uint8 [batch, height, width, 3], RGB, 0 to 255"},
        "outputs": {name: says[name] for name in outputs},
        **what_to_trust(state),
    }
    name = "dcnn.onnx" if c.gan else "referee.onnx"
    return {name: Graph(module, example, outputs, {"pixels": PICTURE_AXES}, dcnn_facts)}


def what_to_trust(state: dict) -> dict:
    """Facts of a DCNN's verdicts (export.runtime.Limits), as far as its checkpoint has them, all from unseen pictures.

    `threshold`: the probability from which on a picture is called real. `unsure_band`: [low, high], the probabilities
    between which it is too close to call; `resaved_band`: those that say nothing when a re-saved picture gets them.
    `errors`: shares of `clean` and of `degraded` pictures, `false_alarms` (real ones that are called fake) and `misses`
    (fakes that are called real). `best`: the step that early stopping kept.
    `atypical_below`: the `typical` below which a picture is called unlike all that the DCNN has learnt from.
    """
    calibration, best = state.get("calibration", {}), state.get("best", {})
    facts = {name: calibration[name] for name in TRUSTED if calibration.get(name)}
    facts |= {"best": {"step": best["step"], "loss": best["loss"]}} if best.get("step") else {}
    return facts | ({"atypical_below": ATYPICAL_BELOW} if state.get("appearance") else {})


def example_pixels(n: int, case: int, size: int) -> Tensor:
    """Pictures to compare on: of the network's own size, larger and wide, smaller and high."""
    height, width = [(size, size), (size + 9, 3 * size + 2), (2 * size, size // 2 + 1)][case]
    rng = np.random.default_rng(case)
    coarse = rng.integers(0, 256, (n, 4, 4, 3)).astype(np.uint8)
    y, x = np.arange(height) * 4 // height, np.arange(width) * 4 // width
    return torch.from_numpy(coarse[:, y][:, :, x] // 2 + rng.integers(0, 128, (n, height, width, 3)).astype(np.uint8))


def halve(graph: Graph, name: str) -> Graph:
    """The graph with its weights rounded to 16 bits; its facts say how far that moves it. Raises ExportError."""
    light = rounded(graph.module)
    inputs = graph.example(64, 0)
    with torch.no_grad():
        before, after = (named(graph, module(**inputs)) for module in (graph.module, light))
    moved = {key: (after[key].float() - before[key].float()).abs().max().item() for key in before}
    for key, most in MOST_MOVED.items():
        if not moved.get(key, 0) <= most:
            raise ExportError(
                f"{name}: weights of 16 bits would move its {key} by up to {moved[key]:.3g}, and at most {most} is "
                "allowed. Export it with --weights fp32."
            )
    weights = {"stored": "float16", "moved": {key: float(f"{most:.2g}") for key, most in moved.items()}}
    return dataclasses.replace(graph, module=light, facts=graph.facts | {"weights": weights})


def named(graph: Graph, out: Tensor | dict[str, Tensor]) -> dict[str, Tensor]:
    """What a graph's module gives, by name."""
    return out if isinstance(out, dict) else {graph.outputs[0]: out}


# --- one file -----------------------------------------------------------------------------------------------------


def to_proto(graph: Graph) -> onnx.ModelProto:
    """The graph as ONNX, folded, stripped of every trace of the exporting machine, with its facts."""
    graph.module.eval()
    inputs = graph.example(2, min(1, len(graph.dynamic.get("pixels", ()))))
    with quiet():
        program = torch.onnx.export(
            graph.module,
            kwargs=inputs,
            input_names=list(inputs),
            output_names=list(graph.outputs),
            dynamic_shapes=graph.dynamic,
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    model = program.model_proto
    model.ir_version = IR_VERSION
    model.producer_name, model.producer_version, model.doc_string = "dcgan", str(FORMAT), ""
    strip(model.graph)
    multiply_points(model)
    if graph.facts["weights"]["stored"] == "float16":
        store_halves(model)
    del model.metadata_props[:]
    model.metadata_props.add(key="facts", value=json.dumps(graph.facts, sort_keys=True))
    return model


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without the exporter's remarks on packages that are not used here; its errors are exceptions and still come."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            logger.setLevel(level)


def strip(graph: onnx.GraphProto) -> None:
    """Removes stack traces, source paths and doc strings that the exporter leaves in nodes and values."""
    graph.doc_string = ""
    del graph.metadata_props[:]
    for item in (*graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer):
        item.doc_string = ""
        del item.metadata_props[:]


def check(model: onnx.ModelProto, name: str) -> None:
    """What every file promises. Raises ExportError."""
    onnx.checker.check_model(model, full_check=True)
    onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    if any(node.op_type == "BatchNormalization" for node in model.graph.node):
        raise ExportError(f"{name} still holds a BatchNormalization, which should have been folded away.")
    content = model.SerializeToString()
    if len(content) >= MOST_BYTES:
        size = f"{len(content) / 1e6:.1f} MB"
        halved = any(tensor.data_type == onnx.TensorProto.FLOAT16 for tensor in model.graph.initializer)
        advice = "Train" if halved else "Export with --weights fp16, which halves it, or train"
        raise ExportError(
            f"{name} would have {size}, and the limit is {MOST_BYTES // 10**6}. {advice} with a smaller --width."
        )
    for place in (os.getcwd(), os.path.expanduser("~"), "site-packages"):
        if len(place) > 1 and place.encode() in content:
            raise ExportError(f"{name} holds a path of this machine ({place}).")


def compare(content: bytes, graph: Graph, name: str) -> None:
    """Runs the file in onnxruntime and the module in torch on the same inputs. Raises ExportError if they differ."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    for batch in (1, 2, 7):
        for case in range(3):
            inputs = graph.example(batch, case)
            with torch.no_grad():
                expected = named(graph, graph.module(**inputs))
            found = session.run(names, {key: value.numpy() for key, value in inputs.items()})
            for key, value in zip(names, found, strict=True):
                if not agrees(value, expected[key].numpy()):
                    raise ExportError(
                        f"{name} does not compute what the network computes: its {key} differs at batch {batch}. "
                        "Nothing was written."
                    )


def agrees(found: np.ndarray, expected: np.ndarray) -> bool:
    if found.shape != expected.shape or found.dtype != expected.dtype:
        return False
    if found.dtype == np.uint8:
        return bool((np.abs(found.astype(int) - expected.astype(int)) <= LEVELS).all())
    largest = float(np.abs(expected).max(initial=1))  # what is near 0 is the difference of terms as large as others
    return bool(np.allclose(found, expected, RELATIVE, ABSOLUTE * largest))


def write_graph(graph: Graph, path: Path) -> None:
    """The graph as a file, once it has proved itself. Raises ExportError and writes nothing otherwise."""
    model = to_proto(graph)
    check(model, path.name)
    content = model.SerializeToString(deterministic=True)
    compare(content, graph, path.name)
    checkpoint.write_aside(path, content)


# --- a bundle -----------------------------------------------------------------------------------------------------


def export(
    runs: list[Path],
    out: Path,
    examples: Path | None = None,
    weights: str = "fp32",
    keep: tuple[str, ...] = (),
    without: tuple[str, ...] = (),
) -> None:
    """Writes the bundle of these runs: graphs, samples, metrics, card, and last the manifest that vouches for them.

    `examples`: a folder of real pictures to ship beside them, for visitors to try. `weights`: fp32, or fp16 for files
    of half the size. `keep`: files of the bundle as it is, such as the referee that better generators are measured by.
    `without`: models to leave out. Raises ExportError, TrainingError, PictureError, OSError.
    """
    shown = read_examples(examples) if examples else {}
    graphs: dict[str, Graph] = {}
    metrics: list[dict] = []
    film = None
    for run in runs:
        state = checkpoint.load(run)
        new = {name: graph for name, graph in graphs_of(state).items() if name not in without}
        if weights == "fp16":
            new = {name: halve(graph, name) for name, graph in new.items()}
        if twice := set(new) & set(graphs):
            raise ExportError(f"{run} makes {twice.pop()}, which an earlier run made already.")
        graphs |= new
        rows = read_metrics(run, state["sha256"])
        for name, graph in new.items():
            graph.facts["metrics"] = {row["metric"]: row["value"] for row in rows if f"{row['of']}.onnx" == name}
        metrics += rows
        if "generator.onnx" in new:
            film = film_of(run, new["generator.onnx"].facts)
    kept = {name: read_model(out / name) for name in keep if name != INDEX}
    index, index_facts = read_index(out) if INDEX in keep else ({}, None)
    if twice := set(kept) & set(graphs):
        raise ExportError(f"--keep {twice.pop()}: a run that was named makes it anew.")
    metrics += [row for row in read_rows(out) if f"{row['of']}.onnx" in kept] if kept else []
    facts = {name: graph.facts for name, graph in graphs.items()} | {name: facts for name, (_, facts) in kept.items()}
    check_together(facts | ({INDEX: index_facts} if index_facts else {}))
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out, prefix=".making-") as folder:
        aside = Path(folder)
        for name, graph in graphs.items():
            write_graph(graph, aside / name)
        for name, (content, _) in kept.items():
            (aside / name).write_bytes(content)
        for name, content in index.items():
            (aside / name).write_bytes(content)
        if "generator.onnx" in graphs:
            (aside / "samples.png").write_bytes(samples(aside / "generator.onnx"))
        (aside / "metrics.json").write_text(json.dumps(metrics, indent=1) + "\n", encoding="utf-8")
        if film:
            (aside / progress.FILE).write_bytes(film[0])
        sizes = {name: (aside / name).stat().st_size for name in facts}
        card = write_card(out.name, facts, sizes, metrics, film and film[1], index_facts)
        (aside / "README.md").write_text(card, encoding="utf-8")
        (aside / "examples").mkdir()
        for name, content in shown.items():
            (aside / "examples" / name).write_bytes(content)
        made = {path.relative_to(aside).as_posix(): path for path in sorted(aside.rglob("*")) if path.is_file()}
        sha256 = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in made.items()}
        manifest = {"format": FORMAT, "sha256": sha256} | ({"progress": film[1]} if film else {})
        (aside / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
        stale = set(read_manifest(out).get("sha256", {})) - set(manifest["sha256"])
        for name, path in (made | {MANIFEST: aside / MANIFEST}).items():
            (out / name).parent.mkdir(exist_ok=True)
            path.replace(out / name)
    for name in stale:  # of an earlier export into the same folder; no card speaks of them any more
        (out / name).unlink(missing_ok=True)


def read_examples(folder: Path) -> dict[str, bytes]:
    """Name -> lossless file, of each picture in a folder. Raises ExportError, PictureError."""
    if not folder.is_dir():
        raise ExportError(f"--examples {folder} does not exist, or is no folder.")
    return {f"{path.stem}.png": png_bytes(read_picture(path)) for path in sorted(folder.iterdir())}


def check_together(facts: dict[str, dict]) -> None:
    """One bundle is of one data set. Raises ExportError."""
    if len({each["data"]["sha256"] for each in facts.values()}) > 1:
        raise ExportError("These models were trained on different pictures; a bundle is of one data set.")


def read_model(path: Path) -> tuple[bytes, dict]:
    """An exported model and its facts. Raises ExportError, ModelError."""
    if not path.is_file():
        raise ExportError(f"--keep {path.name}: there is no {path}.")
    return path.read_bytes(), MODELS[path.name](path).facts


def read_index(folder: Path) -> tuple[dict[str, bytes], dict]:
    """The files of a bundle's index of training pictures, and its facts. Raises ModelError."""
    facts = Neighbours(folder).facts
    names = [INDEX, PICTURES] if facts["thumbnails"] else [INDEX]
    return {name: (folder / name).read_bytes() for name in names}, facts


def read_rows(folder: Path) -> list[dict]:
    """The rows that `python -m dcgan.evaluate` has left in a run's folder, or that the bundle was exported with."""
    path = folder / "metrics.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else []


def read_metrics(run: Path, sha256: str) -> list[dict]:
    """The rows of a run, if they are of this checkpoint."""
    folder = run if run.is_dir() else run.parent
    rows = read_rows(folder)
    if any(row["checkpoint"] != sha256 for row in rows):
        print(
            f"{folder / 'metrics.json'} is of an earlier checkpoint and left out; run python -m dcgan.evaluate again.",
            file=sys.stderr,
        )
        return []
    return rows


def film_of(run: Path, facts: dict) -> tuple[bytes, dict] | None:
    """The run's progress up to the step of the exported generator, where it has drawn pictures; see make_progress."""
    most = 1_000_000 if facts["image_size"] <= 32 else 2_000_000
    last = facts.get("best", facts)["step"]
    film = progress.make_progress((run if run.is_dir() else run.parent) / "pictures", last, most)
    return film and (film[0], {"file": progress.FILE, "seeds": [int(GRID_SEEDS[0]), int(GRID_SEEDS[-1])]} | film[1])


def samples(generator_path: Path) -> bytes:
    """Unpicked pictures of the first seeds; with few classes, each column of one."""
    generator = Generator(generator_path)
    columns = columns_of(len(generator.classes))
    return png_bytes(contact_sheet(generator.draw(range(6 * columns)), columns))


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m export.to_onnx", description=__doc__.split(":")[0])
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="folders of train_gan and train_dcnn")
    parser.add_argument("--out", required=True, type=Path, help="the bundle's folder, such as models/NAME")
    parser.add_argument("--examples", type=Path, help="a folder of real pictures to ship; mind their licence")
    parser.add_argument(
        "--weights",
        choices=("fp32", "fp16"),
        default="fp32",
        help="bits in which weights are stored; fp16 halves the files, and computes in 32 bits (default: fp32)",
    )
    parser.add_argument(
        "--keep",
        nargs="+",
        default=(),
        choices=(*MODELS, INDEX),
        metavar="FILE",
        help="files of the bundle to keep as they are, such as referee.onnx, by which generators are measured, or "
        "neighbours.npz, which knows the training pictures",
    )
    parser.add_argument(
        "--without",
        nargs="+",
        default=(),
        choices=tuple(MODELS),
        metavar="FILE",
        help="models to leave out, such as critic.onnx, which gives but a second opinion",
    )
    args = parser.parse_args(argv)
    try:
        export(args.runs, args.out, args.examples, args.weights, tuple(args.keep), tuple(args.without))
    except (ExportError, TrainingError, PictureError, ModelError) as error:
        parser.exit(2, f"{parser.prog}: {error}\n")
    except OSError as error:
        parser.exit(2, f"{parser.prog}: --out {args.out} cannot be written ({error.strerror}).\n")
    for path in sorted(args.out.glob("*.*")):
        print(f"{path}  {path.stat().st_size / 1000:,.0f} kB")


if __name__ == "__main__":
    sys.exit(main())
