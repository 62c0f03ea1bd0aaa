"""A resumed run is the same run: killed at random moments, it ends bit for bit where one ends that was never killed.

The first and the last start are whole commands; those that are killed are forks of a process that has imported torch,
so that the time goes into training. All of them compute on one thread: another number adds up in another order.
"""

import json
import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import EVERYWHERE
from drawing import dark_and_light
from processes import run_module, start_child

from dcgan import checkpoint, train_dcnn, train_gan

KILLS = 10
COMMON = ["--width", "2", "--batch", "8", "--tick", "2", "--image-size", "16", "--seed", "3", *EVERYWHERE]
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@pytest.fixture(scope="module")
def shades(tmp_path_factory) -> Path:
    return dark_and_light(tmp_path_factory.mktemp("shades") / "shades", each=50)


@pytest.fixture(scope="module")
def uninterrupted_gan(shades, tmp_path_factory) -> tuple[list[str], Path]:
    out = tmp_path_factory.mktemp("whole") / "gan"
    options = ["--data", str(shades), *COMMON, "--steps", "240", "--latent-dim", "5"]
    return options, train_whole("train_gan", options, out)


def train_whole(trainer: str, options: list[str], out: Path) -> Path:
    done = run_module(f"dcgan.{trainer}", *options, "--out", out)
    assert done.returncode == 0, done.stderr
    return out


def killed_and_started_again(trainer: str, cli: Callable, options: list[str], out: Path, seconds: float) -> int:
    """Starts, kills, starts, ... and lets the last start finish. The number of kills that met a process at work."""
    seed, place, kills = random.randrange(10**6), out / checkpoint.NAME, 0
    print(f"moments by seed {seed}")
    moments = random.Random(seed)
    for _ in range(KILLS):
        stamp = place.stat().st_mtime_ns if place.exists() else 0
        child = start_child(cli, [*options, "--out", str(out)])
        while child.is_alive() and (not place.exists() or place.stat().st_mtime_ns == stamp):
            time.sleep(0.001)
        time.sleep(moments.uniform(0, seconds / KILLS))
        kills += child.is_alive()
        child.kill()
        child.join()
    train_whole(trainer, options, out)
    return kills


def tensors(state: object, name: str = "") -> dict[str, torch.Tensor]:
    """Every tensor and number in a nest of dictionaries and lists, by its place."""
    if isinstance(state, dict | list | tuple):
        items = state.items() if isinstance(state, dict) else enumerate(state)
        return {place: value for key, part in items for place, value in tensors(part, f"{name}/{key}").items()}
    return {name: state if isinstance(state, torch.Tensor) else torch.tensor(float(state))} if state is not None else {}


def assert_same_run(a: Path, b: Path, parts: set[str]) -> None:
    first, second = checkpoint.load(a), checkpoint.load(b)
    assert parts == set(first) - {"kind", "config", "step", "data", "made", "sha256"}
    assert (first["step"], first["data"]) == (second["step"], second["data"])
    for part in parts:
        one, other = tensors(first[part]), tensors(second[part])
        assert one.keys() == other.keys()
        assert len(one) > 2 or part in ("augment", "G_best")  # nothing is held back to choose the best by
        assert [name for name in one if not torch.equal(one[name], other[name])] == []
    logs = [[json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()] for run in (a, b)]
    for line in logs[0] + logs[1]:
        assert line.pop("images_per_second") > 0
    assert logs[0] == logs[1]
    pictures = [{path.name: path.read_bytes() for path in (run / "pictures").iterdir()} for run in (a, b)]
    assert pictures[0] == pictures[1]


def test_a_gan_killed_again_and_again_is_the_same_run(uninterrupted_gan, tmp_path):
    options, whole = uninterrupted_gan
    seconds = checkpoint.load(whole)["made"]["seconds"]
    assert killed_and_started_again("train_gan", train_gan.cli, options, tmp_path / "run", seconds) >= 5
    assert_same_run(whole, tmp_path / "run", {"G", "D", "G_ema", "G_opt", "D_opt", "augment", "G_best"})
    assert len(list((whole / "pictures").iterdir())) == 120


def test_a_dcnn_killed_again_and_again_is_the_same_run(uninterrupted_gan, shades, tmp_path):
    options = ["--data", str(shades), *COMMON, "--steps", "240", "--gan", str(uninterrupted_gan[1])]
    options += ["--patience", "200", "--l1", "1e-5"]  # more ticks than there are
    whole = train_whole("train_dcnn", options, tmp_path / "whole")
    seconds = checkpoint.load(whole)["made"]["seconds"]
    assert killed_and_started_again("train_dcnn", train_dcnn.cli, options, tmp_path / "run", seconds) >= 5
    parts = {"network", "optimizer", "best", "calibration", "known", "attribution"}
    assert_same_run(whole, tmp_path / "run", parts)
