"""What each choice of the modern recipe buys, against the paper's: python benchmarks/recipe.py --table

Without --table it trains what has no row yet, one training after another, and adds a row for each to recipe.jsonl:

    python benchmarks/recipe.py --data fashion-mnist --images 300000 --seeds 0 1 2 --test paper modern

A row's distance is to the pictures that training held back, in the features of the referee: choices are made on it.
With --test, each run is also measured by `python -m dcgan.evaluate` on the official test pictures; no choice is made on
that. Every variant has the averaged generator, the generator's width and the number of real images in common.
"""

import argparse
import json
import shlex
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from dcgan import checkpoint
from dcgan.config import GanConfig, from_args, make_parser
from export.card import table

ROOT = Path(__file__).resolve().parent.parent
TICK = 37_500  # images between two looks at the held-back pictures
ROWS = Path(__file__).with_name("recipe.jsonl")
PENALTIES = "--batch 64 --loss relativistic --critic-norm none --beta1 0.5 --beta2 0.999 --ema 0.999"
SPECTRAL = "--batch 64 --loss hinge --critic-norm spectral --r1 0 --r2 0 --beta2 0.999 --ema 0.999"
VARIANTS = {
    "paper": "--preset paper",
    "modern": "--preset modern",
    "paper, batch 64": "--preset paper --batch 64",
    "paper, batch 32": "--preset paper --batch 32",
    "paper, batch 32, deeper critic": "--preset paper --batch 32 --critic-extra 1 --lr-g 4e-4",
    "pairs, R1 and R2": f"{PENALTIES} --critic-extra 0 --r1 1 --r2 1 --lr-g 2e-4 --lr-d 2e-4",
    "pairs, R1 and R2, faster": f"{PENALTIES} --critic-extra 0 --r1 1 --r2 1 --lr-g 1e-3 --lr-d 5e-4",
    "pairs, weaker R1 and R2, faster": f"{PENALTIES} --critic-extra 0 --r1 0.3 --r2 0.3 --lr-g 1e-3 --lr-d 1e-3",
    "modern, batch 64": "--batch 64 --augment none --ema 0.999",
    "hinge, spectral": f"{SPECTRAL} --critic-extra 0 --augment none --lr-g 1e-3 --lr-d 1e-3",
    "hinge, spectral, deeper critic": f"{SPECTRAL} --critic-extra 1 --augment none --lr-g 1e-3 --lr-d 1e-3",
    "hinge, spectral, deeper critic, slower": f"{SPECTRAL} --critic-extra 1 --lr-g 4e-4 --lr-d 4e-4",
    "hinge, spectral, batch 32": f"{SPECTRAL} --batch 32 --critic-extra 1 --lr-g 4e-4 --lr-d 4e-4",
}
TESTED = ("frechet_distance", "precision", "recall", "density", "coverage", "recognised_as_asked")


def config(options: list[str]) -> GanConfig:
    return from_args(GanConfig, make_parser(GanConfig, "train_gan", "").parse_args(options))


def train(variant: str, data: list[str], images: int, seed: int, test: bool) -> dict:
    """The row of one training, which is begun, resumed or, if it is done, only read."""
    options = [*VARIANTS[variant].split(), *data, "--seed", str(seed)]
    name = "".join(letter if letter.isalnum() else "-" for letter in variant)
    c = config([*options, "--out", "run"])
    out = ROOT / "runs" / "recipe" / f"{Path(c.data).stem}-{name}-{seed}"
    steps, tick = round(images / c.real_batch), round(TICK / c.real_batch)
    options += ["--out", str(out), "--steps", str(steps), "--tick", str(tick)]
    subprocess.run([sys.executable, "-m", "dcgan.train_gan", *options], cwd=ROOT, check=True)
    state = checkpoint.load(out)
    log = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    log = [line for line in log if line["step"] <= steps]
    row = {"data": c.data, "images": images, "variant": variant, "options": VARIANTS[variant], "seed": seed}
    row |= {"width": c.width, "precision": c.precision, "distance": log[-1]["distance"]}
    row |= {"diversity": log[-1]["diversity"]}
    row |= {name: state["made"][name] for name in ("device", "torch", "date")}
    if test and state["step"] != steps:
        sys.exit(f"{out} has gone on to step {state['step']}; --test needs it at step {steps}.")
    return row | ({"test": measure(out, c)} if test else {})


def measure(out: Path, c: GanConfig) -> dict:
    """The figures of python -m dcgan.evaluate on the official test pictures."""
    where = ["--data-dir", c.data_dir] if c.data_dir else []
    subprocess.run([sys.executable, "-m", "dcgan.evaluate", str(out), *where], cwd=ROOT, check=True)
    rows = json.loads((out / "metrics.json").read_text())
    return {row["metric"]: row["value"] for row in rows if row["metric"] in TESTED}


def keep(row: dict) -> None:
    """Adds the row, in place of an earlier one of the same training."""
    what = ("data", "images", "variant", "seed", "width", "precision")
    others = [old for old in read_rows() if any(old[name] != row[name] for name in what)]
    ROWS.write_text("".join(json.dumps(each) + "\n" for each in [*others, row]))


def read_rows() -> list[dict]:
    return [json.loads(line) for line in ROWS.read_text().splitlines()] if ROWS.exists() else []


def mean_and_spread(values: list[float]) -> str:
    """Mean, and half the range where there are several."""
    spread = f" ± {(max(values) - min(values)) / 2:.2f}" if len(values) > 1 else ""
    return f"{np.mean(values):.2f}{spread}"


def print_tables(rows: list[dict]) -> None:
    """One table for each data set and number of images: best variants first."""
    tables = defaultdict(lambda: defaultdict(list))
    for row in rows:
        tables[row["data"], row["images"], row["width"]][row["variant"]].append(row)
    for (data, images, width), variants in tables.items():
        print(f"\n**{data}, {images:,} real images, width {width}**\n")
        tested = [m for m in TESTED if any(m in row.get("test", {}) for rows in variants.values() for row in rows)]
        head = ("variant", "seeds", "distance, held-back", *(f"{m}, test" for m in tested), "options")
        lines = []
        for variant, found in sorted(variants.items(), key=lambda item: np.mean([r["distance"] for r in item[1]])):
            cells = [variant, len(found), mean_and_spread([r["distance"] for r in found])]
            for m in tested:
                values = [r["test"][m] for r in found if m in r.get("test", {})]
                cells.append(mean_and_spread(values) if values else "")
            lines.append((*cells, f"`{found[0]['options']}`"))
        print(table(head, lines))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("variants", nargs="*", help=f"of: {', '.join(VARIANTS)} (default: all)")
    parser.add_argument("--table", action="store_true", help="print the rows that there are, and train nothing")
    parser.add_argument("--data", default="fashion-mnist")
    parser.add_argument("--data-dir", default="")
    parser.add_argument("--images", type=int, default=150_000, help="real images shown to each")
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--test", action="store_true", help="also measure on the official test pictures")
    args = parser.parse_args()
    if unknown := set(args.variants) - set(VARIANTS):
        parser.error(f"there is no variant {shlex.quote(unknown.pop())}; there are: {', '.join(VARIANTS)}")
    if not args.table:
        data = ["--data", args.data, "--width", str(args.width), "--precision", args.precision]
        data += ["--data-dir", args.data_dir] if args.data_dir else []
        for seed in args.seeds:
            for variant in args.variants or VARIANTS:
                keep(train(variant, data, args.images, seed, args.test))
    print_tables(read_rows())


if __name__ == "__main__":
    main()
