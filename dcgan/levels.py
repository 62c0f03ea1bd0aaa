"""A network that has learnt, computed in 8 bits where most of its arithmetic is.

What such a convolution gets and gives is rounded to 256 levels, and its weights are whole multiples of a scale for each
channel that it makes. A CPU multiplies and adds such numbers two to three times as fast as floats, and exactly: Jacob
et al., Quantization and training of neural networks for efficient integer-arithmetic-only inference, 2018, section 2.
How far apart levels must be is measured on pictures.

Weights have 7 of the 8 bits: where a processor adds two products in 16 bits, before they are added to the others, the
sum cannot overflow, and all processors say the same.
"""

import copy
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from dcgan.folding import fold, plain
from dcgan.models import DCNN, Recogniser, Residual

HIGHEST = 255  # of the levels, which begin at 0
LARGEST = 63  # multiple of a weight's scale, on both sides of 0: 2 x 255 x 63 is below 2 to the 15th
TINY = 1e-6  # a span, where nothing speaks

Network = DCNN | Recogniser


class Span(nn.Module):
    """Passes tensors on, and keeps the smallest and the largest number that it has seen; 0 is always between them."""

    def __init__(self):
        super().__init__()
        self.low = self.high = 0.0

    def forward(self, x: Tensor) -> Tensor:
        self.low, self.high = min(self.low, x.min().item()), max(self.high, x.max().item(), self.low + TINY)
        return x


class Levels(nn.Module):
    """Rounds each number to the nearest of 256 levels, which are as far apart; one of them is 0."""

    def __init__(self, low: float, high: float):
        super().__init__()
        self.step = (high - low) / HIGHEST
        self.zero = round(-low / self.step)  # which of the levels it is

    def forward(self, x: Tensor) -> Tensor:
        return to_levels(x, self.step, self.zero)


@torch.library.custom_op("dcgan::to_levels", mutates_args=())
def to_levels(x: Tensor, step: float, zero: int) -> Tensor:
    """The nearest of (0 to 255 - zero) x step to each number; an operation of its own, so that an exporter knows it."""
    return torch.fake_quantize_per_tensor_affine(x, step, zero, 0, HIGHEST)


@to_levels.register_fake
def _(x: Tensor, step: float, zero: int) -> Tensor:
    return torch.empty_like(x)


def spans_of(network: Network, images: Tensor) -> Tensor:
    """The smallest and the largest number, float32 P,2, at each of the P places where `in_eight_bits` will round.

    images: N,C,S,S in [-1, 1] of all kinds that it is to be asked about.
    """
    network = fold(plain(copy.deepcopy(network)))
    spans: list[Span] = []

    def make() -> Span:
        spans.append(Span())
        return spans[-1]

    insert(network, make)
    with torch.no_grad():
        for some in images.split(100):
            network.seen(some)
    return torch.tensor([[span.low, span.high] for span in spans])


def in_eight_bits(network: Network, spans: Tensor) -> None:
    """Makes the network, in place, compute in 8 bits, with the spans that were measured of it. Evaluation mode only."""
    fold(plain(network))
    found = iter(spans.tolist())
    for layer in insert(network, lambda: Levels(*next(found))):
        layer[0].weight.data = to_multiples(layer[0].weight.data)


def insert(network: Network, make: Callable[[], nn.Module]) -> list[nn.Sequential]:
    """Puts a new module at each place of a folded network where numbers are to be rounded; the layers between them.

    A DCNN's are those behind its last pooling: there is most of the arithmetic, and early ones see what fakes are told
    by, which is finer than a level. A recogniser's are all that learn.
    """
    stages, layers = network.features, []
    if isinstance(network, Recogniser):
        first = 1
    else:
        first = max((i for i, stage in enumerate(stages) if begins_with_pooling(stage)), default=len(stages))
    for i in range(first, len(stages)):
        parts = stages[i].correction if isinstance(stages[i], Residual) else stages[i]
        if i == first:
            stages[i].insert(1 if begins_with_pooling(stages[i]) else 0, make())
        for layer in parts:
            if isinstance(layer, nn.Sequential):
                layers.append(layer)
                rounded_once = isinstance(layer[-1], nn.ReLU | nn.Identity)  # no activation follows a folded norm
                if not rounded_once:
                    layer.insert(1, make())
                if rounded_once or i + 1 < len(stages) or layer is not parts[-1]:
                    layer.append(make())
        if isinstance(stages[i], Residual):
            stages[i] = nn.Sequential(stages[i], make())
    return layers


def has_levels(module: nn.Module) -> bool:
    return any(isinstance(part, Levels) for part in module.modules())


def begins_with_pooling(stage: nn.Module) -> bool:
    return isinstance(stage, nn.Sequential) and isinstance(stage[0], nn.MaxPool2d)


def to_multiples(weight: Tensor) -> Tensor:
    """The nearest weights O,I,h,w that are whole multiples, up to LARGEST, of a scale for each of the O.

    A scale has 8 bits of its own, so that 32 hold its multiples exactly.
    """
    scale = (weight.abs().amax((1, 2, 3), keepdim=True) / LARGEST).bfloat16().float()
    scale = torch.where(scale > 0, scale, 1.0)
    return (weight / scale).round().clamp(-LARGEST, LARGEST) * scale


def as_multiples(values: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Values O,I,h,w as int8 O,I,h,w times float32 O,1,1,1, where that is exactly what they are."""
    if values.ndim != 4:
        return None
    scale = np.abs(values).max((1, 2, 3), keepdims=True) / np.float32(LARGEST)
    scale = np.where(scale > 0, scale, np.float32(1))
    whole = np.round(values / scale)
    return (whole.astype(np.int8), scale) if np.array_equal(whole * scale, values) else None
