"""Measures of pictures and verdicts: pure functions on arrays. Features are float N,F, a row a picture."""

import numpy as np


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


# --- distances between sets of pictures, in features --------------------------------------------------------------


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
