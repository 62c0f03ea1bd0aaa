"""What was decoded once: kept in a file, and recalled from there, into memory or through a memory map.

A cache is invalid as soon as what it was decoded from has changed. Images that fit into --memory come as an array; more
than that stay in the cache's file, which is mapped into memory.
"""

import dataclasses
import hashlib
import json
import math
import mmap
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock, Timeout
from torch import Tensor

from dcgan.config import RunConfig
from dcgan.named import DataError, cache_folder

BLOCK = 64  # pictures decoded, hashed or converted at once


class Mapped:
    """Images uint8 N,C,S,S that stay in a memory-mapped file: `images[i]` reads those that i names, as a Tensor."""

    def __init__(self, array: np.memmap, rows: np.ndarray, device: torch.device | str = "cpu"):
        """rows: which of the array's images these are, in this order; device: where those that are read go."""
        self.array, self.rows, self.device = array, rows, torch.device(device)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def shape(self) -> torch.Size:
        return torch.Size((len(self.rows), *self.array.shape[1:]))

    def __getitem__(self, i: Tensor | slice) -> Tensor:
        rows = self.rows[i]
        self.announce(rows)
        return to_device(torch.from_numpy(np.asarray(self.array)[rows]), self.device)

    def announce(self, rows: np.ndarray) -> None:
        """Asks the system to fetch these rows all at once: ten times as fast as waiting for one after the other."""
        if hasattr(mmap, "MADV_WILLNEED"):
            size = math.prod(self.array.shape[1:])
            for start in self.array.offset + rows * size:
                page = start - start % mmap.PAGESIZE
                self.array.base.madvise(mmap.MADV_WILLNEED, page, start + size - page)

    def chosen(self, i: Tensor) -> "Mapped":
        """Some of them; none is read."""
        return Mapped(self.array, self.rows[i], self.device)

    def split(self, n: int) -> Iterator[Tensor]:
        return (self[start : start + n] for start in range(0, len(self), n))

    def to(self, device: torch.device) -> "Mapped":
        return Mapped(self.array, self.rows, device)


def to_device(values: Tensor, device: torch.device) -> Tensor:
    """A copy from memory that a GPU need not wait for."""
    return values.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else values.to(device)


@dataclass(frozen=True)
class Decoded:
    """images uint8 N,C,S,S, in memory or in a file; bad: which could not be read, and why; sha256 of the others."""

    images: np.ndarray
    bad: dict[int, str]
    sha256: str

    @property
    def rows(self) -> np.ndarray:
        """Which could be read."""
        return good_rows(self.images, self.bad)

    def good(self) -> Tensor | Mapped:
        """The images of those."""
        if isinstance(self.images, np.memmap):
            return Mapped(self.images, self.rows)
        return torch.from_numpy(self.images[self.rows] if self.bad else self.images)


Decode = Callable[[np.ndarray], dict[int, str]]  # fills images uint8 N,C,S,S; returns which cannot be read, and why


def good_rows(images: np.ndarray, bad: dict[int, str]) -> np.ndarray:
    return np.delete(np.arange(len(images)), list(bad))


def sha256_of(images: np.ndarray, bad: dict[int, str]) -> str:
    sha256, rows = hashlib.sha256(), good_rows(images, bad)
    for i in range(0, len(rows), BLOCK):
        sha256.update(np.ascontiguousarray(images[rows[i : i + BLOCK]]))
    return sha256.hexdigest()


def decode_into_memory(shape: tuple[int, ...], decode: Decode) -> Decoded:
    images = np.zeros(shape, np.uint8)
    bad = decode(images)
    return Decoded(images, bad, sha256_of(images, bad))


@dataclass(frozen=True)
class Cache:
    """Where decoded images are kept: NAME.npy, and NAME.json with what an array cannot say."""

    path: Path
    fingerprint: str  # of what they were decoded from

    @classmethod
    def at(cls, place: str, fingerprint: str) -> "Cache":
        return cls(cache_folder() / f"pictures-{hashlib.sha256(place.encode()).hexdigest()[:16]}.npy", fingerprint)

    @property
    def notes(self) -> Path:
        return self.path.with_suffix(".json")

    def recall(self, shape: tuple[int, ...], check: bool) -> Decoded | None:
        """What was kept, in the file; None where there is nothing, or something old or damaged.

        check: read it all and compare its checksum, which takes too long where it is larger than memory.
        """
        try:
            notes = json.loads(self.notes.read_text(encoding="utf-8"))
            images = np.load(self.path, mmap_mode="r")
            bad = {int(row): reason for row, reason in notes["bad"]}
            whole = (images.shape, images.dtype, notes["fingerprint"]) == (shape, np.uint8, self.fingerprint)
            if whole and (not check or sha256_of(images, bad) == notes["sha256"]):
                return Decoded(images, bad, notes["sha256"])
        except (OSError, EOFError, ValueError, LookupError, TypeError):
            pass
        return None

    def make(self, shape: tuple[int, ...], decode: Decode) -> Decoded:
        """Decodes into the file, through a memory map, so that no more than a few pictures are in memory at once.

        Written aside and renamed: what has these names is whole. Raises OSError, where the disk is full, say.
        """
        images_aside, notes_aside = self.path.with_suffix(".npy.tmp"), self.path.with_suffix(".json.tmp")
        try:
            images = np.lib.format.open_memmap(images_aside, "w+", np.uint8, shape)
            reserve(images_aside)
            bad = decode(images)
            images.flush()
            sha256 = sha256_of(images, bad)
            notes = {"fingerprint": self.fingerprint, "bad": list(bad.items()), "sha256": sha256}
            notes_aside.write_text(json.dumps(notes), encoding="utf-8")
            del images
            images_aside.replace(self.path)
            notes_aside.replace(self.notes)
        finally:
            images_aside.unlink(missing_ok=True)
            notes_aside.unlink(missing_ok=True)
        return Decoded(np.load(self.path, mmap_mode="r"), bad, sha256)


def reserve(path: Path) -> None:
    """Takes room on the disk for a whole file with holes: else a full disk kills the process that fills them."""
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


@contextmanager
def alone(cache: Cache) -> Iterator[None]:
    """Several processes that want the same pictures wait until one has decoded them."""
    lock = FileLock(cache.path.with_suffix(".lock"))
    try:
        lock.acquire(blocking=False)
    except Timeout:
        print("Another process is reading these pictures; waiting for it.", file=sys.stderr)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def fits(shape: tuple[int, ...], c: RunConfig) -> bool:
    """Whether images of this shape may be in memory."""
    return math.prod(shape) <= c.memory * 1_000_000


def recall_or_make(cache: Cache, shape: tuple[int, ...], decode: Decode, c: RunConfig) -> Decoded:
    """From the cache, or decoded and kept there: in memory if they fit, else in the cache's file."""
    small = fits(shape, c)
    try:
        cache.path.parent.mkdir(parents=True, exist_ok=True)
        with alone(cache):
            decoded = cache.recall(shape, check=small) or cache.make(shape, decode)
            return dataclasses.replace(decoded, images=np.array(decoded.images)) if small else decoded
    except OSError as error:
        if not small:
            raise DataError(
                f"--data {c.data}: its {math.prod(shape) / 1e9:.1f} GB of pictures do not fit into {c.memory} MB, and "
                f"{cache.path.parent} cannot hold them ({error.strerror or error}). Name another folder with "
                "DCGAN_CACHE, or allow more with --memory."
            ) from error
        print(
            f"The pictures are not cached in {cache.path.parent} ({error}); they are read again next time.",
            file=sys.stderr,
        )
    return decode_into_memory(shape, decode)
