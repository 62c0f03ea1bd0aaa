"""Measures of pictures and verdicts: pure functions on arrays."""

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
