"""Half the bytes: weights stored as 16-bit floats and cast back in the graph, where arithmetic stays in 32 bits; and a
quarter: those of a recogniser's convolutions, of which only the largest of ten numbers counts, as 8-bit integers and a
scale for each channel that they make.

A runtime folds the casts when it opens the file, so speed and memory are those of 32-bit weights, and any runtime that
knows Cast and Mul computes the same. The rounding happens in the torch network, before it is exported: what is stored
is then exact, and a file is compared with the very network that it holds.
"""

import copy
from itertools import pairwise

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from torch.nn.utils import fuse_conv_bn_eval
from torch.nn.utils.parametrize import is_parametrized, remove_parametrizations

WORTH_IT = 256  # numbers; a cast for fewer saves nothing
WORTH_A_SCALE = 4096  # numbers; of fewer, each counts more
LARGEST = 127  # of 8-bit integers, on both sides of 0


def plain(module: nn.Module) -> nn.Module:
    """The module in evaluation mode, its computed weights (spectral normalisation) made ordinary ones, in place.

    BatchNorm after a pooling comes before it, next to the convolution that it can be folded into: where it does not
    turn numbers round, the largest stays the largest.
    """
    module.eval()  # first: in training each look at such a weight moves its estimate on
    for part in [part for part in module.modules() if is_parametrized(part)]:
        for name in list(part.parametrizations):
            remove_parametrizations(part, name, leave_parametrized=True)
    for block in [part for part in module.modules() if isinstance(part, nn.Sequential)]:
        for i, (pooling, norm) in enumerate(pairwise(block)):
            if isinstance(pooling, nn.MaxPool2d) and isinstance(norm, nn.BatchNorm2d) and bool((norm.weight > 0).all()):
                block[i], block[i + 1] = norm, pooling
    return module


def rounded(module: nn.Module) -> nn.Module:
    """A copy of a `plain` module whose weights 16 bits can hold; BatchNorm, which would scale them again, is folded in.

    Those of the convolutions of its `recogniser`, if it has one, 8 bits and a scale a channel can hold. Biases, which
    are few, keep their 32 bits.
    """
    module = copy.deepcopy(module)
    for block in [part for part in module.modules() if isinstance(part, nn.Sequential)]:
        for i, (layer, norm) in enumerate(pairwise(block)):
            if isinstance(norm, nn.BatchNorm2d):
                block[i] = fuse_conv_bn_eval(layer, norm, transpose=isinstance(layer, nn.ConvTranspose2d))
                block[i + 1] = nn.Identity()
    recogniser = getattr(module, "recogniser", None)
    coarse = {id(weight) for weight in recogniser.parameters()} if recogniser is not None else set()
    with torch.no_grad():
        for weight in module.parameters():
            if id(weight) in coarse and weight.ndim == 4 and weight.numel() >= WORTH_A_SCALE:
                weight.copy_(to_multiples(weight))
            elif weight.ndim > 1:
                weight.copy_(weight.half())
    return module


def to_multiples(weight: torch.Tensor) -> torch.Tensor:
    """The nearest weights O,I,h,w that are whole multiples, up to LARGEST, of a scale for each of the O.

    A scale has 8 bits of its own, so that 32 hold its multiples exactly.
    """
    scale = (weight.abs().amax((1, 2, 3), keepdim=True) / LARGEST).bfloat16().float()
    scale = torch.where(scale > 0, scale, 1.0)
    return (weight / scale).round().clamp(-LARGEST, LARGEST) * scale


def store_rounded(model: onnx.ModelProto) -> None:
    """Stores in 8 or 16 bits what they hold exactly, and computes it again under its old name."""
    makers, scales = [], []
    for tensor in model.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < WORTH_IT:
            continue
        name, values = tensor.name, numpy_helper.to_array(tensor)
        with np.errstate(over="ignore"):  # infinity is not equal either
            halves = values.astype(np.float16)
        if multiples := as_multiples(values):
            whole, scale = multiples
            tensor.CopyFrom(numpy_helper.from_array(whole, f"{name}_byte"))
            scales.append(numpy_helper.from_array(scale, f"{name}_scale"))
            makers += [
                helper.make_node("Cast", [f"{name}_byte"], [f"{name}_whole"], f"{name}_cast", to=TensorProto.FLOAT),
                helper.make_node("Mul", [f"{name}_whole", f"{name}_scale"], [name], f"{name}_mul"),
            ]
        elif np.array_equal(halves, values):
            tensor.CopyFrom(numpy_helper.from_array(halves, f"{name}_half"))
            makers.append(helper.make_node("Cast", [f"{name}_half"], [name], f"{name}_cast", to=TensorProto.FLOAT))
    model.graph.initializer.extend(scales)
    nodes = [*makers, *model.graph.node]  # a graph's nodes stand in the order in which they can run
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def as_multiples(values: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Values O,I,h,w as int8 O,I,h,w times float32 O,1,1,1, where that is exactly what they are."""
    if values.ndim != 4:
        return None
    scale = np.abs(values).max((1, 2, 3), keepdims=True) / np.float32(LARGEST)
    scale = np.where(scale > 0, scale, np.float32(1))
    whole = np.round(values / scale)
    return (whole.astype(np.int8), scale) if np.array_equal(whole * scale, values) else None
