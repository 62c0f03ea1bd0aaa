"""Pictures -> one uint8 tensor N,C,S,S (and labels): from a named set, a folder or a zip.

`train/` and `test/` folders are splits, subfolders are classes. What was read from a folder or a zip is kept in a cache
that is invalid as soon as a file in it is added, removed or changed.
"""

import dataclasses
import gzip
import hashlib
import io
import json
import os
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import pooch
import torch
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from dcgan.config import RunConfig, TrainingError, image_sizes_up_to
from dcgan.pixels import fit, to_images
from export.pictures import FORMATS, SUFFIXES, PictureError, read_picture

FEWEST = 64  # pictures that a training needs
MOST_UNREADABLE = 0.01
LARGEST_AUTOMATIC = 64  # pixels a side, where none are asked for: what a patient CPU can train
CACHE_FORMAT = 1


class DataError(TrainingError):
    """The pictures cannot be used; its message is a sentence for the person who named them."""


@dataclass(frozen=True)
class Pictures:
    """images uint8 N,C,S,S; labels int64 N or None; names of the classes; facts: what a card says of the data."""

    images: Tensor
    labels: Tensor | None
    classes: tuple[str, ...]
    facts: dict

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i) -> "Pictures":
        labels = None if self.labels is None else self.labels[i]
        return dataclasses.replace(self, images=self.images[i], labels=labels)

    def to(self, device: torch.device) -> "Pictures":
        labels = None if self.labels is None else self.labels.to(device)
        return dataclasses.replace(self, images=self.images.to(device), labels=labels)

    def batch(self, n: int) -> tuple[Tensor, Tensor | None]:
        """n images in [-1, 1] (and labels), drawn with replacement by torch's own generator on the pictures' device."""
        i = torch.randint(len(self.images), (n,), device=self.images.device)
        return to_images(self.images[i]), None if self.labels is None else self.labels[i]


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
        raise DataError(
            f"--data {c.data}: there is no such folder or zip, and the named sets are {', '.join(NAMED_SETS)}."
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


# --- named sets ---------------------------------------------------------------------------------------------------


def cache_folder() -> Path:
    return Path(os.environ.get("DCGAN_CACHE") or pooch.os_cache("dcgan"))


def find_or_download(name: str, folders: list[Path], url: str, checksum: str) -> Path:
    """A file of a named set: in the first folder that has it, or from its official address, checked."""
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    try:
        return Path(pooch.retrieve(url + name, checksum, name, cache_folder(), progressbar=True))
    except Exception as error:  # pooch passes on whatever its transports raise; all of it means: it cannot be had
        raise DataError(
            f"{name} could not be downloaded from {url} ({error}). "
            "Put the file into a folder and name that with --data-dir."
        ) from error


def read_idx(path: Path) -> np.ndarray:
    """The idx format of the MNIST family: two zero bytes, type 8 (uint8), rank, big-endian sizes, values."""
    try:
        with gzip.open(path) as file:
            raw = file.read()
        shape = [int.from_bytes(raw[4 + 4 * i : 8 + 4 * i], "big") for i in range(raw[3])]
        return np.frombuffer(raw, np.uint8, offset=4 + 4 * len(shape)).reshape(shape)
    except (OSError, EOFError, IndexError, ValueError, zlib.error) as error:
        raise damaged(path, error) from error


def damaged(path: Path, error: Exception) -> DataError:
    return DataError(f"{path.name} is damaged ({str(error).splitlines()[0]}). Delete it and start again.")


FASHION_URL = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
FASHION_FILES = {
    "train-images-idx3-ubyte.gz": "md5:8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "train-labels-idx1-ubyte.gz": "md5:25c81989df183df01b3e8a0aad5dffbe",
    "t10k-images-idx3-ubyte.gz": "md5:bef4ecab320f06d8554ea6380940ec79",
    "t10k-labels-idx1-ubyte.gz": "md5:bb300cfdad3c16e7a12a480ee83cd310",
}
FASHION_DEBIAN = Path("/usr/share/datasets/fashion-mnist")  # of Debian's package dataset-fashion-mnist


def load_fashion_mnist(c: RunConfig, split: str) -> Pictures:
    given = Path(c.data_dir).expanduser()
    folders = [given / "fashion-mnist", given] if c.data_dir else []
    images, labels = (
        read_idx(find_or_download(name, [*folders, FASHION_DEBIAN], FASHION_URL, checksum))
        for name, checksum in FASHION_FILES.items()
        if name.startswith("train" if split == "train" else "t10k")
    )
    return from_arrays(images[..., None], labels, c)


CIFAR_URL = "https://www.cs.toronto.edu/~kriz/"
CIFAR_FILE, CIFAR_SUM = "cifar-10-binary.tar.gz", "md5:c32a1d4ab5d03f1284b67883e8d87530"


def load_cifar10(c: RunConfig, split: str) -> Pictures:
    folder = Path(c.data_dir).expanduser()
    if c.data_dir and (folder / "cifar10.zip").is_file():
        # The same pictures, lossless, as train/CLASS/ and test/CLASS/.
        return load_files(open_source(folder / "cifar10.zip"), c, split, {})
    path = find_or_download(CIFAR_FILE, [folder] if c.data_dir else [], CIFAR_URL, CIFAR_SUM)
    parts = [f"data_batch_{i}.bin" for i in range(1, 6)] if split == "train" else ["test_batch.bin"]
    try:
        with tarfile.open(path) as archive:
            raw = b"".join(archive.extractfile(f"cifar-10-batches-bin/{part}").read() for part in parts)
        rows = np.frombuffer(raw, np.uint8).reshape(-1, 1 + 3 * 32 * 32)  # label, red, green, blue
    except (OSError, EOFError, KeyError, ValueError, tarfile.TarError, zlib.error) as error:
        raise damaged(path, error) from error
    return from_arrays(rows[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), rows[:, 0], c)


@dataclass(frozen=True)
class NamedSet:
    load: Callable[[RunConfig, str], Pictures]
    classes: tuple[str, ...]
    facts: dict


NAMED_SETS = {
    "fashion-mnist": NamedSet(
        load_fashion_mnist,
        ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
        {
            "name": "Fashion-MNIST",
            "licence": "MIT (Zalando SE)",
            "source": "Xiao, Rasul and Vollgraf, Fashion-MNIST: a novel image dataset for benchmarking, 2017",
        },
    ),
    "cifar10": NamedSet(
        load_cifar10,
        ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
        {
            "name": "CIFAR-10",
            "licence": "no formal licence; cite Krizhevsky 2009",
            "source": "Krizhevsky, Learning multiple layers of features from tiny images, 2009",
        },
    ),
}


def load_named(c: RunConfig, split: str) -> Pictures:
    named = NAMED_SETS[c.data]
    pictures = named.load(c, split)
    return dataclasses.replace(pictures, classes=named.classes, facts=pictures.facts | named.facts)


def from_arrays(pixels: np.ndarray, labels: np.ndarray, c: RunConfig) -> Pictures:
    """Pixels uint8 N,H,W,1 or 3 of one size -> Pictures at the size and channels of `c`."""
    size, channels = c.image_size or min(pixels.shape[1:3]), c.channels or pixels.shape[-1]
    images = torch.empty(len(pixels), channels, size, size, dtype=torch.uint8)
    for i in range(0, len(pixels), 1024):
        rgb = np.ascontiguousarray(np.broadcast_to(pixels[i : i + 1024], (*pixels[i : i + 1024].shape[:3], 3)))
        images[i : i + 1024] = round_levels(fit(torch.from_numpy(rgb), size, channels))
    return finish(images, torch.from_numpy(labels.astype(np.int64)), (), {})


def round_levels(levels: Tensor) -> Tensor:
    return (levels + 0.5).clamp(0, 255).to(torch.uint8)


def finish(images: Tensor, labels: Tensor | None, classes: tuple[str, ...], facts: dict) -> Pictures:
    sha256 = hashlib.sha256(images.numpy().data).hexdigest()
    return Pictures(images, labels, classes, facts | {"pictures": len(images), "sha256": sha256})


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
    parts = {name: PurePosixPath(name).parts for name in names}
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
        labels = torch.tensor([classes.index(folders[0]) for _, folders in wanted])
    size = c.image_size or automatic_size(source, [name for name, _ in train])
    channels = c.channels or automatic_channels(source, [name for name, _ in train])
    images, bad = cached(source, names, size, channels)
    if bad:
        report_unreadable(source, bad, len(names))
        good = torch.tensor([name not in bad for name in names])
        images, labels = images[good], None if labels is None else labels[good]
    return finish(images, labels, classes, facts)


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


def cached(source: Source, names: list[str], size: int, channels: int) -> tuple[Tensor, dict[str, str]]:
    """`read_all`, unless the same files were read before: images uint8 N,C,S,S and the unreadable ones with reasons."""
    listing = json.dumps([CACHE_FORMAT, [(name, source.stamps[name]) for name in names]])
    fingerprint = hashlib.sha256(listing.encode()).hexdigest()
    place = f"{source.path.resolve()} {names[0]} {size} {channels}"
    path = cache_folder() / f"pictures-{hashlib.sha256(place.encode()).hexdigest()[:16]}.npz"
    try:
        with np.load(path) as kept:
            if str(kept["fingerprint"]) == fingerprint:
                return torch.from_numpy(kept["images"]), json.loads(str(kept["bad"]))
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
        pass  # no cache yet, or a damaged one: it is made anew below
    images, bad = read_all(source, names, size, channels)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_suffix(f".{os.getpid()}.tmp.npz")
        np.savez(aside, images=images.numpy(), bad=json.dumps(bad), fingerprint=fingerprint)
        aside.replace(path)
    except OSError as error:
        print(
            f"The pictures are not cached in {path.parent} ({error}); they are read again next time.", file=sys.stderr
        )
    return images, bad


def read_all(source: Source, names: list[str], size: int, channels: int) -> tuple[Tensor, dict[str, str]]:
    """All pictures, decoded by as many threads as there are cores: images uint8 N,C,S,S; unreadable ones stay black."""
    images = torch.zeros(len(names), channels, size, size, dtype=torch.uint8)
    bad: dict[str, str] = {}

    def read(i: int) -> None:
        try:
            pixels = torch.from_numpy(read_picture(read_bytes(source, names[i]), names[i]).copy())
        except PictureError as error:
            bad[names[i]] = str(error)
            return
        if channels == 3 and pixels.shape[:2] == (size, size):
            images[i] = pixels.permute(2, 0, 1)  # what the line below gives, too, in five times the time
        else:
            images[i] = round_levels(fit(pixels[None], size, channels))[0]

    threads = torch.get_num_threads()
    # Each reader is one thread: torch's own would only wait for each other.
    with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        work = pool.map(read, range(len(names)))
        for _ in tqdm(work, total=len(names), desc="Reading pictures", unit="picture", disable=len(names) < 1000):
            pass
    torch.set_num_threads(threads)
    return images, bad


def report_unreadable(source: Source, bad: dict[str, str], n: int) -> None:
    """Names what was skipped; DataError if it is more than one in a hundred."""
    if len(bad) > MOST_UNREADABLE * n:
        raise DataError(
            f"--data {source.path}: {len(bad)} of {n} pictures cannot be read, more than {MOST_UNREADABLE:.0%}. "
            f"The first: {next(iter(sorted(bad.values())))}"
        )
    for reason in sorted(bad.values()):
        print(f"Skipped: {reason}", file=sys.stderr)
