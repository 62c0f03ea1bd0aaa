"""A step as one message to the GPU: its hundreds of small kernels, recorded once and replayed ever after.

Small networks on a large GPU wait for Python, which sends kernels more slowly than they are computed. CUDA graphs send
them all at once (Gray, Getting started with CUDA graphs, 2019). What is replayed computes what was recorded, on the
tensors that were there then: inputs are copied into these, outputs out of them. Random numbers are drawn anew, by the
seed and the place that torch's generator has when it is replayed.
"""

from collections.abc import Callable, Hashable

import torch
from torch import Tensor

from dcgan.config import TrainingError

WARM_UP = 3  # calls of each kind that run as they are, while libraries choose their kernels, before one is recorded


class Recorded:
    """A function (kind, *tensors) -> dict of tensors, all on one CUDA device, as graphs: one for each kind.

    The function must not read a tensor's value, and must leave what it computes in tensors that stay: weights and
    buffers that are updated in place. Shapes belong to the kind. Raises TrainingError where it cannot be recorded.
    """

    def __init__(self, function: Callable[..., dict[str, Tensor]]):
        self.function, self.stream, self.pool = function, torch.cuda.Stream(), torch.cuda.graph_pool_handle()
        self.calls: dict[Hashable, int] = {}
        self.graphs: dict[Hashable, tuple[torch.cuda.CUDAGraph, list[Tensor | None], dict[str, Tensor]]] = {}

    def __call__(self, kind: Hashable, *inputs: Tensor | None) -> dict[str, Tensor]:
        self.calls[kind] = self.calls.get(kind, 0) + 1
        if self.calls[kind] <= WARM_UP:
            return self.aside(kind, *inputs)
        if kind not in self.graphs:
            self.graphs[kind] = self.record(kind, *inputs)
        graph, places, outputs = self.graphs[kind]
        for place, value in zip(places, inputs, strict=True):
            if place is not None:
                place.copy_(value, non_blocking=True)
        graph.replay()
        return {name: value.clone() for name, value in outputs.items()}

    def aside(self, kind: Hashable, *inputs: Tensor | None) -> dict[str, Tensor]:
        """The function itself, on the stream on which it will be recorded."""
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            outputs = self.function(kind, *inputs)
        torch.cuda.current_stream().wait_stream(self.stream)
        return outputs

    def record(self, kind: Hashable, *inputs: Tensor | None) -> tuple:
        """The graph of one call, its inputs and its outputs. Nothing is computed yet."""
        places = [None if value is None else value.detach().clone() for value in inputs]
        graph = torch.cuda.CUDAGraph()
        torch.cuda.synchronize()
        try:
            with torch.cuda.graph(graph, pool=self.pool, stream=self.stream, capture_error_mode="thread_local"):
                outputs = self.function(kind, *places)
        except RuntimeError as error:
            raise TrainingError(
                f"The step cannot be recorded on this GPU ({str(error).splitlines()[0]}). --no-record trains without."
            ) from error
        return graph, places, outputs
