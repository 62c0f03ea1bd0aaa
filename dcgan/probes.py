"""Probes: classifiers that are trained in order to measure a generator or a critic. They take minutes."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm, trange

from dcgan.config import DcnnConfig
from dcgan.data import Batches, Pictures
from dcgan.degrade import augment
from dcgan.losses import DCNN_LOSSES
from dcgan.models import DCNN, make_dcnn
from dcgan.pixels import to_images
from dcgan.run import autocast
from dcgan.train_dcnn import descend, learning_rate, make_optimizer, predict

# --- classification accuracy score --------------------------------------------------------------------------------


def classification_accuracy(training: Pictures, test: Pictures, c: DcnnConfig, device: torch.device) -> float:
    """Share of test pictures that a DCNN recognises which has learnt from `training` alone, by train_dcnn's recipe.

    With fakes to learn from: Ravuri and Vinyals, Classification accuracy score for conditional generative models, 2019,
    section 3.
    """
    network = learn(training.to(device), c, device)
    return (predict(network, test.images.to(device))[1].argmax(1).cpu() == test.labels).float().mean().item()


def learn(pictures: Pictures, c: DcnnConfig, device: torch.device) -> DCNN:
    """A DCNN of the classes alone."""
    torch.manual_seed(c.seed)
    network = make_dcnn(c, len(pictures.classes)).to(device, memory_format=torch.channels_last)
    optimizer = make_optimizer(network, c, device)
    loss, batch = DCNN_LOSSES[c.loss][1], Batches(pictures, c.batch, c.seed)
    for step in trange(1, c.steps + 1, desc="Learning from fakes", unit="step", leave=False, disable=None):
        torch.manual_seed(c.seed * 1_000_003 + step)
        images, label = batch(step)
        with autocast(c, device):
            logits = network(augment(images, c.augment).contiguous(memory_format=torch.channels_last))[1]
        descend(loss(logits.float(), label), optimizer, learning_rate(c, step))
    return network


# --- linear SVM on the critic's features --------------------------------------------------------------------------

GRID = 4  # places a side to which each layer is pooled
STRENGTHS = (1e-5, 1e-4, 1e-3, 1e-2)  # of the fit against the weights' size: C, for standardised features
ROUNDS = 60  # of L-BFGS for each C
CHUNK = 1000  # pictures whose features are held at once


def critic_features(critic: nn.Module, images: Tensor) -> Tensor:
    """Images N,C,S,S -> what every layer's unit says at most in each of 4 x 4 places, of all layers: N,W.

    Radford, Metz and Chintala 2015, section 5.1.
    """
    parts = []
    for layer in critic.layers:
        images = layer(images)
        if isinstance(layer, nn.LeakyReLU):
            parts.append(F.adaptive_max_pool2d(images, GRID).flatten(1))
    return torch.cat(parts, 1)


class FeatureFile:
    """The critic's features of many pictures, float16 in a file: they are read in chunks, again in each round."""

    def __init__(self, path: Path, critic: nn.Module, pictures: Pictures, device: torch.device):
        self.path, self.labels, self.n = path, pictures.labels, len(pictures)
        self.mean = self.deviation = torch.zeros(())
        total = squares = 0
        parts = pictures.images.split(CHUNK)
        with torch.no_grad(), path.open("wb") as file:
            for images in tqdm(parts, desc="The critic looks", unit_scale=CHUNK, leave=False, disable=None):
                features = torch.cat(
                    [critic_features(critic, to_images(some.to(device))) for some in images.split(250)]
                )
                features = features.half().cpu()
                features.numpy().tofile(file)
                total, squares = total + features.double().sum(0), squares + features.double().square().sum(0)
        self.width = features.shape[1]
        self.scale_by(total / self.n, (squares / self.n - (total / self.n).square()).clamp(min=0).sqrt())

    def scale_by(self, mean: Tensor, deviation: Tensor) -> None:
        """Features are given less the mean, in deviations; those that never change are given as 0."""
        self.mean, self.deviation = mean, deviation
        self.shift = mean.float()
        self.factor = torch.where(deviation > 1e-6, 1 / deviation, 0).float()

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Features float32 n,W and labels n, CHUNK at a time."""
        for i in range(0, self.n, CHUNK):
            n = min(CHUNK, self.n - i)
            raw = np.fromfile(self.path, np.float16, n * self.width, offset=2 * i * self.width)
            features = torch.from_numpy(raw).float().view(n, self.width)
            yield features.sub_(self.shift).mul_(self.factor), self.labels[i : i + n]


def svm_loss(weights: Tensor, features: FeatureFile, C: float) -> tuple[float, Tensor]:
    """The L2-regularised squared hinge loss of one SVM a class, each against all others, and its gradient.

    weights: K,W+1, the last column the bias. Tang, Deep learning using linear support vector machines, 2013, section 2.
    """
    W, b = weights[:, :-1], weights[:, -1]
    loss, gradient = W.square().sum().item() / 2, torch.cat([W, torch.zeros_like(b)[:, None]], 1)
    for x, label in features:
        sign = 2.0 * F.one_hot(label, len(W)) - 1
        hinge = (1 - sign * (x @ W.T + b)).clamp(min=0)
        loss += C * hinge.square().sum().item()
        pull = -2 * C * sign * hinge  # n,K
        gradient[:, :-1].addmm_(pull.T, x)
        gradient[:, -1] += pull.sum(0)
    return loss, gradient


def fit_svm(features: FeatureFile, classes: int, C: float, weights: Tensor | None = None) -> Tensor:
    """Weights K,W+1 that minimise svm_loss, from `weights` on, by L-BFGS."""
    start = torch.zeros(classes, features.width + 1) if weights is None else weights
    weights = start.clone().requires_grad_()
    optimizer = torch.optim.LBFGS(
        [weights], max_iter=ROUNDS, history_size=10, line_search_fn="strong_wolfe", tolerance_change=1e-7
    )

    def closure() -> float:
        loss, weights.grad = svm_loss(weights.detach(), features, C)
        return loss

    optimizer.step(closure)
    return weights.detach()


def svm_accuracy(weights: Tensor, features: FeatureFile) -> float:
    right = sum((x @ weights[:, :-1].T + weights[:, -1]).argmax(1).eq(label).sum().item() for x, label in features)
    return right / features.n


def linear_svm(
    critic: nn.Module, training: Pictures, validation: Pictures, test: Pictures, device: torch.device
) -> tuple[float, float, int]:
    """Accuracy on the test pictures of a linear SVM on the critic's features; C, chosen on validation; W."""
    critic = critic.to(device).eval()
    K = len(training.classes)
    with tempfile.TemporaryDirectory() as folder:
        sets = [
            FeatureFile(Path(folder, str(i)), critic, pictures, device)
            for i, pictures in enumerate((training, validation, test))
        ]
        learnt, chosen_on, tested_on = sets
        for other in (chosen_on, tested_on):
            other.scale_by(learnt.mean, learnt.deviation)
        best, weights = (-1.0, 0.0, torch.zeros(())), None
        for C in tqdm(STRENGTHS, desc="Fitting SVMs", leave=False, disable=None):
            weights = fit_svm(learnt, K, C, weights)
            best = max(best, (svm_accuracy(weights, chosen_on), C, weights), key=lambda found: found[0])
        return svm_accuracy(best[2], tested_on), best[1], learnt.width
