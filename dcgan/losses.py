"""Losses: pure functions on logits; each returns a scalar.

The game: Goodfellow et al., Generative adversarial nets, 2014, section 3 (cross-entropy, with the non-saturating
generator); Mao et al., Least squares generative adversarial networks, 2017, equation 9 (mse, real 1 and fake 0); Lim
and Ye, Geometric GAN, 2017, equations 10 and 11 (hinge); Jolicoeur-Martineau, The relativistic discriminator, 2018,
section 4.1 (relativistic: each real picture against one fake).
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

TEMPERATURE = 2.0  # by which a teacher's logits are divided, so that it also shows which mistakes are the lesser ones


def critic_cross_entropy(real: Tensor, fake: Tensor) -> Tensor:
    return F.softplus(-real).mean() + F.softplus(fake).mean()  # -log D(x) - log(1 - D(G(z)))


def generator_cross_entropy(fake: Tensor) -> Tensor:
    return F.softplus(-fake).mean()  # -log D(G(z))


def critic_mse(real: Tensor, fake: Tensor) -> Tensor:
    return (real - 1).square().mean() + fake.square().mean()


def generator_mse(fake: Tensor) -> Tensor:
    return (fake - 1).square().mean()


def critic_hinge(real: Tensor, fake: Tensor) -> Tensor:
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


def generator_hinge(fake: Tensor) -> Tensor:
    return -fake.mean()


def critic_relativistic(real: Tensor, fake: Tensor) -> Tensor:
    return F.softplus(fake - real).mean()  # -log sigmoid(D(x) - D(G(z)))


def generator_relativistic(fake: Tensor, real: Tensor) -> Tensor:
    return F.softplus(real - fake).mean()


def gradient_penalties(logits: Tensor, *images: Tensor) -> list[Tensor]:
    """Of each batch of images: the mean squared norm of the logits' gradient by it; 0 where it requires no gradient.

    R1 for real pictures, R2 for fakes. logits: their sum. Mescheder et al., Which training methods for GANs do actually
    converge?, 2018, section 4.1.
    """
    steep = [some for some in images if some.requires_grad]
    gradients = iter(torch.autograd.grad(logits, steep, create_graph=True))
    return [
        next(gradients).float().square().sum((1, 2, 3)).mean() if some.requires_grad else logits.new_zeros(())
        for some in images
    ]


def binary_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, targets)


def binary_mse(logits: Tensor, targets: Tensor) -> Tensor:
    return (logits.sigmoid() - targets).square().mean()


def class_cross_entropy(logits: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
    """labels: int64 N, or shares of the classes N,K. smoothing: share of the target that is spread over all of them
    (Szegedy et al., Rethinking the Inception architecture for computer vision, 2016, section 7).
    """
    return F.cross_entropy(logits, labels, label_smoothing=smoothing)


def class_mse(logits: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
    """Mean squared error of softmax against one-hot, or against shares N,K, summed over the classes."""
    K = logits.shape[1]
    shares = labels if labels.ndim == 2 else F.one_hot(labels, K)
    target = shares * (1 - smoothing) + smoothing / K
    return (logits.softmax(1) - target).square().sum(1).mean()


def distillation(logits: Tensor, teacher: Tensor) -> Tensor:
    """How far from a teacher's class probabilities, both softened: logits N,K of both.

    Hinton, Vinyals and Dean, Distilling the knowledge in a neural network, 2015, section 2.
    """
    said, wanted = ((each / TEMPERATURE).log_softmax(1) for each in (logits, teacher))
    return TEMPERATURE**2 * F.kl_div(said, wanted, reduction="batchmean", log_target=True)


Loss = Callable[..., torch.Tensor]


@dataclass(frozen=True)
class GameLoss:
    """critic(real, fake); generator(fake), or generator(fake, real) where the loss is of pairs."""

    critic: Loss
    generator: Loss
    paired: bool = False


GAN_LOSSES: dict[str, GameLoss] = {
    "cross-entropy": GameLoss(critic_cross_entropy, generator_cross_entropy),
    "mse": GameLoss(critic_mse, generator_mse),
    "hinge": GameLoss(critic_hinge, generator_hinge),
    "relativistic": GameLoss(critic_relativistic, generator_relativistic, paired=True),
}
DCNN_LOSSES: dict[str, tuple[Loss, Loss]] = {
    "cross-entropy": (binary_cross_entropy, class_cross_entropy),
    "mse": (binary_mse, class_mse),
}
