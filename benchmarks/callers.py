"""What does it bring that callers take turns? python benchmarks/callers.py [--callers 8] [--seconds 3] [BUNDLE ...]

Threads ask a bundle's generator and DCNN for few pictures at a time, as a page's visitors do, once each for itself and
once in turns (export/sharing.py). Prints answers a second, and how long half of them and the slowest hundredth took.
"""

import argparse
import functools
import statistics
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from export.runtime import Bundle  # noqa: E402
from export.sharing import spread  # noqa: E402


def measure(ask: Callable[[], object], callers: int, seconds: float) -> tuple[float, float, float]:
    """Answers a second; median and 99th percentile of the milliseconds of one."""
    end, took = time.perf_counter() + seconds, []

    def keep_asking() -> None:
        while (began := time.perf_counter()) < end:
            ask()
            took.append(1000 * (time.perf_counter() - began))

    threads = [threading.Thread(target=keep_asking) for _ in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(took) / seconds, statistics.median(took), statistics.quantiles(took, n=100)[-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("?")[0] + "?")
    parser.add_argument("bundles", nargs="*", type=Path, default=[ROOT / "models/fashion-mnist", ROOT / "models/faces"])
    parser.add_argument("--callers", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=3)
    args = parser.parse_args()

    print("| what | each for itself: a second, median, 99th percentile | in turns | ratio |\n| --- | --- | --- | --- |")
    for folder in args.bundles:
        bundle = Bundle(folder)
        G, D = bundle.generator, bundle.dcnn
        pixels = G.draw(range(6))
        z = np.random.default_rng(0).standard_normal((4, G.facts["latent_dim"])).astype(np.float32)
        inputs = {"latents": z} | ({"label": np.arange(4)} if G.classes else {})
        one = {name: array[:1] for name, array in inputs.items()}
        for what, model, asked in (
            ("draw 1 picture", G, one),
            ("draw 4", G, inputs),
            ("judge 1 and its re-savings", D, {"pixels": pixels}),
        ):
            runs = {"each": functools.partial(spread, model.compute), "turns": model.turns}
            told = {
                how: measure(lambda run=run, asked=asked: run(asked), args.callers, args.seconds)
                for how, run in runs.items()
            }
            cells = {how: f"{rate:.0f}/s, {median:.1f}, {late:.1f} ms" for how, (rate, median, late) in told.items()}
            ratio = f"{told['turns'][0] / told['each'][0]:.2f}, waits {told['turns'][2] / told['each'][2]:.2f}"
            print(f"| {bundle.name}: {what} | {cells['each']} | {cells['turns']} | {ratio} |", flush=True)


if __name__ == "__main__":
    main()
