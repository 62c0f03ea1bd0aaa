"""Figures are rows, a run and its bundle have the same ones, and each measure has its known values."""

import json
import shutil

import numpy as np
import pytest

from dcgan import evaluate, metrics, train_dcnn
from dcgan.config import RunConfig
from export import to_onnx
from export.runtime import Bundle


@pytest.fixture(scope="module")
def referee_run(toy_pictures, tmp_path_factory):
    out = tmp_path_factory.mktemp("referee")
    train_dcnn.cli(["--data", str(toy_pictures), "--out", str(out), "--steps", "4", "--batch", "8", "--width", "4"])
    return out


def rows_of(capsys, *argv) -> dict[tuple[str, str], dict]:
    evaluate.main([str(a) for a in argv])
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return {(row["of"], row["metric"]): row for row in rows}


def refused(capsys, *argv) -> str:
    with pytest.raises(SystemExit) as stop:
        evaluate.main([str(a) for a in argv])
    assert stop.value.code == 2
    return capsys.readouterr().err


def test_a_run_and_its_bundle_have_the_same_figures(toy_pictures, gan_run, dcnn_run, referee_run, tmp_path, capsys):
    gan_run, dcnn_run = (
        shutil.copytree(run, tmp_path / run.name) for run in (gan_run, dcnn_run)
    )  # it adds metrics.json
    of_runs = rows_of(capsys, gan_run, "--referee", referee_run)
    of_runs |= rows_of(capsys, dcnn_run) | rows_of(capsys, referee_run)
    to_onnx.main([str(r) for r in (gan_run, dcnn_run, referee_run)] + ["--out", str(tmp_path / "b")])
    capsys.readouterr()
    of_bundle = rows_of(capsys, tmp_path / "b", "--data", toy_pictures)
    assert of_bundle.keys() == of_runs.keys()
    assert {metric for _, metric in of_runs} >= {"class_accuracy", "real_or_fake_auc", "recognised_as_asked"}
    for key, row in of_runs.items():
        assert of_bundle[key]["n"] == row["n"] > 0
        assert of_bundle[key]["value"] == pytest.approx(row["value"], abs=0.01)
    accuracy = of_runs["dcnn", "class_accuracy"]["value"]
    assert Bundle(tmp_path / "b").dcnn.facts["metrics"]["class_accuracy"] == accuracy
    stored = json.loads((tmp_path / "b" / "metrics.json").read_text())
    assert {(row["of"], row["metric"]): row["value"] for row in stored} == {k: r["value"] for k, r in of_runs.items()}
    assert all(row["command"].startswith("python -m dcgan.evaluate") for row in stored)


def test_a_generator_needs_a_referee(gan_run, capsys):
    assert "--referee" in refused(capsys, gan_run)


def test_what_is_neither_run_nor_bundle_is_a_sentence(tmp_path, capsys):
    assert "is not a bundle" in refused(capsys, tmp_path)


def test_a_bundle_of_a_folder_asks_for_the_folder(toy_bundle, capsys):
    assert "name these pictures with --data" in refused(capsys, toy_bundle)


def test_without_test_pictures_those_held_back_are_measured(toy_pictures, referee_run, tmp_path, capsys):
    run = shutil.copytree(referee_run, tmp_path / "run")
    row = rows_of(capsys, run, "--data", toy_pictures / "train")["referee", "class_accuracy"]
    assert row["n"] == round(128 * RunConfig.validation)
    assert row["on"] == "train pictures held back"


def test_where_all_was_seen_nothing_is_measured(toy_pictures, tmp_path, capsys):
    toy = ["--out", str(tmp_path), "--steps", "1", "--batch", "8", "--width", "4", "--validation", "0"]
    train_dcnn.cli(["--data", str(toy_pictures / "train"), *toy])
    assert "all has been seen" in refused(capsys, tmp_path)


def test_auc_counts_pairs():
    rng = np.random.default_rng(0)
    positive, negative = rng.integers(0, 9, 40), rng.integers(0, 7, 30)
    pairs = (positive[:, None] > negative).mean() + 0.5 * (positive[:, None] == negative).mean()
    assert metrics.auc(positive, negative) == pytest.approx(pairs)
    assert metrics.auc(np.array([2, 3]), np.array([0, 1])) == 1
    assert metrics.auc(np.array([1, 1]), np.array([1, 1])) == 0.5


def test_balanced_accuracy_weighs_both_sides_alike():
    assert metrics.balanced_accuracy(np.array([0.9]), np.array([0.1, 0.2, 0.9, 0.8])) == 0.75


def test_an_undecided_forecast_has_a_brier_score_of_a_quarter():
    assert metrics.brier(np.full(10, 0.5), np.arange(10) % 2) == 0.25
    assert metrics.accuracy(np.array([1, 2, 3]), np.array([1, 0, 3])) == pytest.approx(2 / 3)
