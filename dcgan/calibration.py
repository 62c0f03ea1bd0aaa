"""From logits to verdicts one can trust: probabilities that come true, a threshold, and where it is too close to call.

A network that has learnt its fakes by heart says 99.9 % of what is right nine times out of ten. One factor and one bias
on its logit, fitted to pictures that it has not learnt from, mend that and leave the order of all pictures as it is:
Platt, Probabilistic outputs for support vector machines, 1999; Guo et al., On calibration of modern neural networks,
2017, section 4.2 (the factor is one over their temperature). Everything counts real and fake pictures alike, however
many there are of each: logits are of real pictures, or of fakes, float N each, positive for real.
"""

import numpy as np

WANTED = 0.01  # share of clean pictures that may be judged wrongly outside the band
MOST_UNSURE = 0.1  # share of clean pictures that may lie in the band, and for their re-savings, get no answer at all
ROUNDS = 100  # of Newton's method: six or seven do


def fit(
    clean: tuple[np.ndarray, np.ndarray],
    worn: tuple[np.ndarray, np.ndarray],
    resaved: list[np.ndarray],
) -> dict:
    """All that a checkpoint keeps of calibration, from logits (of real pictures, of fakes) before any.

    clean: as they are; worn: after re-encoding and the like; resaved: 1 + R,N each, of some of them as they are, and
    after each of the re-savings that they are judged with: of real ones first, then of each generator's fakes. `slope`
    and `bias` give the calibrated logit; the `threshold`, the `unsure_band` and the `resaved_band` are probabilities
    after calibration; `errors`: shares of both kinds of pictures, `false_alarms` (real ones that are called fake) and
    `misses` (fakes that are called real).
    """
    mixed = tuple(np.concatenate(each) for each in zip(clean, worn, strict=True))
    slope, bias = platt(*mixed)
    clean, worn, mixed = (tuple(slope * logits + bias for logits in each) for each in (clean, worn, mixed))
    middle = best_threshold(*mixed)
    width = unsure_width(*clean, middle)
    of_real, *of_fakes = (slope * logits + bias for logits in resaved)
    # Of no generator may more be left without an answer because others are easier to tell.
    beyond = max(resaved_width(of_real, of_fake, middle, width) for of_fake in of_fakes)
    return {
        "slope": slope,
        "bias": bias,
        "threshold": sigmoid(middle),
        "unsure_band": [sigmoid(middle - width), sigmoid(middle + width)],
        "resaved_band": [sigmoid(middle - beyond), sigmoid(middle + beyond)],
        "errors": {"clean": errors(*clean, middle), "degraded": errors(*worn, middle)},
        "n": len(mixed[0]) + len(mixed[1]),
    }


def sigmoid(logit: float) -> float:
    """A probability that float32 can tell from 0 and 1."""
    return float(1 / (1 + np.exp(-np.clip(logit, -15, 15))))


def platt(real: np.ndarray, fake: np.ndarray) -> tuple[float, float]:
    """Slope and bias that make the logits' probabilities likeliest.

    Targets are Platt's, just short of 1 and 0, so that logits without an error have a best slope, too. Newton's method
    with halved steps: Lin, Lin and Weng, A note on Platt's probabilistic outputs for support vector machines, 2007.
    """
    n, m = len(real), len(fake)
    logits = np.concatenate([real, fake]).astype(np.float64)
    scale = max(float(np.abs(logits).max()), 1e-6)
    x = np.stack([logits / scale, np.ones(n + m)])
    target = np.repeat([(n + 1) / (n + 2), 1 / (m + 2)], [n, m])
    weight = np.repeat([0.5 / n, 0.5 / m], [n, m])

    def loss(theta: np.ndarray) -> float:
        z = theta @ x
        return float(weight @ (np.logaddexp(0, z) - target * z))

    theta = np.zeros(2)  # where the loss is most curved: from the logits as they are, a step may be without end
    for _ in range(ROUNDS):
        p = 1 / (1 + np.exp(-np.clip(theta @ x, -500, 500)))
        gradient = x @ (weight * (p - target))
        if np.abs(gradient).max() < 1e-10:
            break
        step = np.linalg.solve((x * (weight * p * (1 - p))) @ x.T + 1e-12 * np.eye(2), gradient)
        share, before = 1.0, loss(theta)
        while share > 1e-6 and loss(theta - share * step) > before - 1e-4 * share * (gradient @ step):
            share /= 2
        if share <= 1e-6:  # as good as float64 can tell
            break
        theta = theta - share * step
    return float(theta[0] / scale), float(theta[1])


def best_threshold(real: np.ndarray, fake: np.ndarray) -> float:
    """The logit from which on pictures are called real so that most are right; of several, the one nearest to 0."""
    levels = np.unique(np.concatenate([real, fake]))
    between = np.concatenate([[levels[0] - 1], (levels[1:] + levels[:-1]) / 2, [levels[-1] + 1], [0.0]])
    called_fake, caught = (np.searchsorted(np.sort(logits), between) / len(logits) for logits in (real, fake))
    right = caught - called_fake
    best = between[right >= right.max() - 1e-12]
    return float(best[np.abs(best).argmin()])


def unsure_width(real: np.ndarray, fake: np.ndarray, middle: float) -> float:
    """How far from the logit `middle` a verdict is unsure: beyond it, at most WANTED are wrong. Within it lie at most
    MOST_UNSURE of all; where that is not enough, it is as wide as that allows.

    Geifman and El-Yaniv, Selective classification for deep neural networks, 2017.
    """
    far = np.abs(np.concatenate([real, fake]) - middle)
    wrong = np.concatenate([real < middle, fake >= middle])
    weight = np.repeat([0.5 / len(real), 0.5 / len(fake)], [len(real), len(fake)])
    order = np.argsort(far, kind="stable")
    far, wrong, weight = far[order], wrong[order], weight[order]
    outside = np.append(weight[::-1].cumsum()[::-1], 0)  # beyond the first k pictures
    wrong_outside = np.append((weight * wrong)[::-1].cumsum()[::-1], 0)
    allowed = (1 - outside <= MOST_UNSURE + 1e-12).nonzero()[0]
    k = next((k for k in allowed if wrong_outside[k] <= WANTED * outside[k]), allowed[-1])
    return float(far[k - 1] + far[min(k, len(far) - 1)]) / 2 if k else 0.0


def resaved_width(real: np.ndarray, fake: np.ndarray, middle: float, width: float) -> float:
    """How far on the other side of the logit `middle` a re-saving must lie to leave a verdict unsure: as little as lets
    MOST_UNSURE of all pictures be so, together with those that are themselves no farther than `width` from it.

    real, fake: logits 1 + R,N, in the first row of pictures as they are.
    """
    own, again = np.concatenate([real, fake], 1)[0] - middle, np.concatenate([real, fake], 1)[1:] - middle
    across = np.maximum((-np.where(own >= 0, 1, -1) * again).max(0), 0)
    across[np.abs(own) <= width] = np.inf
    weight = np.repeat([0.5 / real.shape[1], 0.5 / fake.shape[1]], [real.shape[1], fake.shape[1]])
    order = np.argsort(across, kind="stable")
    sure = weight[order].cumsum()  # of all pictures, those whose re-savings reach no farther across
    k = min(np.searchsorted(sure, 1 - MOST_UNSURE - 1e-12), np.isfinite(across).sum() - 1)
    return float(across[order][k]) if k >= 0 else 0.0


def errors(real: np.ndarray, fake: np.ndarray, middle: float) -> dict[str, float]:
    """Shares: of real pictures that are called fake, and of fakes that are called real."""
    return {"false_alarms": float((real < middle).mean()), "misses": float((fake >= middle).mean())}
