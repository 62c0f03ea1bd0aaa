"""The distance to what is known: known values, invariances, and independent references."""

import numpy as np
import pytest
import torch

from dcgan import typical


def rows(n: int = 4000, width: int = 5, seed: int = 0) -> torch.Tensor:
    """Features N,F of a Gaussian with a skewed covariance, far from 0."""
    mix = np.random.default_rng(9).normal(0, 1, (width, width)) + 4 * np.eye(width)
    return torch.from_numpy(np.random.default_rng(seed).normal(0, 1, (n, width)) @ mix + 40).float()


def test_the_distance_is_mahalanobis():
    features = rows()
    known = typical.fit(features, features)
    assert {name: (tuple(t.shape), t.dtype) for name, t in known.items()} == {
        "mean": ((5,), torch.float32),
        "precision": ((5, 5), torch.float32),
        "quantiles": ((101,), torch.float32),
    }
    apart = features.double().numpy() - known["mean"].double().numpy()
    expected = np.einsum("nf,fg,ng->n", apart, known["precision"].double().numpy(), apart)
    np.testing.assert_allclose(typical.distance(features, known).numpy(), expected, rtol=1e-3, atol=1e-3)
    assert torch.equal(known["mean"], features.double().mean(0).float())


def test_distances_of_gaussian_features_are_chi_squared():
    known = typical.fit(rows(), rows(seed=1))
    found = typical.distance(rows(20_000, seed=2), known).double()
    assert found.mean() == pytest.approx(5, rel=0.03)
    assert found.var() == pytest.approx(10, rel=0.1)
    shares = torch.searchsorted(known["quantiles"].double(), found) / 101  # uniform, as for the held-back ones
    assert shares.mean() == pytest.approx(0.5, abs=0.02)
    assert (found > known["quantiles"][99]).double().mean() == pytest.approx(0.01, abs=0.006)


def test_quantiles_are_of_the_held_back_pictures_alone_and_evenly_spaced():
    features, held_back = rows(), rows(500, seed=1) * 1.5
    known = typical.fit(features, held_back)
    expected = np.quantile(typical.distance(held_back, known).double().numpy(), np.linspace(0, 1, 101))
    np.testing.assert_allclose(known["quantiles"].numpy(), expected, rtol=1e-5)
    assert torch.equal(known["mean"], typical.fit(features, features)["mean"])


def test_the_mean_is_no_distance_away_and_another_scale_changes_nothing():
    features = rows()
    known = typical.fit(features, features)
    assert typical.distance(known["mean"][None], known).item() == pytest.approx(0, abs=1e-2)
    scaled = typical.fit(1000 * features, 1000 * features)
    np.testing.assert_allclose(scaled["quantiles"].numpy(), known["quantiles"].numpy(), rtol=1e-3, atol=1e-3)


def test_the_covariance_is_shrunk_as_ledoit_and_wolf_define_it():
    some = torch.from_numpy(np.random.default_rng(0).normal(0, 1, (12, 7)) * np.arange(1, 8))
    S, n, p = (some.T @ some / 12).numpy(), 12, 7
    mu = np.trace(S) / p
    d2 = ((S - mu * np.eye(p)) ** 2).sum()
    b2 = min(d2, sum(((np.outer(x, x) - S) ** 2).sum() for x in some.numpy()) / n**2)
    expected = b2 / d2 * mu * np.eye(p) + (1 - b2 / d2) * S
    assert 0.01 < b2 / d2 < 1
    np.testing.assert_allclose(typical.shrunk_covariance(some).numpy(), expected, rtol=1e-9)


def test_a_feature_that_never_speaks_breaks_nothing():
    features = rows()
    features[:, 2] = 0
    known = typical.fit(features, features)
    assert all(t.isfinite().all() for t in known.values())
    speaks = features[:1].clone()
    speaks[0, 2] = 5
    assert typical.distance(speaks, known) > known["quantiles"][-1]


def test_fewer_pictures_than_features_are_enough():
    features = torch.randn(20, 64, generator=torch.Generator().manual_seed(0))
    known = typical.fit(features, features)
    assert known["quantiles"].diff().min() >= 0
    assert known["quantiles"].isfinite().all()
