"""Train a DCGAN: python -m dcgan.train_gan --data fashion-mnist --out runs/clothes

The generator turns latents into images; the critic learns to tell them from real ones; each learns against the other
(Radford, Metz and Chintala 2015; Goodfellow et al. 2014). The averaged generator is the one that is exported, of the
step whose pictures were nearest to those that training held back.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from dcgan.config import GanConfig, TrainingError, check, from_args, make_parser
from dcgan.data import Batches, Pictures, hold_out, load
from dcgan.eyes import BATCH, as_pixels, find_eyes, in_batches
from dcgan.game import Batch, Game
from dcgan.metrics import Moments, frechet_distance
from dcgan.parallel import is_first
from dcgan.pixels import PixelGenerator
from dcgan.run import Run, introduce, main, pick_device, settle_precision, train
from dcgan.watch import Best, alarms, diversity
from export.latents import label_of_seed, latents
from export.pictures import columns_of, sheet

GRID_SEEDS = np.arange(1, 65)
JUDGED = 2048  # pictures whose distance to the held-back ones is taken at each tick
FEWEST_HELD_BACK = 200  # below it, a distance is mostly chance
# What is trained, chosen and tested on has seeds of its own, far above those that people type: fakes for train_dcnn's
# training and validation, for the choice of a GAN's best step, and for tests.
FIRST_SEED = {"train": 1 << 31, "validation": 3 << 30, "best": (3 << 30) + (1 << 28), "test": (3 << 30) + (1 << 29)}


def resolve(c: GanConfig, pictures: Pictures) -> GanConfig:
    """The configuration with everything automatic filled in from the pictures."""
    channels, size = pictures.images.shape[1:3]
    latent_dim = size * size if c.architecture == "hourglass" else c.latent_dim
    conditional = c.conditional and pictures.labels is not None
    return dataclasses.replace(c, image_size=size, channels=channels, latent_dim=latent_dim, conditional=conditional)


def draw(G: nn.Module, seeds: np.ndarray, classes: int, device: torch.device) -> np.ndarray:
    """The pictures of seeds, as the exported model will draw them: pixels uint8 N,S,S,3."""
    z = torch.from_numpy(latents(seeds, G.latent_dim)).to(device)
    label = torch.from_numpy(label_of_seed(seeds, classes)).to(device) if classes else None
    with torch.no_grad():
        return PixelGenerator(G).eval()(z, label).cpu().numpy()


def distance_to(held_back: Pictures, c: GanConfig, device: torch.device) -> Callable[[nn.Module], float] | None:
    """A measure of generators: the Frechet distance of their pictures to the held-back ones. None if those are few."""
    if len(held_back) < FEWEST_HELD_BACK:
        print(f"{len(held_back)} pictures are held back, too few to choose the best step by: the last one is kept.")
        return None
    eyes = find_eyes(c.data)
    real = Moments()
    for pixels in in_batches(held_back):
        real.add(eyes(pixels))

    def distance(G: nn.Module) -> float:
        fake = Moments()
        for seeds in np.array_split(np.arange(JUDGED) + FIRST_SEED["best"], JUDGED // BATCH):
            fake.add(eyes(draw(G, seeds, G.classes, device)))
        return frechet_distance(real, fake)

    return distance


def make_game(c: GanConfig, training: Pictures, held_back: Pictures, device: torch.device) -> Game:
    """The game of a resolved configuration on these pictures, at its beginning."""

    def batches_of(some: Pictures) -> Callable[[int], Batch]:
        batches = Batches(some.to(device), c.batch, c.seed)

        def batch(number: int) -> Batch:
            images, label = batches(number)
            return images.to(memory_format=torch.channels_last), label if c.conditional else None

        return batch

    torch.manual_seed(c.seed)
    classes = len(training.classes) if c.conditional else 0
    return Game(c, classes, device, batches_of(training), batches_of(held_back))


def train_gan(c: GanConfig) -> None:
    """Trains, or goes on training, the run in c.out. Raises TrainingError."""
    check(c)
    device = pick_device(c.device)
    pictures = load(c)
    c = settle_precision(resolve(c, pictures), device)
    data = pictures.facts | {"classes": list(pictures.classes) if c.conditional else []}
    training, held_back = hold_out(pictures, c.validation)
    if c.augment == "adaptive" and not len(held_back):
        raise TrainingError(
            f"--validation {c.validation:g} holds no picture back, and --augment adaptive watches them."
        )
    introduce(c, pictures, len(training), device)
    distance = distance_to(held_back, c, device) if is_first() else None
    game = make_game(c, training, held_back, device)
    best = Best(game.G_ema)
    K = game.G.classes
    grid_labels = label_of_seed(GRID_SEEDS, K) if K else None
    some = held_back if len(held_back) >= len(GRID_SEEDS) else pictures
    real_diversity = diversity(as_pixels(some[: 64 * max(1, K)]), some.labels[: 64 * K].numpy() if K else None)

    def report(step: int) -> tuple[dict, np.ndarray]:
        pixels = draw(game.G_ema, GRID_SEEDS, K, device)
        log = {"diversity": diversity(pixels, grid_labels) / max(real_diversity, 1e-9)}
        if c.augment == "adaptive":
            log["augment"] = game.augment.p.item()
        if distance:
            log["distance"] = distance(game.G_ema)
            best.consider(game.G_ema, step, log["distance"])
        return log, sheet(pixels, columns_of(K))

    run = Run(c, data, game.parts | {"G_best": best}, device)
    train(run, game.step, report, lambda log: alarms(log, run.history()))


def cli(argv: list[str] | None = None) -> None:
    parser = make_parser(GanConfig, "python -m dcgan.train_gan", __doc__.splitlines()[0])
    c = from_args(GanConfig, parser.parse_args(argv))
    main(parser, lambda: train_gan(c))


if __name__ == "__main__":
    cli()
