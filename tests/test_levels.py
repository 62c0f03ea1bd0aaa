"""Arithmetic in 8 bits: what is rounded, where, and how little that changes."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from dcgan.folding import fold, plain
from dcgan.levels import HIGHEST, LARGEST, Levels, as_multiples, has_levels, in_eight_bits, spans_of, to_multiples
from dcgan.models import DCNN, Recogniser, Resnet

NETWORKS = {
    "relu": lambda: DCNN(32, 8, 3, classes=4, blocks=2),
    "gelu": lambda: DCNN(32, 8, 3, classes=4, blocks=1, activation="gelu"),
    "no blocks": lambda: DCNN(28, 8, 1, classes=4),
    "recogniser": lambda: Recogniser(32, 8, 3, classes=4),
    "residual": lambda: Recogniser(32, 8, 3, classes=4, blocks=1),
    "resnet": lambda: Resnet(32, 8, 3, classes=4, blocks=1, activation="relu"),
}


def lively(network: nn.Module) -> nn.Module:
    """The network as training leaves it: each BatchNorm has statistics, scales and shifts of its own."""
    torch.manual_seed(0)
    for norm in [part for part in network.modules() if isinstance(part, nn.BatchNorm2d)]:
        norm.weight.data.uniform_(0.5, 1.5)
        norm.bias.data.normal_(0, 0.3)
    network.train()
    with torch.no_grad():
        for _ in range(30):
            network(images_for(network, 32))
    return network.eval()


def images_for(network: nn.Module, n: int) -> torch.Tensor:
    coarse = torch.rand(n, network.channels, 4, 4) * 2 - 1
    return nn.functional.interpolate(coarse, (network.image_size, network.image_size), mode="bilinear")


def ask(network: nn.Module, images: torch.Tensor) -> torch.Tensor:
    return network(images)[1]


def test_a_number_becomes_the_nearest_of_256_levels_and_0_stays():
    levels = Levels(-1.0, 4.0)
    x = torch.linspace(-1, 4, 10_001)
    assert (levels(x) - x).abs().max() <= 0.5 * 5 / 255 + 1e-6
    assert len(levels(x).unique()) == 256
    assert levels(torch.tensor([0.0, -9.0, 9.0])).tolist() == pytest.approx([0.0, -1.0, 4.0], abs=0.5 * 5 / 255)
    assert levels(torch.zeros(1)).item() == 0


def test_weights_become_whole_multiples_of_a_scale_a_channel():
    torch.manual_seed(0)
    weight = torch.randn(6, 4, 3, 3) * torch.logspace(-3, 2, 6)[:, None, None, None]
    weight[2] = 0
    coarse = to_multiples(weight)
    largest = weight.abs().amax((1, 2, 3), keepdim=True)
    assert ((coarse - weight).abs() <= 0.51 * largest / 63).all()
    whole, scale = as_multiples(coarse.numpy())
    assert (whole.dtype, scale.shape) == (np.int8, (6, 1, 1, 1))
    assert np.array_equal(whole * scale, coarse.numpy())
    assert np.abs(whole).max() == LARGEST
    assert as_multiples(weight.numpy()) is None
    assert as_multiples(weight[0, 0].numpy()) is None


def test_two_products_fit_into_16_bits():
    assert 2 * HIGHEST * LARGEST < 2**15


@pytest.mark.parametrize("kind", NETWORKS)
def test_a_network_in_eight_bits_says_nearly_the_same(kind):
    network = lively(NETWORKS[kind]())
    before, images = copy.deepcopy(network), images_for(network, 200)
    with torch.no_grad():
        expected = ask(before, images)
        spans = spans_of(network, images)
        assert torch.equal(ask(network, images), expected)  # to be measured changes nothing
        in_eight_bits(network, spans)
        found = ask(network, images)
    assert 0 < (found - expected).square().mean().sqrt() < 0.1 * expected.std()
    assert has_levels(network)
    assert not has_levels(before)


@pytest.mark.parametrize(
    ("kind", "layers", "first"),
    [("relu", 6, 2), ("no blocks", 2, 2), ("recogniser", 6, 1), ("residual", 9, 1), ("resnet", 9, 1)],
)
def test_what_is_late_or_recognises_is_rounded_and_all_else_is_not(kind, layers, first):
    network = lively(NETWORKS[kind]())
    before = fold(plain(copy.deepcopy(network)))
    in_eight_bits(network, spans_of(network, images_for(network, 50)))

    def convolutions(network: nn.Module) -> list[nn.Conv2d]:
        return [part for part in network.modules() if isinstance(part, nn.Conv2d)]

    early = len(convolutions(before)) - layers
    for i, (was, now) in enumerate(zip(convolutions(before), convolutions(network), strict=True)):
        assert (as_multiples(now.weight.detach().numpy()) is not None) == (i >= early)
        assert torch.equal(was.weight, now.weight) == (i < early)
    assert not has_levels(network.features[:first])


def test_spans_are_those_of_the_pictures_and_include_0():
    network = lively(DCNN(16, 4, 1, classes=2))
    images = images_for(network, 50)
    spans = spans_of(network, images)
    with torch.no_grad():
        entering = network.features[1][0](network.features[0](images))
        leaving = network.features(images)
    assert spans.shape == (3, 2)
    assert spans[0].tolist() == pytest.approx([0, entering.max().item()], rel=1e-5)
    assert spans[2].tolist() == pytest.approx([0, leaving.max().item()], rel=1e-5)
    assert (spans_of(network, images[:1])[:, 1] <= spans[:, 1]).all()


def test_a_network_without_late_stages_stays_as_it_is():
    network = lively(DCNN(8, 4, 1, classes=2))
    images = images_for(network, 10)
    expected, spans = ask(network, images), spans_of(network, images)
    assert len(spans) == 0
    in_eight_bits(network, spans)
    torch.testing.assert_close(ask(network, images), expected)
