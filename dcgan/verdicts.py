"""How far a DCNN's verdicts can be trusted: on pictures and fakes that it has not learnt from, clean and degraded.

Judged is in tiers: pictures as they are, and after what happens to pictures on their way. In each of them as many fakes
as real pictures, first of the generators that the DCNN has learnt from (of seeds that no training used), then of
generators that it has never met. The threshold is the one that was fixed in training.
"""

import functools
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from dcgan import checkpoint, metrics
from dcgan.attribution import BLUR, how_many
from dcgan.figures import plot
from dcgan.yardstick import make_row, rounded
from export.resave import encoded, resave, shrunk
from export.runtime import Limits, Verdict
from export.verdict import FAKE, REAL, RESAVINGS, Judgement, Resaving

Judge = Callable[[np.ndarray], dict[str, np.ndarray]]  # pixels uint8 N,H,W,3 -> `real` N, `evidence` N,h,w, ...
BATCH = 250
PROBED = 500  # pictures from which evidence is taken away
GRID = np.linspace(0, 1, 101)  # of false positive rates, at which curves are kept
CURVES = "verdicts"  # name of the files with curves and with every figure


# --- tiers --------------------------------------------------------------------------------------------------------


TIERS: dict[str, Callable[[Image.Image], Image.Image] | None] = {
    "clean": None,
    "JPEG 60": lambda picture: encoded(picture, "JPEG", 60),
    "half size, JPEG 40": lambda picture: encoded(shrunk(picture, 0.5), "JPEG", 40),
}


def in_tier(pixels: np.ndarray, tier: str, channels: int) -> np.ndarray:
    """Pixels uint8 N,S,S,3 after what the tier does; as grey files where there is one channel."""
    change = TIERS[tier]
    if change is None:
        return pixels
    pictures = (Image.fromarray(one[..., 0] if channels == 1 else one) for one in np.ascontiguousarray(pixels))
    return np.stack([np.asarray(change(picture).convert("RGB")) for picture in pictures])


# --- real or fake -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Said:
    """Probabilities of being real that a DCNN gave to real pictures N and to fakes M, and the threshold between."""

    real: np.ndarray
    fake: np.ndarray
    threshold: float

    @property
    def n(self) -> int:
        return len(self.real) + len(self.fake)

    @property
    def probabilities(self) -> np.ndarray:
        return np.concatenate([self.real, self.fake])

    @property
    def outcomes(self) -> np.ndarray:
        return np.repeat([1, 0], [len(self.real), len(self.fake)])

    def confusion(self) -> np.ndarray:
        """2,2: real and fake pictures (rows), called real and called fake (columns)."""
        kinds = (self.real, self.fake)
        return np.array([[(said >= self.threshold).sum(), (said < self.threshold).sum()] for said in kinds])

    @functools.cached_property
    def figures(self) -> dict[str, float]:
        """Every figure, by name."""
        by_kind = metrics.precision_recall_f1(self.confusion())
        one_kind = {f"{figure}_of_{kind}": by_kind[figure][i] for i, kind in enumerate(KINDS) for figure in by_kind}
        return {
            "balanced_accuracy": metrics.balanced_accuracy(self.real, self.fake, self.threshold),
            "auc": metrics.auc(self.real, self.fake),
            "brier": metrics.brier(self.probabilities, self.outcomes),
            "calibration_error": metrics.calibration_error(self.probabilities, self.outcomes),
            "accuracy": float(np.trace(self.confusion()) / self.n),
            "average_precision": metrics.average_precision(self.real, self.fake),
            "average_precision_of_fake": metrics.average_precision(-self.fake, -self.real),
            "macro_f1": float(by_kind["f1"].mean()),
            **{name: float(value) for name, value in one_kind.items()},
        }

    @functools.cached_property
    def intervals(self) -> dict[str, list[float]]:
        """Of the main figures: where 95 % of them would lie, were the pictures drawn anew."""

        def balanced(real: np.ndarray, fake: np.ndarray) -> float:
            return metrics.balanced_accuracy(real, fake, self.threshold)

        return {
            "balanced_accuracy": metrics.bootstrap(balanced, self.real, self.fake),
            "auc": metrics.bootstrap(metrics.auc, self.real, self.fake),
        }

    def curves(self) -> dict[str, list]:
        """The ROC on a grid of false positive rates, and the reliability: what was said, what came true, how often."""
        wrong, right = metrics.roc(self.real, self.fake)
        best = np.maximum.accumulate(right)[np.searchsorted(wrong, GRID, "right") - 1]
        said, true, count = metrics.reliability(self.probabilities, self.outcomes)
        return {
            "roc": [[rounded(x), rounded(y)] for x, y in zip(GRID, best, strict=True)],
            "reliability": [[rounded(p), rounded(t), int(n)] for p, t, n in zip(said, true, count, strict=True)],
        }


KINDS = ("real", "fake")
IN_ROWS = {  # the figures that become rows, of clean pictures and known generators, and of all others
    True: ("balanced_accuracy", "auc", "brier", "calibration_error", "average_precision", "macro_f1"),
    False: ("balanced_accuracy", "auc", "calibration_error"),
}


def judge_tiers(
    judge: Judge, real: np.ndarray, fakes: dict[str, np.ndarray], threshold: float, channels: int
) -> dict[tuple[str, str], Said]:
    """(tier, whose fakes) -> what was said, of real pictures and of fakes: pixels uint8 N,S,S,3, as many of each."""
    said = {}
    for tier in TIERS:
        of_real = probabilities(judge, in_tier(real, tier, channels))
        for whose, pixels in fakes.items():
            said[tier, whose] = Said(of_real, probabilities(judge, in_tier(pixels, tier, channels)), threshold)
    return said


def probabilities(judge: Judge, pixels: np.ndarray) -> np.ndarray:
    return np.concatenate([judge(some)["real"] for some in batches(pixels)])


def batches(pixels: np.ndarray) -> Iterator[np.ndarray]:
    return (np.ascontiguousarray(pixels[i : i + BATCH]) for i in range(0, len(pixels), BATCH))


def rows_of(of: str, said: dict[tuple[str, str], Said], name: str) -> list[dict]:
    """The main figures as rows; `name` of the real pictures."""
    rows = []
    for (tier, whose), judged in said.items():
        intervals, figures = judged.intervals, judged.figures
        on = f"{name}, and fakes of {whose}" + ("" if tier == "clean" else f", after {tier}")
        for figure in IN_ROWS[tier == "clean" and whose != HELD_OUT]:
            more = {"interval": [rounded(x) for x in intervals[figure]]} if figure in intervals else {}
            metric = metric_name(f"real_or_fake_{figure}", whose, tier)
            rows.append(make_row(of, metric, figures[figure], judged.n, on, **more))
    return rows


KNOWN, HELD_OUT = "its own generators, of unused seeds", "generators that it has not met"
BUNDLED = "the bundle's generator, of unused seeds"  # which it need not have learnt from
SUFFIXES = {HELD_OUT: "held_out", BUNDLED: "bundled"}


def metric_name(figure: str, whose: str, tier: str = "clean") -> str:
    """Such as real_or_fake_auc, real_or_fake_auc_held_out_jpeg_60, or deletion_ratio_bundled."""
    parts = [figure, SUFFIXES.get(whose, ""), "" if tier == "clean" else tier.lower()]
    return "_".join(part.replace(",", "").replace(" ", "_") for part in parts if part)


# --- unsure, or unlike anything known --------------------------------------------------------------------------------


def answers(judge: Judge, pixels: np.ndarray, limits: Limits) -> list[str]:
    """What is answered (export/verdict.py) of each of pixels uint8 N,S,S,3, judged together with its re-savings."""
    found = []
    for some in batches(pixels):
        said, resaved = judge(some), np.stack([resave(one) for one in some], 1)
        of_resaved = [judge(np.ascontiguousarray(each))["real"] for each in resaved]
        for i in range(len(some)):
            own = Verdict(float(said["real"][i]), None, None, float(said["typical"][i]) if "typical" in said else None)
            again = zip(RESAVINGS, resaved[:, i], of_resaved, strict=True)
            resavings = tuple(Resaving(name, square, float(real[i])) for name, square, real in again)
            found.append(Judgement(own, resavings, limits).answer)
    return found


def answer_rows(of: str, judge: Judge, real: np.ndarray, fakes: dict[str, np.ndarray], limits: Limits, name: str):
    """Rows: the share of pictures that get neither answer, REAL nor FAKE, and of the others the share answered rightly;
    of real pictures and of as many fakes by whose they are, pixels uint8 N,S,S,3; `name` of the real ones.
    """
    of_real, rows = answers(judge, real, limits), []
    for whose, pixels in fakes.items():
        of_fake, on = answers(judge, pixels, limits), f"{name}, and fakes of {whose}; judged with their re-savings"
        right = of_real.count(REAL) + of_fake.count(FAKE)
        sure = right + of_real.count(FAKE) + of_fake.count(REAL)
        n = len(of_real) + len(of_fake)
        rows.append(make_row(of, metric_name("real_or_fake_unsure", whose), 1 - sure / n, n, on))
        rows.append(make_row(of, metric_name("real_or_fake_right_if_sure", whose), right / max(1, sure), sure, on))
    return rows


def typical_rows(of: str, judge: Judge, real: np.ndarray, others: dict[str, np.ndarray], name: str) -> list[dict]:
    """How well `typical` tells real pictures from others by name, pixels uint8 N,S,S,3: area under the ROC, of all
    others together, as many of each, and of each.
    """
    typical = {
        each: np.concatenate([judge(some)["typical"] for some in batches(pixels)])
        for each, pixels in ({name: real} | others).items()
    }
    known, fewest = typical.pop(name), min(len(pixels) for pixels in others.values())
    mixed = np.concatenate([some[:fewest] for some in typical.values()])
    rows = [
        make_row(
            of,
            "typical_auc",
            metrics.auc(known, mixed),
            len(known) + len(mixed),
            f"{name}, against {' and '.join(others)}",
        )
    ]
    for each, some in typical.items():
        on = f"{name}, against {each}"
        metric = "_".join(["typical_auc", *re.findall(r"[a-z0-9]+", each.lower())])
        rows.append(make_row(of, metric, metrics.auc(known, some), len(known) + len(some), on))
    return rows


# --- classes ------------------------------------------------------------------------------------------------------


def class_figures(said: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Of probabilities N,K for pictures of classes labels N."""
    guesses = said.argmax(1)
    by_class = metrics.precision_recall_f1(metrics.confusion_matrix(labels, guesses, said.shape[1]))
    return {
        "accuracy": metrics.accuracy(guesses, labels),
        "macro_precision": float(by_class["precision"].mean()),
        "macro_recall": float(by_class["recall"].mean()),
        "macro_f1": float(by_class["f1"].mean()),
        "mse": float(np.square(said - np.eye(said.shape[1])[labels]).sum(1).mean()),
        "calibration_error": metrics.calibration_error(said.max(1), guesses == labels),
    }


def class_rows(of: str, said: np.ndarray, labels: np.ndarray, name: str) -> list[dict]:
    """The figures of the class head as rows; `name` of the pictures."""
    rows = [
        make_row(of, f"class_{figure}", value, len(said), name) for figure, value in class_figures(said, labels).items()
    ]
    interval = metrics.bootstrap(lambda right: float(right.mean()), said.argmax(1) == labels)
    return [rows[0] | {"interval": [rounded(edge) for edge in interval]}, *rows[1:]]


def recogniser_row(of: str, said: np.ndarray, labels: np.ndarray, name: str) -> dict:
    """How often a DCNN's recogniser is right that is asked alone."""
    value = metrics.accuracy(said.argmax(1), labels)
    return make_row(of, "class_accuracy_recogniser", value, len(said), f"{name}, by its recogniser alone")


def worn_class_rows(
    of: str, judge: Judge, pixels: np.ndarray, labels: np.ndarray, channels: int, name: str
) -> list[dict]:
    """The class accuracy of pixels uint8 N,S,S,3 of classes labels N after each tier but the clean one."""
    rows = []
    for tier in [tier for tier, change in TIERS.items() if change is not None]:
        said = np.concatenate([judge(some)["classes"] for some in batches(in_tier(pixels, tier, channels))])
        value = metrics.accuracy(said.argmax(1), labels)
        rows.append(make_row(of, metric_name("class_accuracy", "", tier), value, len(said), f"{name}, after {tier}"))
    return rows


def by_class(said: np.ndarray, labels: np.ndarray, names: list[str]) -> dict:
    """Figures of each class, and the matrix of those of each class (row) that were taken for each (column)."""
    confusion = metrics.confusion_matrix(labels, said.argmax(1), len(names))
    figures = {name: [rounded(x) for x in of] for name, of in metrics.precision_recall_f1(confusion).items()}
    return {"names": list(names)} | figures | {"confusion": confusion.tolist()}


# --- whether the evidence is what the verdict hangs on ------------------------------------------------------------


def deletion_ratio(judge: Judge, pixels: np.ndarray, threshold: float) -> float:
    """How much more a probability moves when the places that speak most for the verdict are blurred than when as many
    random ones are: the ratio of the mean absolute changes, of pixels uint8 N,S,S,3.

    After the deletion metric of Petsiuk, Das and Saenko, RISE: randomized input sampling for explanation of black-box
    models, 2018, section 4.2. Blurred, as by Fong and Vedaldi, Interpretable explanations of black boxes by meaningful
    perturbation, 2017, section 4.1: a grey patch is a sign of its own, the louder the emptier its surroundings.
    """
    seen = [judge(some) for some in batches(pixels)]
    before, evidence = (np.concatenate([part[name] for part in seen]) for name in ("real", "evidence"))
    speaks = evidence * np.where(before >= threshold, 1, -1)[:, None, None]
    chance = np.random.default_rng(2015).random(evidence.shape)
    moved = [np.abs(probabilities(judge, without(pixels, places)) - before).mean() for places in (speaks, chance)]
    return float(moved[0] / max(moved[1], 1e-12))


def without(pixels: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Pixels uint8 N,S,S,3 whose highest fifth of the places N,h,w is blurred by a quarter of a place's side."""
    n, h, w = places.shape
    order = np.argsort(-places.reshape(n, -1), axis=1, kind="stable")
    chosen = np.zeros((n, h * w), bool)
    np.put_along_axis(chosen, order[:, : how_many(h * w)], True, 1)
    rows, columns = (np.arange(side) * cells // side for side, cells in zip(pixels.shape[1:3], (h, w), strict=True))
    gone = chosen.reshape(n, h, w)[:, rows][:, :, columns]
    blur = ImageFilter.GaussianBlur(pixels.shape[1] / h * BLUR)
    blurred = [np.asarray(Image.fromarray(one).filter(blur)) for one in np.ascontiguousarray(pixels)]
    return np.where(gone[..., None], np.stack(blurred), pixels)


# --- files beside a run -------------------------------------------------------------------------------------------


def keep(folder: Path, sha256: str, said: dict[tuple[str, str], Said], classes: dict) -> None:
    """Writes verdicts.json, every figure and curve, and as pictures verdicts-roc.png and verdicts-reliability.png.

    sha256: of the checkpoint that they are of; classes: what `by_class` says, or {}.
    """
    tiers = [
        {"tier": tier, "fakes": whose, "n": judged.n, "threshold": judged.threshold}
        | {name: rounded(value) for name, value in judged.figures.items()}
        | {"intervals": judged.intervals, "confusion": judged.confusion().tolist()}
        | judged.curves()
        for (tier, whose), judged in said.items()
    ]
    content = json.dumps({"checkpoint": sha256, "real_or_fake": tiers, "classes": classes}, indent=1) + "\n"
    checkpoint.write_aside(folder / f"{CURVES}.json", content.encode())
    if not tiers:
        return
    axes = {
        "roc": (
            "How many real pictures are known, at how many fakes taken for real",
            "fakes called real",
            "real known",
        ),
        "reliability": ("Of pictures with this probability, how many are real", "probability said", "share real"),
    }
    for curve, (title, across, up) in axes.items():
        lines = {f"{t['tier']}; fakes of {t['fakes']}": [tuple(point[:2]) for point in t[curve]] for t in tiers}
        plot(lines, title, across, up).save(folder / f"{CURVES}-{curve}.png")


def table(said: dict[tuple[str, str], Said]) -> str:
    """Tiers as lines, the main figures as columns: Markdown."""
    names = ("balanced_accuracy", "auc", "brier", "calibration_error", "macro_f1")
    lines = [["pictures", "fakes of", "n", *(name.replace("_", " ") for name in names)]]
    lines.append(["---"] * len(lines[0]))
    for (tier, whose), judged in said.items():
        figures, intervals = judged.figures, judged.intervals
        cells = [
            f"{figures[name]:.4f}" + ("" if name not in intervals else " [{:.4f}, {:.4f}]".format(*intervals[name]))
            for name in names
        ]
        lines.append([tier, whose, str(judged.n), *cells])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
