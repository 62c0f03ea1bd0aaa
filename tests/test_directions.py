"""Directions of a generator's first layer: those that move it most, whatever its pictures show."""

import numpy as np
import pytest
import torch

from dcgan.models import Generator, HourglassGenerator
from export.directions import directions_of
from export.runtime import Bundle


def network(classes: int = 3) -> Generator:
    """A small generator whose statistics are not those of the start."""
    torch.manual_seed(0)
    G = Generator(16, latent_dim=12, width=4, channels=1, classes=classes)
    with torch.no_grad():
        for _ in range(3):
            G(torch.randn(32, 12), torch.arange(32) % classes if classes else None)
        G.layers[1].weight.uniform_(0.2, 2)
    return G.eval()


def response(G: Generator, z: torch.Tensor) -> torch.Tensor:
    """What the first layer and its BatchNorm make of latents N,Z of class 0, flattened."""
    label = torch.zeros(len(z), dtype=torch.long) if G.classes else None
    if G.embedding is not None:
        z = torch.cat([z, G.embedding(label)], 1)
    with torch.no_grad():
        return G.layers[:2](z[:, :, None, None]).flatten(1)


@pytest.mark.parametrize("classes", [0, 3])
def test_the_first_direction_moves_the_first_layer_most(classes):
    G = network(classes)
    vectors = torch.tensor(directions_of(G)["vectors"])
    at_rest = response(G, torch.zeros(1, 12))
    moved = [(response(G, v[None]) - at_rest).norm().item() for v in vectors]
    assert moved == sorted(moved, reverse=True)
    others = torch.nn.functional.normalize(torch.randn(500, 12), dim=1)
    assert (response(G, others) - at_rest).norm(dim=1).max() <= moved[0] * 1.001


def test_directions_are_of_length_one_and_at_right_angles():
    found = directions_of(network())
    vectors = np.array(found["vectors"])
    assert vectors.shape == (8, 12)
    np.testing.assert_allclose(vectors @ vectors.T, np.eye(8), atol=1e-3)
    assert found["share"] == sorted(found["share"], reverse=True)
    assert 0 < sum(found["share"]) <= 1
    assert len(directions_of(network(), most=3)["vectors"]) == 3


def test_the_same_weights_have_the_same_directions():
    assert directions_of(network()) == directions_of(network())


def test_an_hourglass_has_none():
    assert directions_of(HourglassGenerator(16, width=2, channels=1)) is None


def test_an_exported_generator_knows_its_directions(toy_bundle):
    directions = Bundle(toy_bundle).generator.directions
    assert directions.shape == (8, 8)
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1, atol=1e-3)


def test_an_older_generator_has_no_directions(toy_bundle, monkeypatch):
    generator = Bundle(toy_bundle).generator
    monkeypatch.delitem(generator.facts, "directions")
    assert generator.directions is None
