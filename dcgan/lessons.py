"""What a DCNN learns from: real pictures and fakes, clean and degraded, in batches that depend on the step alone."""

import dataclasses
import math
from collections import Counter

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from dcgan.config import DcnnConfig, TrainingError
from dcgan.data import Batches, Epochs, Pictures, hold_out
from dcgan.degrade import augment, degrade, mix, softeners, worn_copies
from dcgan.pixels import to_images
from dcgan.players import Player, draw, form, load_fitting, seeds_of, share_out
from export.latents import label_of_seed

MIXED = 0.5  # share of the pictures in which there is a part of another one, where any are
MOST_FAKES = 200_000  # kept in memory, however many the real pictures are; and as many re-encoded ones of each kind


def split(pictures: Pictures, c: DcnnConfig) -> tuple[Pictures, Pictures]:
    """Training pictures -> (for training, held back): a share of them, or the fold whose turn it is."""
    if not c.fold:
        return hold_out(pictures, c.validation)
    if len(pictures) < c.folds:
        raise TrainingError(f"--folds {c.folds}: there are but {len(pictures)} pictures.")
    parts = np.array_split(np.random.default_rng(2015).permutation(len(pictures)), c.folds)
    held_back = torch.from_numpy(np.sort(parts.pop(c.fold - 1)))
    return pictures[torch.from_numpy(np.sort(np.concatenate(parts)))], pictures[held_back]


def load_generators(places: tuple[str, ...], c: DcnnConfig, device: torch.device) -> list[tuple[Player, str]]:
    """The generators of runs and bundles, each with the sha256 of its checkpoint; one that is named again is the same
    one again. Raises TrainingError.
    """
    option = {place: "--gan" if place in c.gan else "--calibrate-on" for place in places}
    loaded = {place: load_fitting(option[place], place, form(c), device) for place in option}
    return [loaded[place] for place in places]


def make_fakes(generators: list[Player], n: int, part: str) -> Tensor:
    """n pictures, as many of each generator, rounded to levels as any file of them is: uint8 N,C,S,S.

    One that is there several times draws other seeds each time.
    """
    n, fakes, drawn = min(n, MOST_FAKES), [], Counter()
    with tqdm(total=n, desc="Drawing fakes", unit="picture", leave=False, disable=None) as bar:
        for generator, each in zip(generators, share_out(n, len(generators)), strict=True):
            seeds = seeds_of(part, drawn[generator.call] + each)[drawn[generator.call] :]
            drawn[generator.call] += each
            label = label_of_seed(seeds, max(1, len(generator.classes)))
            for pixels in draw(generator, seeds, label):
                fakes.append(torch.from_numpy(pixels).permute(0, 3, 1, 2)[:, : generator.channels].contiguous())
                bar.update(len(pixels))
    return torch.cat(fakes)


def by_generator(fakes: Tensor, among: int) -> list[Tensor]:
    """What make_fakes made of so many generators, apart again; without those whose share was none."""
    return [each for each in fakes.split(share_out(len(fakes), among)) if len(each)]


def some_of(n: int, most: int) -> Tensor:
    """Which `most` of n to take (all, where they are fewer), in order; always the same ones."""
    return torch.from_numpy(np.sort(np.random.default_rng(2015).permutation(n)[:most]))


class Lessons:
    """The batches of a training, by step: real pictures first, then fakes; of both, the same share degraded."""

    def __init__(self, c: DcnnConfig, training: Pictures, fakes: Tensor | None, device: torch.device):
        """Pictures and fakes uint8 are moved to the device. As many are re-encoded as the steps can need."""
        self.c, self.device, self.n_fake = c, device, c.batch - c.real_batch
        batches = Epochs if c.augment == "turns" else Batches
        self.batch = batches(training.to(device), c.real_batch, c.seed)
        self.real = [self.batch.pictures]  # clean, and degraded where that is asked for
        self.fake = [] if fakes is None else [fakes.to(device)]
        if c.degrade:
            some = training[some_of(len(training), self.needed(c.real_batch))]
            worn = dataclasses.replace(some, images=worn_copies(some.images[:], (c.seed, 0)))
            self.real.append(worn.to(device))
            self.bank = softeners(c.image_size).to(device)
        if c.degrade and fakes is not None:
            chosen = fakes[some_of(len(fakes), self.needed(self.n_fake))]
            self.fake.append(worn_copies(chosen, (c.seed, 1)).to(device))

    def needed(self, a_step: int) -> int:
        """How many re-encoded pictures are worth making, of which a step takes a share of so many."""
        return min(MOST_FAKES, math.ceil(self.c.degrade * a_step * self.c.steps))

    def __call__(self, step: int) -> tuple[Tensor, Tensor | None]:
        """Images N,C,S,S in [-1, 1], and the labels N of the real ones among them; N,K where they are mixed."""
        images, label = self.batch(step)
        if self.fake:
            images = torch.cat([images, to_images(self.pick(self.fake[0], self.n_fake))])
        if self.c.degrade:
            hit = torch.rand(len(images), device=self.device) < self.c.degrade
            worn = self.pick(self.real[1], self.c.real_batch)
            if label is not None:
                label = torch.where(hit[: len(label)], worn.labels, label)
            fakes = [self.pick(pool, self.n_fake) for pool in self.fake[1:]]
            images = degrade(images, torch.cat([worn.images, *fakes]), hit, self.bank)
        images = augment(images, self.c.augment)
        if self.c.augment == "mix":
            images, label = mix(images, F.one_hot(label, len(self.batch.pictures.classes)).float(), MIXED)
        return images.contiguous(memory_format=torch.channels_last), label

    def sample(self, n: int) -> Tensor:
        """Images N,C,S,S in [-1, 1], about n, as many of each kind: real ones and fakes, clean and degraded."""
        each = math.ceil(n / len(self.real + self.fake))
        kinds = [self.pick(pool, each).images for pool in self.real] + [self.pick(pool, each) for pool in self.fake]
        return to_images(torch.cat([images.to(self.device) for images in kinds]))

    def pick(self, pool: Tensor | Pictures, n: int) -> Tensor | Pictures:
        """n of them, drawn with replacement."""
        return pool[torch.randint(len(pool), (n,), device=self.device)]
