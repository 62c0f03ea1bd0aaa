"""What helps against over-fitting, each remedy alone and all together: python benchmarks/overfitting.py

A DCNN learns the classes of 2,000 pictures of Fashion-MNIST, too few for it, and is asked about those and about the
10,000 official test pictures; the gap between both is what it has learnt by heart. Early stopping watches 1,000 further
pictures of the training split. Strengths were set beforehand; nothing was chosen on test pictures. Each training is a
row of overfitting.jsonl, and what has a row is not trained again. --table prints the rows that there are.
"""

import argparse
import dataclasses
import json
import shlex
import sys
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from tqdm import trange

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from dcgan.config import DcnnConfig
from dcgan.data import Pictures, hold_out, load
from dcgan.lessons import Lessons
from dcgan.models import DCNN, make_dcnn
from dcgan.run import describe, pick_device
from dcgan.train_dcnn import examine, make_optimizer, make_update, predict, resolve
from dcgan.watch import Patience

ROWS = Path(__file__).with_name("overfitting.jsonl")
NONE = {"augment": "none", "degrade": 0.0, "l1": 0.0, "weight_decay": 0.0, "dropout": 0.0, "patience": 0}
ALONE = {
    "augmentation": {"augment": "flip"},
    "L1": {"l1": 3e-5},
    "L2": {"weight_decay": 0.5},
    "dropout": {"dropout": 0.5},
    "early stopping": {"patience": 5},
}
REMEDIES = {
    "none": {},
    **ALONE,
    "a smaller network": {"width": 8},
    "all but the smaller network": {name: value for remedy in ALONE.values() for name, value in remedy.items()},
}
TICKS = 30  # looks at the watched pictures in a training
WATCHED = 1_000  # pictures of the training split that early stopping looks at; of a small set, a quarter


def learn(c: DcnnConfig, training: Pictures, watched: Pictures, device: torch.device) -> tuple[DCNN, int]:
    """A network, and the step that it is of."""
    torch.manual_seed(c.seed)
    network = make_dcnn(c, len(training.classes)).to(device, memory_format=torch.channels_last)
    update = make_update(network, make_optimizer(network, c, device), Lessons(c, training, None, device), None, c)
    best = Patience(network, c.patience)
    for step in trange(1, c.steps + 1, leave=False, disable=None):
        torch.manual_seed(c.seed * 1_000_003 + step)
        update(step)
        if step % c.tick == 0:
            best.consider(network, step, examine(network, watched, None, c)["validation_loss"])
        if best.is_over():
            break
    return (best.network, best.step) if best.step else (network, step)


def accuracy(network: DCNN, pictures: Pictures) -> float:
    guesses = predict(network, pictures.images)[1].argmax(1).cpu()
    return (guesses == pictures.labels).double().mean().item()


def train(remedy: str, o: argparse.Namespace, seed: int) -> dict:
    """The row of one training."""
    c = DcnnConfig(out="-", data=o.data, data_dir=o.data_dir, batch=o.batch, steps=o.steps, width=o.width, seed=seed)
    c = dataclasses.replace(c, tick=max(1, o.steps // TICKS), **NONE | REMEDIES[remedy])
    device = pick_device("auto")
    everything, test = load(c), load(c, "test")
    c = resolve(c, everything)
    rest, watched = hold_out(everything, min(WATCHED / len(everything), 0.25))
    order = torch.from_numpy(np.random.default_rng([2015, seed]).permutation(len(rest)))  # each seed has its own 2,000
    training = rest[order[: o.pictures]]
    began = time.perf_counter()
    network, step = learn(c, training, watched, device)
    seconds = round(time.perf_counter() - began, 1)
    figures = {"train": accuracy(network, training), "watched": accuracy(network, watched)}
    figures |= {"test": accuracy(network, test)}
    made = {"seconds": seconds, "device": describe(device), "torch": str(torch.__version__)}
    return key(remedy, o, seed) | figures | {"step": step} | made | {"date": time.strftime("%Y-%m-%d")}


def key(remedy: str, o: argparse.Namespace, seed: int) -> dict:
    """What tells a training from others."""
    changed = dict(REMEDIES[remedy])
    what = {"data": o.data, "pictures": o.pictures, "batch": o.batch, "steps": o.steps, "width": o.width}
    return what | {"remedy": remedy, "changed": changed, "seed": seed}


def read_rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def mean_and_spread(values: list[float]) -> str:
    """In percent: mean, and standard deviation over the seeds where there are several."""
    spread = f" ± {100 * np.std(values, ddof=1):.2f}" if len(values) > 1 else ""
    return f"{100 * np.mean(values):.2f}{spread}"


def print_tables(rows: list[dict]) -> None:
    """One table for each set of conditions, remedies in the order in which they are named above."""
    tables = defaultdict(lambda: defaultdict(list))
    for row in rows:
        tables[row["data"], row["pictures"], row["batch"], row["steps"], row["width"]][row["remedy"]].append(row)
    for (data, pictures, batch, steps, width), remedies in tables.items():
        print(f"\n**{data}: {pictures:,} pictures, {steps:,} steps of {batch}, width {width}; accuracy in percent**\n")
        head = ["remedy", "seeds", "on the pictures learnt from", "on test pictures", "gap", "step kept", "changed"]
        print("| " + " | ".join(head) + " |\n|" + " --- |" * len(head))
        for remedy in [name for name in REMEDIES if name in remedies]:
            found = remedies[remedy]
            gaps = [row["train"] - row["test"] for row in found]
            figures = [[row[name] for row in found] for name in ("train", "test")]
            steps_kept = f"{np.mean([row['step'] for row in found]):,.0f}"
            changed = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in found[0]["changed"].items())
            cells = [remedy, str(len(found)), *map(mean_and_spread, [*figures, gaps]), steps_kept, f"`{changed}`"]
            print("| " + " | ".join(cells) + " |")


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("remedies", nargs="*", help=f"of: {', '.join(REMEDIES)} (default: all)")
    parser.add_argument("--table", action="store_true", help="print the rows that there are, and train nothing")
    parser.add_argument("--data", default="fashion-mnist")
    parser.add_argument("--data-dir", default="")
    parser.add_argument("--pictures", type=int, default=2_000, help="to learn from (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=64, help="pictures a step (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=1_500, help="updates (default: %(default)s)")
    parser.add_argument("--width", type=int, default=32, help="of the network (default: %(default)s)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--rows", type=Path, default=ROWS, help="file of rows (default: beside this program)")
    o = parser.parse_args(argv)
    if unknown := set(o.remedies) - set(REMEDIES):
        parser.error(f"there is no remedy {shlex.quote(unknown.pop())}; there are: {', '.join(REMEDIES)}")
    for seed in [] if o.table else o.seeds:
        for remedy in o.remedies or REMEDIES:
            what = key(remedy, o, seed)
            if not any(what.items() <= row.items() for row in read_rows(o.rows)):
                row = train(remedy, o, seed)
                with o.rows.open("a") as file:
                    file.write(json.dumps(row) + "\n")
    print_tables(read_rows(o.rows))


if __name__ == "__main__":
    main()
