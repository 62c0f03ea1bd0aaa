"""The real pictures that a bundle brings along: those of examples/, and the tiles of one sheet of many."""

import functools
import hashlib

import numpy as np

from export.pictures import PictureError, as_seen, opened, read_picture
from export.runtime import MANIFEST, Bundle, ModelError
from ui.shelf import example_files
from ui.texts import say

SHEETS = ("reals.webp", "reals.png")  # `export.pictures.sheet` of real pictures, lossless, which the manifest lists


def has_reals(bundle: Bundle) -> bool:
    """Whether there are real pictures, without opening anything."""
    return bool(sheet_name(bundle) or example_files(bundle))


def sheet_name(bundle: Bundle) -> str | None:
    """The sheet of a bundle's real pictures, where its manifest lists one."""
    return next((name for name in SHEETS if name in bundle.manifest["sha256"]), None)


@functools.cache
def real_pictures(bundle: Bundle) -> np.ndarray:
    """All different real pictures, as large and as colourful as those that the bundle draws: uint8 N,S,S,3.

    Raises ModelError, PictureError.
    """
    size, channels = bundle.generator.image_size, bundle.generator.facts["channels"]
    found = [read_picture(path) for path in example_files(bundle)]
    found += list(tiles_of(read_sheet(bundle), size)) if sheet_name(bundle) else []
    seen = [as_seen(pixels, size, channels) for pixels in found]
    different = {pixels.tobytes(): pixels for pixels in seen}
    return np.stack(list(different.values())) if different else np.zeros((0, size, size, 3), np.uint8)


def read_sheet(bundle: Bundle) -> np.ndarray:
    """The sheet's pixels uint8 H,W,3, however large. Raises ModelError, PictureError."""
    path = bundle.folder / sheet_name(bundle)
    if not path.is_file():
        raise PictureError(say("game.missing", file=path.name, bundle=bundle.name))
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != bundle.manifest["sha256"][path.name]:
        raise ModelError(say("game.altered", file=path.name, bundle=bundle.name, manifest=MANIFEST))
    with opened(content, path.name) as picture:
        return np.asarray(picture.convert("RGB"))


def tiles_of(pixels: np.ndarray, size: int) -> np.ndarray:
    """A sheet uint8 R*S,C*S,3 -> its pictures uint8 N,S,S,3, row by row, without the white ones that fill the last row.

    Raises PictureError.
    """
    height, width = pixels.shape[:2]
    if height % size or width % size:
        raise PictureError(say("game.tiles", width=width, height=height, size=size))
    tiles = pixels.reshape(height // size, size, width // size, size, 3).swapaxes(1, 2).reshape(-1, size, size, 3)
    filled = np.flatnonzero((tiles < 255).any((1, 2, 3)))
    return tiles[: filled[-1] + 1 if len(filled) else 0]
