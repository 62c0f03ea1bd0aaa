"""What is watched while a network trains: the best step so far, and the signs of a game that has gone wrong."""

import copy

import numpy as np
from torch import nn

COLLAPSED = 0.5  # of the real pictures' diversity
YOUNG = 50_000  # real pictures: until then a generator need not be diverse
SATURATED = 15.0  # logits between real and fake: the sigmoid's gradient is then below a millionth
SILENT = 0.01  # logits between real and fake: the critic has nothing left to teach


class Best:
    """The generator of the tick whose pictures were nearest to the held-back ones; has a state_dict like a network."""

    def __init__(self, G: nn.Module):
        self.network, self.step, self.distance = copy.deepcopy(G).requires_grad_(False), 0, float("inf")

    def consider(self, G: nn.Module, step: int, distance: float) -> None:
        if distance < self.distance:
            self.network.load_state_dict(G.state_dict())
            self.step, self.distance = step, distance

    def state_dict(self) -> dict:
        return {
            "step": self.step,
            "distance": self.distance,
            "network": self.network.state_dict() if self.step else {},
        }

    def load_state_dict(self, state: dict) -> None:
        self.step, self.distance = state["step"], state["distance"]
        if self.step:
            self.network.load_state_dict(state["network"])


class Patience:
    """Early stopping: the network of the tick with the smallest loss on held-back pictures, and how long ago it was.

    Prechelt, Early stopping - but when?, 1998, section 2. With `ticks` 0 it keeps nothing and is never over.
    """

    def __init__(self, network: nn.Module, ticks: int):
        self.ticks, self.step, self.loss, self.waited = ticks, 0, float("inf"), 0
        self.network = copy.deepcopy(network).requires_grad_(False) if ticks else None

    def consider(self, network: nn.Module, step: int, loss: float) -> None:
        """One tick."""
        self.waited += 1
        if self.network is not None and loss < self.loss:
            self.network.load_state_dict(network.state_dict())
            self.step, self.loss, self.waited = step, loss, 0

    def is_over(self) -> bool:
        return bool(self.ticks) and self.waited >= self.ticks

    def state_dict(self) -> dict:
        return {
            "step": self.step,
            "loss": self.loss,
            "waited": self.waited,
            "network": self.network.state_dict() if self.step else {},
        }

    def load_state_dict(self, state: dict) -> None:
        self.step, self.loss, self.waited = state["step"], state["loss"], state["waited"]
        if self.step:
            self.network.load_state_dict(state["network"])


def diversity(pixels: np.ndarray, label: np.ndarray | None) -> float:
    """How much pictures N,S,S,C (of one class: mean over the classes with two or more) differ: grey levels, >= 0."""
    label = np.zeros(len(pixels), int) if label is None else label
    groups = [pixels[label == k] for k in np.unique(label) if (label == k).sum() > 1]
    return float(np.mean([group.astype(np.float32).std(0).mean() for group in groups])) if groups else 0.0


def alarms(log: dict, earlier: list[dict]) -> list[str]:
    """Sentences for the person who watches, from a tick's log and earlier ones: what goes wrong, what usually helps."""
    found = []
    highest = max((past["diversity"] for past in earlier), default=0.0)
    if log["diversity"] < COLLAPSED and (highest >= COLLAPSED or log["images"] > YOUNG):
        found.append(
            f"The pictures of different seeds differ {log['diversity']:.0%} as much as real ones, after {highest:.0%}: "
            "the generator is collapsing. A stronger gradient penalty (--r1 and --r2), a smaller --lr-g, or an earlier "
            "checkpoint helps."
        )
    if log["D_real"] - log["D_fake"] > SATURATED:
        found.append(
            f"The critic tells real from fake by {log['D_real'] - log['D_fake']:.0f} logits: it is saturated, and the "
            "generator learns next to nothing from it. A stronger gradient penalty (--r1 and --r2), a smaller --lr-d, "
            "or --augment adaptive helps."
        )
    if abs(log["D_real"] - log["D_fake"]) < SILENT:
        found.append(
            "The critic says the same of real and fake pictures: it has stopped learning, and the generator with it. "
            "A smaller --lr-d and a new run help."
        )
    return found
