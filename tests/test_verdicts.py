"""Verdicts on verdicts: judges whose every answer is known."""

import json

import numpy as np
import pytest
from drawing import noise, scene
from PIL import Image

from dcgan import verdicts
from dcgan.verdicts import (
    HELD_OUT,
    KNOWN,
    Said,
    answer_rows,
    answers,
    deletion_ratio,
    in_tier,
    judge_tiers,
    rows_of,
    typical_rows,
    without,
)
from export.runtime import Limits
from export.verdict import FAKE, REAL, UNLIKE, UNSURE


def brightness(pixels: np.ndarray) -> dict[str, np.ndarray]:
    """A judge that takes light for real; its evidence is the light of each quarter of the sides."""
    side = pixels.shape[1] // 4
    cells = pixels.reshape(len(pixels), 4, side, 4, side, 3).mean((2, 4, 5)) - 127.5
    return {"real": 1 / (1 + np.exp(-cells.mean((1, 2)) / 40)), "evidence": cells / 40}


def shades(n: int, low: int, high: int, seed: int = 0) -> np.ndarray:
    levels = np.random.default_rng(seed).integers(low, high, n)
    return np.broadcast_to(levels.astype(np.uint8)[:, None, None, None], (n, 16, 16, 3)).copy()


@pytest.fixture(scope="module")
def said() -> dict[tuple[str, str], Said]:
    real, known, unknown = shades(60, 120, 255), shades(60, 0, 125, seed=1), shades(60, 60, 180, seed=2)
    return judge_tiers(brightness, real, {KNOWN: known, HELD_OUT: unknown}, 0.5, 1)


def test_every_tier_has_as_many_fakes_as_real_pictures_of_both_kinds(said):
    assert set(said) == {(tier, whose) for tier in verdicts.TIERS for whose in (KNOWN, HELD_OUT)}
    assert {judged.n for judged in said.values()} == {120}
    assert all(np.array_equal(said[tier, KNOWN].real, said[tier, HELD_OUT].real) for tier in verdicts.TIERS)


def test_a_judge_of_light_is_as_good_as_the_light_tells(said):
    known, unknown = said["clean", KNOWN].figures, said["clean", HELD_OUT].figures
    assert known["balanced_accuracy"] > 0.9 > unknown["balanced_accuracy"]
    for figures, judged in ((known, said["clean", KNOWN]), (unknown, said["clean", HELD_OUT])):
        (a, b), (c, d) = judged.confusion()
        assert [a + b, c + d] == [60, 60]
        assert figures["accuracy"] == pytest.approx((a + d) / 120)
        assert figures["precision_of_fake"] == pytest.approx(d / (b + d))
        assert figures["recall_of_real"] == pytest.approx(a / 60)
        assert figures["macro_f1"] == pytest.approx((figures["f1_of_real"] + figures["f1_of_fake"]) / 2)
        low, high = judged.intervals["auc"]
        assert low <= figures["auc"] <= high


def test_the_threshold_decides_and_the_order_does_not_move(said):
    before = said["clean", HELD_OUT]
    strict = Said(before.real, before.fake, 0.7)
    assert strict.figures["recall_of_fake"] > before.figures["recall_of_fake"]
    assert strict.figures["recall_of_real"] < before.figures["recall_of_real"]
    assert strict.figures["auc"] == before.figures["auc"]


def test_answers_are_those_of_the_limits():
    pixels = np.concatenate([shades(1, level, level + 1) for level in (250, 140, 5)])
    assert answers(brightness, pixels, Limits()) == [REAL, REAL, FAKE]
    assert answers(brightness, pixels, Limits(unsure_band=(0.4, 0.6))) == [REAL, UNSURE, FAKE]

    def choosy(pixels: np.ndarray) -> dict[str, np.ndarray]:
        return brightness(pixels) | {"typical": (pixels.mean((1, 2, 3)) < 200).astype(float)}

    assert answers(choosy, pixels, Limits(atypical_below=0.01)) == [UNLIKE, REAL, FAKE]


def test_an_answer_that_a_resaving_would_change_is_unsure():
    board = (np.indices((16, 16)).sum(0) % 2 * 255).astype(np.uint8)[None, :, :, None].repeat(3, 3)

    def contrast(pixels: np.ndarray) -> dict[str, np.ndarray]:
        return {"real": (pixels.std((1, 2, 3)) > 100).astype(float)}  # which a blur takes away

    assert answers(contrast, np.concatenate([board, 0 * board]), Limits()) == [UNSURE, FAKE]


def test_rows_count_who_got_an_answer_and_how_many_were_right():
    real, fake = shades(10, 250, 251), np.concatenate([shades(5, 5, 6), shades(3, 130, 131), shades(2, 250, 251)])
    unsure, right = answer_rows("dcnn", brightness, real, {KNOWN: fake}, Limits(unsure_band=(0.4, 0.6)), "reals")
    assert (unsure["metric"], unsure["value"], unsure["n"]) == ("real_or_fake_unsure", pytest.approx(3 / 20), 20)
    assert (right["metric"], right["n"]) == ("real_or_fake_right_if_sure", 17)
    assert right["value"] == pytest.approx(15 / 17, abs=1e-5)
    held_out = answer_rows("dcnn", brightness, real, {HELD_OUT: fake}, Limits(), "reals")
    assert [row["metric"] for row in held_out] == [
        "real_or_fake_unsure_held_out",
        "real_or_fake_right_if_sure_held_out",
    ]


def test_typical_is_measured_against_each_other_set_and_all_of_them():
    def judge(pixels: np.ndarray) -> dict[str, np.ndarray]:
        return {"typical": pixels.mean((1, 2, 3)) / 255}

    real, others = shades(20, 200, 255), {"Dark things": shades(10, 0, 100), "Bright ones": shades(30, 200, 255)}
    rows = {row["metric"]: row for row in typical_rows("dcnn", judge, real, others, "reals")}
    assert list(rows) == ["typical_auc", "typical_auc_dark_things", "typical_auc_bright_ones"]
    assert rows["typical_auc_dark_things"]["value"] == 1
    assert 0.3 < rows["typical_auc_bright_ones"]["value"] < 0.7
    assert rows["typical_auc"]["n"] == 40  # as many of each of the others
    assert 0.6 < rows["typical_auc"]["value"] < 0.9


def test_tiers_do_what_they_are_called():
    pixels = np.stack([scene(64, 64)] * 2)
    assert in_tier(pixels, "clean", 3) is pixels
    apart = [np.abs(in_tier(pixels, tier, 3).astype(int) - pixels).mean() for tier in verdicts.TIERS]
    assert apart[0] == 0 < apart[1] < apart[2] < 20
    grey = in_tier(np.repeat(pixels[..., :1], 3, 3), "half size, JPEG 40", 1)
    assert (grey == grey[..., :1]).all()
    assert grey.shape == pixels.shape


def test_rows_have_names_of_their_own_and_say_what_they_are_of(said):
    rows = rows_of("dcnn", said, "shapes test")
    names = [row["metric"] for row in rows]
    assert len(set(names)) == len(names) == 6 + 5 * 3
    assert {"real_or_fake_balanced_accuracy", "real_or_fake_auc_held_out", "real_or_fake_auc_jpeg_60"} <= set(names)
    by_name = {row["metric"]: row for row in rows}
    row = by_name["real_or_fake_balanced_accuracy_held_out_half_size_jpeg_40"]
    assert row["on"] == f"shapes test, and fakes of {HELD_OUT}, after half size, JPEG 40"
    assert row["interval"][0] <= row["value"] <= row["interval"][1]


def test_what_is_kept_can_be_drawn_and_read(said, tmp_path):
    verdicts.keep(tmp_path, "abc", said, {"names": ["disc"]})
    kept = json.loads((tmp_path / "verdicts.json").read_text())
    assert (kept["checkpoint"], kept["classes"]) == ("abc", {"names": ["disc"]})
    for tier in kept["real_or_fake"]:
        judged = said[tier["tier"], tier["fakes"]]
        assert tier["auc"] == pytest.approx(judged.figures["auc"], rel=1e-5)
        roc = np.array(tier["roc"])
        assert (np.diff(roc[:, 1]) >= 0).all()
        assert roc[-1].tolist() == [1, 1]
        for wrong, right in roc[::10]:  # the best that any threshold reaches with so few fakes passed
            thresholds = np.append(np.unique(judged.probabilities), 2)
            passed = [(judged.real >= t).mean() for t in thresholds if (judged.fake >= t).mean() <= wrong + 1e-9]
            assert right == pytest.approx(max(passed), rel=1e-5)
        assert sum(n for _, _, n in tier["reliability"]) == 120
    for curve in ("roc", "reliability"):
        with Image.open(tmp_path / f"verdicts-{curve}.png") as picture:
            assert picture.width > 400
            assert len(picture.convert("RGB").getcolors(1 << 20)) > 20
    assert verdicts.table(said).count("\n") == 7


def test_without_fakes_there_is_a_file_and_no_curve(tmp_path):
    verdicts.keep(tmp_path, "abc", {}, {})
    assert [path.name for path in tmp_path.iterdir()] == ["verdicts.json"]


# --- classes ------------------------------------------------------------------------------------------------------


def test_figures_of_classes_have_known_values():
    said = np.array([[0.8, 0.2], [0.6, 0.4], [0.3, 0.7], [0.9, 0.1]])
    labels = np.array([0, 0, 1, 1])
    figures = verdicts.class_figures(said, labels)
    assert figures["accuracy"] == 0.75
    assert figures["macro_recall"] == 0.75
    assert figures["macro_precision"] == pytest.approx((2 / 3 + 1) / 2)
    assert figures["macro_f1"] == pytest.approx((0.8 + 2 / 3) / 2)
    assert figures["mse"] == pytest.approx(2 * (0.04 + 0.16 + 0.09 + 0.81) / 4)
    assert verdicts.by_class(said, labels, ["a", "b"])["confusion"] == [[2, 0], [1, 1]]
    rows = {row["metric"]: row for row in verdicts.class_rows("dcnn", said, labels, "toys")}
    assert rows["class_accuracy"]["interval"][0] < 0.75 < rows["class_accuracy"]["interval"][1]
    assert rows["class_macro_f1"]["n"] == 4


def test_the_class_accuracy_of_degraded_pictures_is_measured_on_what_they_became():
    """By a judge that takes what is bright for the first class, and grain for the second."""

    def judge(pixels: np.ndarray) -> dict[str, np.ndarray]:
        second = np.abs(np.diff(pixels[..., 0].astype(float), axis=2)).mean((1, 2)) > 40
        return {"classes": np.stack([~second, second], 1).astype(np.float32)}

    flat = np.full((6, 16, 16, 3), 200, np.uint8)
    grainy = np.random.default_rng(0).integers(0, 2, (6, 16, 16, 1)).astype(np.uint8) * 255
    pixels = np.concatenate([flat, np.broadcast_to(grainy, (6, 16, 16, 3))])
    rows = verdicts.worn_class_rows("dcnn", judge, pixels, np.repeat([0, 1], 6), 3, "toys")
    found = {row["metric"]: row["value"] for row in rows}
    assert found == {"class_accuracy_jpeg_60": 1.0, "class_accuracy_half_size_jpeg_40": 0.5}
    assert rows[0]["on"] == "toys, after JPEG 60"


# --- evidence -----------------------------------------------------------------------------------------------------


def grain(pixels: np.ndarray) -> dict[str, np.ndarray]:
    """A judge that takes grain for real; its evidence is the grain of each quarter of the sides."""
    side = pixels.shape[1] // 4
    apart = np.abs(np.diff(pixels[..., 0].astype(float), axis=2, append=pixels[..., -1:, 0]))
    cells = apart.reshape(len(pixels), 4, side, 4, side).mean((2, 4)) / 10 - 2
    return {"real": 1 / (1 + np.exp(-cells.mean((1, 2)))), "evidence": cells}


def grainy(n: int, size: int = 32) -> np.ndarray:
    """Pictures whose sixteen parts have each another grain."""
    rng = np.random.default_rng(0)
    loud = rng.uniform(0, 60, (n, 4, 4, 1)).repeat(size // 4, 1).repeat(size // 4, 2)
    levels = (127 + loud * rng.normal(0, 0.5, (n, size, size, 1))).clip(0, 255).astype(np.uint8)
    return np.broadcast_to(levels, (n, size, size, 3)).copy()


def test_only_the_strongest_fifth_of_the_places_is_blurred():
    pixels = noise(3, 20)
    places = np.random.default_rng(0).permuted(np.arange(3 * 25.0).reshape(3, 25), axis=1).reshape(3, 5, 5)
    for before, after, place in zip(pixels, without(pixels, places), places, strict=True):
        gone = np.kron(place >= np.sort(place.ravel())[-5], np.ones((4, 4), bool))
        assert (after[~gone] == before[~gone]).all()
        assert after[gone].std() < 0.6 * before[gone].std()


def test_evidence_that_is_true_moves_the_verdict_more_than_chance_and_invented_evidence_does_not():
    pixels = grainy(200)

    def invented(pixels):
        return grain(pixels) | {"evidence": np.random.default_rng(len(pixels)).random((len(pixels), 4, 4))}

    real = pixels[grain(pixels)["real"] >= 0.5]
    assert deletion_ratio(grain, real, 0.5) > 1.4
    assert deletion_ratio(invented, real, 0.5) == pytest.approx(1, abs=0.15)
