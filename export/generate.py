"""Draw pictures: python -m export.generate models/fashion-mnist --seeds 1-16 --label Sneaker --out sneakers.png"""

import argparse
import sys
from pathlib import Path

from export.latents import SeedError, parse_seeds
from export.pictures import SUFFIXES, contact_sheet, png_bytes
from export.recipes import RecipeError, parse_share
from export.runtime import SENTENCES, Generator

MOST_IN_A_SHEET, MOST_IN_A_FOLDER = 1024, 100_000


def generate(model: str, seeds: list[int], label: str | None, truncation: float, out: Path) -> str:
    """Draws into `out`: a sheet if it ends in .png, else a folder of single pictures. Returns a line for the person."""
    generator = Generator(model)
    recipes = generator.recipes(seeds, label, truncation)
    if out.suffix.lower() == ".png":
        pixels, seconds = generator.follow(recipes), generator.seconds
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(png_bytes(contact_sheet(pixels), {"pictures": [recipe.as_dict() for recipe in recipes]}))
    else:
        out.mkdir(parents=True, exist_ok=True)
        seconds = 0.0
        for start in range(0, len(seeds), 64):
            some = recipes[start : start + 64]
            pixels = generator.follow(some)
            seconds += generator.seconds
            for each, recipe in zip(pixels, some, strict=True):
                (out / f"seed-{recipe.seed}.png").write_bytes(png_bytes(each, recipe.as_dict()))
    n = "1 picture" if len(seeds) == 1 else f"{len(seeds)} pictures"
    return f"{n} -> {out} ({generator.provider}, {1000 * seconds:.0f} ms)"


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m export.generate", description=__doc__.split(":")[0])
    parser.add_argument("model", help="a bundle's folder, or a generator.onnx")
    parser.add_argument("--seeds", default="1-16", help="such as 7, 1-16 or 3,5,8-10 (default: 1-16)")
    parser.add_argument("--label", help="a class by name or number; left out, each seed's own")
    parser.add_argument("--truncation", default="1", help="0 to 1; below 1 pictures are more typical, and more alike")
    parser.add_argument("--out", required=True, type=Path, help="a sheet (NAME.png), or a folder of single pictures")
    args = parser.parse_args(argv)
    most = MOST_IN_A_SHEET if args.out.suffix.lower() == ".png" else MOST_IN_A_FOLDER
    if args.out.suffix.lower() in set(SUFFIXES) - {".png"}:
        parser.error(f"--out {args.out}: a sheet is a PNG; name it {args.out.with_suffix('.png')}.")
    try:
        seeds = parse_seeds(args.seeds, most)
    except SeedError as error:
        parser.error(f"--seeds: {error}")
    try:
        truncation = parse_share(args.truncation)
    except RecipeError as error:
        parser.error(f"--truncation: {error}")
    try:
        print(generate(args.model, seeds, args.label, truncation, args.out))
    except SENTENCES as error:
        parser.error(str(error))
    except OSError as error:
        parser.error(f"--out {args.out} cannot be written: {error.strerror}.")


if __name__ == "__main__":
    sys.exit(main())
