"""Pictures as they are after somebody passed them on: saved again, blurred, made smaller. numpy and Pillow only.

A picture that was saved once more shows the same thing, so a verdict that changes with it says little. Everything here
keeps a picture's size.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

# The networks look at squares of 28 to 128 pixels. What a larger picture is reduced to before it is saved again: at
# full size a re-saving would cost more than the verdict, and leave no trace at that scale.
MOST_SIDE = 256
THUMBNAIL = 128
HARDEST = 10  # steps in which a picture is made harder
SMALLEST = 6  # pixels a side that the last of them leaves
QUALITIES = (95, 10)  # of JPEG, before the first step and at the last


def encoded(picture: Image.Image, container: str, quality: int, **options) -> Image.Image:
    """The picture, grey or RGB, as its file of that container ("JPEG", "WEBP") and quality (1 to 100) shows it.

    options: more of what Pillow takes for the container.
    """
    file = io.BytesIO()
    picture.save(file, container, quality=quality, **options)
    with Image.open(file, formats=[container]) as again:
        return again.convert(picture.mode)


def blurred(picture: Image.Image) -> Image.Image:
    """By one pixel."""
    return picture.filter(ImageFilter.GaussianBlur(1))


def shrunk(picture: Image.Image, factor: float) -> Image.Image:
    """The picture with its sides made `factor` times as long, and as long as before again."""
    small = [max(1, round(factor * side)) for side in picture.size]
    return picture.resize(small, Image.Resampling.BILINEAR).resize(picture.size, Image.Resampling.BILINEAR)


RESAVINGS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "JPEG 75": lambda picture: encoded(picture, "JPEG", 75),
    "JPEG 50": lambda picture: encoded(picture, "JPEG", 50),
    "WebP 80": lambda picture: encoded(picture, "WEBP", 80),
    "blur": blurred,
    "resize": lambda picture: shrunk(picture, 0.75),
}


def centre_square(pixels: np.ndarray) -> np.ndarray:
    """Pixels uint8 H,W,3 -> the square that the graphs look at, cut as they cut it."""
    height, width = pixels.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return pixels[top : top + side, left : left + side]


def resave(square: np.ndarray) -> np.ndarray:
    """Pixels uint8 S,S,3 -> pixels uint8 R,S,S,3: the square after each of RESAVINGS; reduced if above MOST_SIDE."""
    picture = at_most(Image.fromarray(square), MOST_SIDE)
    return np.stack([np.asarray(change(picture)) for change in RESAVINGS.values()])


@dataclass(frozen=True)
class Hardship:
    """How a picture is made harder to judge: to `side` pixels and back, then a JPEG of this quality (1 to 100)."""

    side: int
    quality: int


def hardships(side: int) -> list[Hardship]:
    """HARDEST steps for a square of `side` pixels, each harder than the one before; the last leaves hardly anything."""
    shares = np.arange(1, HARDEST + 1) / HARDEST
    sides = np.round(side * (min(SMALLEST, side) / side) ** shares).astype(int)
    qualities = np.round(QUALITIES[0] + (QUALITIES[1] - QUALITIES[0]) * shares).astype(int)
    return [Hardship(int(side), int(quality)) for side, quality in zip(sides, qualities, strict=True)]


def harden(square: np.ndarray) -> np.ndarray:
    """Pixels uint8 S,S,3 -> pixels uint8 1 + HARDEST,S,S,3: as it is, then after each of `hardships`; as `resave`."""
    picture = at_most(Image.fromarray(square), MOST_SIDE)
    side = picture.width
    steps = [encoded(shrunk(picture, each.side / side), "JPEG", each.quality) for each in hardships(side)]
    return np.stack([np.asarray(each) for each in (picture, *steps)])


def thumbnail(square: np.ndarray) -> np.ndarray:
    """Pixels uint8 S,S,3 -> the same, or of THUMBNAIL a side where S is larger: to be looked at, not to be judged."""
    return np.asarray(at_most(Image.fromarray(square), THUMBNAIL))


def at_most(picture: Image.Image, side: int) -> Image.Image:
    return picture if picture.width <= side else picture.resize((side, side), Image.Resampling.BILINEAR, reducing_gap=2)
