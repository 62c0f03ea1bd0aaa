"""Differentiable augmentation: the critic sees real and fake pictures through the same random changes.

Zhao et al., Differentiable augmentation for data-efficient GAN training, 2020, section 3.2 (colour, translation,
cutout; gradients pass through to the generator). Each change comes with probability p, which follows how far the critic
has learnt the training pictures by heart: Karras et al., Training generative adversarial networks with limited data,
2020, section 3.1, equation 1 (r_v).
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from dcgan.parallel import drawn

MOST = 0.8  # above it, augmentations leak into the generated pictures (Karras et al. 2020, section 2.2)
TARGET = 0.5  # of overfitting; Karras et al. 2020, section 3.1, hold r_v at one half
PACE = 100_000  # real pictures in which p may go from 0 to 1


def happens(p: float | Tensor, images: Tensor, sets: int = 1) -> Tensor:
    """Whether it happens, for each of N images: bool N,1,1,1."""
    return drawn(lambda n: torch.rand(n, 1, 1, 1, device=images.device), len(images), sets) < p


def colour(images: Tensor, p: float | Tensor, sets: int = 1) -> Tensor:
    """Brightness by up to half of white, saturation from 0 to 2 times, contrast from half to three halves."""

    def amount(low: float, high: float, neutral: float) -> Tensor:
        some = drawn(lambda n: torch.rand(n, 1, 1, 1, device=images.device), len(images), sets) * (high - low) + low
        return torch.where(happens(p, images, sets), some, neutral).to(images.dtype)

    images = images + amount(-0.5, 0.5, 0.0)
    grey = images.mean(1, keepdim=True)
    images = grey + (images - grey) * amount(0.0, 2.0, 1.0)
    middle = images.mean((1, 2, 3), keepdim=True)
    return middle + (images - middle) * amount(0.5, 1.5, 1.0)


def translate(images: Tensor, p: float | Tensor, sets: int = 1) -> Tensor:
    """Moved by up to an eighth of a side, along both axes; black (-1) moves in."""
    n, _, size, _ = images.shape
    reach = max(1, size // 8)
    offset = drawn(lambda n: torch.randint(-reach, reach + 1, (n, 2), device=images.device), n, sets)
    offset = offset * happens(p, images, sets).view(n, 1)
    padded = F.pad(images, (reach,) * 4, value=-1.0)
    along = torch.arange(size, device=images.device) + reach
    rows, columns = along + offset[:, :1], along + offset[:, 1:]
    rows = rows[:, None, :, None].expand(-1, padded.shape[1], -1, padded.shape[3])
    columns = columns[:, None, None, :].expand(-1, padded.shape[1], size, -1)
    return padded.gather(2, rows).gather(3, columns)


def cut_out(images: Tensor, p: float | Tensor, sets: int = 1) -> Tensor:
    """A square of half a side, anywhere, becomes grey (0)."""
    n, _, size, _ = images.shape
    centre = drawn(lambda n: torch.randint(0, size, (n, 2, 1), device=images.device), n, sets)
    near = (torch.arange(size, device=images.device) - centre).abs() * 4 <= size  # N,2,S
    square = (near[:, 0, :, None] & near[:, 1, None, :]).unsqueeze(1)
    return images.masked_fill(square & happens(p, images, sets), 0.0)


class Augment:
    """Images N,C,S,S in [-1, 1]  ->  images N,C,S,S, each change with probability p; p is part of the checkpoint.

    p float64 is on the device, so that following the critic never waits for it. Where reading it costs nothing, on the
    CPU, there is nothing to compute while it is 0.
    """

    def __init__(self, p: float = 0.0, device: torch.device | str = "cpu"):
        self.p = torch.tensor(p, dtype=torch.float64, device=device)

    def __call__(self, images: Tensor, sets: int = 1) -> Tensor:
        """sets: how many batches the images are, one after another."""
        if self.p.device.type == "cpu" and self.p == 0:
            return images
        changed = cut_out(translate(colour(images, self.p, sets), self.p, sets), self.p, sets)
        return changed.contiguous(memory_format=torch.channels_last)

    def follow(self, overfitting: Tensor, images: int) -> None:
        """p a little up where the critic overfits, a little down where not; `images`: real ones since the last call."""
        pace = images / PACE
        self.p.add_(torch.where(overfitting > TARGET, pace, -pace)).clamp_(0.0, MOST)

    def state_dict(self) -> dict:
        return {"p": self.p.item()}

    def load_state_dict(self, state: dict) -> None:
        self.p.fill_(state["p"])


def overfitting(training: Tensor, validation: Tensor, fake: Tensor) -> Tensor:
    """r_v from mean logits: 0 where unseen real pictures fare like those trained on, 1 where they fare like fakes."""
    lead = training - fake
    return torch.where(lead > 0, (training - validation) / lead.clamp(min=1e-6), 0.0)
