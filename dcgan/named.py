"""Named sets: where their files are found or downloaded, and what their cards say of them."""

import gzip
import os
import tarfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pooch

from dcgan.config import TrainingError

Arrays = tuple[np.ndarray, np.ndarray]  # pixels uint8 N,H,W,1 or 3, labels N


class DataError(TrainingError):
    """The pictures cannot be used; its message is a sentence for the person who named them."""


@dataclass(frozen=True)
class NamedSet:
    """find(folders, split): the split's arrays, or a zip of picture files; folders: where people keep such files."""

    find: Callable[[list[Path], str], Arrays | Path]
    classes: tuple[str, ...]
    facts: dict


def cache_folder() -> Path:
    return Path(os.environ.get("DCGAN_CACHE") or pooch.os_cache("dcgan"))


def find(name: str, folders: list[Path]) -> Path | None:
    """A file in the first folder that has it."""
    return next((folder / name for folder in folders if (folder / name).is_file()), None)


def find_or_download(name: str, folders: list[Path], url: str, checksum: str) -> Path:
    """A file in the first folder that has it, or from its official address, checked."""
    if path := find(name, folders):
        return path
    try:
        return Path(pooch.retrieve(url + name, checksum, name, cache_folder(), progressbar=True))
    except Exception as error:  # pooch passes on whatever its transports raise; all of it means: it cannot be had
        raise DataError(
            f"{name} could not be downloaded from {url} ({error}). "
            "Put the file into a folder and name that with --data-dir."
        ) from error


def damaged(path: Path, error: Exception) -> DataError:
    return DataError(f"{path.name} is damaged ({str(error).splitlines()[0]}). Delete it and start again.")


# --- Fashion-MNIST ------------------------------------------------------------------------------------------------


FASHION_URL = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
FASHION_FILES = {
    "train-images-idx3-ubyte.gz": "md5:8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "train-labels-idx1-ubyte.gz": "md5:25c81989df183df01b3e8a0aad5dffbe",
    "t10k-images-idx3-ubyte.gz": "md5:bef4ecab320f06d8554ea6380940ec79",
    "t10k-labels-idx1-ubyte.gz": "md5:bb300cfdad3c16e7a12a480ee83cd310",
}
FASHION_DEBIAN = Path("/usr/share/datasets/fashion-mnist")  # of Debian's package dataset-fashion-mnist


def find_fashion_mnist(folders: list[Path], split: str) -> Arrays:
    places = [*(folder / "fashion-mnist" for folder in folders), *folders, FASHION_DEBIAN]
    images, labels = (
        read_idx(find_or_download(name, places, FASHION_URL, checksum))
        for name, checksum in FASHION_FILES.items()
        if name.startswith("train" if split == "train" else "t10k")
    )
    return images[..., None], labels


def read_idx(path: Path) -> np.ndarray:
    """The idx format of the MNIST family: two zero bytes, type 8 (uint8), rank, big-endian sizes, values."""
    try:
        with gzip.open(path) as file:
            raw = file.read()
        shape = [int.from_bytes(raw[4 + 4 * i : 8 + 4 * i], "big") for i in range(raw[3])]
        return np.frombuffer(raw, np.uint8, offset=4 + 4 * len(shape)).reshape(shape)
    except (OSError, EOFError, IndexError, ValueError, zlib.error) as error:
        raise damaged(path, error) from error


# --- CIFAR-10 -----------------------------------------------------------------------------------------------------


CIFAR_URL = "https://www.cs.toronto.edu/~kriz/"
CIFAR_FILE, CIFAR_SUM = "cifar-10-binary.tar.gz", "md5:c32a1d4ab5d03f1284b67883e8d87530"


def find_cifar10(folders: list[Path], split: str) -> Arrays | Path:
    """The official archive, or cifar10.zip: the same pictures, lossless, as train/CLASS/ and test/CLASS/."""
    if path := find("cifar10.zip", folders):
        return path
    path = find_or_download(CIFAR_FILE, folders, CIFAR_URL, CIFAR_SUM)
    parts = [f"data_batch_{i}.bin" for i in range(1, 6)] if split == "train" else ["test_batch.bin"]
    try:
        with tarfile.open(path) as archive:
            raw = b"".join(archive.extractfile(f"cifar-10-batches-bin/{part}").read() for part in parts)
        rows = np.frombuffer(raw, np.uint8).reshape(-1, 1 + 3 * 32 * 32)  # label, red, green, blue
    except (OSError, EOFError, KeyError, ValueError, tarfile.TarError, zlib.error) as error:
        raise damaged(path, error) from error
    return rows[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), rows[:, 0]


# --- CelebA -------------------------------------------------------------------------------------------------------


CELEBA_FILE = "celeba64.zip"


def find_celeba64(folders: list[Path], split: str) -> Path:
    """A zip of faces that people make themselves: CelebA's terms do not let a program fetch it for them."""
    if path := find(CELEBA_FILE, folders):
        return path
    raise DataError(
        f"celeba64 cannot be downloaded automatically. Make {CELEBA_FILE}, a zip of CelebA's aligned faces at 64 x 64 "
        "pixels in train/faces/ and test/faces/, and name the folder that it is in with --data-dir."
    )


NAMED_SETS = {
    "fashion-mnist": NamedSet(
        find_fashion_mnist,
        ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
        {
            "name": "Fashion-MNIST",
            "licence": "MIT (Zalando SE)",
            "source": "Xiao, Rasul and Vollgraf, Fashion-MNIST: a novel image dataset for benchmarking, 2017",
        },
    ),
    "cifar10": NamedSet(
        find_cifar10,
        ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
        {
            "name": "CIFAR-10",
            "licence": "no formal licence; cite Krizhevsky 2009",
            "source": "Krizhevsky, Learning multiple layers of features from tiny images, 2009",
        },
    ),
    "celeba64": NamedSet(
        find_celeba64,
        (),
        {
            "name": "CelebA 64x64",
            "licence": "non-commercial research only",
            "source": "Liu, Luo, Wang and Tang, Deep learning face attributes in the wild, 2015",
        },
    ),
}
