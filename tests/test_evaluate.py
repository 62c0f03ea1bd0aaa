"""Figures are rows, a run and its bundle have the same ones, and any pictures are measured by the same command."""

import json
import shutil
import zipfile

import numpy as np
import pytest
import torch
from conftest import EVERYWHERE
from drawing import noise, save_all
from PIL import Image

from dcgan import evaluate, eyes, metrics, players, train_dcnn, train_gan, yardstick
from dcgan.config import RunConfig
from dcgan.unseen import load_unseen
from export import to_onnx
from export.card import measured
from export.runtime import Bundle

DISTANCES = set(yardstick.DISTANCES)
NEIGHBOURS = {"precision", "recall", "density", "coverage"}
COPIES = {"nearest_training_below_1st_percentile", "nearest_training_median_percentile"}


@pytest.fixture(autouse=True)
def few_patches(monkeypatch):
    monkeypatch.setattr(metrics, "PATCHES", 1024)


def lines_of(capsys, *argv) -> list[dict]:
    evaluate.main([str(a) for a in argv])
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def rows_of(capsys, *argv) -> dict[tuple[str, str], dict]:
    return {(row["of"], row["metric"]): row for row in lines_of(capsys, *argv)}


def refused(capsys, *argv) -> str:
    with pytest.raises(SystemExit) as stop:
        evaluate.main([str(a) for a in argv])
    assert stop.value.code == 2
    return capsys.readouterr().err


def test_a_run_and_its_bundle_have_the_same_figures(
    toy_pictures, gan_run, dcnn_run, referee_run, toy_bundle, tmp_path, capsys
):
    runs = (shutil.copytree(run, tmp_path / run.name) for run in (gan_run, dcnn_run, referee_run))  # gets metrics.json
    gan_run, dcnn_run, referee_run = runs
    of_runs = rows_of(capsys, gan_run, "--referee", referee_run)
    of_runs |= rows_of(capsys, dcnn_run) | rows_of(capsys, referee_run)
    bundle = shutil.copytree(toy_bundle, tmp_path / "b")
    shutil.copy(gan_run / "metrics.json", bundle)  # as if its generator had been exported after it was measured
    kept = ["--keep", "generator.onnx", "critic.onnx"]
    to_onnx.main([str(dcnn_run), str(referee_run), *kept, "--out", str(bundle)])
    capsys.readouterr()
    of_bundle = rows_of(capsys, bundle, "--data", toy_pictures)
    assert of_bundle["dcnn", "real_or_fake_auc_bundled"]["on"].endswith(
        "fakes of the bundle's generator, of unused seeds"
    )
    assert of_bundle["dcnn", "deletion_ratio_bundled"]["n"] > 0
    of_bundle = {(of, metric.replace("_bundled", "")): row for (of, metric), row in of_bundle.items()}
    assert of_bundle.keys() == of_runs.keys()
    assert {metric for _, metric in of_runs} >= {"class_accuracy", "real_or_fake_auc", "recognised_as_asked"}
    for key, row in of_runs.items():
        assert of_bundle[key]["n"] == row["n"] > 0
        assert of_bundle[key]["value"] == pytest.approx(row["value"], abs=0.01)
    accuracy = of_runs["dcnn", "class_accuracy"]["value"]
    assert Bundle(bundle).dcnn.facts["metrics"]["class_accuracy"] == accuracy
    stored = json.loads((bundle / "metrics.json").read_text())
    assert {(row["of"], row["metric"]): row["value"] for row in stored} == {k: r["value"] for k, r in of_runs.items()}
    assert all(row["command"].startswith("python -m dcgan.evaluate") for row in stored)


def test_a_dcnn_is_asked_about_generators_that_it_has_not_met(dcnn_run, gan_run, toy_pictures, tmp_path, capsys):
    run = shutil.copytree(dcnn_run, tmp_path / "dcnn")
    stranger = tmp_path / "stranger"
    toy = ["--latent-dim", "8", "--width", "4", "--batch", "16", "--steps", "2", "--tick", "2", *EVERYWHERE]
    train_gan.cli(["--data", str(toy_pictures), "--out", str(stranger), "--seed", "5", *toy])
    capsys.readouterr()
    rows = {row["metric"]: row for row in lines_of(capsys, run, "--held-out", stranger, "--n", "40")}
    for tier in ("", "_jpeg_60", "_half_size_jpeg_40", "_held_out", "_held_out_jpeg_60"):
        row = rows[f"real_or_fake_balanced_accuracy{tier}"]
        assert row["n"] == 80
        assert 0 <= row["interval"][0] <= row["value"] <= row["interval"][1] <= 1
    assert rows["deletion_ratio"]["n"] == 80
    kept = json.loads((run / "verdicts.json").read_text())
    assert len(kept["real_or_fake"]) == 6
    assert kept["classes"]["names"] == ["cross", "disc"]
    assert np.sum(kept["classes"]["confusion"]) == 64
    threshold = evaluate.checkpoint.load(run)["calibration"]["threshold"]
    assert {tier["threshold"] for tier in kept["real_or_fake"]} == {threshold}
    assert (run / "verdicts-roc.png").exists()
    message = refused(capsys, run, "--held-out", stranger, gan_run)
    assert f"--held-out {gan_run}: the DCNN has met this generator in its training." in message
    state = torch.load(run / "checkpoint.pt", weights_only=True)
    state["data"]["calibrated_on"] = [evaluate.checkpoint.load(stranger)["sha256"]]
    torch.save(state, run / "checkpoint.pt")
    message = refused(capsys, run, "--held-out", stranger)
    assert f"--held-out {stranger}: the DCNN has met this generator in its training." in message
    coloured = tmp_path / "coloured"
    train_gan.cli(["--data", str(toy_pictures), "--out", str(coloured), "--channels", "3", *toy])
    message = refused(capsys, run, "--held-out", coloured)
    assert f"--held-out {coloured} draws pictures of 16 x 16 in colour; 16 x 16 in grey is needed." in message


def test_generators_of_bundles_are_known_or_held_out_too(dcnn_run, gan_run, toy_bundle, toy_pictures, tmp_path, capsys):
    run = shutil.copytree(dcnn_run, tmp_path / "dcnn")
    shown = ("--n", "40", "--data", toy_pictures)
    of_run = {row["metric"]: row["value"] for row in lines_of(capsys, run, "--known", gan_run, *shown)}
    of_bundle = {row["metric"]: row["value"] for row in lines_of(capsys, run, "--known", toy_bundle, *shown)}
    assert of_bundle == pytest.approx(of_run, abs=0.01)
    for judge in (run, toy_bundle):
        message = refused(capsys, judge, "--held-out", toy_bundle, *shown)
        assert f"--held-out {toy_bundle}: the DCNN has met this generator in its training." in message


def test_the_generator_of_its_bundle_is_judged_apart(dcnn_run, gan_run, toy_pictures, tmp_path, capsys):
    run = shutil.copytree(dcnn_run, tmp_path / "dcnn")
    rows = {row["metric"]: row for row in lines_of(capsys, run, "--bundled", gan_run, "--n", "40")}
    for metric in ("real_or_fake_balanced_accuracy", "real_or_fake_calibration_error", "real_or_fake_unsure"):
        # It is the only one that the DCNN knows, and so both are of the same fakes.
        assert rows[f"{metric}_bundled"]["value"] == rows[metric]["value"]
    assert rows["real_or_fake_auc_bundled_jpeg_60"]["on"].endswith(
        "fakes of the bundle's generator, of unused seeds, after JPEG 60"
    )
    assert f"There is no checkpoint at {tmp_path}" in refused(capsys, run, "--bundled", tmp_path)


def test_a_dcnn_is_asked_about_what_it_knows_wherever_that_is_now(dcnn_run, gan_run, toy_pictures, tmp_path, capsys):
    run, moved = shutil.copytree(dcnn_run, tmp_path / "dcnn"), shutil.copytree(gan_run, tmp_path / "moved")
    others = tmp_path / "others"
    for part in ("train", "test"):
        save_all(noise(70), others / part)
    rows = {row["metric"]: row for row in lines_of(capsys, run, "--known", moved, "--unlike", others, "--n", "40")}
    assert rows["real_or_fake_unsure"]["n"] == 80
    assert rows["real_or_fake_right_if_sure"]["n"] == round(80 * (1 - rows["real_or_fake_unsure"]["value"]))
    assert rows["typical_auc_others_test"]["on"].endswith("against others test")
    assert rows["typical_auc"]["value"] == rows["typical_auc_others_test"]["value"] > 0.5
    for same in (toy_pictures, others):
        message = refused(capsys, run, "--known", moved, "--unlike", others, same)
        assert f"--unlike {same}: other pictures here are {same.name} test, too." in message
    (moved / "checkpoint.pt").write_bytes((dcnn_run / "checkpoint.pt").read_bytes())
    assert "was made by train_dcnn" in refused(capsys, run, "--known", moved)


def test_what_a_recogniser_says_alone_is_a_figure_of_its_own(toy_pictures):
    def always(label: int):
        return lambda pixels: {"classes": np.tile(np.eye(2, dtype=np.float32)[label], (len(pixels), 1))}

    unseen = load_unseen(RunConfig(data=str(toy_pictures)))
    unseen = unseen[torch.arange(40)]  # 32 crosses and 8 discs
    player = players.Player(always(0), 16, 1, list(unseen.classes), recognise=always(1))
    rows = {row["metric"]: row["value"] for row in evaluate.measure_dcnn("referee", player, unseen, {}, {}, 10).rows}
    assert (rows["class_accuracy"], rows["class_accuracy_recogniser"]) == (0.8, 0.2)


def test_verdicts_are_a_table_for_a_person(dcnn_run, tmp_path, capsys):
    run = shutil.copytree(dcnn_run, tmp_path / "dcnn")
    evaluate.main([str(run), "--n", "20", "--table"])
    printed = capsys.readouterr().out
    assert "| half size, JPEG 40 | its own generators, of unused seeds | 40 |" in printed
    assert "| dcnn | class_accuracy |" in printed


@pytest.fixture
def measure(capsys, toy_pictures, referee_run):
    """The rows of pictures against the toy ones, by metric."""

    def measure(target, *more) -> dict[str, dict]:
        found = rows_of(capsys, target, "--data", toy_pictures, "--referee", referee_run, *more)
        return {metric: row for (of, metric), row in found.items() if of == "pictures"}

    return measure


def test_a_distance_is_beside_its_floor_and_ceilings_and_named_for_what_it_is(measure, toy_pictures):
    rows = measure(toy_pictures / "test")
    assert rows.keys() == DISTANCES | NEIGHBOURS | COPIES | {"recognised_as_asked"}
    for metric in DISTANCES:
        assert {"floor", "ceilings", "n", "in", "command"} <= rows[metric].keys()
        assert rows[metric]["ceilings"].keys() == yardstick.HARMS.keys()
    for row in rows.values():
        assert row["n"] == 64
        assert row["on"] == "pictures of test, against shapes test"
        assert "fid" not in row["metric"]
    assert rows["frechet_distance"]["in"].startswith("features of the DCNN of shapes (sha256 ")


def test_real_pictures_are_no_distance_from_themselves(measure, toy_pictures):
    rows = measure(toy_pictures / "test")
    assert rows["frechet_distance"]["value"] == pytest.approx(0, abs=1e-6)
    assert rows["sliced_wasserstein_distance"]["value"] == 0
    assert rows["precision"]["value"] == rows["recall"]["value"] == rows["coverage"]["value"] == 1
    assert rows["recognised_as_asked"]["value"] == rows["recognised_as_asked"]["real"]
    assert rows["nearest_training_median_percentile"]["value"] == pytest.approx(50, abs=2)


def test_training_pictures_are_the_floor_and_are_known_for_copies(measure, toy_pictures):
    rows = measure(toy_pictures / "train")
    assert rows["nearest_training_below_1st_percentile"]["value"] == 1
    assert rows["nearest_training_below_1st_percentile"]["real"] < 0.05
    for metric in DISTANCES:
        assert rows[metric]["value"] == pytest.approx(rows[metric]["floor"], rel=1e-4)


def test_pictures_are_in_any_order_and_a_zip_will_do(measure, toy_pictures, tmp_path):
    with zipfile.ZipFile(tmp_path / "theirs.zip", "w") as archive:
        for path in sorted((toy_pictures / "test").rglob("*.png"), reverse=True):
            archive.write(path, path.name if path.parent.name == "disc" else f"x{path.name}")
    rows = measure(tmp_path / "theirs.zip")
    assert rows["frechet_distance"]["value"] == pytest.approx(0, abs=1e-6)
    assert "recognised_as_asked" not in rows  # they do not say what they show


def test_one_class_alone_costs_distance_and_coverage(measure, toy_pictures, tmp_path):
    for path in sorted((toy_pictures / "test" / "disc").iterdir()):
        with Image.open(path) as picture:
            for turned in (picture, picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)):
                turned.save(tmp_path / f"{len(list(tmp_path.iterdir()))}.png")
    rows = measure(tmp_path)
    assert rows["frechet_distance"]["value"] > rows["frechet_distance"]["floor"]
    assert rows["coverage"]["value"] < 0.9 * rows["coverage"]["real"]


def test_fewer_pictures_are_compared_with_as_few(measure, toy_pictures):
    assert {row["n"] for row in measure(toy_pictures / "test" / "disc", "--quick").values()} == {32}
    assert {row["n"] for row in measure(toy_pictures / "test", "--n", "20", "--quick").values()} == {20}
    assert measure(toy_pictures / "test", "--quick").keys() == DISTANCES | {"recognised_as_asked"}


def test_where_sets_are_too_small_it_is_a_sentence(toy_pictures, referee_run, tmp_path, capsys):
    given = ["--data", toy_pictures, "--referee", referee_run]
    assert "only 64 pictures" in refused(capsys, toy_pictures / "test", *given, "--n", "65")
    assert "from 10 pictures on: 3 are to be measured" in refused(capsys, toy_pictures / "test", *given, "--n", "3")
    assert "holds no pictures" in refused(capsys, tmp_path, *given)
    assert "--n 0" in refused(capsys, toy_pictures, *given, "--n", "0")


def test_several_targets_share_the_floor_and_go_into_one_file(toy_pictures, gan_run, referee_run, tmp_path, capsys):
    run = shutil.copytree(gan_run, tmp_path / "run")
    given = ["--data", toy_pictures, "--referee", referee_run, "--quick", "--out", tmp_path / "rows.jsonl"]
    lines = lines_of(capsys, run, toy_pictures / "test", *given)
    assert [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()] == lines
    assert {line["target"] for line in lines} == {str(run), str(toy_pictures / "test")}
    floors = {line["floor"] for line in lines if line["metric"] == "frechet_distance"}
    assert len(floors) == 1
    assert all("rows.jsonl" in line["command"] for line in lines)


def test_a_run_keeps_its_rows_as_long_as_its_checkpoint(gan_run, referee_run, tmp_path, capsys):
    run = shutil.copytree(gan_run, tmp_path / "run")
    other = {"of": "generator", "metric": "recall", "value": 0.5, "n": 9, "on": "x", "command": "y", "checkpoint": "z"}
    (run / "metrics.json").write_text(json.dumps([other]))
    rows_of(capsys, run, "--referee", referee_run)
    whole = json.loads((run / "metrics.json").read_text())
    assert "z" not in {row["checkpoint"] for row in whole}  # of an earlier checkpoint
    rows_of(capsys, run, "--referee", referee_run, "--quick", "--n", "20")
    both = json.loads((run / "metrics.json").read_text())
    assert {row["metric"] for row in both} == {row["metric"] for row in whole} >= DISTANCES | NEIGHBOURS
    assert {row["n"] for row in both if row["metric"] in DISTANCES} == {20}
    assert {row["n"] for row in both if row["metric"] in NEIGHBOURS} == {64}


def test_fakes_are_asked_for_in_the_proportions_of_the_real_pictures(gan_run, toy_pictures):
    generator = players.torch_player(evaluate.checkpoint.load(gan_run))
    real = evaluate.load(RunConfig(data=str(toy_pictures)), "test")
    np.testing.assert_array_equal(players.labels_like(generator, real[10:50]), real.labels[10:50].numpy())


def test_without_eyes_it_is_a_sentence(gan_run, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(eyes, "MODELS", tmp_path)
    assert "--referee" in refused(capsys, shutil.copytree(gan_run, tmp_path / "run"))


def test_what_cannot_be_measured_is_a_sentence(tmp_path, toy_pictures, capsys):
    assert "neither a run nor a bundle" in refused(capsys, tmp_path)
    assert "name with --data the real ones" in refused(capsys, toy_pictures)
    assert "There is no" in refused(capsys, tmp_path / "nothing")


def test_a_table_has_every_figure_beside_what_it_is_read_against(measure, toy_pictures):
    rows = measure(toy_pictures / "train", "--quick")
    printed = measured(list(rows.values()))
    for row in rows.values():
        assert f"{row['value']:.4g}" in printed
    line = next(line for line in printed.splitlines() if "frechet_distance" in line)
    assert f"real pictures {rows['frechet_distance']['floor']:.4g}; after JPEG 50 " in line
    assert "features of the DCNN of shapes" in line


def test_what_is_learnt_from_real_pictures_is_a_score(measure, toy_pictures):
    row = measure(toy_pictures / "train", "--quick", "--cas", "--cas-steps", "8")["classification_accuracy_score"]
    assert 0.3 < row["value"] <= 1
    assert row["on"] == "shapes test; learnt in 8 steps from 128 pictures of train"
    assert row["real"] == pytest.approx(measure(toy_pictures / "test", "--quick")["recognised_as_asked"]["real"])


def test_a_generator_teaches_and_its_critic_is_read(gan_run, referee_run, tmp_path, monkeypatch, capsys):
    run = shutil.copytree(gan_run, tmp_path / "run")
    monkeypatch.setattr(evaluate, "TAUGHT", 100)
    more = ["--quick", "--cas", "--cas-steps", "4", "--svm"]
    rows = rows_of(capsys, run, "--referee", referee_run, *more)
    score = rows["generator", "classification_accuracy_score"]
    assert score["on"] == "shapes test; learnt in 4 steps from 100 fakes of unused seeds"
    svm = rows["critic", "linear_svm_accuracy"]
    assert svm["value"] > 0.6
    assert svm["n"] == 64
    assert "learnt from 117 training pictures" in svm["on"]
    assert " features of all layers of the critic, which learnt with labels" in svm["in"]


def test_a_probe_that_does_not_apply_is_named(toy_pictures, referee_run, capsys):
    given = ["--data", toy_pictures, "--referee", referee_run, "--quick", "--svm"]
    evaluate.main([str(a) for a in [toy_pictures / "test", *given]])
    assert "--svm does not apply to" in capsys.readouterr().err


def test_an_option_that_was_given_for_nothing_is_named(
    dcnn_run, gan_run, toy_bundle, referee_run, toy_pictures, tmp_path, capsys
):
    others = tmp_path / "others"
    for part in ("train", "test"):
        save_all(noise(70), others / part)
    everything = ["--known", gan_run, "--bundled", gan_run, "--unlike", others, "--held-out"]
    other = shutil.copytree(gan_run, tmp_path / "other")
    state = torch.load(other / "checkpoint.pt", weights_only=True)
    torch.save(state | {"step": 1}, other / "checkpoint.pt")
    cases = {
        shutil.copytree(dcnn_run, tmp_path / "dcnn"): [],
        shutil.copytree(referee_run, tmp_path / "referee"): ["known", "bundled", "held-out", "unlike"],
        toy_bundle: ["known", "bundled"],
        toy_pictures / "test": ["known", "bundled", "held-out", "unlike"],
    }
    for target, idle in cases.items():
        given = [target, *everything, other, "--data", toy_pictures, "--referee", referee_run, "--quick", "--n", "40"]
        evaluate.main([str(each) for each in given])
        expected = [f"--{flag} does not apply to {target}." for flag in idle]
        assert [line for line in capsys.readouterr().err.splitlines() if "does not apply" in line] == expected


def test_pictures_without_classes_teach_none(toy_pictures, referee_run, tmp_path, capsys):
    flat = tmp_path / "flat"
    flat.mkdir()
    for i, path in enumerate(sorted((toy_pictures / "test").rglob("*.png"))):
        shutil.copy(path, flat / f"{i}.png")
    given = ["--data", toy_pictures, "--referee", referee_run, "--quick", "--cas"]
    assert "--cas needs pictures of the classes of shapes test" in refused(capsys, flat, *given)


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
