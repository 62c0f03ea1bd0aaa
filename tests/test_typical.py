"""The distance to what is known: known values, invariances, and independent references."""

import numpy as np
import pytest
import torch

from dcgan import typical


def groups(n: int = 4000, width: int = 5, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Features of two Gaussian groups, far apart, with one skewed covariance; the numbers of the groups are 3 and 8."""
    rng = np.random.default_rng(seed)
    mix = np.random.default_rng(9).normal(0, 1, (width, width)) + 4 * np.eye(width)
    labels = rng.choice([3, 8], n)
    rows = rng.normal(0, 1, (n, width)) @ mix + np.where(labels == 3, 0, 40)[:, None]
    return torch.from_numpy(rows).float(), torch.from_numpy(labels)


def test_the_distance_is_mahalanobis_to_the_nearest_mean():
    features, labels = groups()
    known = typical.fit(features, labels, features)
    assert {name: (tuple(t.shape), t.dtype) for name, t in known.items()} == {
        "means": ((2, 5), torch.float32),
        "precision": ((5, 5), torch.float32),
        "quantiles": ((101,), torch.float32),
    }
    apart = features.double().numpy()[:, None] - known["means"].double().numpy()
    expected = np.einsum("nkf,fg,nkg->nk", apart, known["precision"].double().numpy(), apart).min(1)
    np.testing.assert_allclose(typical.distance(features, known).numpy(), expected, rtol=1e-3, atol=1e-3)
    assert torch.equal(known["means"][0], features[labels == 3].double().mean(0).float())


def test_distances_of_gaussian_features_are_chi_squared():
    known = typical.fit(*groups(), groups(seed=1)[0])
    found = typical.distance(groups(20_000, seed=2)[0], known).double()
    assert found.mean() == pytest.approx(5, rel=0.03)
    assert found.var() == pytest.approx(10, rel=0.1)
    shares = torch.searchsorted(known["quantiles"].double(), found) / 101  # uniform, as for the held-back ones
    assert shares.mean() == pytest.approx(0.5, abs=0.02)
    assert (found > known["quantiles"][99]).double().mean() == pytest.approx(0.01, abs=0.006)


def test_quantiles_are_of_the_held_back_pictures_alone_and_evenly_spaced():
    features, labels = groups()
    held_back = groups(500, seed=1)[0] * 1.5
    known = typical.fit(features, labels, held_back)
    expected = np.quantile(typical.distance(held_back, known).double().numpy(), np.linspace(0, 1, 101))
    np.testing.assert_allclose(known["quantiles"].numpy(), expected, rtol=1e-5)
    assert torch.equal(known["means"], typical.fit(features, labels, features)["means"])


def test_a_mean_is_no_distance_away_and_another_scale_changes_nothing():
    features, labels = groups()
    known = typical.fit(features, labels, features)
    assert typical.distance(known["means"], known) == pytest.approx(np.zeros(2), abs=1e-2)
    scaled = typical.fit(1000 * features, labels, 1000 * features)
    np.testing.assert_allclose(scaled["quantiles"].numpy(), known["quantiles"].numpy(), rtol=1e-3, atol=1e-3)


def test_the_covariance_is_shrunk_as_ledoit_and_wolf_define_it():
    rows = torch.from_numpy(np.random.default_rng(0).normal(0, 1, (12, 7)) * np.arange(1, 8))
    S, n, p = (rows.T @ rows / 12).numpy(), 12, 7
    mu = np.trace(S) / p
    d2 = ((S - mu * np.eye(p)) ** 2).sum()
    b2 = min(d2, sum(((np.outer(x, x) - S) ** 2).sum() for x in rows.numpy()) / n**2)
    expected = b2 / d2 * mu * np.eye(p) + (1 - b2 / d2) * S
    assert 0.01 < b2 / d2 < 1
    np.testing.assert_allclose(typical.shrunk_covariance(rows).numpy(), expected, rtol=1e-9)


def test_a_feature_that_never_speaks_breaks_nothing():
    features, labels = groups()
    features[:, 2] = 0
    known = typical.fit(features, labels, features)
    assert all(t.isfinite().all() for t in known.values())
    speaks = features[:1].clone()
    speaks[0, 2] = 5
    assert typical.distance(speaks, known) > known["quantiles"][-1]


def test_one_group_is_enough_and_fewer_pictures_than_features_too():
    features = torch.randn(20, 64, generator=torch.Generator().manual_seed(0))
    known = typical.fit(features, torch.zeros(20, dtype=torch.int64), features)
    assert known["means"].shape == (1, 64)
    assert known["quantiles"].diff().min() >= 0
    assert known["quantiles"].isfinite().all()
