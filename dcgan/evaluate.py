"""Measure a run or a bundle: python -m dcgan.evaluate models/fashion-mnist --data fashion-mnist

Of a DCNN: class accuracy on the test pictures (where there are none, on those that training held back); real against
fake on those and on fakes of seeds that no training used. Of a generator: how often a referee (a DCNN trained on real
pictures alone) recognises the class that was asked for. Every figure is a row: what, value, n, on which pictures, by
which command. A run keeps its rows in metrics.json, from where the export takes them.
"""

import argparse
import dataclasses
import json
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from dcgan import checkpoint, metrics
from dcgan.config import DcnnConfig, GanConfig, RunConfig, TrainingError
from dcgan.data import NAMED_SETS, Pictures, hold_out, load
from dcgan.eyes import as_pixels
from dcgan.models import make_dcnn, make_gan
from dcgan.pixels import PixelDCNN, PixelGenerator
from dcgan.train_dcnn import FIRST_SEED
from export.latents import latents
from export.runtime import DCNN, SENTENCES, Bundle, Generator

RECOGNISED = 1000  # pictures shown to the referee
BATCH = 250


@dataclass(frozen=True)
class Player:
    """A network as evaluation sees it, from a checkpoint or from a bundle: a call on arrays, and what it knows."""

    call: Callable[..., dict[str, np.ndarray]]
    image_size: int
    classes: list[str]
    latent_dim: int = 0


def torch_player(state: dict) -> Player:
    """The network of a checkpoint between pixels, as its export will be."""
    c, classes = state["config"], state["data"]["classes"]
    if isinstance(c, GanConfig):
        module, weights = PixelGenerator(make_gan(c, len(classes))[0]), checkpoint.generator_state(state)
    else:
        module, weights = PixelDCNN(make_dcnn(c, len(classes))), state["network"]
    module.network.load_state_dict(weights)
    module.eval()

    def call(*arrays: np.ndarray) -> dict[str, np.ndarray]:
        with torch.no_grad():
            out = module(*(torch.from_numpy(array) for array in arrays))
        return {name: value.numpy() for name, value in (out if isinstance(out, dict) else {"pixels": out}).items()}

    return Player(call, c.image_size, classes, getattr(c, "latent_dim", 0))


def onnx_player(model: DCNN | Generator) -> Player:
    """The network of an exported file."""
    if isinstance(model, DCNN):
        return Player(model, model.image_size, model.classes)
    latent_dim = model.facts["latent_dim"]
    return Player(lambda *arrays: {"pixels": model(*arrays)}, model.image_size, model.classes, latent_dim)


def draw(generator: Player, seeds: range) -> tuple[np.ndarray, np.ndarray]:
    """Pixels uint8 N,S,S,3 and the class int64 N that each was asked to be, every class equally often."""
    label = np.arange(len(seeds), dtype=np.int64) % max(1, len(generator.classes))
    parts = []
    for i in range(0, len(seeds), BATCH):
        inputs = [latents(seeds[i : i + BATCH], generator.latent_dim)]
        parts.append(generator.call(*inputs, *([label[i : i + BATCH]] if generator.classes else []))["pixels"])
    return np.concatenate(parts), label


def predict(dcnn: Player, pixels: np.ndarray) -> dict[str, np.ndarray]:
    """`real` N and `classes` N,K of many pixels."""
    parts = [dcnn.call(np.ascontiguousarray(pixels[i : i + BATCH])) for i in range(0, len(pixels), BATCH)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0] if name != "evidence"}


def row(of: str, metric: str, value: float, n: int, on: str) -> dict:
    return {"of": of, "metric": metric, "value": round(value, 6), "n": n, "on": on}


def measure_dcnn(of: str, dcnn: Player, unseen: Pictures, generators: list[Player]) -> list[dict]:
    """Class accuracy on pictures that training has not seen; real against as many fakes, equally of each generator."""
    name = unseen.facts["name"]
    seen = predict(dcnn, as_pixels(unseen))
    rows = []
    if "classes" in seen:
        rows.append(
            row(
                of,
                "class_accuracy",
                metrics.accuracy(seen["classes"].argmax(1), unseen.labels.numpy()),
                len(unseen),
                name,
            )
        )
    if "real" in seen and generators:
        each = len(unseen) // len(generators)
        seeds = range(FIRST_SEED["test"], FIRST_SEED["test"] + each)
        fakes = np.concatenate([predict(dcnn, draw(generator, seeds)[0])["real"] for generator in generators])
        reals, n = seen["real"], len(unseen) + len(fakes)
        on = f"{name}, and fakes of its own generators, of unused seeds"
        probabilities, outcomes = np.concatenate([reals, fakes]), np.repeat([1, 0], [len(reals), len(fakes)])
        rows += [
            row(of, "real_or_fake_balanced_accuracy", metrics.balanced_accuracy(reals, fakes), n, on),
            row(of, "real_or_fake_auc", metrics.auc(reals, fakes), n, on),
            row(of, "real_or_fake_brier", metrics.brier(probabilities, outcomes), n, on),
        ]
    return rows


def measure_generator(generator: Player, referee: Player) -> list[dict]:
    """How often the referee recognises the class that was asked for, over seeds 1, 2, ..."""
    pixels, label = draw(generator, range(1, RECOGNISED + 1))
    recognised = predict(referee, pixels)["classes"].argmax(1)
    return [
        row(
            "generator",
            "recognised_as_asked",
            metrics.accuracy(recognised, label),
            RECOGNISED,
            f"seeds 1 to {RECOGNISED}",
        )
    ]


def data_of(bundle: Bundle) -> str:
    """The --data that a bundle was trained on, where it is a named set. Raises TrainingError."""
    facts = next(getattr(bundle, kind) for kind in ("generator", "dcnn") if bundle.has(kind)).facts
    for data, named in NAMED_SETS.items():
        if named.facts["name"] == facts["data"]["name"]:
            return data
    raise TrainingError(f"{bundle.folder} was trained on {facts['data']['name']}: name these pictures with --data.")


def load_unseen(c: RunConfig) -> Pictures:
    """The test pictures, or where there is no test/ folder those that training held back; named for what they are."""
    unseen, part = load(c, "test"), "test"
    if unseen is None:
        unseen, part = hold_out(load(c), c.validation)[1], "pictures held back"
    if not len(unseen):
        raise TrainingError(f"--data {c.data} has no test/ folder, and training held nothing back: all has been seen.")
    return dataclasses.replace(unseen, facts=unseen.facts | {"name": f"{unseen.facts['name']} {part}"})


def evaluate_run(state: dict, data: str, data_dir: str, referee: Path | None) -> list[dict]:
    """Rows for a checkpoint of either trainer."""
    player, c = torch_player(state), state["config"]
    if isinstance(c, GanConfig):
        if referee is None or not player.classes:
            raise TrainingError(
                "A generator is measured by a referee on classes: name a run of train_dcnn with --referee."
            )
        return measure_generator(player, torch_player(checkpoint.load(referee, DcnnConfig)))
    generators = [torch_player(checkpoint.load(run, GanConfig)) for run in c.gan]
    here = {"data": data or c.data, "data_dir": data_dir}
    unseen = load_unseen(RunConfig(**here, image_size=c.image_size, channels=c.channels, validation=c.validation))
    return measure_dcnn("dcnn" if c.gan else "referee", player, unseen, generators)


def evaluate_bundle(bundle: Bundle, data: str, data_dir: str) -> list[dict]:
    """The same rows for the exported files, by onnxruntime."""
    generators = [onnx_player(bundle.generator)] if bundle.has("generator") else []
    rows, referee = [], None
    if bundle.has("referee"):
        referee = DCNN(bundle.folder / "referee.onnx")
    if generators and referee:
        rows += measure_generator(generators[0], onnx_player(referee))
    for of, model in (("dcnn", bundle.dcnn if bundle.has("dcnn") else None), ("referee", referee)):
        if model is not None:
            sizes = {"image_size": model.image_size, "channels": model.facts["channels"]}
            c = RunConfig(data=data, data_dir=data_dir, validation=model.facts["config"]["validation"], **sizes)
            rows += measure_dcnn(of, onnx_player(model), load_unseen(c), generators)
    return rows


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m dcgan.evaluate", description=__doc__.split(":")[0])
    parser.add_argument("target", type=Path, help="a run of train_gan or train_dcnn, or a bundle")
    parser.add_argument("--data", default="", help="as in training (default: what it was trained on)")
    parser.add_argument("--data-dir", default="", help="folder in which a named set is looked for first")
    parser.add_argument("--referee", type=Path, help="a run of train_dcnn without --gan, to judge a generator")
    args = parser.parse_args(argv)
    is_run = (args.target / checkpoint.NAME).is_file()
    try:
        if is_run:
            state = checkpoint.load(args.target)
            rows = evaluate_run(state, args.data, args.data_dir, args.referee)
        else:
            bundle = Bundle(args.target)
            rows = evaluate_bundle(bundle, args.data or data_of(bundle), args.data_dir)
    except (TrainingError, *SENTENCES) as error:
        parser.exit(2, f"{parser.prog}: {error}\n")
    command = shlex.join(["python", "-m", "dcgan.evaluate", *(sys.argv[1:] if argv is None else argv)])
    for line in rows:
        print(json.dumps(line))
    if is_run:
        kept = [line | {"command": command, "checkpoint": state["sha256"]} for line in rows]
        (args.target / "metrics.json").write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
