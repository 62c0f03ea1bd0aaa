"""Measures of pictures and verdicts: pure functions on arrays. Features are float N,F, a row a picture."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

BINS = 15  # of probabilities, where they are compared with what came true
NEIGHBOURS = 5  # k of precision, recall, density and coverage
BLOCK = 1000  # pictures in a block of the kernel distance
MOST_DISTANCES = 1 << 22  # held at once, of the N x M between two sets: 16 MB of float32
PATCH = 7  # pixels a side
PATCHES = 1 << 15  # of a set at each size
DIRECTIONS = 128  # from which patches are seen


def accuracy(predicted: np.ndarray, labels: np.ndarray) -> float:
    """Share of equal entries."""
    return float(np.mean(predicted == labels))


def balanced_accuracy(real_of_reals: np.ndarray, real_of_fakes: np.ndarray, threshold: float = 0.5) -> float:
    """Mean of the shares that are right among reals and among fakes; each array: probabilities of being real."""
    return float((np.mean(real_of_reals >= threshold) + np.mean(real_of_fakes < threshold)) / 2)


def auc(positive: np.ndarray, negative: np.ndarray) -> float:
    """Area under the ROC: how often a positive outscores a negative, ties counting half (Mann, Whitney 1947)."""
    scores = np.concatenate([positive, negative])
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(counts) - (counts - 1) / 2  # of each distinct value, counting from 1
    rank_sum = mean_rank[inverse][: len(positive)].sum()
    return float((rank_sum - len(positive) * (len(positive) + 1) / 2) / (len(positive) * len(negative)))


def brier(probabilities: np.ndarray, outcomes: np.ndarray) -> float:
    """Mean squared error of probabilities against what was the case, 0 or 1 (Brier 1950)."""
    return float(np.mean((probabilities - outcomes) ** 2))


def roc(positive: np.ndarray, negative: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """False and true positive rates P, from (0, 0) to (1, 1), at every threshold that tells two scores apart."""
    levels = np.unique(np.concatenate([positive, negative]))[::-1]
    rates = [1 - np.searchsorted(np.sort(scores), levels, "left") / len(scores) for scores in (negative, positive)]
    return np.concatenate([[0], rates[0]]), np.concatenate([[0], rates[1]])


def average_precision(positive: np.ndarray, negative: np.ndarray) -> float:
    """Precision at each threshold, weighed by how much recall grows there; 1 where every positive outscores all others.

    Buckley and Voorhees, Evaluating evaluation measure stability, 2000, section 2.
    """
    levels = np.unique(np.concatenate([positive, negative]))[::-1]
    found, wrong = (len(s) - np.searchsorted(np.sort(s), levels, "left") for s in (positive, negative))
    grown = np.diff(found, prepend=0) / len(positive)
    return float((grown * found / (found + wrong)).sum())


def reliability(
    probabilities: np.ndarray, outcomes: np.ndarray, bins: int = BINS
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What was said and what came true: in each of the bins of [0, 1] that is not empty, the mean probability, the
    share of outcomes (0 or 1) that were 1, and how many there are.
    """
    which = np.minimum((probabilities * bins).astype(int), bins - 1)
    count = np.bincount(which, minlength=bins)
    said, true = (np.bincount(which, weights=values, minlength=bins) for values in (probabilities, outcomes))
    some = count > 0
    return said[some] / count[some], true[some] / count[some], count[some]


def calibration_error(probabilities: np.ndarray, outcomes: np.ndarray, bins: int = BINS) -> float:
    """Expected calibration error: how far, on average, what was said is from what came true.

    Naeini, Cooper and Hauskrecht, Obtaining well calibrated probabilities using Bayesian binning, 2015; with bins of
    equal width as in Guo et al., On calibration of modern neural networks, 2017, equation 3.
    """
    said, true, count = reliability(probabilities, outcomes, bins)
    return float((np.abs(said - true) * count).sum() / count.sum())


def confusion_matrix(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """int64 K,K: how many of each class (row) were taken for each class (column)."""
    return np.bincount(labels * classes + predicted, minlength=classes**2).reshape(classes, classes)


def precision_recall_f1(confusion: np.ndarray) -> dict[str, np.ndarray]:
    """Of each class K: the share of those taken for it that are, the share of it that was found, and their harmonic
    mean. What nothing was taken for has a precision of 0.
    """
    right, taken, there = np.diag(confusion), confusion.sum(0), confusion.sum(1)
    return {
        "precision": right / np.maximum(taken, 1),
        "recall": right / np.maximum(there, 1),
        "f1": 2 * right / np.maximum(taken + there, 1),
    }


def bootstrap(figure: Callable[..., float], *groups: np.ndarray, times: int = 500, seed: int = 0) -> list[float]:
    """The interval [low, high] in which 95 % of the figures of groups lie that are drawn anew from these, as many each.

    Efron, Better bootstrap confidence intervals, 1987, section 1 (the percentile interval). figure(*groups).
    """
    rng = np.random.default_rng(seed)
    found = [figure(*(g[rng.integers(len(g), size=len(g))] for g in groups)) for _ in range(times)]
    return [float(edge) for edge in np.quantile(found, [0.025, 0.975])]


# --- the distances of two sets of pictures, in features -----------------------------------------------------------


class Moments:
    """Count, mean F and covariance F,F of features seen so far, in float64: a set of any size in F x F numbers.

    Chan, Golub and LeVeque, Updating formulae and a pairwise algorithm for computing sample variances, 1979.
    """

    def __init__(self) -> None:
        self.n = 0
        self.mean = self.scatter = np.float64(0)

    def add(self, features: np.ndarray) -> "Moments":
        """Takes in further features N,F; returns itself."""
        n, total = len(features), self.n + len(features)
        if n:
            mean = features.mean(0, dtype=np.float64)
            centred, apart = features - mean, mean - self.mean
            self.scatter = self.scatter + centred.T @ centred + np.outer(apart, apart) * (self.n * n / total)
            self.mean, self.n = self.mean + apart * (n / total), total
        return self

    @property
    def covariance(self) -> np.ndarray:
        """Unbiased, F,F. Raises ValueError for fewer than two rows."""
        if self.n < 2:
            raise ValueError(f"A covariance needs two rows at least; there are {self.n}.")
        return self.scatter / (self.n - 1)


def moments_of(features: np.ndarray) -> Moments:
    return Moments().add(features)


def frechet_distance(a: Moments, b: Moments) -> float:
    """Squared Frechet distance of two Gaussians with these moments: |mean - mean|^2 + tr(A + B - 2 (A B)^(1/2)).

    Heusel et al., GANs trained by a two time-scale update rule converge to a local Nash equilibrium, 2017, section 3;
    a FID only in Inception's features. The trace of (A B)^(1/2) is the nuclear norm of A^(1/2) B^(1/2), which needs
    roots of symmetric matrices alone and stays exact where these are singular.
    """
    A, B = a.covariance, b.covariance
    common = np.linalg.svd(root(A) @ root(B), compute_uv=False).sum()
    return max(0.0, float(np.sum((a.mean - b.mean) ** 2) + np.trace(A) + np.trace(B) - 2 * common))


def root(covariance: np.ndarray) -> np.ndarray:
    """The symmetric square root; eigenvalues that are zero but for rounding are taken for zero."""
    values, vectors = np.linalg.eigh(covariance)
    values[values < values[-1] * len(values) * np.finfo(values.dtype).eps] = 0
    return (vectors * np.sqrt(values)) @ vectors.T


def kernel_distance(a: np.ndarray, b: np.ndarray) -> tuple[float, float | None]:
    """Squared maximum mean discrepancy under the kernel (x.y / F + 1)^3, unbiased (it may be negative), with its
    standard error (None where there is one block): the mean over blocks of BLOCK rows. Rows are in random order.

    Binkowski et al., Demystifying MMD GANs, 2018, section 4; a KID only in Inception's features.
    """
    blocks = max(1, min(len(a), len(b)) // BLOCK)
    pairs = zip(np.array_split(a, blocks), np.array_split(b, blocks), strict=True)
    values = [discrepancy(x.astype(np.float64), y.astype(np.float64)) for x, y in pairs]
    return float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(blocks)) if blocks > 1 else None


def discrepancy(x: np.ndarray, y: np.ndarray) -> float:
    """The kernel distance of one block: Gretton et al., A kernel two-sample test, 2012, equation 3."""

    def kernel(p: np.ndarray, q: np.ndarray) -> np.ndarray:
        return (p @ q.T / p.shape[1] + 1) ** 3

    def mean_of_pairs(p: np.ndarray) -> float:
        k = kernel(p, p)
        return (k.sum() - np.trace(k)) / (len(p) * (len(p) - 1))

    return float(mean_of_pairs(x) + mean_of_pairs(y) - 2 * kernel(x, y).mean())


# --- neighbours, in features --------------------------------------------------------------------------------------


def squared_distances(x: np.ndarray, y: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """|x - y|^2 of every row of x with every row of y, some rows of x at a time: (which, array of those,M).

    By rounding a distance of zero may come out a little below it.
    """
    x, y = x - y.mean(0), y - y.mean(0)  # about the origin, where |x|^2 - 2 x.y + |y|^2 loses fewest digits
    x, y = (np.column_stack([np.square(a).sum(1), np.ones(len(a), a.dtype), a]) for a in (x, y))
    y = np.ascontiguousarray(np.column_stack([y[:, 1], y[:, 0], -2 * y[:, 2:]]).T)  # all three terms in one product
    rows = max(1, MOST_DISTANCES // y.shape[1])
    for i in range(0, len(x), rows):
        yield slice(i, i + rows), x[i : i + rows] @ y


@dataclass(frozen=True)
class Manifold:
    """A set's features N,F, each with the squared distance N to its k-th nearest neighbour: balls around them."""

    features: np.ndarray
    radii: np.ndarray
    k: int


def manifold_of(features: np.ndarray, k: int = NEIGHBOURS) -> Manifold:
    """Raises ValueError where there are not more than k rows."""
    if len(features) <= k:
        raise ValueError(f"{k} neighbours need more than {k} rows; there are {len(features)}.")
    radii = np.empty(len(features), features.dtype)
    for rows, d in squared_distances(features, features):
        radii[rows] = np.partition(d, k, axis=1)[:, k]  # place 0 is the picture itself
    return Manifold(features, radii, k)


def precision_recall_density_coverage(real: Manifold, fake: Manifold) -> dict[str, float]:
    """How many fakes lie among the reals (precision; density counts in how many balls) and reals among the fakes.

    precision and recall: Kynkaanniemi et al., Improved precision and recall metric for assessing generative models,
    2019, equation 2. density and coverage: Naeem et al., Reliable fidelity and diversity metrics for generative models,
    2020, equations 3 and 4; coverage is the share of reals with a fake in their ball. Shares, but density may exceed 1.
    """
    around = np.zeros(len(fake.features), np.int64)  # real balls around each fake
    recalled, covered = np.zeros((2, len(real.features)), bool)
    for rows, d in squared_distances(real.features, fake.features):
        inside = d <= real.radii[rows, None]
        around += inside.sum(0)
        covered[rows] = inside.any(1)
        recalled[rows] = (d <= fake.radii).any(1)
    return {
        "precision": float((around > 0).mean()),
        "recall": float(recalled.mean()),
        "density": float(around.mean() / real.k),
        "coverage": float(covered.mean()),
    }


def nearest(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For every row of x the distance N to its nearest row of y, and the number int64 N of that row."""
    index, distance = np.empty(len(x), np.int64), np.empty(len(x))
    for rows, d in squared_distances(x, y):
        index[rows] = d.argmin(1)
        least = np.take_along_axis(d, index[rows][:, None], 1)[:, 0]  # not min: that would read all of them again
        distance[rows] = np.sqrt(np.maximum(least, 0))
    return distance, index


def percentiles(values: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Where each value lies among the reference ones: 0 below all, 100 above all, ties in their middle."""
    ordered = np.sort(reference)
    below, up_to = (np.searchsorted(ordered, values, side) for side in ("left", "right"))
    return 50.0 * (below + up_to) / len(ordered)


# --- patches, in pixels -------------------------------------------------------------------------------------------


class Patches:
    """Random patches of the Laplacian pyramids of n pictures, which arrive in batches: a fixed number at each size.

    Karras et al., Progressive growing of GANs for improved quality, stability, and variation, 2018, section 5. The same
    seed takes its patches from the same places.
    """

    def __init__(self, n: int, seed: int = 0):
        self.each = max(1, PATCHES // max(1, n))
        self.seed = seed
        self.places: list[np.random.Generator] = []
        self.levels: list[list[np.ndarray]] = []

    def add(self, pixels: np.ndarray) -> "Patches":
        """Takes in further pixels uint8 N,S,S,C; returns itself."""
        images = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2), np.float32)
        for i, level in enumerate(laplacian_pyramid(images)):
            if i == len(self.levels):
                self.levels.append([])
                self.places.append(np.random.default_rng([self.seed, i]))
            n, side = len(level), level.shape[2]
            y, x = np.moveaxis(self.places[i].integers(0, side - PATCH + 1, (n, self.each, 2)), 2, 0)
            windows = np.lib.stride_tricks.sliding_window_view(level, (PATCH, PATCH), (2, 3))
            patches = windows[np.arange(n)[:, None], :, y, x]
            self.levels[i].append(patches.reshape(-1, *patches.shape[2:]))
        return self

    def profiles(self) -> list[np.ndarray]:
        """For each size, largest first: every patch seen from each direction, sorted: float32 DIRECTIONS,P."""
        return [profile(np.concatenate(level), self.seed) for level in self.levels]


def profile(patches: np.ndarray, seed: int) -> np.ndarray:
    """Patches P,C,7,7 -> their sorted projections DIRECTIONS,P, in grey levels."""
    directions = np.random.default_rng(seed).standard_normal((DIRECTIONS, patches[0].size), np.float32)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return np.sort(directions @ patches.reshape(len(patches), -1).T, axis=1)


def sliced_wasserstein_distance(fake: list[np.ndarray], real: list[np.ndarray]) -> list[float]:
    """For each size of two `Patches.profiles()` of equally many pictures: the mean distance of sorted projections, in
    standard deviations of the real ones.

    Karras et al. bring the patches of each set to its own mean and deviation, which hides blur and pallor.
    """
    return [
        float(np.abs(x - y).mean(dtype=np.float64) / max(1e-6, y.std(axis=1, dtype=np.float64).mean()))
        for x, y in zip(fake, real, strict=True)
    ]


def laplacian_pyramid(levels: np.ndarray) -> list[np.ndarray]:
    """float32 N,C,S,S -> what each size adds to the next smaller one, and last that one itself, 14 pixels or more.

    Burt and Adelson, The Laplacian pyramid as a compact image code, 1983.
    """
    pyramid = []
    while levels.shape[2] >= 4 * PATCH:
        halve = halving(levels.shape[2])
        smaller = halve @ levels @ halve.T
        double = halve.T / halve.T.sum(1, keepdims=True)
        pyramid.append(levels - double @ smaller @ double.T)
        levels = smaller
    return [*pyramid, levels]


def halving(side: int) -> np.ndarray:
    """The matrix side/2,side that takes every second pixel of a line blurred by 1 4 6 4 1, mirrored at its ends."""
    weights = np.zeros((side // 2, side), np.float32)
    for offset, weight in zip(range(-2, 3), (1, 4, 6, 4, 1), strict=True):
        at = np.abs(np.arange(0, side, 2) + offset)
        np.add.at(weights, (np.arange(side // 2), np.minimum(at, 2 * (side - 1) - at)), weight / 16)
    return weights
