"""Averaged networks: steadier, and better, than those of any one step.

Polyak and Juditsky, Acceleration of stochastic approximation by averaging, 1992; for generators: Yazici et al., The
unusual effectiveness of averaging in GAN training, 2018.
"""

import torch
from torch import Tensor, nn


def weight_in_average(decay: float, step: int) -> float:
    """How much the network of a step counts in its average: more while the run is young."""
    return 1 - min(decay, (1 + step) / (10 + step))


def average(averaged: nn.Module, network: nn.Module, weight: Tensor) -> None:
    """One step of the exponential moving average of the weights and of BatchNorm's statistics. weight: a scalar."""
    with torch.no_grad():
        for mean, now in zip(averaged.state_dict().values(), network.state_dict().values(), strict=True):
            mean.lerp_(now, weight) if mean.is_floating_point() else mean.copy_(now)
