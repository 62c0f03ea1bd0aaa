"""How far a picture is from everything that the DCNN knows, by its appearance (`appearance` in dcgan/pixels.py).

Known pictures are taken for a Gaussian, and a picture's distance is Mahalanobis's: Lee et al., A simple unified
framework for detecting out-of-distribution samples and adversarial attacks, 2018, section 2.1, where it is also found
that early layers tell more of a picture's origin than the last one, which has learnt to overlook it. The covariance is
shrunk: Ledoit and Wolf, A well-conditioned estimator for large-dimensional covariance matrices, 2004, section 3.
"""

import torch
from torch import Tensor

ATYPICAL_BELOW = 0.01  # of `typical`, a share of held-back pictures: of such pictures one in a hundred is refused
LEAST_SHRINKAGE = 1e-4  # features that hardly ever speak would else decide alone, and float32 could not hold it


def fit(features: Tensor, held_back: Tensor) -> dict[str, Tensor]:
    """What `distance` needs, float32, of known features N,F.

    `mean` F; `precision` F,F, the inverse of the covariance; `quantiles` 101, evenly spaced from the smallest to the
    largest distance of the features `held_back` M,F.
    """
    features = features.double()
    mean = features.mean(0)
    precision = torch.linalg.inv(shrunk_covariance(features - mean))
    known = {"mean": mean.float(), "precision": ((precision + precision.T) / 2).float()}
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
    """The squared Mahalanobis distance N of features N,F to the mean."""
    apart = features.double() - known["mean"].double()
    return ((apart @ known["precision"].double()) * apart).sum(1).clamp(min=0).float()
