"""Weights in fewer bits: as 16-bit floats that are cast back in the graph, where arithmetic stays in 32 bits; and those
of convolutions that compute in 8 bits as 8-bit integers and a scale for each channel that they make.

A runtime folds the casts when it opens the file, so speed and memory are those of 32-bit weights, and any runtime that
knows Cast computes the same. The rounding happens in the torch network, before it is exported: what is stored is then
exact, and a file is compared with the very network that it holds.
"""

import copy

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from dcgan.folding import fold
from dcgan.levels import as_multiples

WORTH_IT = 256  # numbers; a cast for fewer saves nothing


def rounded(module: nn.Module) -> nn.Module:
    """A copy of a `plain` module whose weights 16 bits can hold; BatchNorm, which would scale them again, is folded in.

    Those that are multiples of a scale (dcgan/levels.py) stay as they are, and biases, which are few, keep 32 bits.
    """
    module = fold(copy.deepcopy(module))
    with torch.no_grad():
        for weight in module.parameters():
            if weight.ndim > 1 and as_multiples(weight.numpy()) is None:
                weight.copy_(weight.half())
    return module


def store_rounded(model: onnx.ModelProto) -> None:
    """Stores in 16 bits what they hold exactly, and computes it again under its old name."""
    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < WORTH_IT:
            continue
        name, values = tensor.name, numpy_helper.to_array(tensor)
        with np.errstate(over="ignore"):  # infinity is not equal either
            halves = values.astype(np.float16)
        if np.array_equal(halves, values):
            tensor.CopyFrom(numpy_helper.from_array(halves, f"{name}_half"))
            casts.append(helper.make_node("Cast", [f"{name}_half"], [name], f"{name}_cast", to=TensorProto.FLOAT))
    begin_with(model.graph, casts)


def store_multiples(model: onnx.ModelProto) -> None:
    """Stores in 8 bits the weights of the convolutions that compute in 8 bits, and computes them again under their old
    names, in the way by which a runtime sees that it can leave that out.
    """
    graph = model.graph
    levels = {node.output[0] for node in graph.node if node.op_type == "DequantizeLinear"}
    coarse = {node.input[1] for node in graph.node if node.op_type == "Conv" and node.input[0] in levels}
    makers = []
    for tensor in [tensor for tensor in graph.initializer if tensor.name in coarse]:
        name, multiples = tensor.name, as_multiples(numpy_helper.to_array(tensor))
        if multiples is None:  # a head, which sees such levels, too
            continue
        whole, scale = multiples
        tensor.CopyFrom(numpy_helper.from_array(whole, f"{name}_byte"))
        graph.initializer.append(numpy_helper.from_array(scale.reshape(-1), f"{name}_scale"))
        inputs = [f"{name}_byte", f"{name}_scale"]
        makers.append(helper.make_node("DequantizeLinear", inputs, [name], f"{name}_dequantize", axis=0))
    begin_with(graph, makers)


def begin_with(graph: onnx.GraphProto, makers: list[onnx.NodeProto]) -> None:
    """Puts nodes before all others: a graph's nodes stand in the order in which they can run."""
    nodes = [*makers, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
