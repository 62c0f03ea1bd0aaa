"""Pictures without a licence, to train on: python benchmarks/draw.py a-folder --count 3000

Small landscapes, each drawn by chance: a sky with sun or moon, hills, a house or trees or a sailing boat on water.
"""

import argparse
import colorsys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

FINE = 4  # drawn so many times larger, then reduced: soft edges


def shade(rng: np.random.Generator, hue: tuple, saturation: tuple, value: tuple) -> tuple[int, int, int]:
    """A colour by chance, from ranges of hue, saturation and value in [0, 1]."""
    h, s, v = (rng.uniform(*span) for span in (hue, saturation, value))
    return tuple(round(255 * x) for x in colorsys.hsv_to_rgb(h % 1, s, v))


def landscape(rng: np.random.Generator, size: int) -> Image.Image:
    side = size * FINE
    night = rng.random() < 0.25
    top = np.array(shade(rng, (0.55, 0.68), (0.4, 0.9), (0.1, 0.3) if night else (0.6, 1.0)))
    low = np.array(shade(rng, (0.5, 1.1), (0.1, 0.5), (0.2, 0.5) if night else (0.8, 1.0)))
    ramp = np.linspace(0, 1, side)[:, None, None]
    sky = np.broadcast_to((1 - ramp) * top + ramp * low, (side, side, 3))
    picture = Image.fromarray(sky.astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    x, y, r = rng.uniform(0.1, 0.9) * side, rng.uniform(0.1, 0.4) * side, rng.uniform(0.05, 0.12) * side
    draw.ellipse((x - r, y - r, x + r, y + r), fill=(235, 235, 210) if night else (255, 225, 90))
    horizon = rng.uniform(0.5, 0.75) * side
    if rng.random() < 0.35:
        sea(draw, rng, side, horizon)
    else:
        land(draw, rng, side, horizon)
    return picture.resize((size, size), Image.Resampling.BOX)


def sea(draw: ImageDraw.ImageDraw, rng: np.random.Generator, side: int, horizon: float) -> None:
    draw.rectangle((0, horizon, side, side), fill=shade(rng, (0.5, 0.62), (0.6, 1.0), (0.3, 0.7)))
    x, y, length = (
        rng.uniform(0.25, 0.75) * side,
        horizon + rng.uniform(0.05, 0.2) * side,
        rng.uniform(0.12, 0.25) * side,
    )
    mast = length * rng.uniform(1.0, 1.8)
    draw.polygon([(x, y - mast), (x, y), (x + length, y)], fill=shade(rng, (0, 1), (0.0, 0.9), (0.8, 1.0)))
    hull = [
        (x - length, y),
        (x + length, y),
        (x + 0.6 * length, y + 0.4 * length),
        (x - 0.6 * length, y + 0.4 * length),
    ]
    draw.polygon(hull, fill=shade(rng, (0.0, 0.1), (0.4, 0.9), (0.2, 0.6)))


def land(draw: ImageDraw.ImageDraw, rng: np.random.Generator, side: int, horizon: float) -> None:
    along = np.linspace(0, side, 40)
    for level, value in ((horizon - 0.1 * side, (0.3, 0.5)), (horizon, (0.4, 0.8))):
        waves = level + 0.06 * side * np.sin(along / side * rng.uniform(3, 9) + rng.uniform(0, 6))
        ridge = list(zip(along.tolist(), waves.tolist(), strict=True))
        draw.polygon([*ridge, (side, side), (0, side)], fill=shade(rng, (0.2, 0.42), (0.4, 0.9), value))
    if rng.random() < 0.5:
        house(draw, rng, side, horizon + 0.15 * side)
    else:
        for _ in range(rng.integers(1, 5)):
            tree(draw, rng, side, horizon + rng.uniform(0.05, 0.25) * side)


def house(draw: ImageDraw.ImageDraw, rng: np.random.Generator, side: int, ground: float) -> None:
    x, width, height = rng.uniform(0.2, 0.6) * side, rng.uniform(0.2, 0.35) * side, rng.uniform(0.15, 0.28) * side
    draw.rectangle((x, ground - height, x + width, ground), fill=shade(rng, (0, 1), (0.0, 0.5), (0.6, 1.0)))
    roof = [
        (x - 0.1 * width, ground - height),
        (x + 1.1 * width, ground - height),
        (x + width / 2, ground - 1.7 * height),
    ]
    draw.polygon(roof, fill=shade(rng, (-0.03, 0.08), (0.5, 1.0), (0.3, 0.8)))
    draw.rectangle((x + 0.4 * width, ground - 0.5 * height, x + 0.6 * width, ground), fill=(70, 45, 30))


def tree(draw: ImageDraw.ImageDraw, rng: np.random.Generator, side: int, ground: float) -> None:
    x, height = rng.uniform(0.08, 0.92) * side, rng.uniform(0.15, 0.35) * side
    draw.rectangle((x - 0.06 * height, ground - 0.5 * height, x + 0.06 * height, ground), fill=(85, 55, 30))
    leaves, r = shade(rng, (0.08, 0.4), (0.5, 1.0), (0.25, 0.7)), 0.35 * height
    if rng.random() < 0.5:
        draw.ellipse((x - r, ground - height - 0.3 * r, x + r, ground - height + 1.7 * r), fill=leaves)
    else:
        draw.polygon(
            [(x - r, ground - 0.35 * height), (x + r, ground - 0.35 * height), (x, ground - 1.3 * height)], fill=leaves
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--size", type=int, default=32, help="pixels per side")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    for i in range(args.count):
        landscape(np.random.default_rng(i), args.size).save(args.folder / f"{i:05d}.png")


if __name__ == "__main__":
    main()
