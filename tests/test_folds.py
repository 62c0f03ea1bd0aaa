"""Cross-validation: a network for each part, a table, a file, and resumption."""

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import EVERYWHERE
from drawing import dark_and_light
from processes import one_thread  # noqa: F401 - a fixture

from dcgan import checkpoint, train_dcnn

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def options(tmp_path) -> list[str]:
    folder = dark_and_light(tmp_path / "shades", each=50)
    toy = ["--width", "2", "--batch", "16", "--steps", "6", "--tick", "3", *EVERYWHERE]
    return ["--data", str(folder), "--out", str(tmp_path / "run"), *toy]


def test_each_fold_is_a_run_and_their_figures_are_a_table(options, tmp_path, capsys):
    train_dcnn.cli([*options, "--folds", "3"])
    printed = capsys.readouterr().out
    found = json.loads((tmp_path / "run" / "folds.json").read_text())
    assert [row["fold"] for row in found["folds"]] == [1, 2, 3]
    assert [row["n"] for row in found["folds"]] == [34, 33, 33]
    for row in found["folds"]:
        run = tmp_path / "run" / f"fold-{row['fold']}"
        log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
        assert row["class_accuracy"] == log[-1]["class_accuracy"]
        assert row["step"] == log[-1]["step"] == 6
        assert checkpoint.load(run)["config"].fold == row["fold"]
    values = [row["validation_loss"] for row in found["folds"]]
    assert len(set(values)) == 3
    assert found["mean"]["validation_loss"] == pytest.approx(np.mean(values))
    assert found["standard_deviation"]["validation_loss"] == pytest.approx(np.std(values, ddof=1))
    for line in ("fold", "mean", "standard deviation"):
        assert sum(row.strip().startswith(line) for row in printed.splitlines()) == 1
    assert f"{found['mean']['class_accuracy']:.4f}" in printed


def test_the_same_command_again_trains_nothing_anew(options, tmp_path):
    train_dcnn.cli([*options, "--folds", "2"])
    runs = [Path(tmp_path, "run", f"fold-{fold}", checkpoint.NAME) for fold in (1, 2)]
    before = [run.read_bytes() for run in runs]
    train_dcnn.cli([*options, "--folds", "2"])
    assert [run.read_bytes() for run in runs] == before


def test_one_fold_can_be_trained_alone(options, tmp_path):
    train_dcnn.cli([*options, "--folds", "2", "--fold", "2"])
    assert checkpoint.load(tmp_path / "run")["config"].fold == 2
    assert not (tmp_path / "run" / "folds.json").exists()


def test_other_folds_in_the_same_place_are_refused(options, tmp_path, capsys):
    train_dcnn.cli([*options, "--folds", "2"])
    with pytest.raises(SystemExit):
        train_dcnn.cli([*options, "--folds", "3"])
    assert "was begun with --folds 2, not 3" in capsys.readouterr().err
