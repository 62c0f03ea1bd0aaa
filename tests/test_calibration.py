"""Calibration finds the slope and bias that made the logits wrong, and a threshold and a band with known answers."""

import numpy as np
import pytest

from dcgan import calibration
from dcgan.calibration import best_threshold, errors, platt, resaved_width, sigmoid, unsure_width


def judged(n: int, slope: float = 1.0, bias: float = 0.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits of n real pictures and n fakes that are right but for this slope and bias."""
    rng = np.random.default_rng(seed)
    # Two Gaussians of variance v whose means are v apart: the logit of the first is x itself.
    real, fake = rng.normal(2, 2, n), rng.normal(-2, 2, n)
    return (real - bias) / slope, (fake - bias) / slope


@pytest.mark.parametrize(("slope", "bias"), [(1.0, 0.0), (0.25, 0.0), (3.0, -1.5), (0.01, 4.0)])
def test_the_slope_and_bias_that_were_lost_are_found(slope, bias):
    assert platt(*judged(20_000, slope, bias)) == pytest.approx((slope, bias), rel=0.05, abs=0.05)


def test_the_fit_is_the_minimum_of_the_likelihood():
    real, fake = judged(40, 0.5, 1.0)

    def loss(slope, bias):
        n, m = len(real), len(fake)
        p, q = 1 / (1 + np.exp(-(slope * real + bias))), 1 / (1 + np.exp(-(slope * fake + bias)))
        of_real = -((n + 1) / (n + 2) * np.log(p) + 1 / (n + 2) * np.log(1 - p)).mean()
        return of_real - (1 / (m + 2) * np.log(q) + (m + 1) / (m + 2) * np.log(1 - q)).mean()

    slope, bias = platt(real, fake)
    assert all(loss(slope, bias) < loss(slope + a, bias + b) for a, b in ((1e-3, 0), (-1e-3, 0), (0, 1e-3), (0, -1e-3)))


def test_logits_without_an_error_have_a_finite_slope():
    slope, bias = platt(np.array([30.0, 40.0, 50.0]), np.array([-20.0, -60.0, -70.0]))
    assert 0 < slope < 1
    assert np.isfinite(bias)


def test_many_of_one_kind_weigh_no_more_than_few_of_the_other():
    real, fake = judged(20_000)
    assert platt(real, fake[:4000]) == pytest.approx((1, 0), abs=0.1)


def test_what_tells_nothing_says_one_half():
    same = np.random.default_rng(0).normal(5, 3, 20_000)
    slope, bias = platt(same, np.random.default_rng(1).normal(5, 3, 20_000))
    assert slope == pytest.approx(0, abs=0.02)
    assert slope * 5 + bias == pytest.approx(0, abs=0.05)


def test_the_threshold_is_where_most_are_right():
    real, fake = np.array([1.0, 2.0, 3.0, 9.0]), np.array([-5.0, 0.0, 1.5, 0.5])
    assert best_threshold(real, fake) == pytest.approx(0.75)  # one of each kind would be wrong at 1.75
    rng = np.random.default_rng(0)
    real, fake = rng.integers(0, 30, 60) / 3, rng.integers(-10, 12, 40) / 3

    def right(middle):
        return ((real >= middle).mean() + (fake < middle).mean()) / 2

    assert right(best_threshold(real, fake)) == max(right(middle) for middle in np.linspace(-20, 20, 4001))


def test_where_nothing_is_wrong_the_threshold_is_one_half():
    assert best_threshold(np.array([0.5, 7.0]), np.array([-3.0, -0.1])) == 0
    assert best_threshold(np.array([5.0, 7.0]), np.array([3.0, 1.0])) == pytest.approx(4)


def test_the_band_is_as_narrow_as_what_is_wanted_allows(monkeypatch):
    monkeypatch.setattr(calibration, "WANTED", 0.1)
    monkeypatch.setattr(calibration, "MOST_UNSURE", 0.5)
    real, fake = np.array([-2.0, 3, 4, 5, 6, 7, 8, 9, 10, 11]), np.array([1.0, -3, -4, -5, -6, -7, -8, -9, -10, -11])
    assert unsure_width(real, fake, 0.0) == 0  # 2 of 20 are wrong
    monkeypatch.setattr(calibration, "WANTED", 0.06)
    assert unsure_width(real, fake, 0.0) == pytest.approx(1.5)  # 1 of 19 beyond the first
    monkeypatch.setattr(calibration, "WANTED", 0.0)
    assert unsure_width(real, fake, 0.0) == pytest.approx(2.5)
    monkeypatch.setattr(calibration, "MOST_UNSURE", 0.05)
    assert unsure_width(real, fake, 0.0) == pytest.approx(1.5)  # no wider than is allowed


def test_re_savings_leave_as_many_unsure_as_are_allowed(monkeypatch):
    real, fake = np.full((3, 10), 5.0), np.full((3, 10), -5.0)
    real[1] = np.arange(10) - 8  # after the first re-saving, eight of ten are across
    fake[2] = np.arange(10) - 9.5
    reach = [8, 7, 6, 5, 4, 3, 2, 1]
    for unsure, beyond in ((0, 8), (1, 7), (3, 5), (8, 0)):
        monkeypatch.setattr(calibration, "MOST_UNSURE", unsure / 20)
        assert resaved_width(real, fake, 0.0, 0.0) == beyond
        assert sum(far > beyond for far in reach) <= unsure
    monkeypatch.setattr(calibration, "MOST_UNSURE", 3 / 20)
    real[:, 0] = 1.0  # in the band, and so unsure already
    real[1, 0] = -8.0
    assert resaved_width(real, fake, 0.0, 1.5) == 5
    monkeypatch.setattr(calibration, "MOST_UNSURE", 0)
    assert resaved_width(real, fake, 0.0, 6.0) == 0  # where all are in the band, none is left to be so


def test_all_that_is_kept_of_a_calibration():
    clean, worn = judged(5000, 0.2, 1.0), judged(5000, 0.2, 1.0, seed=1)
    real, fake = (np.stack([logits, logits + 0.5, logits - 0.5])[:, :500] for logits in clean)
    found = calibration.fit(clean, tuple(0.5 * (logits + 5) - 5 for logits in worn), [real, fake])
    assert found["resaved_band"][0] <= found["threshold"] <= found["resaved_band"][1]
    assert 0 < found["unsure_band"][0] <= found["threshold"] <= found["unsure_band"][1] < 1
    logit = [found["slope"] * logits + found["bias"] for logits in clean]
    low, high = np.log(found["unsure_band"]) - np.log1p(-np.array(found["unsure_band"]))
    inside = [((x > low) & (x < high)).mean() for x in logit]
    assert 0.09 < np.mean(inside) < 0.101  # 16 % of these are wrong: the band is as wide as is allowed
    middle = np.log(found["threshold"] / (1 - found["threshold"]))
    assert found["errors"]["clean"] == pytest.approx(errors(*logit, middle))
    assert found["n"] == 20_000


def test_as_many_verdicts_of_the_hardest_generator_are_left_open_as_of_all_where_it_is_the_only_one():
    clean = (np.full(100, 3.0), np.full(100, -3.0))
    real = np.tile(clean[0], (2, 1))
    easy, hard = np.tile(clean[1], (2, 1)), np.stack([clean[1], np.linspace(-3, 4, 100)])
    bands = [calibration.fit(clean, clean, [real, *fakes])["resaved_band"] for fakes in ([hard], [easy, hard], [easy])]
    assert bands[0] == bands[1] != bands[2]


def test_a_probability_is_never_0_or_1():
    assert 0 < np.float32(sigmoid(-1000)) < np.float32(sigmoid(1000)) < 1
    assert sigmoid(0) == 0.5
