"""The yardstick: real pictures as a referee's eyes see them, and how far from them other pictures are.

A distance says little alone. Each is given beside its floor, what unseen real pictures are apart from other real ones,
and its ceilings, what the same pictures are apart from themselves after a known harm; all of the same n.
"""

import functools
import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter
from tqdm import tqdm

from dcgan import metrics
from dcgan.config import TrainingError
from dcgan.data import Pictures
from dcgan.eyes import BATCH, Eyes, Said, in_batches, look_again, look_at

DISTANCES = ("frechet_distance", "kernel_distance", "sliced_wasserstein_distance")
Figure = tuple[float, dict]  # a value, and what else its row says


# --- harms --------------------------------------------------------------------------------------------------------


def jpeg(picture: Image.Image) -> Image.Image:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=50)
    return Image.open(file)


def blurred(picture: Image.Image) -> Image.Image:
    return picture.filter(ImageFilter.GaussianBlur(1))


def resized(picture: Image.Image) -> Image.Image:
    smaller = picture.resize([round(0.75 * side) for side in picture.size], Image.Resampling.BILINEAR)
    return smaller.resize(picture.size, Image.Resampling.BILINEAR)


HARMS = {"JPEG 50": jpeg, "blur of 1 px": blurred, "3/4 size and back": resized}


def harmed(pixels: np.ndarray, harm: Callable[[Image.Image], Image.Image], channels: int) -> np.ndarray:
    """Pixels uint8 N,S,S,3, each harmed, as a grey picture where there is one channel."""
    pictures = (Image.fromarray(one[..., 0] if channels == 1 else one) for one in pixels)
    return np.stack([np.asarray(harm(picture).convert("RGB")) for picture in pictures])


# --- sets of pictures ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Seen:
    """What the measures need of a set: features N,F, the referee's guess N of each class, and patches' profiles."""

    features: np.ndarray
    guesses: np.ndarray
    profiles: list[np.ndarray]

    @functools.cached_property
    def moments(self) -> metrics.Moments:
        return metrics.moments_of(self.features)

    @functools.cached_property
    def manifold(self) -> metrics.Manifold:
        return metrics.manifold_of(self.features)


def take_in(looks: Iterable[tuple[np.ndarray, Said]], n: int, channels: int, what: str) -> Seen:
    """n pictures that arrive as batches of pixels beside what eyes say of them, and are not kept.

    `what` they are, for the progress bar.
    """
    patches, features, guesses = metrics.Patches(n), [], []
    with tqdm(total=n, desc=what, unit="picture", leave=False, disable=None) as bar:
        for pixels, said in looks:
            features.append(said["features"])
            guesses.append(said["classes"].argmax(1))
            patches.add(pixels[..., :channels])
            bar.update(len(pixels))
    return Seen(np.concatenate(features), np.concatenate(guesses), patches.profiles())


def sample(pictures: Pictures, n: int) -> Pictures:
    """n of them in random order, the same ones each time."""
    return pictures[np.random.default_rng(2015).permutation(len(pictures))[:n]]


def compare(fake: Seen, real: Seen, quick: bool) -> dict[str, Figure]:
    """Every measure of two sets, by name; quick: the distances alone."""
    kernel_distance, error = metrics.kernel_distance(fake.features, real.features)
    by_size = metrics.sliced_wasserstein_distance(fake.profiles, real.profiles)
    figures = {
        "frechet_distance": (metrics.frechet_distance(fake.moments, real.moments), {}),
        "kernel_distance": (kernel_distance, {} if error is None else {"standard_error": rounded(error)}),
        "sliced_wasserstein_distance": (float(np.mean(by_size)), {"by_size": [rounded(d) for d in by_size]}),
    }
    if not quick:
        shares = metrics.precision_recall_density_coverage(real.manifold, fake.manifold)
        figures |= {name: (share, {}) for name, share in shares.items()}
    return figures


class Yardstick:
    """n real pictures that no training saw (of `unseen`), and those that it may have seen (`training`).

    Raises TrainingError where they are too few.
    """

    def __init__(self, unseen: Pictures, training: Pictures, eyes: Eyes, n: int, quick: bool = False):
        fewest = 2 * metrics.NEIGHBOURS
        if min(n, len(unseen), len(training)) < fewest:
            raise TrainingError(
                f"Sets are compared from {fewest} pictures on: {n} are to be measured, {len(unseen)} real ones are "
                f"unseen, and {len(training)} are there to train on."
            )
        self.n = min(n, len(unseen), len(training))
        self.unseen, self.training, self.eyes, self.quick = sample(unseen, self.n), training, eyes, quick
        self.channels = unseen.images.shape[1]
        self.name = unseen.facts["name"]

    @property
    def knows_classes(self) -> bool:
        """Whether the eyes' classes are those of the pictures."""
        return self.eyes.classes == tuple(self.unseen.classes) != ()

    def look_again(self, batches: Iterable[np.ndarray], what: str) -> Iterator[tuple[np.ndarray, Said]]:
        """What the eyes say of real pictures, which they say in every evaluation."""
        return look_again(self.eyes, batches, f"{what} of {self.name} {self.unseen.images.shape[1:]}")

    def real_set(self, batches: Iterable[np.ndarray], what: str) -> Seen:
        return take_in(self.look_again(batches, what), self.n, self.channels, what)

    @functools.cached_property
    def real(self) -> Seen:
        return self.real_set(in_batches(self.unseen), "Real pictures")

    @functools.cached_property
    def floor(self) -> dict[str, Figure]:
        seen = self.real_set(in_batches(sample(self.training, self.n)), "Real pictures for the floor")
        return compare(seen, self.real, self.quick)

    @functools.cached_property
    def ceilings(self) -> dict[str, dict[str, Figure]]:
        def figures(name: str) -> dict[str, Figure]:
            batches = (harmed(pixels, HARMS[name], self.channels) for pixels in in_batches(self.unseen))
            return compare(self.real_set(batches, f"Real pictures after {name}"), self.real, self.quick)

        return {name: figures(name) for name in HARMS}

    @functools.cached_property
    def accuracy(self) -> float:
        """The referee's own, on the real pictures."""
        return metrics.accuracy(self.real.guesses, self.unseen.labels.numpy())

    @functools.cached_property
    def seen_in_training(self) -> np.ndarray:
        """Features of all the pictures that a training may have seen."""
        batches = tqdm(
            in_batches(self.training), "Training pictures", -(-len(self.training) // BATCH), leave=False, disable=None
        )
        return np.concatenate([said["features"] for _, said in self.look_again(batches, "Training pictures")])

    @functools.cached_property
    def nearest_to_real(self) -> np.ndarray:
        """Distance of each unseen real picture to the nearest training picture."""
        return metrics.nearest(self.real.features, self.seen_in_training)[0]

    def measure(self, of: str, what: str, batches: Iterable[np.ndarray], asked: np.ndarray | None = None) -> list[dict]:
        """Rows for n pictures, which are `what`; asked: the class N that each was meant to be, where that is known."""
        seen = take_in(look_at(self.eyes, batches), self.n, self.channels, what)
        if len(seen.features) != self.n:
            raise ValueError(f"{self.n} pictures are compared with as many; there are {len(seen.features)}.")
        row = functools.partial(make_row, of, n=self.n, on=f"{what}, against {self.name}")
        rows = []
        for name, (value, more) in compare(seen, self.real, self.quick).items():
            floor, ceilings = ("floor", "ceilings") if name in DISTANCES else ("real", "harmed")
            more |= {
                "in": "patches of 7 x 7 pixels" if name == "sliced_wasserstein_distance" else self.eyes.name,
                floor: rounded(self.floor[name][0]),
                ceilings: {harm: rounded(figures[name][0]) for harm, figures in self.ceilings.items()},
            }
            rows.append(row(name, value, **more))
        if not self.quick:
            rows += self.memorised(seen, row)
        if asked is not None and self.knows_classes:
            value, more = metrics.accuracy(seen.guesses, asked), {"real": rounded(self.accuracy)}
            rows.append(row("recognised_as_asked", value, **more, **{"in": self.eyes.name}))
        return rows

    def memorised(self, seen: Seen, row: Callable[..., dict]) -> list[dict]:
        """Whether pictures are nearer to training pictures than unseen real ones are, as copies would be."""
        distance = metrics.nearest(seen.features, self.seen_in_training)[0]
        fakes, reals = (metrics.percentiles(d, self.nearest_to_real) for d in (distance, self.nearest_to_real))
        more = {"in": self.eyes.name, "training_pictures": len(self.training)}
        share = {"real": rounded(float((reals < 1).mean()))}
        return [
            row("nearest_training_below_1st_percentile", float((fakes < 1).mean()), **share, **more),
            row("nearest_training_median_percentile", float(np.median(fakes)), real=50.0, **more),
        ]


def make_row(of: str, metric: str, value: float, n: int, on: str, **more) -> dict:
    return {"of": of, "metric": metric, "value": rounded(value), "n": n, "on": on, **more}


def rounded(value: float) -> float:
    """To six significant digits."""
    return float(f"{value:.6g}")
