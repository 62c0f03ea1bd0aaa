"""Is a picture a copy? Its nearest training pictures, and whether the nearest one stands out as it would for a copy.

    from export.neighbours import Neighbours
    found = Neighbours("models/fashion-mnist").look(pixels)  # found.percentile, found.nearest[0].label

Pictures are compared as people see them from afar: reduced to 6 to 10 pixels a side, as they are, mirrored, and moved
by a pixel. A copy that was saved again or mirrored stays near there, which it does not in the features of a network:
of copies after JPEG 50, 6 % stand out in those of Fashion-MNIST's referee, and all of them here. How near is near
differs from picture to picture (all trousers are alike), so the distance to the nearest one is divided by the mean of
those to the next few, as in Carlini et al., Extracting training data from diffusion models, 2023, section 5. Which
ratios are usual is told by real pictures that no training saw.

A bundle's index is neighbours.npz: all training pictures, reduced, rotated to their principal axes and rounded to whole
steps; and neighbours.zip, where the licence lets pictures travel: the pictures, small and lossy, for people.
python -m export.add_neighbours makes both. Reading them needs what export/runtime.py needs, and nothing else.
"""

import functools
import hashlib
import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from export.pictures import as_seen
from export.runtime import ModelError, read_manifest

INDEX, PICTURES = "neighbours.npz", "neighbours.zip"
NEXT = 5  # training pictures after the nearest one, by whose distances its own is measured
LEAST_SIDE = 10  # pictures are halved until they have no more pixels a side
ROUNDING = 0.15  # a step, times the root of F, in median distances: rounding moves a picture by 4 % of such a distance
COLUMNS = 20  # of a sheet of thumbnails, which is square
QUALITY = 10  # of its lossy WebP
BLOCK = 8192  # training pictures that are compared at once


@dataclass(frozen=True)
class Neighbour:
    """A training picture: its number, how far it is, its class (None where there are none), and pixels uint8 S,S,3
    (None where the licence keeps them back)."""

    number: int
    distance: float
    label: str | None
    pixels: np.ndarray | None


@dataclass(frozen=True)
class Found:
    """What is nearest to a picture, and how far it stands out.

    ratio: the distance of the nearest, in mean distances of the next NEXT; percentile: of real pictures that no
    training saw, the share (of 100) whose ratio is smaller: 0 for a copy, 50 for a usual picture.
    """

    ratio: float
    percentile: float
    nearest: list[Neighbour]


# --- pictures as they are compared --------------------------------------------------------------------------------


def features_of(pixels: np.ndarray) -> np.ndarray:
    """Pixels uint8 N,S,S,C -> features float32 N,F: the means of squares, as many as leave 6 to 10 a side."""
    n, size, _, channels = pixels.shape
    side = size
    while side > LEAST_SIDE and side % 2 == 0:
        side //= 2
    squares = pixels.reshape(n, side, size // side, side, size // side, channels)
    return squares.mean((2, 4), dtype=np.float32).reshape(n, -1)


def variants_of(pixels: np.ndarray) -> np.ndarray:
    """Pixels uint8 N,S,S,C -> N,V,S,S,C: as they are, mirrored, and moved by a pixel (of 28) to each of eight sides."""
    size = pixels.shape[1]
    far = max(1, round(size / 28))
    wide = np.pad(pixels, ((0, 0), (far, far), (far, far), (0, 0)), "edge")
    moves = [
        (down, across) for down in (0, far, 2 * far) for across in (0, far, 2 * far) if (down, across) != (far, far)
    ]
    moved = [wide[:, down : down + size, across : across + size] for down, across in moves]
    return np.stack([pixels, pixels[:, :, ::-1], *moved], 1)


# --- features in few bytes ----------------------------------------------------------------------------------------


def encode(features: np.ndarray, median: float) -> dict[str, np.ndarray]:
    """Features N,F -> arrays for `decode`; median: a usual distance, by which the rounding is measured.

    Along principal axes most numbers are small, so that they pack well: low and high bytes apart, axis by axis, the
    sign as the last bit.
    """
    mean = features.mean(0, dtype=np.float64)
    axes = np.linalg.eigh(np.cov(features - mean, rowvar=False))[1][:, ::-1]
    step = ROUNDING * median / np.sqrt(features.shape[1])
    steps = np.rint((features - mean) @ axes / step).astype(np.int32).T
    signed = np.abs(2 * steps) - (steps < 0)
    if signed.max(initial=0) > 2**16 - 1:
        raise ValueError("features are too far from each other for two bytes")
    bytes_apart = {"low": (signed & 255).astype(np.uint8), "high": (signed >> 8).astype(np.uint8)}
    return bytes_apart | {"mean": mean.astype(np.float32), "axes": axes.astype(np.float32), "step": np.float32(step)}


def decode(arrays: dict[str, np.ndarray]) -> np.ndarray:
    """Whole steps int16 N,F along the axes."""
    signed = arrays["low"].astype(np.int32) | arrays["high"].astype(np.int32) << 8
    return np.ascontiguousarray(np.where(signed & 1, -(signed + 1) // 2, signed // 2).T.astype(np.int16))


class Features:
    """Encoded features, among which the nearest are found."""

    def __init__(self, arrays: dict[str, np.ndarray]):
        self.mean, self.axes, self.step = arrays["mean"], arrays["axes"], float(arrays["step"])
        self.steps = decode(arrays)  # half the memory of floats; widened block by block
        self.squares = np.einsum("nf,nf->n", self.steps, self.steps, dtype=np.float64).astype(np.float32)

    def __len__(self) -> int:
        return len(self.steps)

    def nearest(self, features: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """For features Q,V,F, the V variants of Q pictures: the distances Q,k to the nearest, that of the nearest
        variant each, ascending, and their numbers int64 Q,k.
        """
        at = (features - self.mean) @ self.axes / np.float32(self.step)
        best, number = np.empty((len(at), 0), np.float32), np.empty((len(at), 0), np.int64)
        own = (at**2).sum(2)[..., None]
        for start in range(0, len(self), BLOCK):
            rows = slice(start, start + BLOCK)
            squared = (own - 2 * at @ self.steps[rows].astype(np.float32).T + self.squares[rows]).min(1)
            numbers = np.broadcast_to(np.arange(start, start + squared.shape[1]), squared.shape)
            best, number = np.concatenate([best, squared], 1), np.concatenate([number, numbers], 1)
            if best.shape[1] > k:
                least = np.argpartition(best, k - 1, 1)[:, :k]
                best, number = np.take_along_axis(best, least, 1), np.take_along_axis(number, least, 1)
        # Differences of large squares are coarse for what is very near: the few that are left are measured again.
        apart = at[:, :, None] - self.steps[number][:, None]
        distance = np.linalg.norm(apart, axis=3).min(1) * self.step
        order = np.argsort(distance, 1, kind="stable")
        return np.take_along_axis(distance, order, 1), np.take_along_axis(number, order, 1)

    def look(self, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """For pixels uint8 Q,S,S,C the ratio Q of the nearest, the distances Q,1+NEXT, and the numbers Q,1+NEXT."""
        variants = variants_of(pixels)
        q, v = variants.shape[:2]
        features = features_of(variants.reshape(q * v, *pixels.shape[1:])).reshape(q, v, -1)
        distance, number = self.nearest(features, 1 + NEXT)
        return ratios(distance), distance, number


def ratios(distance: np.ndarray) -> np.ndarray:
    """Distances Q,k, ascending -> of the first, in means of the others; 1 where all are 0."""
    others = distance[:, 1:].mean(1)
    return np.divide(distance[:, 0], others, out=np.ones(len(distance), np.float64), where=others > 0)


def percentiles(values: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Where each lies among ascending ones: 0 below all, 100 above all, ties in their middle."""
    below, up_to = (np.searchsorted(reference, values, side) for side in ("left", "right"))
    return 50.0 * (below + up_to) / len(reference)


# --- pictures in few bytes ----------------------------------------------------------------------------------------


def pack_pictures(pixels: np.ndarray) -> bytes:
    """Pixels uint8 N,S,S,3 -> a zip of sheets, COLUMNS x COLUMNS thumbnails each, in lossy WebP."""
    file, size = io.BytesIO(), pixels.shape[1]
    with zipfile.ZipFile(file, "w") as archive:
        for number, start in enumerate(range(0, len(pixels), COLUMNS**2)):
            tiles = np.zeros((COLUMNS**2, size, size, 3), np.uint8)
            part = pixels[start : start + COLUMNS**2]
            tiles[: len(part)] = part
            canvas = tiles.reshape(COLUMNS, COLUMNS, size, size, 3).swapaxes(1, 2).reshape(COLUMNS * size, -1, 3)
            sheet = io.BytesIO()
            Image.fromarray(canvas).save(sheet, "WEBP", quality=QUALITY, method=6)
            archive.writestr(zipfile.ZipInfo(f"{number:04d}.webp", (1980, 1, 1, 0, 0, 0)), sheet.getvalue())
    return file.getvalue()


def unpack_picture(archive: zipfile.ZipFile, number: int, size: int, grey: bool) -> np.ndarray:
    """The thumbnail of a training picture, uint8 S,S,3."""
    sheet, place = divmod(number, COLUMNS**2)
    top, left = (side * size for side in divmod(place, COLUMNS))
    with Image.open(io.BytesIO(archive.read(f"{sheet:04d}.webp")), formats=["WEBP"]) as picture:
        tile = picture.crop((left, top, left + size, top + size))
        return np.asarray(tile.convert("L").convert("RGB") if grey else tile.convert("RGB"))


# --- the index of a bundle ----------------------------------------------------------------------------------------


def has_index(manifest: dict) -> bool:
    """Whether the bundle with this manifest has an index of its training pictures."""
    return INDEX in manifest.get("sha256", {})


class Neighbours:
    """The index of a bundle. Raises ModelError.

    `facts`: what it says of itself: `data` (name, licence), `training` and `unseen` (how many pictures), `unseen_are`
    (which), `recall` (the share of exact nearest pictures that it finds), `found` (the share of copies that stand out,
    by what was done to them), `thumbnails` (their quality, or None), ...
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        content = read_vouched(self.folder, INDEX)
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as file:
                arrays = dict(file.items())
            self.facts = json.loads(str(arrays["facts"]))
            self.features = Features(arrays)
            self.unseen: np.ndarray = arrays["unseen"]
            self.labels: np.ndarray | None = arrays.get("labels")
        except (OSError, EOFError, LookupError, ValueError, zipfile.BadZipFile) as error:
            raise ModelError(
                f"{self.folder / INDEX} is damaged. Fetch the bundle again, or make the index again with: "
                "python -m export.add_neighbours"
            ) from error

    def __len__(self) -> int:
        return len(self.features)

    @functools.cached_property
    def sheets(self) -> zipfile.ZipFile | None:
        """The thumbnails; None where the licence keeps them back. Raises ModelError."""
        if not self.facts["thumbnails"]:
            return None
        try:
            return zipfile.ZipFile(io.BytesIO(read_vouched(self.folder, PICTURES)))
        except zipfile.BadZipFile as error:
            raise ModelError(f"{self.folder / PICTURES} is damaged. Fetch the bundle again.") from error

    def seen(self, pixels: np.ndarray) -> np.ndarray:
        """The centre square of pixels uint8 H,W,3 as the training pictures are: uint8 S,S,3."""
        return as_seen(pixels, self.facts["image_size"], self.facts["channels"])

    def look(self, pixels: np.ndarray) -> Found:
        """The training pictures nearest to pixels uint8 H,W,3, and whether the nearest one stands out."""
        ratio, distances, numbers = self.features.look(self.seen(pixels)[None, ..., : self.facts["channels"]])
        nearest = [self.neighbour(int(n), float(d)) for n, d in zip(numbers[0, :NEXT], distances[0], strict=False)]
        return Found(float(ratio[0]), float(percentiles(ratio, self.unseen)[0]), nearest)

    def neighbour(self, number: int, distance: float) -> Neighbour:
        """A training picture, as far as the index knows it."""
        label = None if self.labels is None else self.facts["classes"][int(self.labels[number])]
        size, grey = self.facts["image_size"], self.facts["channels"] == 1
        pixels = None if self.sheets is None else unpack_picture(self.sheets, number, size, grey)
        return Neighbour(number, distance, label, pixels)


def read_vouched(folder: Path, name: str) -> bytes:
    """A file of a bundle, which is what its manifest says. Raises ModelError."""
    path, wanted = folder / name, read_manifest(folder).get("sha256", {}).get(name)
    if not path.is_file():
        raise ModelError(f"There is no {path}. Make it with: python -m export.add_neighbours {folder}")
    content = path.read_bytes()
    if wanted is not None and hashlib.sha256(content).hexdigest() != wanted:
        raise ModelError(
            f"{path} is not the file that its bundle was made with: its sha256 differs from the manifest's. Fetch the "
            "bundle again."
        )
    return content
