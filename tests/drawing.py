"""Pictures for the tests: drawn, never downloaded."""

import gzip
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from dcgan.data import Pictures


def noise(n: int, size: int = 16, channels: int = 3, seed: int = 0) -> np.ndarray:
    """Pixels uint8 N,S,S,3 of pure noise; grey (R = G = B) where `channels` is 1."""
    levels = np.random.default_rng(seed).integers(0, 256, (n, size, size, channels), np.uint8)
    return np.broadcast_to(levels, (n, size, size, 3)).copy()


def scene(height: int, width: int) -> np.ndarray:
    """Pixels uint8 H,W,3 with smooth slopes and edges, as photographs have them."""
    y, x = np.mgrid[0:height, 0:width]
    disc = (y - height / 2) ** 2 + (x - width / 3) ** 2 < (min(height, width) / 4) ** 2
    red, green = 255 * x / max(1, width - 1), 255 * y / max(1, height - 1)
    return np.stack([red, green, np.where(disc, 230, 20)], 2).astype(np.uint8)


def save_all(pixels: np.ndarray, folder: Path, suffix: str = ".png") -> Path:
    """Writes pictures as 0000.png, 0001.png, ... into `folder`, which it makes."""
    folder.mkdir(parents=True, exist_ok=True)
    for i, picture in enumerate(pixels):
        Image.fromarray(picture).save(folder / f"{i:04d}{suffix}")
    return folder


def dark_and_light(folder: Path, each: int = 40, size: int = 16) -> Path:
    """A folder of two classes that anyone can tell apart: `dark` and `light`."""
    save_all(noise(each, size, seed=1) // 3, folder / "dark")
    save_all(255 - noise(each, size, seed=2) // 3, folder / "light")
    return folder


def idx(array: np.ndarray) -> bytes:
    """A uint8 array as the gzipped idx file of the MNIST family."""
    sizes = b"".join(n.to_bytes(4, "big") for n in array.shape)
    return gzip.compress(bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes(), mtime=0)


def zipped(folder: Path, path: Path) -> Path:
    """Everything in a folder, packed."""
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, file.relative_to(folder))
    return path


def pixels_of(pictures: Pictures) -> np.ndarray:
    """Pixels uint8 N,S,S,C of loaded pictures."""
    return pictures.images.permute(0, 2, 3, 1).numpy()
