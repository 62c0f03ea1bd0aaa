"""How far a picture is from everything that the DCNN knows, in the DCNN's features.

Groups of known pictures are taken for Gaussians with a mean each and one covariance for all; a picture's distance is
that to the nearest mean: Lee et al., A simple unified framework for detecting out-of-distribution samples and
adversarial attacks, 2018, section 2.1. The covariance is shrunk: Ledoit and Wolf, A well-conditioned estimator for
large-dimensional covariance matrices, 2004, section 3.
"""

import torch
from torch import Tensor

LEAST_SHRINKAGE = 1e-4  # features that hardly ever speak would else decide alone, and float32 could not hold it


def fit(features: Tensor, labels: Tensor, held_back: Tensor) -> dict[str, Tensor]:
    """What `distance` needs, float32, of known features N,F with the number int64 N of each one's group.

    `means` K,F, one for each group that there is; `precision` F,F, the inverse of the shared covariance; `quantiles`
    101, evenly spaced from the smallest to the largest distance of the features `held_back` M,F.
    """
    features = features.double()
    groups, index = labels.unique(return_inverse=True)
    means = torch.stack([features[labels == k].mean(0) for k in groups])
    precision = torch.linalg.inv(shrunk_covariance(features - means[index]))
    known = {"means": means.float(), "precision": ((precision + precision.T) / 2).float()}
    shares = torch.linspace(0, 1, 101, dtype=torch.float64)
    return known | {"quantiles": torch.quantile(distance(held_back, known).double().cpu(), shares).float()}


def shrunk_covariance(centred: Tensor) -> Tensor:
    """F,F of centred rows N,F: a mixture of their covariance with one of as large a trace whose features are alike.

    The share of the latter is the one that is expected to come nearest to the truth, and LEAST_SHRINKAGE at least.
    """
    n, width = centred.shape
    covariance = centred.T @ centred / n
    alike = torch.eye(width, dtype=centred.dtype, device=centred.device) * covariance.diagonal().mean()
    apart = (covariance - alike).square().sum()
    error = (centred.square().sum(1).square().mean() - covariance.square().sum()) / n
    share = (error / apart.clamp(min=1e-30)).clamp(LEAST_SHRINKAGE, 1)
    return (1 - share) * covariance + share * alike


def distance(features: Tensor, known: dict[str, Tensor]) -> Tensor:
    """The squared Mahalanobis distance N of features N,F to the nearest of the means."""
    features, means, precision = (t.double() for t in (features, known["means"], known["precision"]))
    weighed = features @ precision
    own, cross = (weighed * features).sum(1, keepdim=True), weighed @ means.T
    squared = own - 2 * cross + ((means @ precision) * means).sum(1)
    return squared.amin(1).clamp(min=0).float()
