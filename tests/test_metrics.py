"""Each measure has its known values, and is the same however its features arrive."""

import numpy as np
import pytest

from dcgan import metrics
from dcgan.metrics import (
    Moments,
    Patches,
    frechet_distance,
    kernel_distance,
    manifold_of,
    moments_of,
    nearest,
    percentiles,
    precision_recall_density_coverage,
    sliced_wasserstein_distance,
)


def gaussian(n: int, mean, covariance, seed: int = 0) -> np.ndarray:
    """n rows whose sample mean and covariance are exactly these."""
    rows = np.random.default_rng(seed).standard_normal((n, len(mean)))
    rows -= rows.mean(0)
    rows @= np.linalg.inv(np.linalg.cholesky(np.atleast_2d(np.cov(rows.T)))).T
    values, vectors = np.linalg.eigh(np.asarray(covariance, float))
    return rows @ (vectors * np.sqrt(values.clip(0))).T + mean


def test_moments_are_those_of_all_rows_in_any_batches():
    rows = np.random.default_rng(0).normal(3, 2, (100, 5)).astype(np.float32)
    moments = Moments()
    for part in np.split(rows, [0, 1, 40, 41]):
        moments.add(part)
    assert moments.n == 100
    np.testing.assert_allclose(moments.mean, rows.mean(0, dtype=np.float64), rtol=1e-12)
    np.testing.assert_allclose(moments.covariance, np.cov(rows.T.astype(np.float64)), rtol=1e-10)


def test_one_picture_has_no_covariance():
    with pytest.raises(ValueError, match="two rows"):
        _ = moments_of(np.ones((1, 3))).covariance


def test_frechet_distance_of_gaussians_of_one_dimension():
    a, b = moments_of(gaussian(50, [1.0], [[4.0]])), moments_of(gaussian(70, [-2.0], [[9.0]], seed=1))
    assert frechet_distance(a, b) == pytest.approx((1 + 2) ** 2 + (2 - 3) ** 2)


def test_frechet_distance_where_the_covariances_do_not_commute():
    A, B = np.array([[2.0, 1.0], [1.0, 2.0]]), np.array([[3.0, 0.0], [0.0, 1.0]])
    a, b = moments_of(gaussian(30, [0, 0], A)), moments_of(gaussian(30, [0, 0], B, seed=1))
    # For 2 x 2 the trace of a root is the root of (trace + 2 root of the determinant).
    common = np.sqrt(np.trace(A @ B) + 2 * np.sqrt(np.linalg.det(A @ B)))
    assert frechet_distance(a, b) == pytest.approx(np.trace(A) + np.trace(B) - 2 * common)


def test_frechet_distance_of_a_set_to_itself_is_zero_and_it_is_symmetric():
    rng = np.random.default_rng(0)
    # Fewer rows than dimensions: the covariances are singular.
    a, b = moments_of(rng.standard_normal((20, 64))), moments_of(rng.standard_normal((30, 64)) + 1)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a)) != 0


def test_frechet_distance_of_singular_gaussians():
    a = moments_of(gaussian(40, [0, 0, 0], np.diag([4.0, 0, 0])))
    b = moments_of(gaussian(40, [0, 0, 0], np.diag([0, 9.0, 0]), seed=1))
    assert frechet_distance(a, b) == pytest.approx(13, rel=1e-6)  # nothing in common


def test_frechet_distance_is_the_same_after_a_rotation():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((50, 6)) * np.arange(1, 7), rng.standard_normal((60, 6)) + 2
    turn = np.linalg.qr(rng.standard_normal((6, 6)))[0]
    turned = frechet_distance(moments_of(x @ turn), moments_of(y @ turn))
    assert turned == pytest.approx(frechet_distance(moments_of(x), moments_of(y)))


def test_kernel_distance_is_the_mean_over_pairs():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((9, 4)), rng.standard_normal((7, 4)) + 1
    pairs = [
        [(p @ q / 4 + 1) ** 3 for i, p in enumerate(a) for j, q in enumerate(b) if a is not b or i != j]
        for a, b in ((x, x), (y, y), (x, y))
    ]
    value, error = kernel_distance(x, y)
    assert value == pytest.approx(np.mean(pairs[0]) + np.mean(pairs[1]) - 2 * np.mean(pairs[2]))
    assert error is None  # of one block


def test_kernel_distance_of_one_distribution_is_around_zero(monkeypatch):
    monkeypatch.setattr(metrics, "BLOCK", 50)
    x, y = np.random.default_rng(0).standard_normal((2, 2000, 8)).astype(np.float32)
    value, error = kernel_distance(x, y)
    assert abs(value) < 3 * error < 0.1
    assert kernel_distance(x, y + 0.5)[0] > 20 * error


def prdc(real: np.ndarray, fake: np.ndarray, k: int = 5) -> dict[str, float]:
    return precision_recall_density_coverage(manifold_of(real, k), manifold_of(fake, k))


def test_neighbours_are_counted_as_defined(monkeypatch):
    monkeypatch.setattr(metrics, "MOST_DISTANCES", 100)  # blocks of a few rows
    rng = np.random.default_rng(0)
    real, fake = rng.standard_normal((40, 3)), 0.8 * rng.standard_normal((30, 3)) + 0.5

    def apart(a, b):
        return np.linalg.norm(a[:, None] - b[None], axis=2)

    real_radius, fake_radius = (np.sort(apart(a, a), axis=1)[:, 3] for a in (real, fake))
    inside = apart(real, fake) <= real_radius[:, None]
    found = prdc(real, fake, k=3)
    assert found["precision"] == pytest.approx(inside.any(0).mean())
    assert found["recall"] == pytest.approx((apart(real, fake) <= fake_radius).any(1).mean())
    assert found["density"] == pytest.approx(inside.sum() / (3 * 30))
    assert found["coverage"] == pytest.approx((apart(real, fake).min(1) <= real_radius).mean())


def test_a_dropped_mode_costs_recall_and_coverage_alone():
    rng = np.random.default_rng(0)
    modes = np.repeat([[-10.0, 0.0], [10.0, 0.0]], 300, axis=0)
    real, one_mode = modes + rng.standard_normal((600, 2)), modes[:1] + rng.standard_normal((600, 2))
    found = prdc(real, one_mode)
    assert found["precision"] > 0.9
    assert found["recall"] == pytest.approx(0.5, abs=0.05)
    assert found["coverage"] == pytest.approx(0.5, abs=0.05)


def test_an_invented_mode_costs_precision_and_density_alone():
    rng = np.random.default_rng(0)
    modes = np.repeat([[-10.0, 0.0], [10.0, 0.0]], 300, axis=0)
    fake, one_mode = modes + rng.standard_normal((600, 2)), modes[:1] + rng.standard_normal((600, 2))
    found = prdc(one_mode, fake)
    assert found["recall"] > 0.9
    assert found["precision"] == pytest.approx(0.5, abs=0.05)
    assert found["density"] == pytest.approx(0.5, abs=0.1)


def test_a_set_is_wholly_among_itself():
    rows = np.random.default_rng(0).standard_normal((50, 4)).astype(np.float32)
    found = prdc(rows, rows)
    assert found["precision"] == found["recall"] == found["coverage"] == 1
    assert found["density"] == pytest.approx(1 + 1 / 5)  # a ball holds its k neighbours and its centre


def test_neighbours_need_enough_rows():
    with pytest.raises(ValueError, match="more than 5 rows"):
        manifold_of(np.zeros((5, 2)))


def test_the_nearest_row_is_found_in_any_blocks(monkeypatch):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((37, 3)) + 100, rng.standard_normal((50, 3)) + 100
    monkeypatch.setattr(metrics, "MOST_DISTANCES", 200)
    distance, index = nearest(x, y)
    apart = np.linalg.norm(x[:, None] - y[None], axis=2)
    np.testing.assert_array_equal(index, apart.argmin(1))
    np.testing.assert_allclose(distance, apart.min(1), rtol=1e-6)


def test_percentiles_run_from_0_to_100_with_ties_in_their_middle():
    found = percentiles(np.array([0, 10, 15, 20, 99]), np.array([20, 10, 30, 20]))
    np.testing.assert_array_equal(found, [0, 12.5, 25, 50, 100])


def test_copies_are_nearer_than_fresh_samples_which_lie_uniformly():
    rng = np.random.default_rng(0)
    training, test, fresh = (rng.standard_normal((n, 6)).astype(np.float32) + 5 for n in (2000, 1000, 1000))
    copies = training[:500] + rng.normal(0, 1e-3, (500, 6)).astype(np.float32)
    reference = nearest(test, training)[0]
    of_copies, of_fresh = (percentiles(nearest(x, training)[0], reference) for x in (copies, fresh))
    assert (of_copies < 1).mean() > 0.99
    assert np.abs(np.sort(of_fresh) - np.linspace(0, 100, 1000)).max() < 6  # Kolmogorov and Smirnov's at one in 20


def noise(n: int, size: int = 32, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, size, size, 3), dtype=np.uint8)


def test_a_pyramid_adds_up_to_its_pictures():
    images = noise(3, 64).transpose(0, 3, 1, 2).astype(np.float32)
    levels = metrics.laplacian_pyramid(images)
    assert [level.shape[2] for level in levels] == [64, 32, 16]
    built = levels[-1]
    for level in reversed(levels[:-1]):
        double = metrics.halving(level.shape[2]).T
        double = double / double.sum(1, keepdims=True)
        built = level + double @ built @ double.T
    np.testing.assert_allclose(built, images, atol=1e-3)


def test_a_flat_picture_stays_flat_when_halved():
    np.testing.assert_allclose(metrics.halving(28) @ np.full(28, 7, np.float32), 7, rtol=1e-6)


def test_patches_are_the_same_in_any_batches(monkeypatch):
    monkeypatch.setattr(metrics, "PATCHES", 60)
    pixels = noise(12)
    whole, parts = Patches(12).add(pixels), Patches(12).add(pixels[:5]).add(pixels[5:])
    for a, b in zip(whole.profiles(), parts.profiles(), strict=True):
        assert a.shape == (metrics.DIRECTIONS, 60)
        np.testing.assert_array_equal(a, b)


def test_sliced_wasserstein_distance_grows_with_blur_and_is_zero_to_itself(monkeypatch):
    monkeypatch.setattr(metrics, "PATCHES", 4096)
    soft = noise(80, 64).astype(float)
    soft = soft.reshape(80, 32, 2, 32, 2, 3).mean((2, 4))

    def blurred(pixels, times):
        for _ in range(times):
            pixels = (pixels + np.roll(pixels, 1, 1) + np.roll(pixels, 1, 2)) / 3
        return pixels

    def profiles(pixels):
        return Patches(40).add(np.rint(pixels).astype(np.uint8)).profiles()

    real, other = profiles(soft[:40]), profiles(soft[40:])
    distances = [np.mean(sliced_wasserstein_distance(profiles(blurred(soft[:40], t)), real)) for t in (0, 1, 3)]
    floor = np.mean(sliced_wasserstein_distance(other, real))
    assert 0 == distances[0] < floor < distances[1] < distances[2]


def test_sliced_wasserstein_distance_is_in_deviations_of_the_real_pictures():
    real = [np.sort(np.random.default_rng(0).standard_normal((4, 1000)), axis=1)]
    deviation = real[0].std(axis=1).mean()
    assert sliced_wasserstein_distance([real[0] + 0.25], real) == pytest.approx([0.25 / deviation])
    assert sliced_wasserstein_distance([10 * real[0] + 2.5], [10 * real[0]]) == pytest.approx([0.25 / deviation])


# --- verdicts -----------------------------------------------------------------------------------------------------


def scores(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Of positives and negatives, with ties."""
    rng = np.random.default_rng(seed)
    return rng.integers(3, 12, 40) / 12, rng.integers(0, 9, 60) / 12


def test_the_roc_has_the_rates_of_every_threshold_and_the_area_of_auc():
    positive, negative = scores()
    wrong, right = metrics.roc(positive, negative)
    assert (wrong[0], right[0], wrong[-1], right[-1]) == (0, 0, 1, 1)
    for threshold in np.unique(np.concatenate([positive, negative])):
        rates = (negative >= threshold).mean(), (positive >= threshold).mean()
        assert np.isclose(np.stack([wrong, right], 1), rates).all(1).sum() == 1
    assert np.trapezoid(right, wrong) == pytest.approx(metrics.auc(positive, negative))


def test_average_precision_is_precision_where_recall_grows():
    positive, negative = scores()
    recall, expected = 0.0, 0.0
    for threshold in sorted(set(positive), reverse=True):
        found, wrong = (positive >= threshold).sum(), (negative >= threshold).sum()
        expected += (found / 40 - recall) * found / (found + wrong)
        recall = found / 40
    assert metrics.average_precision(positive, negative) == pytest.approx(expected)
    assert metrics.average_precision(np.array([3.0, 2.0]), np.array([1.0, 0.0])) == 1
    assert metrics.average_precision(np.array([0.0]), np.arange(1.0, 10)) == pytest.approx(0.1)


def test_a_forecast_that_comes_true_has_no_calibration_error_and_a_boast_has_its_own():
    rng = np.random.default_rng(0)
    said = rng.random(200_000)
    assert metrics.calibration_error(said, rng.random(200_000) < said) < 0.01
    assert metrics.calibration_error(np.full(1000, 0.95), np.arange(1000) < 700) == pytest.approx(0.25)
    assert metrics.calibration_error(np.array([1.0, 0.0]), np.array([1, 0])) == 0


def test_reliability_leaves_out_what_was_never_said():
    said, true, count = metrics.reliability(np.array([0.1, 0.12, 0.9, 1.0]), np.array([0, 1, 1, 1]), bins=5)
    np.testing.assert_allclose(said, [0.11, 0.95])
    np.testing.assert_allclose(true, [0.5, 1])
    assert count.tolist() == [2, 2]


def test_confusions_are_counted_as_they_are():
    labels, predicted = np.random.default_rng(0).integers(0, 3, (2, 200))
    confusion = metrics.confusion_matrix(labels, predicted, 4)
    assert confusion.shape == (4, 4)
    assert all(confusion[i, j] == ((labels == i) & (predicted == j)).sum() for i in range(4) for j in range(4))
    figures = metrics.precision_recall_f1(confusion)
    for k in range(3):
        hits = ((labels == k) & (predicted == k)).sum()
        precision, recall = hits / (predicted == k).sum(), hits / (labels == k).sum()
        assert figures["precision"][k] == pytest.approx(precision)
        assert figures["recall"][k] == pytest.approx(recall)
        assert figures["f1"][k] == pytest.approx(2 / (1 / precision + 1 / recall))
    assert [figures[name][3] for name in ("precision", "recall", "f1")] == [0, 0, 0]  # it never occurs


def test_a_bootstrap_is_as_wide_as_theory_says():
    hits = np.arange(2000) < 1600
    low, high = metrics.bootstrap(lambda h: float(h.mean()), hits)
    assert (low + high) / 2 == pytest.approx(0.8, abs=0.005)
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(0.8 * 0.2 / 2000), rel=0.15)
    assert metrics.bootstrap(lambda h: float(h.mean()), hits) == [low, high]
