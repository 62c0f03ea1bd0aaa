"""A network that has learnt all that it will, with less to compute: weights are numbers, not made anew each time, and
BatchNorm is part of the convolution before it.
"""

from itertools import pairwise

from torch import nn
from torch.nn.utils import fuse_conv_bn_eval
from torch.nn.utils.parametrize import is_parametrized, remove_parametrizations


def plain(module: nn.Module) -> nn.Module:
    """The module in evaluation mode, its computed weights (spectral normalisation) made ordinary ones, in place.

    BatchNorm after a pooling comes before it, next to the convolution that it can be folded into: where it does not
    turn numbers round, the largest stays the largest.
    """
    module.eval()  # first: in training each look at such a weight moves its estimate on
    for part in [part for part in module.modules() if is_parametrized(part)]:
        for name in list(part.parametrizations):
            remove_parametrizations(part, name, leave_parametrized=True)
    for block in sequences(module):
        for i, (pooling, norm) in enumerate(pairwise(block)):
            if isinstance(pooling, nn.MaxPool2d) and isinstance(norm, nn.BatchNorm2d) and bool((norm.weight > 0).all()):
                block[i], block[i + 1] = norm, pooling
    return module


def fold(module: nn.Module) -> nn.Module:
    """The `plain` module with each BatchNorm folded into the convolution before it, in place."""
    for block in sequences(module):
        for i, (layer, norm) in enumerate(pairwise(block)):
            if isinstance(norm, nn.BatchNorm2d):
                block[i] = fuse_conv_bn_eval(layer, norm, transpose=isinstance(layer, nn.ConvTranspose2d))
                block[i + 1] = nn.Identity()
    return module


def sequences(module: nn.Module) -> list[nn.Sequential]:
    return [part for part in module.modules() if isinstance(part, nn.Sequential)]
