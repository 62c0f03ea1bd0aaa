"""Every knob of training in two frozen dataclasses; the command line is derived from them."""

import argparse
import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

SEED_MAX = 2**32 - 1
AUGMENT = ("none", "adaptive", "always")
OPTIMIZERS = ("adamw", "nesterov")


class TrainingError(ValueError):
    """Training cannot start or go on; its message is a sentence for the person who started it."""


def knob(default, help: str, *, choices: tuple = (), before=None):
    """A field with its help (units included) and, where there are few, its allowed values.

    before: what runs had that are older than the knob, where that is not the default.
    """
    return field(default=default, metadata={"help": help, "choices": choices, "before": before})


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """What both trainers share: the pictures, the folder of the run, the machine."""

    out: str = knob("", "folder of the run; the same command again resumes it")
    data: str = knob("fashion-mnist", "fashion-mnist, cifar10, celeba64, or a folder or zip (subfolders are classes)")
    data_dir: str = knob("", "folder in which a named set is looked for first")
    licence: str = knob("", "licence of the pictures, for the card (known for named sets)")
    image_size: int = knob(0, "pixels per side, b x 2^k with b from 4 to 7; 0: the pictures' own, at most 64")
    channels: int = knob(0, "1: grey, 3: colour, 0: as the pictures are", choices=(0, 1, 3))
    validation: float = knob(1 / 12, "share of the training pictures held back to make choices on")
    batch: int = knob(128, "pictures a step")
    steps: int = knob(12_000, "updates in all")
    tick: int = knob(500, "steps between checkpoints, log lines and picture grids")
    seed: int = knob(0, "seed of weights, data order and noise")
    device: str = knob("auto", "cuda, mps, cpu, or auto: the fastest there is")
    precision: str = knob(
        "auto",
        "of convolutions; auto: bf16 where it is measured to be faster, else fp32",
        choices=("auto", "fp32", "bf16"),
    )
    memory: int = knob(4096, "MB of pictures kept in memory; where they are more, they stay in a memory-mapped file")
    tensorboard: bool = knob(False, "also write TensorBoard events into the run's folder")

    @property
    def real_batch(self) -> int:
        """Real pictures a step."""
        return self.batch

    # What may change between a run and its resumption.
    may_change = ("out", "data_dir", "licence", "tick", "device", "memory", "tensorboard")


@dataclass(frozen=True, kw_only=True)
class GanConfig(RunConfig):
    """Knobs of `python -m dcgan.train_gan`."""

    preset: str = knob("modern", "recipe to start from; knobs given beside it win", choices=("modern", "paper"))
    architecture: str = knob("dcgan", "of both networks", choices=("dcgan", "hourglass"))
    conditional: bool = knob(True, "learn the classes, where there are any")
    latent_dim: int = knob(100, "numbers in a latent (hourglass: always image_size x image_size)")
    width: int = knob(64, "channels of the layer next to the picture; each further one has twice as many")
    loss: str = knob("relativistic", "the game's loss", choices=("cross-entropy", "mse", "hinge", "relativistic"))
    critic_norm: str = knob("none", "what keeps the critic's layers in scale", choices=("batch", "spectral", "none"))
    critic_width: int = knob(0, "as width, of the critic; 0: the generator's")
    critic_extra: int = knob(1, "3x3 convolutions that the critic has after each strided one")
    critic_steps: int = knob(1, "updates of the critic, each on pictures of its own, for one of the generator")
    r1: float = knob(0.05, "weight of the gradient penalty on real pictures, halved in the loss")
    r2: float = knob(0.05, "weight of the gradient penalty on fakes, halved in the loss")
    penalty_every: int = knob(4, "critic's updates between two that pay the penalty, which then weighs as much more")
    augment: str = knob("adaptive", "of what the critic sees; adaptive: as much as it overfits", choices=AUGMENT)
    lr_g: float = knob(5e-4, "Adam's step size for the generator")
    lr_d: float = knob(5e-4, "Adam's step size for the critic")
    beta1: float = knob(0.0, "Adam's first decay")
    beta2: float = knob(0.99, "Adam's second decay")
    batch: int = knob(32, "real pictures for each of the critic's updates, and as many fakes")
    steps: int = knob(48_000, "updates of the generator in all")
    tick: int = knob(1_000, "steps between checkpoints, log lines and picture grids")
    decay: float = knob(0.0, "share of the steps, the last ones, in which both step sizes go down to zero")
    ema: float = knob(0.9995, "decay a step of the averaged generator, which is the one exported")
    record: bool = knob(True, "on CUDA, record a step once and replay it: the same arithmetic without Python's pauses")
    compile: bool = knob(False, "torch.compile both networks, in place of --record; on CPUs it is slower")

    # A GAN's run may be trained on; with --decay, its step sizes rise again.
    may_change = (*RunConfig.may_change, "steps", "decay", "preset", "record", "compile")

    @property
    def real_batch(self) -> int:
        """Real pictures a step: each of the critic's updates has its own."""
        return self.batch * self.critic_steps


@dataclass(frozen=True, kw_only=True)
class DcnnConfig(RunConfig):
    """Knobs of `python -m dcgan.train_dcnn`."""

    preset: str = knob(
        "usual",
        "recipe to start from; knobs given beside it win. fast: a recogniser, as the fastest trainers of CIFAR-10 make",
        choices=("usual", "fast"),
    )
    architecture: str = knob(
        "dcnn",
        "recogniser, and resnet, which is thinner, deeper and slower to learn: networks for classes alone, so without "
        "--gan",
        choices=("dcnn", "recogniser", "resnet"),
    )
    gan: tuple[str, ...] = knob(
        (),
        "runs of train_gan, or bundles, whose generators make the fakes, twice as many if named twice; none: learn the "
        "classes alone",
    )
    calibrate_on: tuple[str, ...] = knob(
        (),
        "further ones, whose fakes are not learnt but calibrate its probabilities beside those of --gan; one that is "
        "named there, too, such as the generator that it will be asked about most, counts again",
    )
    unlike: tuple[str, ...] = knob(
        (), "folders or zips of pictures of other things, which it is to call unlike all that it knows, too"
    )
    width: int = knob(32, "channels of the first convolutions; doubled after each pooling")
    blocks: int = knob(
        1,
        "residual blocks of two convolutions after the last pooling; of a recogniser after each of them, in place of "
        "a convolution; of a resnet before the first, too",
        before=0,
    )
    activation: str = knob(
        "relu", "after each convolution", choices=("relu", "leaky-relu", "tanh", "sigmoid", "gelu"), before="relu"
    )
    loss: str = knob("cross-entropy", "of both heads", choices=("cross-entropy", "mse"))
    optimizer: str = knob(
        "adamw", "nesterov: steps along the gradient, with momentum; BatchNorm's 64 times as long", choices=OPTIMIZERS
    )
    lr: float = knob(2e-3, "the optimizer's highest step size; warmed up, then a cosine to zero")
    steps: int = knob(6_000, "updates in all; the step size's schedule spans them")
    augment: str = knob(
        "flip",
        "shift: moved by up to 2 pixels; flip: mirrored too (not for text); turns: as flip, but every picture comes "
        "once an epoch, and is mirrored in every second; cut: as flip, and a square of it becomes grey; mix: as flip, "
        "and a square of it becomes another's, as its target does (without --gan)",
        choices=("none", "shift", "flip", "turns", "cut", "mix"),
    )
    degrade: float = knob(
        -1.0,
        "share of pictures, real and fake alike, that are re-encoded, resampled, blurred or made noisy; 1: all, where "
        "the real ones were kept as JPEG; -1: 0.5 with --gan, 0 without",
        before=0.0,
    )
    teacher: str = knob(
        "", "run of train_dcnn, of a larger network say, or a bundle, whose class probabilities are learnt as well"
    )
    teacher_share: float = knob(0.7, "share of the classes' loss that is the teacher's, where there is one")
    recogniser: str = knob(
        "",
        "run of train_dcnn --preset fast, or a bundle with such a network, which helps to tell the classes; a run that "
        "is done may be given one, too",
    )
    bits: int = knob(
        32,
        "of its arithmetic once it has learnt; 8: where most of it is, two to three times as fast on a CPU; a run that "
        "is done may be given them, too",
        choices=(32, 8),
    )
    start: str = knob(
        "", "run of train_dcnn, or a bundle, of the same sizes, whose weights it begins with; none: random ones"
    )
    start_share: float = knob(
        0.0, "share of those weights in the network that is exported, a mean of them and of what it has learnt since"
    )
    smoothing: float = knob(0.0, "share of a class's probability that is spread over all of them")
    ema: float = knob(0.0, "decay a step of the averaged network, which is then the one exported; 0: none")
    dropout: float = knob(0.2, "share of pooled features dropped")
    l1: float = knob(0.0, "weight in the loss of the sum of all weights' absolute values")
    weight_decay: float = knob(0.02, "L2, of AdamW decoupled")
    patience: int = knob(
        0, "ticks without a smaller validation loss after which training stops; the best tick is kept; 0: to the end"
    )
    folds: int = knob(0, "cross-validation: so many networks, each tested on another part of the pictures; 0: none")
    fold: int = knob(0, "train one network of those, from 1 to --folds; 0: all, one after another")

    may_change = (*RunConfig.may_change, "recogniser", "bits")

    @property
    def real_batch(self) -> int:
        """Real pictures a step: half of the batch, where the other half is fakes."""
        return self.batch // 2 if self.gan else self.batch


def image_size_factors(size: int) -> tuple[int, int]:
    """b and k with size = b x 2^k, 4 <= b <= 7, k >= 1. Raises TrainingError where there are none."""
    base, doublings = size, 0
    while base > 7 and base % 2 == 0:
        base, doublings = base // 2, doublings + 1
    if not 4 <= base <= 7 or doublings == 0:
        raise TrainingError(
            f"--image-size {size} cannot be built: sizes are b x 2^k with b from 4 to 7, "
            f"such as {', '.join(map(str, image_sizes_near(size)))}."
        )
    return base, doublings


def image_sizes_up_to(largest: int) -> list[int]:
    """Every size that the networks can have, smallest first, up to `largest`; at least the smallest."""
    every = sorted(b << k for b in (4, 5, 6, 7) for k in range(1, 9))
    return [size for size in every if size <= largest] or every[:1]


def image_sizes_near(size: int) -> list[int]:
    """The two sizes that the networks can have that are nearest to `size`, smallest first."""
    return sorted(sorted(image_sizes_up_to(2 * size), key=lambda s: abs(s - size))[:2])


PRESETS: dict[str, dict] = {
    "modern": {},  # the defaults
    # Radford, Metz and Chintala 2015, section 3, with the loop of pytorch/examples: one update of each network a step.
    "paper": {
        "loss": "cross-entropy",
        "critic_norm": "batch",
        "critic_width": 0,
        "critic_extra": 0,
        "critic_steps": 1,
        "r1": 0.0,
        "r2": 0.0,
        "penalty_every": 1,
        "augment": "none",
        "lr_g": 2e-4,
        "lr_d": 2e-4,
        "beta1": 0.5,
        "beta2": 0.999,
        "decay": 0.0,
        "ema": 0.999,
        "batch": 128,
    },
    "usual": {},
    # Jordan 2024, section 3 and its listing, at half the batch; averaged weights in place of Lookahead, a cosine in
    # place of a triangle.
    "fast": {
        "architecture": "recogniser",
        "activation": "gelu",
        "width": 64,
        "blocks": 0,
        "optimizer": "nesterov",
        "lr": 0.75,
        "weight_decay": 0.0013,
        "batch": 512,
        "smoothing": 0.2,
        "ema": 0.99,
        "dropout": 0.0,
        "augment": "turns",
    },
}

Config = TypeVar("Config", bound=RunConfig)


def make_parser(kind: type[Config], prog: str, description: str) -> argparse.ArgumentParser:
    """A parser with one option for each field of `kind`, defaults in the help."""
    parser, presets = argparse.ArgumentParser(prog=prog, description=description), presets_of(kind)
    for f in dataclasses.fields(kind):
        option, help = "--" + f.name.replace("_", "-"), f.metadata["help"]
        if isinstance(f.default, bool):
            parser.add_argument(option, action=argparse.BooleanOptionalAction, default=argparse.SUPPRESS, help=help)
            continue
        shown = default_in_words(f, presets)
        parser.add_argument(
            option,
            type=str if isinstance(f.default, tuple) else type(f.default),
            nargs="+" if isinstance(f.default, tuple) else None,
            choices=f.metadata["choices"] or None,
            default=argparse.SUPPRESS,
            required=f.name == "out",
            help=help.replace("%", "%%") + (f" (default: {shown})" if shown else ""),
        )
    return parser


def presets_of(kind: type[Config]) -> dict[str, dict]:
    return {name: PRESETS[name] for name in kind.__dataclass_fields__["preset"].metadata["choices"]}


def default_in_words(f: dataclasses.Field, presets: dict[str, dict]) -> str:
    """The default of a field, and what presets have instead; empty where there is nothing to say."""

    def say(value) -> str:
        return "" if value == () else f"{value:.4g}" if isinstance(value, float) else str(value)

    others = {name: preset[f.name] for name, preset in presets.items() if preset.get(f.name, f.default) != f.default}
    return "; ".join([say(f.default), *(f"{name}: {say(value)}" for name, value in others.items())])


def from_args(kind: type[Config], args: argparse.Namespace) -> Config:
    """What was typed, over the preset, over the defaults."""
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in vars(args).items()}
    preset = next((f.default for f in dataclasses.fields(kind) if f.name == "preset"), None)
    return kind(**PRESETS.get(given.get("preset", preset), {}) | given)


def from_saved(kind: type[Config], values: dict) -> Config:
    """The configuration of a checkpoint; knobs that it is too old to have are as its preset has them, or as they were
    before there was a knob.
    """
    before = {f.name: f.metadata["before"] for f in dataclasses.fields(kind) if f.metadata["before"] is not None}
    return kind(**before | PRESETS.get(values.get("preset"), {}) | values)


def check(c: RunConfig) -> None:
    """Raises TrainingError for a value that no run can have."""

    def require(names: str, fits: Callable[[float], bool], rule: str) -> None:
        for name in names.split():
            if hasattr(c, name) and not fits(getattr(c, name)):
                raise TrainingError(f"--{name.replace('_', '-')} is {getattr(c, name)}; {rule}.")

    if not c.out:
        raise TrainingError("--out is empty; it names the folder of the run.")
    require("batch steps tick width latent_dim critic_steps penalty_every", lambda n: n >= 1, "it must be at least 1")
    require(
        "validation beta1 beta2 ema dropout smoothing start_share",
        lambda x: 0 <= x < 1,
        "it is a share, from 0 to below 1",
    )
    require("decay teacher_share", lambda x: 0 <= x <= 1, "it is a share, from 0 to 1")
    require("critic_width critic_extra blocks", lambda n: n >= 0, "it must be 0 or more")
    require("lr lr_g lr_d weight_decay l1 r1 r2", lambda x: 0 <= x < math.inf, "it must be 0 or more")
    require("memory patience", lambda n: n >= 0, "it must be 0 or more")
    require("degrade", lambda x: x == -1 or 0 <= x <= 1, "it is a share, from 0 to 1, or -1")
    require("folds", lambda n: n == 0 or n >= 2, "it must be 2 or more, or 0")
    require("fold", lambda n: 0 <= n <= c.folds, "it counts from 1 to --folds")
    require("seed", lambda n: 0 <= n <= SEED_MAX, f"seeds go from 0 to {SEED_MAX}")
    if getattr(c, "augment", "none") == "adaptive":
        require("validation", lambda x: x > 0, "--augment adaptive watches held-back pictures, so it must be above 0")
    if getattr(c, "patience", 0) and not c.folds:
        require("validation", lambda x: x > 0, "--patience watches held-back pictures, so it must be above 0")
    if getattr(c, "calibrate_on", ()) and not c.folds:
        require("validation", lambda x: x > 0, "--calibrate-on needs held-back pictures, so it must be above 0")
    if getattr(c, "gan", ()):
        require("architecture", lambda a: a == "dcnn", "that learns classes alone, and so has no use for --gan")
        require("augment", lambda a: a not in ("turns", "mix"), "that is for real pictures alone, and so not for --gan")
        require("batch", lambda n: n >= 2, "with --gan it must be at least 2, one real picture and one fake")
    if getattr(c, "recogniser", ""):
        require("recogniser", lambda _: c.gan, "that is for a DCNN that learns fakes, so --gan has to name some")
    if getattr(c, "start_share", 0):
        able = c.start and (not c.gan or c.validation or c.folds)
        require("start_share", lambda x: able, "it needs --start, and with --gan held-back pictures")
    if c.image_size:
        image_size_factors(c.image_size)
