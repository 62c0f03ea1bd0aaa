"""A verdict that says how far it can be trusted: of a picture together with its re-savings, and with its limits.

    from export.runtime import Bundle
    from export.verdict import judge
    judgement = judge(Bundle("models/fashion-mnist").dcnn, "photo.jpg")
    print(judgement.answer, judgement.verdict.real, [(r.name, r.real) for r in judgement.resavings])

A detector that calls a picture real, and its JPEG fake, knows less than its probability claims. numpy, Pillow and
onnxruntime only.
"""

import functools
import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from export.pictures import PictureError, read_picture
from export.resave import MOST_SIDE, RESAVINGS, Hardship, centre_square, harden, hardships, resave
from export.runtime import DCNN, MOST_AT_ONCE, Limits, Verdict
from export.sharing import cores

REAL, FAKE, UNSURE, UNLIKE = "real", "fake", "unsure", "unlike anything known"
IN_HAND = 32  # pictures of a folder that its workers are about at a time, together: memory stays bounded
SPARE_WORKERS = 1  # beside one for each core: while it waits for Python's lock or a disk, another has something to do
NAMED = 3  # classes that a sentence names
WHY = {
    "unlike": "This model knows only pictures like those of {data}. "
    "This one is unlike all of them, so the model does not judge it.",
    "flips": "As it is, the picture would be called {side}; after {resavings} it would be called {other}.",
    "in_band": "The probability lies between {low} and {high}, where this model does not decide.",
    "leans": "After {resavings} it would be called {other}, but not surely enough to count against the answer.",
    "holds": "Saved again, it gets the same answer: {resavings}.",
}
MOST_PIXELS = MOST_AT_ONCE * MOST_SIDE**2  # in one run of the graph, so that memory stays bounded

T = TypeVar("T")


@dataclass(frozen=True)
class Resaving:
    """The picture after one of RESAVINGS: pixels uint8 S,S,3, its centre square, and the probability of real."""

    name: str
    pixels: np.ndarray
    real: float


@dataclass(frozen=True)
class Judgement:
    """A verdict with what it rests on. `resavings` is empty for a DCNN that knows classes alone."""

    verdict: Verdict
    resavings: tuple[Resaving, ...]
    limits: Limits

    @property
    def answer(self) -> str | None:
        """REAL, FAKE, UNSURE or UNLIKE; None of a DCNN that knows classes alone."""
        if self.verdict.real is None:
            return None
        return UNLIKE if self.unlike else UNSURE if self.unsure else self.side

    @property
    def side(self) -> str:
        """REAL or FAKE: on which side of the threshold the picture itself lies."""
        return self.side_of(self.verdict.real)

    def side_of(self, real: float) -> str:
        return REAL if real >= self.limits.threshold else FAKE

    @property
    def unlike(self) -> bool:
        """Whether the picture is too far from all that the DCNN has learnt from."""
        typical, least = self.verdict.typical, self.limits.atypical_below
        return typical is not None and least is not None and typical < least

    @property
    def unsure(self) -> bool:
        return self.in_band or bool(self.flips)

    @property
    def in_band(self) -> bool:
        """Whether the probability is one at which the DCNN had better not decide."""
        return within(self.limits.unsure_band, self.verdict.real)

    @property
    def flips(self) -> list[str]:
        """The re-savings that would get the other answer, and not by a hair."""
        return [each.name for each in self.others if not within(self.limits.resaved_band, each.real)]

    @property
    def others(self) -> list[Resaving]:
        """Those that would get the other answer, by however little."""
        return [each for each in self.resavings if self.side_of(each.real) != self.side]


def within(band: tuple[float, float] | None, real: float) -> bool:
    return band is not None and band[0] <= real <= band[1]


def reason(judgement: Judgement) -> tuple[str, dict] | None:
    """What an answer rests on: which of WHY, and what it speaks of but the DCNN; lists are of names of re-savings."""
    if judgement.answer is None:
        return None
    if judgement.unlike:
        return "unlike", {}
    other = FAKE if judgement.side == REAL else REAL
    if judgement.flips:
        return "flips", {"side": judgement.side, "resavings": judgement.flips, "other": other}
    if judgement.in_band:
        low, high = judgement.limits.unsure_band
        return "in_band", {"low": f"{low:.0%}", "high": f"{high:.0%}"}
    if judgement.others:
        return "leans", {"resavings": [each.name for each in judgement.others], "other": other}
    return "holds", {"resavings": [each.name for each in judgement.resavings]}


def why(judgement: Judgement, facts: dict) -> str | None:
    """What an answer rests on, in a sentence; facts: those of the DCNN."""
    found = reason(judgement)
    if found is None:
        return None
    key, of = found
    words = {name: value if isinstance(value, str) else listed(value) for name, value in of.items()}
    return WHY[key].format(data=known(facts), **words)


def named(classes: list[str]) -> tuple[list[str], int]:
    """The classes that a sentence names, and how many more there are."""
    return (classes, 0) if len(classes) <= NAMED + 1 else (classes[:NAMED], len(classes) - NAMED)


def known(facts: dict) -> str:
    """What a DCNN has learnt from: the name of the pictures, and some of their classes."""
    name, (some, more) = facts["data"]["name"], named(facts["classes"])
    return f"{name} ({listed(some + [f'{more} more'] * bool(more))})" if some else name


def listed(names: list[str]) -> str:
    """One, two and three."""
    return " and ".join([", ".join(names[:-1])] * bool(names[:-1]) + names[-1:])


def as_json(judgement: Judgement, facts: dict) -> dict:
    """A judgement as plain numbers and words, without pictures: what programs get; facts: those of the DCNN."""
    verdict, limits = judgement.verdict, judgement.limits
    evidence = None if verdict.evidence is None else [[round(float(v), 4) for v in row] for row in verdict.evidence]
    return {
        "answer": judgement.answer,
        "why": why(judgement, facts),
        "real": verdict.real,
        "threshold": limits.threshold,
        "unsure": verdict.real is not None and judgement.unsure,
        "unsure_band": limits.unsure_band and list(limits.unsure_band),
        "resaved_band": limits.resaved_band and list(limits.resaved_band),
        "typical": verdict.typical,
        "atypical_below": limits.atypical_below,
        "label": verdict.label,
        "classes": verdict.classes,
        "evidence": evidence,
        "resavings": [{"name": each.name, "real": each.real} for each in judgement.resavings],
    }


@dataclass(frozen=True)
class Step:
    """A picture that was made harder to judge (None: as it was): pixels uint8 S,S,3, and the judgement on it alone."""

    hardship: Hardship | None
    pixels: np.ndarray
    judgement: Judgement


# --- judging ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Prepared:
    """The centre square of a picture, uint8 S,S,3, and its re-savings, uint8 R,S,S,3, smaller where S is large."""

    square: np.ndarray
    resaved: np.ndarray


def prepare(dcnn: DCNN, picture: str | Path | bytes | np.ndarray) -> Prepared:
    """What the graph is to see of a picture file, its bytes, or pixels uint8 H,W,3. Raises PictureError."""
    square = centre_square(picture if isinstance(picture, np.ndarray) else read_picture(picture))
    return Prepared(square, resave(square) if dcnn.judges_reality else square[None][:0])


def judge(dcnn: DCNN, picture: str | Path | bytes | np.ndarray) -> Judgement:
    """The judgement on a picture file, its bytes, or pixels uint8 H,W,3. Raises PictureError."""
    return decide(dcnn, [prepare(dcnn, picture)])[0]


def decide(dcnn: DCNN, pictures: list[Prepared], alone: bool = False) -> list[Judgement]:
    """The judgements on prepared pictures, in as few runs of the graph as their sizes allow; alone: in this thread."""
    squares, resaved = [each.square for each in pictures], [pixels for each in pictures for pixels in each.resaved]
    if alone:
        verdicts = run_mixed(functools.partial(dcnn.verdicts, alone=True), squares)
        reals = iter(run_mixed(dcnn.reals, resaved))
    else:
        every = run_mixed(dcnn.verdicts, squares + resaved)
        verdicts, reals = every[: len(squares)], (verdict.real for verdict in every[len(squares) :])
    judgements = []
    for each, verdict in zip(pictures, verdicts, strict=True):
        judged = zip(RESAVINGS, each.resaved, itertools.islice(reals, len(each.resaved)), strict=False)
        resavings = tuple(Resaving(name, pixels, float(real)) for name, pixels, real in judged)
        judgements.append(Judgement(verdict, resavings, dcnn.limits))
    return judgements


def judge_harder(dcnn: DCNN, pixels: np.ndarray) -> list[Step]:
    """The judgements on pixels uint8 H,W,3 as they are, and each time a step harder to judge; without re-savings."""
    pictures = harden(centre_square(pixels))
    verdicts = dcnn.verdicts(pictures)
    every = [None, *hardships(pictures.shape[1])]
    return [
        Step(hardship, picture, Judgement(verdict, (), dcnn.limits))
        for hardship, picture, verdict in zip(every, pictures, verdicts, strict=True)
    ]


def run_mixed(run: Callable[[np.ndarray], Sequence[T]], pictures: list[np.ndarray]) -> list[T]:
    """What a run says of each of pictures uint8 S,S,3 of several sizes; one for those of a size, if not too many.

    run: pixels uint8 N,S,S,3 -> N things.
    """
    said: dict[int, T] = {}
    of_size: dict[int, list[int]] = {}
    for i, pixels in enumerate(pictures):
        of_size.setdefault(len(pixels), []).append(i)
    for side, all_indices in of_size.items():
        for indices in in_parts(all_indices, max(1, MOST_PIXELS // side**2)):
            said |= zip(indices, run(np.stack([pictures[i] for i in indices])), strict=True)
    return [said[i] for i in range(len(pictures))]


def in_parts(items: Iterable, n: int) -> Iterator[list]:
    items = iter(items)
    while part := list(itertools.islice(items, n)):
        yield part


def judge_files(dcnn: DCNN, files: Iterable[str]) -> Iterator[tuple[str, Judgement | PictureError]]:
    """The judgement on each picture file, in their order, or why it cannot be read; however many, in bounded memory.

    A worker does all that a picture needs, the graph included, and so never waits for another one.
    """

    def prepare_file(file: str) -> Prepared | PictureError:
        try:
            return prepare(dcnn, file)
        except PictureError as error:
            return error

    def judge_some(some: list[str]) -> list[tuple[str, Judgement | PictureError]]:
        prepared = [prepare_file(file) for file in some]
        judgements = iter(decide(dcnn, [each for each in prepared if isinstance(each, Prepared)], alone=True))
        outcomes = [each if isinstance(each, PictureError) else next(judgements) for each in prepared]
        return list(zip(some, outcomes, strict=True))

    workers = len(cores()) + SPARE_WORKERS
    at_once = max(1, IN_HAND // workers)
    with ThreadPoolExecutor(workers) as pool:
        ahead: deque = deque()  # what the workers are at, and a part for who is done first
        for some in in_parts(files, at_once):
            ahead.append(pool.submit(judge_some, some))
            if len(ahead) > workers:
                yield from ahead.popleft().result()
        for each in ahead:
            yield from each.result()
