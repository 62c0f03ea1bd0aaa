"""How strange a picture is to a DCNN: how far from all that it knows by its looks, and how odd by what it shows.

Looks are appearance and traits (`looks` in dcgan/pixels.py). By appearance, known pictures are taken for a Gaussian,
and a picture's distance is Mahalanobis's: Lee et al., A simple unified framework for detecting out-of-distribution
samples and adversarial attacks, 2018, section 2.1. The covariance is shrunk: Ledoit and Wolf, A well-conditioned
estimator for large-dimensional covariance matrices, 2004, section 3.

A Gaussian of early features overlooks a picture of another thing in usual light. So a small network learns from traits
what is odd: known pictures on their side and in negative, which have the same pixels but are no such pictures any more
(Tack et al., CSI: Novelty detection via contrastive learning on distributionally shifted instances, 2020, section 2.2),
and pictures of other things, where there are any (Hendrycks et al., Deep anomaly detection with outlier exposure, 2019,
section 3). It then tells pictures of a third kind, too.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from dcgan.pixels import Oddity, Strangeness, luma

Looks = tuple[Tensor, Tensor]  # appearance N,A and traits N,T

ATYPICAL_BELOW = 0.01  # of `typical`, a share of held-back pictures: of such pictures one in a hundred is refused
LEAST_SHRINKAGE = 1e-4  # features that hardly ever speak would else decide alone, and float32 could not hold it
LEAST_SPREAD = 1e-3  # of a trait that hardly ever speaks
WIDTH = 32  # of the network that learns what is odd
BATCH = 240  # pictures of either side in each of its updates
PASSES, FEWEST_STEPS = 18, 200  # through all pictures, and updates at least
DROPPED, WEIGHT_DECAY = 0.3, 0.1  # against learning a few thousand pictures by heart


def fit(known: list[Looks], odd: list[Looks], strangers: list[Looks], held_back: Looks) -> dict[str, Tensor]:
    """What Typicality (dcgan/pixels.py) needs, float32, from the looks of groups of pictures: known ones, odd copies of
    known ones, and strangers, which may be none.

    `mean` A; `precision` A,A, the inverse of the covariance; `oddity.*`, the weights of Oddity; `quantiles` 101, evenly
    spaced from the smallest to the largest strangeness of real pictures that are in none of the groups.
    """
    appearance = torch.cat([appearance for appearance, _ in known]).double()
    mean = appearance.mean(0)
    precision = torch.linalg.inv(shrunk_covariance(appearance - mean))
    oddity = learn_oddity(*([traits for _, traits in groups] for groups in (known, odd, strangers)))
    fitted = {"mean": mean.float(), "precision": ((precision + precision.T) / 2).float()}
    fitted |= {f"oddity.{name}": value for name, value in oddity.state_dict().items()}
    with torch.no_grad():
        strangeness = Strangeness(fitted)(*held_back).double()
    return fitted | {"quantiles": torch.quantile(strangeness, torch.linspace(0, 1, 101, dtype=torch.float64)).float()}


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


def learn_oddity(known: list[Tensor], odd: list[Tensor], strangers: list[Tensor]) -> Oddity:
    """Learns to tell traits N,T of known pictures from others. Each group has as large a say, however large it is;
    strangers, where there are any, have as much as the odd ones.
    """
    every = torch.cat(known)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2015)
        network = Oddity(every.shape[1], WIDTH)
        network.usual.copy_(every.mean(0))
        network.spread.copy_(every.std(0) + LEAST_SPREAD)
        sides = [[network.standard(traits) for traits in groups] for groups in (known, odd, strangers)]
        shares = (BATCH, BATCH - BATCH // 2, BATCH // 2) if strangers else (BATCH, BATCH, 0)
        steps = max(FEWEST_STEPS, round(PASSES * sum(len(traits) for side in sides for traits in side) / (2 * BATCH)))
        optimizer = torch.optim.AdamW(network.parameters(), 3e-3, weight_decay=WEIGHT_DECAY)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        for _ in range(steps):
            traits = torch.cat([draw(*side) for side in zip(sides, shares, strict=True) if side[1]])
            inner = network.inner(F.dropout(traits, DROPPED)).relu()
            logits = network.outer(F.dropout(inner, DROPPED)).flatten()
            loss = F.softplus(torch.cat([logits[:BATCH], -logits[BATCH:]])).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return network


def draw(groups: list[Tensor], n: int) -> Tensor:
    """n rows, with replacement, each from a group that is as likely as any other."""
    which = torch.randint(len(groups), (n,)).bincount(minlength=len(groups)).tolist()
    return torch.cat([group[torch.randint(len(group), (n,))] for group, n in zip(groups, which, strict=True)])


def odd_copies(images: Tensor) -> list[Tensor]:
    """Images uint8 N,C,S,S on their left and on their right side, in negative, and, where they have colours, in a grey
    negative.
    """
    copies = [images.rot90(1, (2, 3)), images.rot90(3, (2, 3)), 255 - images]
    if images.shape[1] == 3:
        copies.append((255 - luma(images.float()).round().to(torch.uint8)).expand_as(images).contiguous())
    return copies
