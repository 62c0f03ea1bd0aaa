"""Losses: pure functions on logits; each returns a scalar.

The game: Goodfellow et al., Generative adversarial nets, 2014, section 3 (cross-entropy, with the non-saturating
generator) and Mao et al., Least squares generative adversarial networks, 2017, equation 9 (mse, real 1 and fake 0).
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F


def critic_cross_entropy(real: Tensor, fake: Tensor) -> Tensor:
    return F.softplus(-real).mean() + F.softplus(fake).mean()  # -log D(x) - log(1 - D(G(z)))


def generator_cross_entropy(fake: Tensor) -> Tensor:
    return F.softplus(-fake).mean()  # -log D(G(z))


def critic_mse(real: Tensor, fake: Tensor) -> Tensor:
    return (real - 1).square().mean() + fake.square().mean()


def generator_mse(fake: Tensor) -> Tensor:
    return (fake - 1).square().mean()


def binary_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, targets)


def binary_mse(logits: Tensor, targets: Tensor) -> Tensor:
    return (logits.sigmoid() - targets).square().mean()


def class_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(logits, labels)


def class_mse(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean squared error of softmax against one-hot, summed over the classes."""
    return (logits.softmax(1) - F.one_hot(labels, logits.shape[1])).square().sum(1).mean()


Loss = Callable[..., torch.Tensor]
GAN_LOSSES: dict[str, tuple[Loss, Loss]] = {
    "cross-entropy": (critic_cross_entropy, generator_cross_entropy),
    "mse": (critic_mse, generator_mse),
}
DCNN_LOSSES: dict[str, tuple[Loss, Loss]] = {
    "cross-entropy": (binary_cross_entropy, class_cross_entropy),
    "mse": (binary_mse, class_mse),
}
