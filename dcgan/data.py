"""Pictures -> uint8 images N,C,S,S (and labels): from a named set, a folder or a zip.

`train/` and `test/` folders are splits, subfolders are classes. Up to --memory megabytes of images are a tensor in
memory; more than that stay in the cache's file and are read ahead of the training.
"""

import dataclasses
import difflib
import functools
import hashlib
import io
import os
import sys
import zipfile
import zlib
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from dcgan.cache import BLOCK, Cache, Decoded, Mapped, decode_into_memory, fits, recall_or_make, to_device
from dcgan.config import RunConfig, image_sizes_up_to
from dcgan.named import NAMED_SETS, DataError
from dcgan.parallel import share
from dcgan.pixels import fit, to_images
from export.pictures import FORMATS, SUFFIXES, PictureError, read_picture

FEWEST = 64  # pictures that a training needs
MOST_UNREADABLE = 0.01
LARGEST_AUTOMATIC = 64  # pixels a side, where none are asked for: what a patient CPU can train
CACHE_FORMAT = 2
AHEAD = 4  # batches that are read before they are needed


@dataclass(frozen=True)
class Pictures:
    """images uint8 N,C,S,S; labels int64 N or None; names of the classes; facts: what a card says of the data."""

    images: Tensor | Mapped
    labels: Tensor | None
    classes: tuple[str, ...]
    facts: dict

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: Tensor) -> "Pictures":
        images = self.images.chosen(i) if isinstance(self.images, Mapped) else self.images[i]
        return dataclasses.replace(self, images=images, labels=None if self.labels is None else self.labels[i])

    def to(self, device: torch.device) -> "Pictures":
        labels = None if self.labels is None else self.labels.to(device)
        return dataclasses.replace(self, images=self.images.to(device), labels=labels)


class Batches:
    """The batches of a training, by number: images N,C,S,S in [-1, 1] and labels N (or None) on the pictures' device.

    What is in a batch depends on the seed and its number alone: a run that stops goes on with the same ones, and those
    to come can be read ahead while the networks learn. Drawn with replacement. Of n pictures, a process among several
    gets its share.
    """

    def __init__(self, pictures: Pictures, n: int, seed: int):
        self.pictures, self.n, self.seed, self.share = pictures, n, seed, share(n)
        self.reader = ThreadPoolExecutor(1) if isinstance(pictures.images, Mapped) else None
        self.read_ahead: dict[int, Future] = {}

    def __call__(self, number: int) -> tuple[Tensor, Tensor | None]:
        if self.reader is None:
            levels, label = self.read(number)
        else:
            for later in range(number, number + 1 + AHEAD):
                if later not in self.read_ahead:
                    self.read_ahead[later] = self.reader.submit(self.read, later)
            levels, label = self.read_ahead.pop(number).result()
        return to_images(levels), label

    def draw(self, number: int) -> Tensor:
        """Which pictures are in a batch: int64 N."""
        i = np.random.default_rng([self.seed, number]).integers(len(self.pictures), size=self.n)
        return torch.from_numpy(i[self.share])

    def read(self, number: int) -> tuple[Tensor, Tensor | None]:
        images, labels = self.pictures.images, self.pictures.labels
        i = self.draw(number)
        there = to_device(i, images.device)
        return images[i if isinstance(images, Mapped) else there], None if labels is None else labels[there]


class Epochs(Batches):
    """Batches in which every picture comes once an epoch, and mirrored in every second: Jordan 2024, section 3.6.

    94% on CIFAR-10 in 3.29 seconds on a single GPU.
    """

    def places(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """The epoch of each place in a batch, and which place in it that is: int64 N each."""
        return np.divmod(np.arange(number * self.n, (number + 1) * self.n)[self.share], len(self.pictures))

    def draw(self, number: int) -> Tensor:
        epoch, place = self.places(number)
        i = np.empty_like(place)
        for each in np.unique(epoch):
            i[epoch == each] = order_of(self.seed, int(each), len(self.pictures))[place[epoch == each]]
        return torch.from_numpy(i)

    def mirrored(self, number: int) -> Tensor:
        """Which pictures of a batch come mirrored, bool N: each in every second epoch, half of them in the first."""
        return (self.draw(number) + torch.from_numpy(self.places(number)[0])) % 2 == 1

    def read(self, number: int) -> tuple[Tensor, Tensor | None]:
        images, labels = super().read(number)
        chosen = to_device(self.mirrored(number), images.device)[:, None, None, None]
        return torch.where(chosen, images.flip(3), images), labels


@functools.lru_cache(maxsize=2)  # that of an epoch and of the next one, which a batch may reach into
def order_of(seed: int, epoch: int, n: int) -> np.ndarray:
    """In which order n pictures come in an epoch."""
    return np.random.default_rng([seed, epoch]).permutation(n)


def load(c: RunConfig, split: str = "train") -> Pictures | None:
    """The pictures of a split, at the size and channels of `c` (0: their own). None where there is no test split.

    Raises DataError: nothing there, too few pictures, or too many that cannot be read.
    """
    if c.data in NAMED_SETS:
        pictures = load_named(c, split)
    elif Path(c.data).expanduser().exists():
        facts = {"name": Path(c.data).expanduser().resolve().stem, "licence": c.licence or "not stated"}
        pictures = load_files(open_source(Path(c.data).expanduser()), c, split, facts)
    else:
        likely = difflib.get_close_matches(c.data.lower().replace("_", "-"), NAMED_SETS, n=1)
        raise DataError(
            f"--data {c.data}: there is no such folder or zip, and the named sets are {', '.join(NAMED_SETS)}."
            + (f" Did you mean {likely[0]}?" if likely else "")
        )
    if split == "train" and len(pictures) < FEWEST:
        raise DataError(f"--data {c.data} has {len(pictures)} pictures; training needs at least {FEWEST}.")
    return pictures


def hold_out(pictures: Pictures, share: float) -> tuple[Pictures, Pictures]:
    """Training pictures -> (for training, for validation); the same pictures are held back from every network."""
    order = torch.from_numpy(np.random.default_rng(2015).permutation(len(pictures)))
    n = round(len(pictures) * share)
    if n >= len(pictures):
        raise DataError(f"--validation {share:g} leaves no pictures to train on: there are {len(pictures)}.")
    return pictures[order[n:].sort().values], pictures[order[:n].sort().values]


def load_named(c: RunConfig, split: str) -> Pictures:
    named = NAMED_SETS[c.data]
    found = named.find([Path(c.data_dir).expanduser()] if c.data_dir else [], split)
    pictures = (
        load_files(open_source(found), c, split, {}) if isinstance(found, Path) else load_arrays(*found, c, split)
    )
    return dataclasses.replace(pictures, classes=named.classes, facts=pictures.facts | named.facts)


def load_arrays(pixels: np.ndarray, labels: np.ndarray, c: RunConfig, split: str) -> Pictures:
    """Pixels uint8 N,H,W,1 or 3 of one size -> Pictures at the size and channels of `c`."""
    size, channels = c.image_size or min(pixels.shape[1:3]), c.channels or pixels.shape[-1]
    shape = (len(pixels), channels, size, size)

    def convert(images: np.ndarray) -> dict[int, str]:
        for i in range(0, len(pixels), BLOCK):
            rgb = np.ascontiguousarray(np.broadcast_to(pixels[i : i + BLOCK], (*pixels[i : i + BLOCK].shape[:3], 3)))
            images[i : i + BLOCK] = round_levels(fit(torch.from_numpy(rgb), size, channels)).numpy()
        return {}

    if fits(shape, c):
        decoded = decode_into_memory(shape, convert)
    else:
        fingerprint = hashlib.sha256(np.ascontiguousarray(pixels)).hexdigest()
        decoded = recall_or_make(Cache.at(f"{c.data} {split} {size} {channels}", fingerprint), shape, convert, c)
    return pictures_of(decoded, torch.from_numpy(labels.astype(np.int64)), (), {})


def pictures_of(decoded: Decoded, labels: Tensor | None, classes: tuple[str, ...], facts: dict) -> Pictures:
    """Those that could be read; labels: of all."""
    rows, labels = decoded.rows, None if labels is None else labels[torch.from_numpy(decoded.rows)]
    return Pictures(decoded.good(), labels, classes, facts | {"pictures": len(rows), "sha256": decoded.sha256})


def round_levels(levels: Tensor) -> Tensor:
    return (levels + 0.5).clamp(0, 255).to(torch.uint8)


# --- folders and zips ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Source:
    """Picture files by name (parts joined by /), with a stamp that changes when a file does, and a way to read one."""

    path: Path
    stamps: dict[str, tuple]
    read: Callable[[str], bytes]


def open_source(path: Path) -> Source:
    """A folder or a zip -> its picture files, without hidden ones. Raises DataError."""
    if path.is_dir():
        stamps = {}
        for folder, _, names in os.walk(path):
            for name in names:
                key = Path(folder, name).relative_to(path).as_posix()
                try:
                    stat = os.stat(os.path.join(folder, name))
                    stamps[key] = (stat.st_size, stat.st_mtime_ns)
                except OSError:
                    stamps[key] = ()  # a link that leads nowhere: it is named when it is read
        return Source(path, only_pictures(stamps), lambda name: (path / name).read_bytes())
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError) as error:
        raise DataError(f"--data {path} is neither a folder nor a readable zip ({error}).") from error
    stamps = {i.filename: (i.file_size, i.CRC) for i in archive.infolist() if not i.is_dir()}
    return Source(path, only_pictures(stamps), archive.read)


def only_pictures(stamps: dict[str, tuple]) -> dict[str, tuple]:
    def is_picture(name: str) -> bool:
        hidden = any(part.startswith((".", "__MACOSX")) for part in PurePosixPath(name).parts)
        return name.lower().endswith(SUFFIXES) and not hidden

    return {name: stamps[name] for name in sorted(stamps) if is_picture(name)}


def read_bytes(source: Source, name: str) -> bytes:
    """The content of a file. Raises PictureError."""
    try:
        return source.read(name)
    except (OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:  # RuntimeError: a password
        raise PictureError(f"{name} cannot be read ({error}).") from error


def split_names(names: list[str], split: str) -> list[tuple[str, tuple[str, ...]]]:
    """Names of a split, each with its folders below the split; everything is `train` where no such folder is."""
    parts = {name: tuple(map(sys.intern, name.split("/"))) for name in names}  # millions share few folders
    while len({p[0] for p in parts.values()}) == 1 and all(len(p) > 1 for p in parts.values()):
        if next(iter(parts.values()))[0] in ("train", "test"):
            break
        parts = {name: p[1:] for name, p in parts.items()}  # the one folder around everything says nothing
    if any(p[0] == "train" and len(p) > 1 for p in parts.values()):
        return [(name, p[1:-1]) for name, p in parts.items() if p[0] == split and len(p) > 1]
    if split == "test":
        return [(name, p[1:-1]) for name, p in parts.items() if p[0] == "test" and len(p) > 1]
    return [(name, p[:-1]) for name, p in parts.items() if p[0] != "test" or len(p) == 1]


def load_files(source: Source, c: RunConfig, split: str, facts: dict) -> Pictures | None:
    train = split_names(list(source.stamps), "train")
    wanted = split_names(list(source.stamps), split)
    if not wanted and split == "test":
        return None
    if not wanted:
        raise DataError(f"--data {source.path} holds no pictures ({', '.join(SUFFIXES)}).")
    classes = class_names(train)
    names = [name for name, _ in wanted]
    labels = None
    if classes:
        unknown = sorted({folders[0] if folders else "." for _, folders in wanted} - set(classes))
        if unknown:
            raise DataError(f"--data {source.path}: class {unknown[0]!r} is in test/ but not in train/.")
        number = {name: k for k, name in enumerate(classes)}
        labels = torch.tensor([number[folders[0]] for _, folders in wanted])
    size = c.image_size or automatic_size(source, [name for name, _ in train])
    channels = c.channels or automatic_channels(source, [name for name, _ in train])
    cache = Cache.at(f"{source.path.resolve()} {names[0]} {size} {channels}", fingerprint_of(source, names))
    shape = (len(names), channels, size, size)
    decoded = recall_or_make(cache, shape, lambda images: read_all(source, names, images), c)
    report_unreadable(source, decoded)
    return pictures_of(decoded, labels, classes, facts)


def class_names(train: list[tuple[str, tuple[str, ...]]]) -> tuple[str, ...]:
    """The subfolders, if there are two or more and every picture lies in one."""
    first = {folders[0] if folders else None for _, folders in train}
    if None in first and len(first) > 1:
        print("Some pictures lie beside the subfolders: the subfolders are not taken for classes.", file=sys.stderr)
    return tuple(sorted(first)) if None not in first and len(first) > 1 else ()


def sample_names(names: list[str], n: int = 256) -> list[str]:
    return names[:: max(1, len(names) // n)]


def automatic_size(source: Source, names: list[str]) -> int:
    """The largest size that the networks can have, up to the pictures' median short side and LARGEST_AUTOMATIC."""
    sides = []
    for name in sample_names(names):
        try:
            with Image.open(io.BytesIO(read_bytes(source, name)), formats=FORMATS) as picture:
                sides.append(min(picture.size))
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
            continue  # it is named, and counted, when all are read
    return image_sizes_up_to(min(int(np.median(sides or [LARGEST_AUTOMATIC])), LARGEST_AUTOMATIC))[-1]


def automatic_channels(source: Source, names: list[str]) -> int:
    """1 if every one of a sample of the pictures is grey."""
    for name in sample_names(names):
        try:
            pixels = read_picture(read_bytes(source, name), name)
        except PictureError:
            continue
        if (pixels != pixels[..., :1]).any():
            return 3
    return 1


def fingerprint_of(source: Source, names: list[str]) -> str:
    """A checksum that changes as soon as one of the files is added, removed or changed."""
    sha256 = hashlib.sha256(str(CACHE_FORMAT).encode())
    for name in names:
        sha256.update(repr((name, *source.stamps[name])).encode())
    return sha256.hexdigest()


def read_all(source: Source, names: list[str], images: np.ndarray) -> dict[int, str]:
    """Decodes every file into images uint8 N,C,S,S, by as many threads as there are cores.

    Which cannot be read, and why: their images stay black.
    """
    channels, size = images.shape[1:3]
    bad: dict[int, str] = {}

    def read(i: int) -> None:
        try:
            pixels = read_picture(read_bytes(source, names[i]), names[i])
        except PictureError as error:
            bad[i] = str(error)
            return
        if channels == 3 and pixels.shape[:2] == (size, size):
            images[i] = pixels.transpose(2, 0, 1)  # what the line below gives, too, in five times the time
        else:
            images[i] = round_levels(fit(torch.from_numpy(pixels.copy())[None], size, channels))[0].numpy()

    def read_block(start: int) -> int:
        block = range(start, min(start + BLOCK, len(names)))
        for i in block:
            read(i)
        return len(block)

    threads = torch.get_num_threads()
    # Each reader is one thread: torch's own would only wait for each other.
    pool = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))
    bar = tqdm(total=len(names), desc="Reading pictures", unit="picture", disable=len(names) < 1000)
    with pool, bar:
        for n in pool.map(read_block, range(0, len(names), BLOCK)):
            bar.update(n)
    torch.set_num_threads(threads)
    return bad


def report_unreadable(source: Source, decoded: Decoded) -> None:
    """Names what was skipped; DataError if it is more than one in a hundred."""
    bad, n = decoded.bad, len(decoded.images)
    if len(bad) > MOST_UNREADABLE * n:
        raise DataError(
            f"--data {source.path}: {len(bad)} of {n} pictures cannot be read, more than {MOST_UNREADABLE:.0%}. "
            f"The first: {next(iter(sorted(bad.values())))}"
        )
    for reason in sorted(bad.values()):
        print(f"Skipped: {reason}", file=sys.stderr)
