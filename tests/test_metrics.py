"""Each measure has its known values, and is the same however its features arrive."""

import numpy as np
import pytest

from dcgan.metrics import Moments, frechet_distance, moments_of


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
