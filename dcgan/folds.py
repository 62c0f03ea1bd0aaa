"""Cross-validation: how well a recipe does, and how much of that is chance, without a look at the test pictures."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from dcgan import checkpoint
from dcgan.config import DcnnConfig, check

FIGURES = ("class_accuracy", "real_accuracy", "validation_loss")  # of a network on pictures that were left out


def cross_validate(c: DcnnConfig, train: Callable[[DcnnConfig], None]) -> list[dict]:
    """Trains a network for each of c.folds parts of the pictures, on all others, in c.out/fold-1, fold-2 and so on.

    Prints a table and writes c.out/folds.json: of each fold its figures on the part that was left out, their mean, and
    their standard deviation. The official test pictures stay untouched. A fold is an ordinary run, which the same
    command resumes. `train`: what trains one. Raises TrainingError.
    """
    check(c)
    rows = []
    for fold in range(1, c.folds + 1):
        one = dataclasses.replace(c, fold=fold, out=str(Path(c.out) / f"fold-{fold}"))
        print(f"Fold {fold} of {c.folds}:", flush=True)
        train(one)
        rows.append({"fold": fold} | last_figures(Path(one.out)))
    names = [name for name in rows[0] if name not in ("fold", "step", "n")]
    values = {name: [row[name] for row in rows] for name in names}
    summary = {
        "folds": rows,
        "mean": {name: float(np.mean(of)) for name, of in values.items()},
        "standard_deviation": {name: float(np.std(of, ddof=1)) for name, of in values.items()},
    }
    checkpoint.write_aside(Path(c.out) / "folds.json", (json.dumps(summary, indent=1) + "\n").encode())
    print(table_of_folds(summary))
    return rows


def last_figures(run: Path) -> dict:
    """What the log of a fold's run says of the step that it kept, and on how many pictures n."""
    state = checkpoint.load(run, DcnnConfig)
    step = state.get("best", {}).get("step") or state["step"]
    (line,) = (line for line in map(json.loads, (run / "log.jsonl").read_text().splitlines()) if line["step"] == step)
    c = state["config"]
    n = len(np.array_split(np.arange(state["data"]["pictures"]), c.folds)[c.fold - 1])
    return {"step": step, "n": n} | {name: line[name] for name in FIGURES if name in line}


def table_of_folds(summary: dict) -> str:
    """Folds as lines, figures as columns."""
    names = list(summary["mean"])
    lines = [["fold", "n", *names]]
    lines += [[str(row["fold"]), str(row["n"]), *(f"{row[name]:.4f}" for name in names)] for row in summary["folds"]]
    for what in ("mean", "standard_deviation"):
        lines.append([what.replace("_", " "), "", *(f"{summary[what][name]:.4f}" for name in names)])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(f"{cell:>{w}}" for cell, w in zip(line, widths, strict=True)) for line in lines)
