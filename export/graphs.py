"""A checkpoint's networks as graphs between pixels, each with what its file will say of itself."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.export import Dim

from dcgan import checkpoint
from dcgan.config import PRESETS, DcnnConfig, GanConfig, RunConfig, from_saved
from dcgan.folding import plain
from dcgan.models import Recogniser, make_gan
from dcgan.pixels import PixelCritic, PixelDCNN, PixelGenerator
from dcgan.typical import ATYPICAL_BELOW
from export.directions import directions_of
from export.latents import RECIPE, SEED_MAX, latents
from export.weights import rounded

VERSION = "1.0.0"  # of this project
FORMAT = 1  # of facts and manifest; raised when a reader of the old one would go wrong
# Settings of a run that facts state elsewhere (the first: what was there, facts of the data tell), or that have no
# effect on what is learnt.
PLACES = ("out", "data", "data_dir", "gan", "calibrate_on", "unlike", "teacher", "start", "recogniser")
TRUSTED = ("threshold", "unsure_band", "resaved_band", "errors")  # of a calibration, what facts tell
DULL = (*PLACES, "licence", "image_size", "channels", "steps", "tick", "device", "tensorboard")
# How far rounded weights may move what a person sees of a network: grey levels, probabilities.
MOST_MOVED = {"pixels": 2, "real": 0.01, "classes": 0.05, "typical": 0.01}

BATCH = {0: Dim("batch", min=1)}
PICTURE_AXES = {0: Dim("batch", min=1), 1: Dim.DYNAMIC, 2: Dim.DYNAMIC}


class ExportError(ValueError):
    """A model that cannot be exported; its message is a sentence for the person who asked for it."""


@dataclass(frozen=True)
class Graph:
    """A network between pixels, how to call it for comparison, and what its file will say of itself."""

    module: nn.Module
    example: Callable[[int, int], dict[str, Tensor]]  # (batch, case) -> inputs by name
    outputs: tuple[str, ...]
    dynamic: dict[str, dict[int, object]]  # axes of the inputs that are free
    facts: dict


def graphs_of(state: dict) -> dict[str, Graph]:
    """File name -> Graph, for a loaded checkpoint of either trainer."""
    c, facts = state["config"], facts_of(state)
    return gan_graphs(state, c, facts) if isinstance(c, GanConfig) else dcnn_graphs(state, c, facts)


def facts_of(state: dict) -> dict:
    """What is told of every network: what it was made from, how, and from which checkpoint."""
    c = state["config"]
    return {
        "format": FORMAT,
        "version": VERSION,
        "image_size": c.image_size,
        "channels": c.channels,
        "classes": state["data"]["classes"],
        "data": {name: value for name, value in state["data"].items() if name not in ("classes", "fakes")},
        "step": state["step"],
        "images": state["step"] * c.real_batch,  # real ones; a DCNN saw as many fakes
        "weights": {"stored": "float32"},
        "made": state["made"],
        "settings": settings(c)
        | {name: state["data"][name][:12] for name in ("start", "teacher") if name in state["data"]},
        "config": {name: value for name, value in vars(c).items() if name not in PLACES},
        "checkpoint_sha256": state["sha256"],
    }


def settings(c: RunConfig) -> dict:
    """The preset, if it has one, the precision, and every knob whose value is neither the preset's nor the default."""
    preset = getattr(c, "preset", None)
    usual = type(c)(**PRESETS.get(preset, {}))
    changed = {name: value for name, value in vars(c).items() if value != getattr(usual, name) and name not in DULL}
    return ({"preset": preset} if preset else {}) | {"precision": c.precision} | changed


def gan_graphs(state: dict, c: GanConfig, facts: dict) -> dict[str, Graph]:
    K = len(facts["classes"])
    G, D = make_gan(c, K)
    G.load_state_dict(checkpoint.generator_state(state))
    D.load_state_dict(state["D"])
    best = state.get("G_best", {})
    best = {name: value for name, value in best.items() if name != "network"} if best.get("network") else {}
    label_says = {"label": f"int64 [batch], 0 to {K - 1}"} if K else {}
    noise = {"latents": f"float32 [batch, {c.latent_dim}], standard normal"}

    def with_labels(inputs: dict[str, Tensor], n: int) -> dict[str, Tensor]:
        return inputs | ({"label": torch.arange(n) % K} if K else {})

    def draw_example(n: int, case: int) -> dict[str, Tensor]:
        return with_labels({"latents": torch.from_numpy(latents(range(100 * case, 100 * case + n), c.latent_dim))}, n)

    def score_example(n: int, case: int) -> dict[str, Tensor]:
        return with_labels({"pixels": example_pixels(n, case, c.image_size)}, n)

    generator_facts = facts | {
        "kind": "generator",
        **({"best": best, "images": best["step"] * c.real_batch} if best else {}),
        "latent_dim": c.latent_dim,
        "seeds": {"recipe": RECIPE, "from": 0, "to": SEED_MAX, "class": "seed modulo the number of classes"},
        "inputs": noise | label_says,
        "outputs": {"pixels": f"uint8 [batch, {c.image_size}, {c.image_size}, 3], RGB, 0 to 255"},
    }
    critic_facts = facts | {
        "kind": "critic",
        "inputs": {"pixels": "uint8 [batch, height, width, 3], RGB, 0 to 255"} | label_says,
        "outputs": {"score": "float32 [batch], any number; the higher, the more real"},
    }
    label_axes = {"label": BATCH} if K else {}
    drawing = plain(PixelGenerator(G))
    if directions := directions_of(G):
        generator_facts["directions"] = directions
    return {
        "generator.onnx": Graph(drawing, draw_example, ("pixels",), {"latents": BATCH} | label_axes, generator_facts),
        "critic.onnx": Graph(
            plain(PixelCritic(D)), score_example, ("score",), {"pixels": PICTURE_AXES} | label_axes, critic_facts
        ),
    }


def dcnn_graphs(state: dict, c: DcnnConfig, facts: dict) -> dict[str, Graph]:
    network = checkpoint.network_of(state)
    says = {
        "evidence": "float32 [batch, h, w], positive where the picture speaks for real; its mean is the logit of real",
        "real": "float32 [batch], probability",
        "classes": f"float32 [batch, {len(facts['classes'])}], probabilities",
        "features": "float32 [batch, F], what the verdicts are made of; sets of pictures are compared in them",
        "typical": "float32 [batch], share of unseen real pictures that are stranger to it; 0: none, nothing like it",
    }
    learnt_after = checkpoint.learnt_after(state)
    recogniser = learnt_after[2]
    module = plain(PixelDCNN(network, *learnt_after))

    def example(n: int, case: int) -> dict[str, Tensor]:
        return {"pixels": example_pixels(n, case, c.image_size)}

    outputs = tuple(module(**example(1, 0)))
    dcnn_facts = facts | {
        "kind": "dcnn",
        "inputs": {"pixels": "uint8 [batch, height, width, 3], RGB, 0 to 255"},
        "outputs": {name: says[name] for name in outputs},
        **({"learnt_from": state["data"]["fakes"]} if c.gan else {}),  # checkpoint_sha256 of generators
        **what_to_trust(state),
        **({"recogniser": recogniser_facts(state["recogniser"], recogniser)} if recogniser else {}),
    }
    name = "dcnn.onnx" if c.gan else "referee.onnx"
    return {name: Graph(module, example, outputs, {"pixels": PICTURE_AXES}, dcnn_facts)}


def recogniser_facts(record: dict, recogniser: Recogniser) -> dict:
    """What a DCNN's facts say of the network that helps it to tell the classes; how many weights that has, too."""
    facts = facts_of(record | {"config": from_saved(DcnnConfig, record["config"])})
    told = ("data", "step", "images", "made", "settings", "config", "checkpoint_sha256")
    return {name: facts[name] for name in told} | {"parameters": sum(p.numel() for p in recogniser.parameters())}


def what_to_trust(state: dict) -> dict:
    """Facts of a DCNN's verdicts (export.runtime.Limits), as far as its checkpoint has them, all from unseen pictures.

    `threshold`: the probability from which on a picture is called real. `unsure_band`: [low, high], the probabilities
    between which it is too close to call; `resaved_band`: those that say nothing when a re-saved picture gets them.
    `errors`: shares of `clean` and of `degraded` pictures, `false_alarms` (real ones that are called fake) and `misses`
    (fakes that are called real). `best`: the step that early stopping kept.
    `atypical_below`: the `typical` below which a picture is called unlike all that the DCNN has learnt from.
    """
    calibration, best = state.get("calibration", {}), state.get("best", {})
    facts = {name: calibration[name] for name in TRUSTED if calibration.get(name)}
    facts |= {"best": {"step": best["step"], "loss": best["loss"]}} if best.get("step") else {}
    return facts | ({"atypical_below": ATYPICAL_BELOW} if state.get("known") else {})


def example_pixels(n: int, case: int, size: int) -> Tensor:
    """Pictures to compare on: of the network's own size, larger and wide, smaller and high."""
    height, width = [(size, size), (size + 9, 3 * size + 2), (2 * size, size // 2 + 1)][case]
    rng = np.random.default_rng(case)
    coarse = rng.integers(0, 256, (n, 4, 4, 3)).astype(np.uint8)
    y, x = np.arange(height) * 4 // height, np.arange(width) * 4 // width
    return torch.from_numpy(coarse[:, y][:, :, x] // 2 + rng.integers(0, 128, (n, height, width, 3)).astype(np.uint8))


def halve(graph: Graph, name: str) -> Graph:
    """The graph with rounded weights (export/weights.py); its facts say how far that moves it. Raises ExportError."""
    light = rounded(graph.module)
    inputs = graph.example(64, 0)
    with torch.no_grad():
        before, after = (named(graph, module(**inputs)) for module in (graph.module, light))
    moved = {key: (after[key].float() - before[key].float()).abs().max().item() for key in before}
    for key, most in MOST_MOVED.items():
        if not moved.get(key, 0) <= most:
            raise ExportError(
                f"{name}: rounded weights would move its {key} by up to {moved[key]:.3g}, and at most {most} is "
                "allowed. Export it with --weights fp32."
            )
    weights = {"stored": "float16", "moved": {key: float(f"{most:.2g}") for key, most in moved.items()}}
    return dataclasses.replace(graph, module=light, facts=graph.facts | {"weights": weights})


def named(graph: Graph, out: Tensor | dict[str, Tensor]) -> dict[str, Tensor]:
    """What a graph's module gives, by name."""
    return out if isinstance(out, dict) else {graph.outputs[0]: out}
