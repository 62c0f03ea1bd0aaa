"""Half the bytes: weights stored as 16-bit floats and cast back in the graph, where arithmetic stays in 32 bits.

A runtime folds the casts when it opens the file, so speed and memory are those of 32-bit weights, and any runtime that
knows Cast computes the same. The rounding happens in the torch network, before it is exported: what is stored is then
exact, and a file is compared with the very network that it holds.
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


def plain(module: nn.Module) -> nn.Module:
    """The module in evaluation mode, its computed weights (spectral normalisation) made ordinary ones, in place."""
    module.eval()  # first: in training each look at such a weight moves its estimate on
    for part in [part for part in module.modules() if is_parametrized(part)]:
        for name in list(part.parametrizations):
            remove_parametrizations(part, name, leave_parametrized=True)
    return module


def rounded(module: nn.Module) -> nn.Module:
    """A copy of a `plain` module whose weights 16 bits can hold; BatchNorm, which would scale them again, is folded in.

    Biases, which are few, keep their 32 bits.
    """
    module = copy.deepcopy(module)
    for block in [part for part in module.modules() if isinstance(part, nn.Sequential)]:
        for i, (layer, norm) in enumerate(pairwise(block)):
            if isinstance(norm, nn.BatchNorm2d):
                block[i] = fuse_conv_bn_eval(layer, norm, transpose=isinstance(layer, nn.ConvTranspose2d))
                block[i + 1] = nn.Identity()
    with torch.no_grad():
        for weight in module.parameters():
            if weight.ndim > 1:
                weight.copy_(weight.half())
    return module


def store_halves(model: onnx.ModelProto) -> None:
    """Stores in 16 bits what they hold exactly, and casts it back under its old name."""
    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < WORTH_IT:
            continue
        values = numpy_helper.to_array(tensor)
        with np.errstate(over="ignore"):  # infinity is not equal either
            halves = values.astype(np.float16)
        if np.array_equal(halves, values):
            name = tensor.name
            tensor.CopyFrom(numpy_helper.from_array(halves, f"{name}_half"))
            casts.append(helper.make_node("Cast", [f"{name}_half"], [name], f"{name}_cast", to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]  # a graph's nodes stand in the order in which they can run
    del model.graph.node[:]
    model.graph.node.extend(nodes)
