"""The border between pixels and networks: what the exported graphs compute before and after a network.

Pixels are uint8 N,H,W,3, RGB also where a network is grey, so that any generator's output is any classifier's input.
The training data passes through the same `fit`, so a graph sees a picture as training saw it.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

# Luma of ITU-R BT.601 in 256ths: exact in floats, so that grey pictures (R = G = B) keep their exact levels.
LUMA = (77 / 256, 150 / 256, 29 / 256)


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
        levels = (levels * levels.new_tensor(LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True)
    return levels


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


def on_arrays(module: nn.Module) -> Callable[..., dict[str, np.ndarray]]:
    """A pixel module as a call on arrays that gives arrays by name, as an exported file is one."""
    module.eval()

    def call(*arrays: np.ndarray) -> dict[str, np.ndarray]:
        with torch.no_grad():
            out = module(*(torch.tensor(array) for array in arrays))
        return {name: value.numpy() for name, value in (out if isinstance(out, dict) else {"pixels": out}).items()}

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


class PixelDCNN(nn.Module):
    """Pixels uint8 N,H,W,3  ->  `real` N, `classes` N,K and `evidence` N,h,w by name, as far as it has the heads.

    The mean of `evidence` is the logit of `real`: each place adds its share, positive where it speaks for real.
    `features` N,F are what both heads see, pooled: the space in which sets of pictures are compared.
    """

    def __init__(self, dcnn: nn.Module):
        super().__init__()
        self.network = dcnn

    def forward(self, pixels: Tensor) -> dict[str, Tensor]:
        features = self.network.features(to_images(fit(pixels, self.network.image_size, self.network.channels)))
        out = {"features": features.mean((2, 3))}
        if self.network.real_head is not None:
            out["evidence"] = self.network.evidence(features)
            out["real"] = out["evidence"].mean((1, 2)).sigmoid()
        if self.network.class_head is not None:
            out["classes"] = self.network.class_head(out["features"]).softmax(1)
        return out
