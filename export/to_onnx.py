"""Export runs to a bundle: python -m export.to_onnx runs/clothes-gan runs/clothes-dcnn --out models/clothes

Each graph takes and gives pixels, says what it is in its metadata, and appears only after it was run in onnxruntime and
agreed with torch.
"""

import argparse
import contextlib
import hashlib
import json
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime as ort

try:
    import onnx
    import torch
    from onnxscript import opset18 as op
except ModuleNotFoundError as error:
    if __name__ != "__main__":
        raise
    sys.exit(f"Export needs {error.name}. Install it with: pip install -r requirements-train.txt")

from dcgan import checkpoint
from dcgan.config import TrainingError
from dcgan.levels import has_levels
from dcgan.train_gan import GRID_SEEDS
from export import progress
from export.card import UNMET, is_unmet, write_card
from export.graphs import FORMAT, ExportError, Graph, graphs_of, halve, named
from export.neighbours import INDEX, PICTURES, Neighbours
from export.pictures import PictureError, columns_of, contact_sheet, png_bytes, read_picture
from export.poolings import halve_poolings
from export.products import multiply_points
from export.runtime import DCNN, MANIFEST, Critic, Generator, ModelError, read_manifest
from export.weights import store_multiples, store_rounded

IR_VERSION, OPSET = 8, 18  # onnxruntime 1.15 and later
MOST_BYTES = 10_000_000
MOST_FILM_BYTES = 600_000
RELATIVE, ABSOLUTE, LEVELS = 1e-4, 1e-5, 1  # how far onnxruntime may be from torch
TIPPED = 0.03  # and where numbers are rounded to levels, for some will fall to the other side: a share of the largest
MODELS = {"generator.onnx": Generator, "critic.onnx": Critic, "dcnn.onnx": DCNN, "referee.onnx": DCNN}


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
            custom_translation_table=TRANSLATIONS,
            external_data=False,
            verbose=False,
        )
    model = program.model_proto
    model.ir_version = IR_VERSION
    model.producer_name, model.producer_version, model.doc_string = "dcgan", str(FORMAT), ""
    strip(model.graph)
    multiply_points(model)
    halve_poolings(model)
    store_multiples(model)
    if graph.facts["weights"]["stored"] == "float16":
        store_rounded(model)
    del model.metadata_props[:]
    model.metadata_props.add(key="facts", value=json.dumps(graph.facts, sort_keys=True))
    return model


def as_levels(x, step: float, zero: int):
    """dcgan.levels.to_levels, in ONNX's own words for it."""
    scale = op.Constant(value=onnx.numpy_helper.from_array(np.float32(step)))
    point = op.Constant(value=onnx.numpy_helper.from_array(np.uint8(zero)))
    return op.DequantizeLinear(op.QuantizeLinear(x, scale, point), scale, point)


def as_gelu(x, approximate: str = "none"):
    """GELU with its products in the order in which onnxruntime knows it, and computes it at once."""
    root, one, half = (op.Constant(value=onnx.numpy_helper.from_array(np.float32(c))) for c in (2**0.5, 1, 0.5))
    return op.Mul(op.Mul(x, op.Add(op.Erf(op.Div(x, root)), one)), half)


# What torch's exporter does not know, or says in words that cost time.
TRANSLATIONS = {torch.ops.dcgan.to_levels.default: as_levels, torch.ops.aten.gelu.default: as_gelu}


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
                if not agrees(value, expected[key].numpy(), TIPPED if has_levels(graph.module) else ABSOLUTE):
                    raise ExportError(
                        f"{name} does not compute what the network computes: its {key} differs at batch {batch}. "
                        "Nothing was written."
                    )


def agrees(found: np.ndarray, expected: np.ndarray, absolute: float = ABSOLUTE) -> bool:
    if found.shape != expected.shape or found.dtype != expected.dtype:
        return False
    if found.dtype == np.uint8:
        return bool((np.abs(found.astype(int) - expected.astype(int)) <= LEVELS).all())
    largest = float(np.abs(expected).max(initial=1))  # what is near 0 is the difference of terms as large as others
    return bool(np.allclose(found, expected, RELATIVE, absolute * largest))


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
    facts = {name: facts[name] for name in MODELS if name in facts}
    metrics.sort(key=lambda row: [*MODELS].index(f"{row['of']}.onnx"))
    check_together(facts | ({INDEX: index_facts} if index_facts else {}))
    if is_unmet(facts):
        print(f"{UNMET.replace('`', '')} Train it with --gan {out}, for example, to mend that.", file=sys.stderr)
    sheet = None
    if "generator.onnx" in kept:
        sheet, film = pictures_of(out)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out, prefix=".making-") as folder:
        aside = Path(folder)
        for name, graph in graphs.items():
            write_graph(graph, aside / name)
        for name, (content, _) in kept.items():
            (aside / name).write_bytes(content)
        for name, content in index.items():
            (aside / name).write_bytes(content)
        if "generator.onnx" in facts:
            (aside / "samples.png").write_bytes(sheet or samples(aside / "generator.onnx"))
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


def pictures_of(folder: Path) -> tuple[bytes | None, tuple[bytes, dict] | None]:
    """The samples of a bundle's generator and its progress, as far as they are there. Raises ModelError."""
    sheet, facts = folder / "samples.png", read_manifest(folder).get("progress")
    film = folder / facts["file"] if facts else None
    there = film is not None and film.exists()
    return sheet.read_bytes() if sheet.exists() else None, (film.read_bytes(), facts) if there else None


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
    last = facts.get("best", facts)["step"]
    film = progress.make_progress((run if run.is_dir() else run.parent) / "pictures", last, MOST_FILM_BYTES)
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
