"""Eyes: the features in which sets of pictures are compared, those of a referee (a DCNN of real pictures alone).

An exported referee computes the same everywhere, so anyone can recompute a distance taken in its features. What such a
distance means depends on the eyes: each row prints their name, and only rows of the same eyes can be compared.
"""

import contextlib
import hashlib
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dcgan import checkpoint
from dcgan.config import DcnnConfig, TrainingError
from dcgan.data import Pictures
from dcgan.named import NAMED_SETS, cache_folder
from dcgan.pixels import PixelDCNN, on_arrays
from export.runtime import DCNN, ModelError

MODELS = Path(__file__).resolve().parent.parent / "models"
STAND_IN = "cifar10"  # whose referee looks at pictures without classes: it has learnt from photographs of many things
FILE = "referee.onnx"
BATCH = 250
FEW = 10  # pictures by which it is checked that eyes still see what they saw

Said = dict[str, np.ndarray]  # `features` N,F and `classes` N,K (probabilities) of N pictures


@dataclass(frozen=True)
class Eyes:
    """A referee as a call: pixels uint8 N,H,W,3 -> features float32 N,F.

    see: everything the referee says, by name; data: the name of the pictures that it learnt from; classes: theirs.
    """

    see: Callable[[np.ndarray], Said]
    data: str
    sha256: str
    classes: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"features of the DCNN of {self.data} (sha256 {self.sha256[:12]})"

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        return self.look(pixels)["features"]

    def look(self, pixels: np.ndarray) -> Said:
        """Of pixels uint8 N,H,W,3, BATCH at a time."""
        parts = [self.see(np.ascontiguousarray(pixels[i : i + BATCH])) for i in range(0, max(1, len(pixels)), BATCH)]
        return {name: np.concatenate([part[name] for part in parts]) for name in ("features", "classes")}


def look_at(eyes: Eyes, batches: Iterable[np.ndarray]) -> Iterator[tuple[np.ndarray, Said]]:
    """Each batch of pixels, and what the eyes say of it."""
    return ((pixels, eyes.look(pixels)) for pixels in batches)


def look_again(eyes: Eyes, batches: Iterable[np.ndarray], name: str) -> Iterator[tuple[np.ndarray, Said]]:
    """The same for a set of pictures that is looked at in every evaluation: batches that were seen before are recalled.

    name: under which the last look is kept in the cache. A batch is known by its content, and the eyes by their sha256
    and by what they say now of the first few pictures: nothing is recalled that would not be seen.
    """
    path = cache_folder() / f"seen-{hashlib.sha256(name.encode()).hexdigest()[:16]}.npz"
    known, seen, proved = recall(path), {}, False
    for pixels in batches:
        key = key_of(eyes, pixels)
        if key in known and not proved:
            proved = agree(eyes.look(pixels[:FEW]), known[key])
            known = known if proved else {}
        seen[key] = known[key] if key in known else eyes.look(pixels)
        yield pixels, seen[key]
    if seen.keys() - known.keys():
        keep(path, seen)


def key_of(eyes: Eyes, pixels: np.ndarray) -> str:
    sha256 = hashlib.sha256(f"{eyes.sha256} {pixels.shape}".encode())
    sha256.update(np.ascontiguousarray(pixels))
    return sha256.hexdigest()


def agree(said: Said, known: Said) -> bool:
    """Whether what is said of the first few pictures is what is known of them, but for rounding."""
    return all(np.allclose(value, known[name][: len(value)], rtol=1e-3, atol=1e-4) for name, value in said.items())


def recall(path: Path) -> dict[str, Said]:
    """What was kept, by key; nothing where there is no such file, or a damaged one."""
    known: dict[str, Said] = {}
    try:
        with np.load(path) as arrays:
            for place, values in arrays.items():
                key, name = place.split()
                known.setdefault(key, {})[name] = values
    except (OSError, EOFError, ValueError, zipfile.BadZipFile):
        return {}
    return known


def keep(path: Path, seen: dict[str, Said]) -> None:
    """Written aside and renamed. Where it cannot be written, all is looked at again next time: that costs only time."""
    aside = path.with_suffix(".tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with aside.open("wb") as file:
            np.savez(file, **{f"{key} {name}": values for key, said in seen.items() for name, values in said.items()})
        aside.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            aside.unlink()


def find_eyes(data: str, referee: Path | None = None, option: str = "") -> Eyes:
    """Those of `referee` (a run of train_dcnn, a bundle, a .onnx file), else of the named set `data`, else CIFAR-10's.

    option: by which a person can name a referee, where the caller has one. Raises TrainingError where there are none,
    or none with features, or they are damaged.
    """
    if referee is not None:
        return open_eyes(referee)
    if has_eyes(data):
        return open_eyes(MODELS / data / FILE)
    stand_in = MODELS / STAND_IN / FILE
    if not stand_in.is_file():
        another = f", or name with {option} a run of train_dcnn without --gan, its bundle or its referee.onnx"
        raise TrainingError(
            f"There is no referee of {data}, and none at {stand_in.relative_to(MODELS.parent)} to stand in. Fetch that "
            f"file of this repository again{another if option else ''}."
        )
    others = f" ({option} names others)" if option else ""
    said = f"{data} has no referee of its own: it is seen with the eyes of the DCNN of CIFAR-10{others}."
    print(said, file=sys.stderr)
    return open_eyes(stand_in)


def has_eyes(data: str) -> bool:
    """Whether this repository has a referee of the named set."""
    return data in NAMED_SETS and (MODELS / data / FILE).is_file()


def open_eyes(path: Path) -> Eyes:
    """The referee of a run's folder, of a bundle, or in a .onnx file. Raises TrainingError."""
    if (path / checkpoint.NAME).is_file():
        return eyes_of_run(path)
    return eyes_of_file(path / FILE if path.is_dir() else path)


def eyes_of_file(path: Path) -> Eyes:
    try:
        model = DCNN(path)
    except ModelError as error:
        raise TrainingError(str(error)) from error
    given = {output.name for output in model.session.get_outputs()}
    check_referee(str(path), judges_reality="real" in given)
    if "features" not in given:
        raise TrainingError(f"{path} gives no features: it is of an earlier export. Export it again.")
    return Eyes(model, model.facts["data"]["name"], model.sha256, tuple(model.classes))


def eyes_of_run(path: Path) -> Eyes:
    state = checkpoint.load(path, DcnnConfig)
    check_referee(str(path), judges_reality=bool(state["config"].gan))
    see = on_arrays(PixelDCNN(checkpoint.network_of(state)))
    return Eyes(see, state["data"]["name"], state["sha256"], tuple(state["data"]["classes"]))


def check_referee(path: str, judges_reality: bool) -> None:
    if judges_reality:
        raise TrainingError(f"{path} has learnt from fakes as well; a referee is trained without --gan.")


def as_pixels(pictures: Pictures) -> np.ndarray:
    """Images uint8 N,C,S,S -> pixels uint8 N,S,S,3; a view, also where they are grey."""
    pixels = pictures.images[:].permute(0, 2, 3, 1).numpy()
    return np.broadcast_to(pixels, (*pixels.shape[:3], 3))


def in_batches(pictures: Pictures) -> Iterator[np.ndarray]:
    """Pixels uint8 N,S,S,3, BATCH at a time."""
    return (as_pixels(pictures[i : i + BATCH]) for i in range(0, len(pictures), BATCH))
