"""A DCNN that was trained before, of a run or of a bundle, as a network that teaches or learns on.

An export folds BatchNorm into the convolutions before it (export/weights.py). Read back from a bundle, a BatchNorm does
nothing but hold its convolution's bias; `unfold` lets it normalise again.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from dcgan import checkpoint
from dcgan.config import DcnnConfig, TrainingError, from_saved
from dcgan.models import DCNN, Recogniser, make_dcnn
from export import runtime


@dataclass(frozen=True)
class Learnt:
    """A network in evaluation mode, what it was made with, and the sha256 of the checkpoint that it was.

    Of a run, it is as it was before any calibration; in a bundle that is folded in.
    recogniser: the record (dcgan.checkpoint.as_record) of the one that helps it to tell the classes, or that it is.
    """

    network: DCNN | Recogniser
    config: DcnnConfig
    classes: tuple[str, ...]
    sha256: str
    folded: bool
    recogniser: dict | None = None

    @property
    def knows_classes(self) -> DCNN | Recogniser:
        """The network to ask for classes."""
        return checkpoint.recogniser_of(self.recogniser) if self.recogniser else self.network


def learnt(place: str | Path) -> Learnt:
    """The DCNN of a run's folder or of a bundle. Raises TrainingError."""
    if (Path(place) / runtime.MANIFEST).is_file():
        return of_bundle(Path(place))
    state = checkpoint.load(place, DcnnConfig)
    network, classes = checkpoint.dcnn_of(state), tuple(state["data"]["classes"])
    record = checkpoint.as_record(state) if isinstance(network, Recogniser) else state.get("recogniser") or None
    return Learnt(network, state["config"], classes, state["sha256"], folded=False, recogniser=record)


def of_bundle(folder: Path) -> Learnt:
    """The DCNN of a bundle. Raises TrainingError."""
    try:
        model = runtime.DCNN(folder)
    except runtime.ModelError as error:
        raise TrainingError(str(error)) from error
    facts = model.facts
    taught = {"gan": tuple(facts.get("learnt_from", ("unknown",)))} if model.judges_reality else {}
    config = from_saved(DcnnConfig, facts["config"] | taught)
    network = make_dcnn(config, len(model.classes))
    record = facts.get("recogniser")
    recogniser = make_dcnn(from_saved(DcnnConfig, record["config"]), len(model.classes)) if record else None
    read_back(network, recogniser, onnx.load(model.path).graph)
    if record:
        kept = {name: record[name] for name in ("step", "made", "config")}
        data = record["data"] | {"classes": list(model.classes)}
        record = kept | {"data": data, "sha256": record["checkpoint_sha256"], "network": recogniser.state_dict()}
    return Learnt(network.eval(), config, tuple(model.classes), facts["checkpoint_sha256"], True, record)


def read_back(network: DCNN, recogniser: Recogniser | None, graph: onnx.GraphProto) -> None:
    """Gives the networks the weights of the graph that they were exported as.

    The graph's convolutions stand there in the order in which they are computed: the layers', that of the real head,
    which has another name there, and another shape, than in the network, those of the attribution, which is learnt
    anew, and the recogniser's. Beside a recogniser, the class head is what it counts there.
    """
    stored = {tensor.name: numpy_helper.to_array(tensor).astype(np.float32) for tensor in graph.initializer}
    for node in graph.node:  # those of 16 or 8 bits (export/weights.py)
        if node.op_type == "Cast" and node.input[0] in stored:
            stored[node.output[0]] = stored[node.input[0]]
        elif node.op_type == "DequantizeLinear" and node.input[0] in stored:
            whole, scale = (stored[name] for name in node.input[:2])
            stored[node.output[0]] = whole * scale[:, None, None, None]
    pairs = [[stored[name] for name in node.input[1:3]] for node in graph.node if node.op_type == "Conv"]
    layers = layers_of(network)
    if network.real_head is not None:
        put(network.real_head, *pairs[len(layers)])
    if recogniser is not None:
        put(recogniser.class_head, stored["recogniser.class_head.weight"])
        others = layers_of(recogniser)
        fill(others, pairs[-len(others) :])
    if network.class_head is not None:
        put(network.class_head, *(stored[f"network.class_head.{name}"] for name in ("weight", "bias")))
    fill(layers, pairs[: len(layers)])


def layers_of(network: nn.Module) -> list[nn.Sequential]:
    """Its convolutions, each with what follows it."""
    return [part for part in network.modules() if isinstance(part, nn.Sequential) and isinstance(part[0], nn.Conv2d)]


def fill(layers: list[nn.Sequential], pairs: list[list[np.ndarray]]) -> None:
    """Gives each layer its weight and bias; the latter to its BatchNorm, where it has one."""
    for layer, (weight, bias) in zip(layers, pairs, strict=True):
        norm = next((part for part in layer if isinstance(part, nn.BatchNorm2d)), None)
        if norm is None:
            put(layer[0], weight, bias)
            continue
        put(layer[0], weight)
        norm.running_mean.zero_()
        norm.running_var.fill_(1 - norm.eps)
        put(norm, np.ones_like(bias), bias)


def put(layer: nn.Module, weight: np.ndarray, bias: np.ndarray | None = None) -> None:
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weight).view_as(layer.weight))
        if bias is not None:
            layer.bias.copy_(torch.from_numpy(bias))


def unfold(network: DCNN, images: Tensor) -> None:
    """Lets each BatchNorm that was folded away normalise what it sees of images N,C,S,S, and undo that with its own
    scale and shift: the network computes what it did, and learns as one with BatchNorm does.
    """

    def measure(norm: nn.BatchNorm2d, inputs: tuple[Tensor]) -> None:
        mean, var = inputs[0].mean((0, 2, 3)), inputs[0].var((0, 2, 3), correction=0)
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(var)
        norm.weight.copy_((var + norm.eps).sqrt())
        norm.bias.add_(mean)

    norms = [part for part in network.modules() if isinstance(part, nn.BatchNorm2d)]
    hooks = [norm.register_forward_pre_hook(measure) for norm in norms]
    training = network.training
    network.eval()
    with torch.no_grad():
        network(images)
    network.train(training)
    for hook in hooks:
        hook.remove()
