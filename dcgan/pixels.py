"""The border between pixels and networks: what the exported graphs compute before and after a network.

Pixels are uint8 N,H,W,3, RGB also where a network is grey, so that any generator's output is any classifier's input.
The training data passes through the same `fit`, so a graph sees a picture as training saw it.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dcgan.levels import in_eight_bits
from dcgan.models import Recogniser

CPU = torch.device("cpu")
# Luma of ITU-R BT.601 in 256ths: exact in floats, so that grey pictures (R = G = B) keep their exact levels.
LUMA = (77 / 256, 150 / 256, 29 / 256)
TINY = 1e-12  # instead of the difference of two equal quantiles
FARTHEST = 8.0  # spreads
WEIGHT = 2.0  # of the appearance in strangeness: 1 and 2 told training pictures of other sets better than 0, 4 and 8


def fit(pixels: Tensor, size: int, channels: int) -> Tensor:
    """Pixels uint8 N,H,W,3 -> levels float N,C,S,S in [0, 255]: centre square, linear antialiased resize."""
    height, width = pixels.shape[1], pixels.shape[2]
    torch._check(height > 0)  # the exporter needs to be told, or it stops at a data-dependent guard
    torch._check(width > 0)
    side = torch.sym_min(height, width)
    square = pixels.narrow(1, (height - side) // 2, side).narrow(2, (width - side) // 2, side)
    torch._check(square.shape[1] > 0)
    torch._check(square.shape[2] > 0)
    levels = square.permute(0, 3, 1, 2).float()
    weights = resize_weights(square.shape[1], size).to(levels.device)
    levels = weights @ levels @ weights.T
    if channels == 1:
        levels = luma(levels)
    return levels


def luma(levels: Tensor) -> Tensor:
    """Levels float N,3,S,S in grey: N,1,S,S."""
    return (levels * levels.new_tensor(LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True)


def resize_weights(side: int, size: int) -> Tensor:
    """The matrix S,side of a linear antialiased resize: triangles as wide as an output pixel, each row's sum 1.

    What Pillow calls BILINEAR and torch antialiased "bilinear"; the identity where side = S. Written as a matrix,
    because runtimes differ in how (and whether) they antialias ONNX's Resize, and none in how they multiply.
    """
    scale = side / size
    centres = (torch.arange(size).float()[:, None] + 0.5) * scale
    distance = (torch.arange(side).float()[None, :] + 0.5 - centres).abs() / torch.sym_max(scale, 1.0)
    weights = (1 - distance).clamp(min=0)
    return weights / weights.sum(1, keepdim=True)


def to_images(levels: Tensor) -> Tensor:
    """Levels [0, 255], uint8 or float -> images float in [-1, 1]."""
    return levels.float() / 127.5 - 1


def to_levels(images: Tensor) -> Tensor:
    """Images [-1, 1] -> levels uint8, rounded: the cast truncates, so + 128 instead of 127.5 rounds without a Round."""
    return (images * 127.5 + 128).clamp(0, 255).to(torch.uint8)


def on_arrays(module: nn.Module, device: torch.device = CPU) -> Callable[..., dict[str, np.ndarray]]:
    """A pixel module, moved to the device, as a call from arrays to arrays by name, as an exported file is one."""
    module.eval().to(device)

    def call(*arrays: np.ndarray) -> dict[str, np.ndarray]:
        with torch.no_grad():
            out = module(*(torch.tensor(array, device=device) for array in arrays))
        named = out if isinstance(out, dict) else {"pixels": out}
        return {name: value.cpu().numpy() for name, value in named.items()}

    return call


class PixelGenerator(nn.Module):
    """Latents float N,Z (and label int64 N)  ->  pixels uint8 N,S,S,3."""

    def __init__(self, generator: nn.Module):
        super().__init__()
        self.network = generator

    def forward(self, latents: Tensor, label: Tensor | None = None) -> Tensor:
        levels = to_levels(self.network(latents, label))
        return levels.expand(-1, 3, -1, -1).permute(0, 2, 3, 1)


class PixelCritic(nn.Module):
    """Pixels uint8 N,H,W,3 (and label int64 N)  ->  score float N: the higher, the more real to the GAN's critic."""

    def __init__(self, critic: nn.Module):
        super().__init__()
        self.network = critic

    def forward(self, pixels: Tensor, label: Tensor | None = None) -> Tensor:
        return self.network(to_images(fit(pixels, self.network.image_size, self.network.channels)), label)


def looks(images: Tensor, stages: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Appearance N,A and traits N,T of images N,C,S,S, of which a DCNN's stages made N,F,h,w each.

    Appearance: how pictures look, whatever they show: mean and spread of each channel of the images and of what the
    first stage makes of them, and how far neighbours are apart in the images, along both axes.
    Traits: what they show: mean and spread of each channel of every stage.
    """
    across, down = images.diff(dim=3).abs().mean((1, 2, 3)), images.diff(dim=2).abs().mean((1, 2, 3))
    traits = [each for features in stages for each in mean_and_spread(features)]
    return torch.cat([*mean_and_spread(images), across[:, None], down[:, None], *traits[:2]], 1), torch.cat(traits, 1)


def mean_and_spread(features: Tensor) -> tuple[Tensor, Tensor]:
    """Of square features N,C,h,h, N,C each; by pooling, for which a runtime does not rearrange features."""
    mean, of_squares = (F.avg_pool2d(each, features.shape[-1]).flatten(1) for each in (features, features * features))
    return mean, (of_squares - mean * mean).relu().sqrt()


class Oddity(nn.Module):
    """Traits N,T  ->  logits N, positive where they are rather those of an odd picture (dcgan/typical.py).

    Traits are counted in their usual spreads, up to FARTHEST: beyond that nothing has been learnt.
    """

    def __init__(self, traits: int, width: int):
        super().__init__()
        self.register_buffer("usual", torch.zeros(traits))
        self.register_buffer("spread", torch.ones(traits))
        self.inner = nn.Linear(traits, width)
        self.outer = nn.Linear(width, 1)

    def forward(self, traits: Tensor) -> Tensor:
        return self.outer(self.inner(self.standard(traits)).relu()).flatten()

    def standard(self, traits: Tensor) -> Tensor:
        return ((traits - self.usual) / self.spread).clamp(-FARTHEST, FARTHEST)


class Strangeness(nn.Module):
    """Appearance N,A and traits N,T  ->  how strange a picture is, N: of two, the one with more is the stranger.

    The logit of its oddity, and WEIGHT times the logarithm of 1 + its squared Mahalanobis distance to the mean
    appearance. `known`: `mean` A, `precision` A,A, the inverse of the covariance, and the weights of Oddity.
    """

    def __init__(self, known: dict[str, Tensor]):
        super().__init__()
        values, vectors = torch.linalg.eigh(known["precision"].double())
        whiten = vectors * values.clamp(min=0).sqrt()  # differences of whitened features have the identity as precision
        self.register_buffer("whiten", whiten.float())
        self.register_buffer("mean", known["mean"].float())
        width, traits = known["oddity.inner.weight"].shape
        self.oddity = Oddity(traits, width)
        weights = {name.removeprefix("oddity."): value for name, value in known.items() if name.startswith("oddity.")}
        self.oddity.load_state_dict(weights)

    def forward(self, appearance: Tensor, traits: Tensor) -> Tensor:
        return WEIGHT * (1 + self.squared_distance(appearance)).log() + self.oddity(traits)

    def squared_distance(self, appearance: Tensor) -> Tensor:
        return ((appearance - self.mean) @ self.whiten).square().sum(1)


class Typicality(nn.Module):
    """Appearance N,A and traits N,T  ->  the share N of held-back real pictures that are stranger; 1: all are.

    `known`: what Strangeness needs, and `quantiles` of the strangeness of held-back real pictures, evenly spaced from
    the least to the most strange. Between two quantiles the share is linear; beyond the last it is 0.
    """

    def __init__(self, known: dict[str, Tensor]):
        super().__init__()
        self.strangeness = Strangeness(known)
        self.register_buffer("quantiles", known["quantiles"].float())

    def forward(self, appearance: Tensor, traits: Tensor) -> Tensor:
        strangeness = self.strangeness(appearance, traits)[:, None]
        below, above = self.quantiles[:-1], self.quantiles[1:]
        passed = (strangeness - below) / (above - below).clamp(min=TINY)
        return 1 - passed.clamp(0, 1).mean(1)


class Attribution(nn.Module):
    """What a DCNN's stages make of images, N,F,h,w each  ->  how much more a place says than another, N,h,w, mean 0.

    In logits, times the number of places; positive where it speaks for real. Learnt by blurring: dcgan/attribution.py.
    """

    def __init__(self, features: int, width: int):
        """features: of all stages together; they are counted in their usual spreads."""
        super().__init__()
        self.register_buffer("usual", torch.zeros(features, 1, 1))
        self.register_buffer("spread", torch.ones(features, 1, 1))
        self.inner = nn.Conv2d(features, width, 1)
        self.around = nn.Conv2d(width, width, 3, padding=1)
        self.outer = nn.Conv2d(width, 1, 1)

    def forward(self, stages: list[Tensor]) -> Tensor:
        says = self.says(self.pool(stages))
        return says - says.mean((1, 2), keepdim=True)

    def says(self, features: Tensor) -> Tensor:
        """Features N,F,h,w of all stages  ->  what each place says, N,h,w, before their mean is taken off."""
        weight, bias = self.standard_inner()
        inner = F.conv2d(features, weight, bias).relu()
        return self.outer(self.around(inner).relu()).squeeze(1)

    def standard_inner(self) -> tuple[Tensor, Tensor]:
        """Weight and bias of the inner layer that count features in their usual spreads, rather than all features."""
        weight = self.inner.weight / self.spread
        return weight, self.inner.bias - (weight * self.usual).sum((1, 2, 3))

    @torch.no_grad()
    def fold(self) -> None:
        """Makes those its own, in place: what it says stays the same, and 16 bits can hold its weights."""
        for own, standard in zip((self.inner.weight, self.inner.bias), self.standard_inner(), strict=True):
            own.copy_(standard)
        self.usual.zero_()
        self.spread.fill_(1)

    @staticmethod
    def pool(stages: list[Tensor]) -> Tensor:
        """The features of all stages, N,F,h,w, at the places of the last."""
        side = stages[-1].shape[-1]
        return torch.cat([F.avg_pool2d(features, features.shape[-1] // side) for features in stages], 1)


class PixelDCNN(nn.Module):
    """Pixels uint8 N,H,W,3  ->  `real` N, `classes` N,K and `evidence` N,h,w by name, as far as it has the heads.

    The mean of `evidence` is the logit of `real`: each place adds its share, positive where it speaks for real. Where
    weights of an Attribution are given, that says how the shares differ; else they are those of the last features.
    `features` N,F are what both heads see, pooled: the space in which sets of pictures are compared.
    `typical` N, where the statistics for it are given (see Typicality): how ordinary the picture is among real ones.
    Where a recogniser is given, its logits of classes are added. One in the DCNN's place is asked as it is beside one,
    of the mirror image, too: `features` are the means of both.
    Where spans of `network`, and of the `recogniser`, are given (see dcgan/levels.py), both compute in 8 bits.
    """

    def __init__(
        self,
        dcnn: nn.Module,
        known: dict[str, Tensor] | None = None,
        attribution: dict[str, Tensor] | None = None,
        recogniser: nn.Module | None = None,
        spans: dict[str, Tensor] | None = None,
    ):
        super().__init__()
        self.network, self.recogniser = dcnn, recogniser
        self.typicality = Typicality(known) if known else None
        self.attribution = None
        if attribution:
            width, features = attribution["inner.weight"].shape[:2]
            self.attribution = Attribution(features, width)
            self.attribution.load_state_dict(attribution)
            self.attribution.fold()
        for name, measured in (spans or {}).items():
            in_eight_bits(getattr(self, name), measured)

    def forward(self, pixels: Tensor) -> dict[str, Tensor]:
        images = to_images(fit(pixels, self.network.image_size, self.network.channels))
        if isinstance(self.network, Recogniser):
            seen = self.network.seen(images)
            return {"features": seen, "classes": self.network.class_head(seen).softmax(1)}
        stages = self.network.stages(images)
        features = stages[-1]
        out = {"features": self.network.pool(features)}
        if self.network.real_head is not None:
            out["evidence"] = self.network.evidence(features)
            logit = out["evidence"].mean((1, 2))
            out["real"] = logit.sigmoid()
            if self.attribution is not None:
                out["evidence"] = logit[:, None, None] + self.attribution(stages)
        if self.network.class_head is not None:
            logits = self.network.class_head(out["features"])
            helped = logits if self.recogniser is None else logits + self.recogniser.recognise(images)
            out["classes"] = helped.softmax(1)
        if self.typicality is not None:
            out["typical"] = self.typicality(*looks(images, stages))
        return out
