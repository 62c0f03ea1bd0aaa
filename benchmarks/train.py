"""How fast training is, beside the usual loop: python benchmarks/train.py --sizes 32 64 --seconds 10

The reference is the recipe and loop of pytorch/examples (dcgan), written anew: pictures decoded from files by the
workers of a DataLoader, probabilities and BCELoss, float32 in torch's default layout, three `.item()` a step. Ours is
the game that `python -m dcgan.train_gan` plays, on the same files, at the same sizes, without classes, in one process.
The loops take turns, so that a machine with other work is unfair to none: figures are medians over the rounds (and the
slowest and fastest turn), the ratio is the median of each round's. Prints a Markdown table; no figure makes it fail.
"""

import argparse
import contextlib
import dataclasses
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from dcgan.cache import BLOCK
from dcgan.config import PRESETS, GanConfig, RunConfig
from dcgan.data import hold_out, load
from dcgan.models import make_gan
from dcgan.run import describe, faster_precision, pick_device
from dcgan.train_gan import make_game, resolve

WORKERS = 2  # processes that decode for the reference, as in its own defaults
SIDE = {"cpu": 2048, "cuda": 8192, "mps": 2048}  # of the matrices whose product is the machine's rate, at most
LONG = 0.5  # seconds; a machine that takes so long for a product is asked for no larger one
Step = Callable[[], dict[str, float] | dict[str, Tensor]]  # one step; its losses


@dataclasses.dataclass
class Loop:
    """What is timed: `step` takes `images` real pictures; flops: of one step."""

    name: str
    precision: str
    images: int
    step: Step
    flops: int = 0
    reading: float = 0.0  # seconds in which all files were decoded beforehand (or recalled)
    first_seconds: float = 0.0
    rates: list[float] = dataclasses.field(default_factory=list)  # images a second, one a turn
    losses: list[dict] = dataclasses.field(default_factory=list)


# --- pictures -----------------------------------------------------------------------------------------------------


def draw_files(folder: Path, n: int, size: int) -> None:
    """Pictures to learn: a ball in front of a sky, of many places, sizes and colours."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:size, :size] / size
    for i in range(n):
        cy, cx, r = rng.uniform(0.3, 0.7, 3) * (1, 1, 0.5)
        ball, light = (y - cy) ** 2 + (x - cx) ** 2 < r**2, 1 - np.hypot(y - cy + r / 3, x - cx + r / 3)
        sky, colour = rng.uniform(0.2, 1, 3) * y[..., None], rng.uniform(0.3, 1, 3) * light[..., None]
        save(np.where(ball[..., None], colour, sky), folder / f"{i:06d}.jpg")


def save(levels: np.ndarray, path: Path) -> None:
    Image.fromarray((levels.clip(0, 1) * 255).astype(np.uint8)).save(path, quality=95, subsampling=0)


def write_files(args: argparse.Namespace, size: int, folder: Path) -> Path:
    """The pictures of --data (or drawn ones) as JPEG files of the size asked for, for both loops."""
    folder.mkdir()
    if not args.data:
        draw_files(folder, args.pictures, size)
        return folder
    images = load(RunConfig(data=args.data, data_dir=args.data_dir, image_size=size, channels=3)).images
    for start in range(0, min(len(images), args.pictures), BLOCK):
        pixels = images[start : start + BLOCK].permute(0, 2, 3, 1).numpy() / 255
        for i, picture in enumerate(pixels[: args.pictures - start]):
            save(picture, folder / f"{start + i:06d}.jpg")
    return folder


class Files(Dataset):
    """Picture files, each decoded when it is asked for: images 3,S,S in [-1, 1]."""

    def __init__(self, folder: Path):
        self.paths = sorted(folder.iterdir())

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, i: int) -> Tensor:
        with Image.open(self.paths[i]) as picture:
            pixels = torch.from_numpy(np.array(picture.convert("RGB")))
        return pixels.permute(2, 0, 1).float().div(255).sub(0.5).div(0.5)


def for_ever(loader: DataLoader) -> Iterator[Tensor]:
    while True:
        yield from loader


@contextlib.contextmanager
def cache_in(folder: str) -> Iterator[None]:
    """What is decoded from files that are soon deleted is not left in a person's own cache."""
    usual = os.environ.get("DCGAN_CACHE")
    os.environ["DCGAN_CACHE"] = folder
    yield
    del os.environ["DCGAN_CACHE"]
    if usual is not None:
        os.environ["DCGAN_CACHE"] = usual


# --- the loops ----------------------------------------------------------------------------------------------------


def reference(c: GanConfig, folder: Path, device: torch.device) -> Loop:
    """The loop of pytorch/examples: the networks of Radford et al. 2015, with a sigmoid at the critic's end."""
    torch.manual_seed(c.seed)
    G, D = make_gan(c, 0)
    G, D = G.to(device), nn.Sequential(D, nn.Sigmoid()).to(device)
    G_opt = torch.optim.Adam(G.parameters(), lr=2e-4, betas=(0.5, 0.999))
    D_opt = torch.optim.Adam(D.parameters(), lr=2e-4, betas=(0.5, 0.999))
    criterion = nn.BCELoss()
    loader = DataLoader(
        Files(folder), c.batch, shuffle=True, drop_last=True, num_workers=WORKERS, persistent_workers=True
    )
    batches = for_ever(loader)

    def step() -> dict[str, float]:
        D.zero_grad()
        real = next(batches).to(device)
        label = torch.full((len(real),), 1.0, device=device)
        output = D(real)
        real_loss = criterion(output, label)
        real_loss.backward()
        D_x = output.mean().item()
        fake = G(torch.randn(len(real), c.latent_dim, device=device))
        label.fill_(0.0)
        output = D(fake.detach())
        fake_loss = criterion(output, label)
        fake_loss.backward()
        D_G_z1 = output.mean().item()
        D_opt.step()
        G.zero_grad()
        label.fill_(1.0)
        output = D(fake)
        G_loss = criterion(output, label)
        G_loss.backward()
        D_G_z2 = output.mean().item()
        G_opt.step()
        losses = {"D_loss": (real_loss + fake_loss).detach(), "G_loss": G_loss.detach()}
        return losses | {"D_x": D_x, "D_G_z1": D_G_z1, "D_G_z2": D_G_z2}

    return Loop("reference", "fp32", c.batch, step)


def ours(name: str, c: GanConfig, folder: Path, device: torch.device) -> Loop:
    """The game of `train_gan`, step by step as its loop plays it."""
    began = time.perf_counter()
    pictures = load(dataclasses.replace(c, data=str(folder)))
    c, reading = resolve(c, pictures), time.perf_counter() - began
    game = make_game(c, *hold_out(pictures, c.validation), device)
    number = 0

    def step() -> dict[str, Tensor]:
        nonlocal number
        number += 1
        torch.manual_seed(c.seed * 1_000_003 + number)
        return game.step(number)

    return Loop(name, c.precision, c.real_batch, step, reading=reading)


def make_loops(args: argparse.Namespace, size: int, fast: str, folder: Path, device: torch.device) -> list[Loop]:
    """The reference first; ours with its mathematics, in its precision and the faster one; and the default recipe."""
    common = {"image_size": size, "channels": 3, "width": args.width, "conditional": False, "out": "run"}
    paper = GanConfig(**PRESETS["paper"] | common | {"preset": "paper"})
    default = GanConfig(**PRESETS[GanConfig.preset] | common)
    loops = [reference(paper, folder, device)]
    for precision in dict.fromkeys(["fp32", fast]):
        loops.append(ours("ours, paper's recipe", dataclasses.replace(paper, precision=precision), folder, device))
    loops.append(ours(f"ours, {default.preset} recipe", dataclasses.replace(default, precision=fast), folder, device))
    if args.compile:
        c = dataclasses.replace(paper, precision=fast, compile=True)
        loops.append(ours("ours, paper's recipe, compiled", c, folder, device))
    return loops


# --- time ---------------------------------------------------------------------------------------------------------


def wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    if device.type == "mps":
        torch.mps.synchronize()


def prepare(loop: Loop, device: torch.device) -> None:
    """The first step, timed by itself, in which workers start and networks are compiled; then counts one step's work.

    flops: two for each multiplication and addition of the convolutions and matrix products that are computed, forward
    and backward, from their shapes.
    """
    began = time.perf_counter()
    loop.step()
    wait_for(device)
    loop.first_seconds = time.perf_counter() - began
    if "compiled" not in loop.name:  # its work is that of the same loop uncompiled, and counting would be compiled, too
        with FlopCounterMode(display=False) as counter:
            loop.step()
        loop.flops = counter.get_total_flops()


def take_turn(loop: Loop, seconds: float, device: torch.device) -> None:
    """Steps for some seconds, at least two. Losses are kept as they are given, and read when the turn is over."""
    losses: list[dict] = []
    wait_for(device)
    began = time.perf_counter()
    while time.perf_counter() - began < seconds or len(losses) < 2:
        losses.append(loop.step())
    wait_for(device)
    loop.rates.append(loop.images * len(losses) / (time.perf_counter() - began))
    loop.losses += [{name: float(loss) for name, loss in line.items()} for line in losses]


def product_rate(dtype: torch.dtype, device: torch.device) -> float:
    """Floating-point operations a second of a large matrix product: the best of some.

    Some processors take a minute for a product of 2048 in bf16, so it is begun with small ones.
    """
    most, best, seconds = SIDE.get(device.type, 2048), 0.0, 0.0
    side = most // 16
    while seconds < LONG and side < most:
        side *= 2
        a = torch.rand(side, side, device=device).to(dtype)
        for _ in range(6):
            wait_for(device)
            began = time.perf_counter()
            a @ a
            wait_for(device)
            seconds = time.perf_counter() - began
            best = max(best, 2 * side**3 / seconds)
    return best


def measure(loops: list[Loop], args: argparse.Namespace, device: torch.device) -> dict[str, float]:
    """Turn after turn; the machine's rates in between: their medians by precision."""
    rates: dict[str, list[float]] = {"fp32": [], "bf16": []}
    for loop in loops:
        prepare(loop, device)
    for loop in loops:
        loop.flops = loop.flops or next(other.flops for other in loops if loop.name.startswith(other.name))
    for _ in range(args.rounds):
        for precision, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
            rates[precision].append(product_rate(dtype, device))
        for loop in loops:
            take_turn(loop, args.seconds, device)
    return {precision: float(np.median(values)) for precision, values in rates.items()}


# --- words --------------------------------------------------------------------------------------------------------


def first_to_last(loop: Loop, name: str) -> str:
    """Means over the first and the last tenth of the steps."""
    values = [line[name] for line in loop.losses]
    tenth = max(1, len(values) // 10)
    return f"{np.mean(values[:tenth]):.2f} to {np.mean(values[-tenth:]):.2f}"


def table(loops: list[Loop], size: int, rates: dict[str, float]) -> Iterator[str]:
    uncompiled = {loop.name: loop.first_seconds for loop in loops}
    for loop in loops:
        rate = np.median(loop.rates)
        speed = rate * loop.flops / loop.images
        compiling = loop.first_seconds - uncompiled.get(loop.name.removesuffix(", compiled"), 0.0)
        cells = [
            loop.name,
            f"{size} x {size}",
            loop.precision,
            f"{rate:,.0f} ({min(loop.rates):,.0f} to {max(loop.rates):,.0f})",
            f"{np.median(np.divide(loop.rates, loops[0].rates)):.2f}",
            f"{speed / 1e9:,.0f}",
            f"{speed / rates['fp32']:.0%}",
            f"{speed / rates['bf16']:.0%}",
            f"{compiling:.0f}" if "compiled" in loop.name else "",
            str(len(loop.losses)),
            first_to_last(loop, "D_loss"),
            first_to_last(loop, "G_loss"),
        ]
        yield "| " + " | ".join(cells) + " |"


HEAD = (
    "| loop | pictures | precision | images/s | ratio | GFLOP/s | of fp32 product | of bf16 product "
    "| compile s | steps | critic's loss | generator's loss |"
)


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python benchmarks/train.py", description=__doc__.split(":")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[32, 64], help="pixels a side (default: 32 64)")
    parser.add_argument("--width", type=int, default=64, help="as in training (default: 64)")
    parser.add_argument("--seconds", type=float, default=4.0, help="of a turn (default: 4)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each loop (default: 3)")
    parser.add_argument("--data", default="", help="a named set, a folder or a zip (default: pictures drawn here)")
    parser.add_argument("--data-dir", default="", help="folder in which a named set is looked for first")
    parser.add_argument("--pictures", type=int, default=2048, help="at most so many of them (default: 2048)")
    parser.add_argument("--device", default="auto", help="as in training")
    parser.add_argument("--compile", action="store_true", help="also with torch.compile")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse(argv)
    device = pick_device(args.device)
    fast = faster_precision(device)
    print(
        f"{describe(device)}, torch {torch.__version__}, Python {platform.python_version()}, "
        f"{time.strftime('%Y-%m-%d')}; width {args.width}, pictures of {args.data or 'this script'}, "
        f"{args.rounds} turns of {args.seconds:g} s.\n\n{HEAD}\n|{' --- |' * (HEAD.count('|') - 1)}"
    )
    notes = []
    for size in args.sizes:
        with tempfile.TemporaryDirectory() as place:
            files = write_files(args, size, Path(place) / "files")
            with cache_in(place):
                loops = make_loops(args, size, fast, files, device)
            rates = measure(loops, args, device)
        print("\n".join(table(loops, size, rates)), flush=True)
        products = " and ".join(f"{rate / 1e9:,.0f} GFLOP/s in {precision}" for precision, rate in rates.items())
        notes.append(
            f"{size} x {size}: matrix products of side {SIDE.get(device.type, 2048)} at most reach {products}; "
            f"ours decoded the files once, in {loops[1].reading:.1f} s, which is not in its images/s."
        )
    print("", *notes, sep="\n")


if __name__ == "__main__":
    main()
