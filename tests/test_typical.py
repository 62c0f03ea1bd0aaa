"""What is strange: known values, invariances, independent references, and odd pictures that must be told."""

import numpy as np
import pytest
import torch
from drawing import noise

from dcgan import typical
from dcgan.pixels import Strangeness


def rows(n: int = 4000, width: int = 5, seed: int = 0) -> torch.Tensor:
    """Features N,F of a Gaussian with a skewed covariance, far from 0."""
    mix = np.random.default_rng(9).normal(0, 1, (width, width)) + 4 * np.eye(width)
    return torch.from_numpy(np.random.default_rng(seed).normal(0, 1, (n, width)) @ mix + 40).float()


TRAITS = rows(64, 3, seed=7)


def fit(appearance: torch.Tensor, held_back: torch.Tensor) -> dict[str, torch.Tensor]:
    """Where traits tell nothing: those of odd pictures are the known ones'."""
    alike = [(appearance, TRAITS)]
    return typical.fit(alike, alike, [], with_same_traits(held_back))


def with_same_traits(appearance: torch.Tensor) -> typical.Looks:
    return appearance, TRAITS[:1].expand(len(appearance), -1)


@torch.no_grad()
def strangeness(appearance: torch.Tensor, known: dict[str, torch.Tensor]) -> torch.Tensor:
    """Of pictures of the same traits: it then depends on the distance alone."""
    return Strangeness(known)(*with_same_traits(appearance))


def squared_distance(appearance: torch.Tensor, known: dict[str, torch.Tensor]) -> torch.Tensor:
    return Strangeness(known).squared_distance(appearance)


@pytest.fixture(scope="module")
def known() -> dict[str, torch.Tensor]:
    return fit(rows(), rows(seed=1))


def test_the_distance_is_mahalanobis(known):
    shapes = {name: (tuple(t.shape), t.dtype) for name, t in known.items() if not name.startswith("oddity.")}
    assert shapes == {
        "mean": ((5,), torch.float32),
        "precision": ((5, 5), torch.float32),
        "quantiles": ((101,), torch.float32),
    }
    features = rows()
    apart = features.double().numpy() - known["mean"].double().numpy()
    expected = np.einsum("nf,fg,ng->n", apart, known["precision"].double().numpy(), apart)
    np.testing.assert_allclose(squared_distance(features, known).numpy(), expected, rtol=1e-3, atol=1e-3)
    assert torch.equal(known["mean"], features.double().mean(0).float())


def test_distances_of_gaussian_features_are_chi_squared(known):
    some = rows(20_000, seed=2)
    found = squared_distance(some, known).double()
    assert found.mean() == pytest.approx(5, rel=0.03)
    assert found.var() == pytest.approx(10, rel=0.1)
    found = strangeness(some, known).double()
    shares = torch.searchsorted(known["quantiles"].double(), found) / 101  # uniform, as for the held-back ones
    assert shares.mean() == pytest.approx(0.5, abs=0.02)
    assert (found > known["quantiles"][99]).double().mean() == pytest.approx(0.01, abs=0.006)


def test_quantiles_are_of_the_held_back_pictures_alone_and_evenly_spaced():
    traits, held_back = (rows(300, 4), rows(200, 4) + 3), (rows(500, seed=1) * 1.5, rows(500, 4, seed=3))
    known = typical.fit([(rows(300), traits[0])], [(rows(200), traits[1])], [], held_back)
    with torch.no_grad():
        found = Strangeness(known)(*held_back).double().numpy()
    np.testing.assert_allclose(known["quantiles"].numpy(), np.quantile(found, np.linspace(0, 1, 101)), rtol=1e-5)
    again = typical.fit([(rows(300), traits[0])], [(rows(200), traits[1])], [], (rows(9), rows(9, 4)))
    same = {name for name in known if torch.equal(known[name], again[name])}
    assert same == set(known) - {"quantiles"}


def test_the_mean_is_no_distance_away_and_another_scale_changes_nothing():
    features = rows()
    known = fit(features, features)
    assert squared_distance(known["mean"][None], known).item() == pytest.approx(0, abs=1e-2)
    scaled = fit(1000 * features, 1000 * features)
    np.testing.assert_allclose(scaled["quantiles"].numpy(), known["quantiles"].numpy(), rtol=1e-3, atol=1e-3)


def test_of_two_as_far_the_odder_is_the_stranger_and_each_group_has_its_say():
    usual, common_odd, rare_odd = rows(900, 6), rows(900, 6, seed=1), rows(30, 6, seed=2)
    common_odd[:, 0] += 40
    rare_odd[:, 1] -= 40
    alike = rows(900)
    strange = rows(50, 6, seed=3)
    strange[:, 2] += 40
    odd, strangers = [(alike, common_odd), (alike[:30], rare_odd)], [(alike[:50], strange)]
    known = typical.fit([(alike, usual)], odd, strangers, (alike, rows(900, 6, seed=4)))
    fresh = [rows(200, 6, seed=seed) for seed in (5, 6, 7, 8)]
    for trait, traits, by in zip((0, 1, 2), fresh[1:], (40, -40, 40), strict=True):
        traits[:, trait] += by
    with torch.no_grad():
        plain, *others = (Strangeness(known)(alike[:200], traits) for traits in fresh)
    assert [(other > plain).float().mean() > 0.98 for other in others] == [True, True, True]


def test_learning_what_is_odd_leaves_the_dice_of_a_training_where_they_are():
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    traits = [rows(50, 3)]
    first, second = (typical.learn_oddity(traits, traits, []).state_dict() for _ in range(2))
    assert torch.equal(torch.rand(4), expected)
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize(("channels", "copies"), [(1, 3), (3, 4)])
def test_odd_copies_are_on_their_side_or_negatives(channels, copies):
    images = torch.from_numpy(noise(3, 12)).permute(0, 3, 1, 2)[:, :channels]
    found = typical.odd_copies(images)
    assert [(some.shape, some.dtype) for some in found] == [(images.shape, torch.uint8)] * copies
    left, right, negative = found[:3]
    assert torch.equal(left.rot90(2, (2, 3)), right)
    assert torch.equal(left.rot90(3, (2, 3)), images)
    assert torch.equal(negative, 255 - images)
    if channels == 3:
        assert (found[3].float().std(1) == 0).all()


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
    known = fit(features, features)
    assert all(t.isfinite().all() for t in known.values())
    speaks = features[:1].clone()
    speaks[0, 2] = 5
    assert squared_distance(speaks, known) > squared_distance(features, known).max()
    assert strangeness(speaks, known) > known["quantiles"][-1]
    traits = rows(50, 3)
    traits[:, 1] = 0
    alike = [(features[:50], traits)]
    silent = typical.fit(alike, alike, alike, alike[0])
    assert all(t.isfinite().all() for t in silent.values())


def test_fewer_pictures_than_features_are_enough():
    features = torch.randn(20, 64, generator=torch.Generator().manual_seed(0))
    known = fit(features, features)
    assert known["quantiles"].diff().min() >= 0
    assert known["quantiles"].isfinite().all()
