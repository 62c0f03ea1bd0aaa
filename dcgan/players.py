"""Networks as evaluation sees them, from checkpoints and from exported files alike, and the fakes that they draw."""

import copy
import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from dcgan import checkpoint
from dcgan.config import GanConfig, RunConfig, TrainingError
from dcgan.data import Pictures
from dcgan.eyes import BATCH
from dcgan.pixels import CPU, PixelDCNN, PixelGenerator, on_arrays
from dcgan.train_gan import FIRST_SEED
from dcgan.typical import ATYPICAL_BELOW
from export.latents import latents
from export.runtime import DCNN, MANIFEST, Generator, Limits, ModelError

NO_LIMITS = Limits()


@dataclass(frozen=True)
class Player:
    """A network as evaluation sees it, from a checkpoint or from a bundle: a call on arrays, and what it knows."""

    call: Callable[..., dict[str, np.ndarray]]
    image_size: int
    channels: int
    classes: list[str]
    latent_dim: int = 0
    limits: Limits = NO_LIMITS  # where a DCNN's numbers become words
    judge: Callable[..., dict[str, np.ndarray]] | None = None  # the call without classes, where that costs less
    recognise: Callable[..., dict[str, np.ndarray]] | None = None  # its recogniser's say alone, where it has one


def torch_player(state: dict, device: torch.device = CPU) -> Player:
    """The network of a checkpoint between pixels, as its export will be."""
    c, network = state["config"], checkpoint.network_of(state)
    form = {"image_size": c.image_size, "channels": c.channels, "classes": state["data"]["classes"]}
    if isinstance(c, GanConfig):
        return Player(on_arrays(PixelGenerator(network), device), **form, latent_dim=c.latent_dim)
    module = PixelDCNN(network, *checkpoint.learnt_after(state))
    calls = {"call": on_arrays(module, device)}
    if module.recogniser is not None:
        calls |= {"judge": on_arrays(without_classes(module), device)}
        calls |= {"recognise": on_arrays(PixelDCNN(copy.deepcopy(module.recogniser)), device)}
    return Player(**calls, **form, limits=limits_of(state))


def without_classes(module: PixelDCNN) -> PixelDCNN:
    """A copy that does not tell them."""
    module = copy.deepcopy(module)
    module.recogniser = module.network.class_head = None
    return module


def limits_of(state: dict) -> Limits:
    """The limits of a DCNN's checkpoint, as its exported file will tell them."""
    calibration = state.get("calibration", {})
    bands = {name: tuple(calibration[name]) for name in ("unsure_band", "resaved_band") if calibration.get(name)}
    atypical_below = ATYPICAL_BELOW if state.get("known") else None
    return Limits(calibration.get("threshold", Limits.threshold), **bands, atypical_below=atypical_below)


def onnx_player(model: DCNN | Generator) -> Player:
    """The network of an exported file."""
    form = (model.image_size, model.facts["channels"], model.classes)
    if isinstance(model, DCNN):
        return Player(model, *form, limits=model.limits)
    return Player(lambda *arrays: {"pixels": model(*arrays)}, *form, model.facts["latent_dim"])


def load_generator(place: str | Path, device: torch.device = CPU) -> tuple[Player, str]:
    """The generator of a run or of a bundle, and the sha256 of the checkpoint that it was. Raises TrainingError."""
    if (Path(place) / MANIFEST).is_file():
        try:
            generator = Generator(place)
        except ModelError as error:
            raise TrainingError(str(error)) from error
        return onnx_player(generator), generator.facts["checkpoint_sha256"]
    state = checkpoint.load(place, GanConfig)
    return torch_player(state, device), state["sha256"]


def load_fitting(option: str, place: str | Path, needed: str, device: torch.device = CPU) -> tuple[Player, str]:
    """The generator that an option names, which must draw pictures of that form. Raises TrainingError."""
    generator, sha256 = load_generator(place, device)
    if form(generator) != needed:
        raise TrainingError(f"{option} {place} draws pictures of {form(generator)}; {needed} is needed.")
    return generator, sha256


def form(pictures: RunConfig | Player | Pictures) -> str:
    """What kind of pictures: "32 x 32 in colour"."""
    if isinstance(pictures, Pictures):
        channels, size = pictures.images.shape[1:3]
    else:
        channels, size = pictures.channels, pictures.image_size
    return f"{size} x {size} in {'grey' if channels == 1 else 'colour'}"


# --- their fakes --------------------------------------------------------------------------------------------------


def draw(generator: Player, seeds: range, label: np.ndarray) -> Iterator[np.ndarray]:
    """Pixels uint8 N,S,S,3 of these seeds and classes int64 N (not looked at where there are none), BATCH at a time."""
    for i in range(0, len(seeds), BATCH):
        inputs = [latents(seeds[i : i + BATCH], generator.latent_dim)]
        yield generator.call(*inputs, *([label[i : i + BATCH]] if generator.classes else []))["pixels"]


def every_class(generator: Player, n: int) -> np.ndarray:
    """Labels int64 N, every class equally often."""
    return np.arange(n, dtype=np.int64) % max(1, len(generator.classes))


def labels_like(generator: Player, real: Pictures) -> np.ndarray:
    """Labels int64 N to ask for: those of the real pictures, so that both sets hold each class equally often.

    A distance compares whole sets, and would count another mixture of classes as a fault. Where the generator knows
    other classes than the real pictures have: every class equally often.
    """
    if generator.classes and tuple(generator.classes) == tuple(real.classes):
        return real.labels.numpy()
    return every_class(generator, len(real))


def seeds_of(part: str, n: int) -> range:
    return range(FIRST_SEED[part], FIRST_SEED[part] + n)


def as_pictures(generator: Player, like: Pictures) -> Pictures:
    """A fake for each of these pictures, of its class, of the seeds for training."""
    label = labels_like(generator, like)
    images = torch.empty(like.images.shape, dtype=torch.uint8)
    for i, pixels in enumerate(draw(generator, seeds_of("train", len(like)), label)):
        fakes = torch.from_numpy(pixels).permute(0, 3, 1, 2)
        images[i * BATCH : i * BATCH + len(fakes)] = fakes[:, : images.shape[1]]
    return dataclasses.replace(like, images=images)


def share_out(n: int, among: int) -> list[int]:
    """n things among so many, as evenly as can be."""
    return [n // among + (i < n % among) for i in range(among)]


def draw_evenly(generators: list[Player], n: int) -> np.ndarray:
    """n pictures uint8 N,S,S,3 of seeds for tests, equally of each generator and of each class; in random order."""
    parts = [
        pixels
        for generator, each in zip(generators, share_out(n, len(generators)), strict=True)
        for pixels in draw(generator, seeds_of("test", each), every_class(generator, each))
    ]
    return np.concatenate(parts)[np.random.default_rng(2015).permutation(n)]
