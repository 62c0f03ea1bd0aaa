"""The border between pixels and networks: one path for every picture, exact where nothing needs to be computed."""

from pathlib import Path

import numpy as np
import pytest
import torch
from drawing import noise, scene
from PIL import Image

from dcgan.models import DCNN, Discriminator, Generator
from dcgan.pixels import (
    LUMA,
    Attribution,
    PixelCritic,
    PixelDCNN,
    PixelGenerator,
    Typicality,
    fit,
    looks,
    mean_and_spread,
    to_images,
    to_levels,
)

SAMPLE = np.load(Path(__file__).parent / "data" / "fashion-sample.npz")["images"]


def fitted(pixels: np.ndarray, size: int, channels: int = 3) -> np.ndarray:
    """Levels float C,S,S of one picture."""
    return fit(torch.from_numpy(pixels[None]), size, channels)[0].numpy()


def by_pillow(pixels: np.ndarray, size: int) -> np.ndarray:
    """Centre square and antialiased linear resize, by Pillow in float: levels S,S,3."""
    height, width = pixels.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    bands = [Image.fromarray(band.astype(np.float32)) for band in np.moveaxis(pixels, 2, 0)]
    crop = (left, top, left + side, top + side)
    return np.stack([np.asarray(b.crop(crop).resize((size, size), Image.BILINEAR)) for b in bands], 2)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (123, 333), (333, 123), (28, 28), (65, 64), (7, 5)])
@pytest.mark.parametrize("size", [28, 32, 64])
def test_a_picture_is_fitted_as_pillow_fits_it(height, width, size):
    pixels = scene(height, width)
    assert np.abs(fitted(pixels, size).transpose(1, 2, 0) - by_pillow(pixels, size)).max() < 0.01


def test_a_fitted_picture_is_within_half_a_level_of_the_8_bit_one_on_average():
    pixels = scene(200, 301)
    square = Image.fromarray(pixels[:, 50:250])
    by_8_bits = np.asarray(square.resize((64, 64), Image.BILINEAR)).astype(float)
    assert np.abs(fitted(pixels, 64).transpose(1, 2, 0) - by_8_bits).mean() < 0.5


def test_a_picture_of_the_networks_own_size_keeps_its_levels():
    pixels = noise(1, 32)[0]
    assert np.array_equal(fitted(pixels, 32), pixels.transpose(2, 0, 1))


def test_grey_pictures_keep_their_levels_in_a_grey_network():
    every_level = np.repeat(np.arange(256, dtype=np.uint8).reshape(16, 16, 1), 3, 2)
    assert np.array_equal(fitted(every_level, 16, channels=1)[0], every_level[..., 0])
    real = np.repeat(SAMPLE[:20, ..., None], 3, 3)
    assert np.array_equal(fit(torch.from_numpy(real), 28, 1)[:, 0].numpy(), SAMPLE[:20])


def test_luma_is_that_of_bt601_and_sums_to_one():
    assert sum(LUMA) == 1
    assert pytest.approx(LUMA, abs=0.002) == (0.299, 0.587, 0.114)
    pixels = noise(1, 32)[0]
    assert np.abs(fitted(pixels, 32, 1)[0] - np.asarray(Image.fromarray(pixels).convert("L")).astype(float)).max() < 1.5


@pytest.mark.parametrize(("height", "width"), [(20, 50), (50, 20)])
def test_only_the_centre_square_counts(height, width):
    pixels = np.zeros((height, width, 3), np.uint8)
    top, left = (height - 20) // 2, (width - 20) // 2
    pixels[top : top + 20, left : left + 20] = 200
    assert np.array_equal(fitted(pixels, 20), np.full((3, 20, 20), 200))
    assert np.allclose(fitted(pixels, 8), 200, atol=1e-3)


def test_one_pixel_becomes_a_picture_of_its_colour():
    pixels = np.array([[[10, 200, 30]]], np.uint8)
    assert np.allclose(fitted(pixels, 8).transpose(1, 2, 0), [10, 200, 30])


def test_fitting_keeps_the_mean_of_a_picture_reduced_by_a_whole_factor():
    pixels = noise(1, 64)[0]
    assert np.abs(fitted(pixels, 16).mean((1, 2)) - pixels.mean((0, 1))).max() < 2.5


def test_every_level_survives_the_way_to_an_image_and_back():
    levels = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(to_levels(to_images(levels)), levels)
    assert to_images(levels)[[0, 255]].tolist() == [-1, 1]


def test_levels_are_rounded_to_the_nearest_and_clamped():
    levels = torch.tensor([-9.0, 0.0, 0.49, 0.51, 1.0, 254.49, 254.51, 255.0, 300.0])
    assert to_levels(to_images(levels)).tolist() == [0, 0, 0, 1, 1, 254, 255, 255, 255]


@pytest.mark.parametrize("channels", [1, 3])
def test_a_generator_gives_rgb_pixels(channels):
    torch.manual_seed(0)
    network = Generator(16, 8, 4, channels)
    pixels = PixelGenerator(network).eval()(torch.randn(5, 8))
    assert (pixels.shape, pixels.dtype) == ((5, 16, 16, 3), torch.uint8)
    grey = bool((pixels == pixels[..., :1]).all())
    assert grey == (channels == 1)


def test_a_generators_pixels_are_the_images_levels():
    torch.manual_seed(0)
    network, z = Generator(16, 8, 4, 3).eval(), torch.randn(5, 8)
    with torch.no_grad():
        pixels, images = PixelGenerator(network)(z), network(z)
    assert (to_images(pixels).permute(0, 3, 1, 2) - images).abs().max() <= 0.5 / 127.5 + 1e-6


@pytest.mark.parametrize("channels", [1, 3])
def test_any_generators_pixels_suit_any_critic_and_dcnn(channels):
    pixels = torch.from_numpy(noise(2, 20))
    assert PixelCritic(Discriminator(16, 4, channels)).eval()(pixels).shape == (2,)
    out = PixelDCNN(DCNN(16, 4, channels, classes=3)).eval()(pixels)
    assert {name: tuple(value.shape) for name, value in out.items()} == {
        "evidence": (2, 8, 8),
        "real": (2,),
        "classes": (2, 3),
        "features": (2, 8),
    }


def test_the_mean_of_the_evidence_is_the_logit():
    torch.manual_seed(0)
    network = DCNN(16, 4, 3, classes=2).eval()
    pixels = torch.from_numpy(noise(3, 16))
    with torch.no_grad():
        out = PixelDCNN(network)(pixels)
        real, classes = network(to_images(pixels.permute(0, 3, 1, 2)))
    assert torch.allclose(out["evidence"].mean((1, 2)), real, atol=1e-5)
    assert torch.allclose(out["real"], real.sigmoid(), atol=1e-6)
    assert torch.allclose(out["classes"], classes.softmax(1), atol=1e-6)


def test_an_attribution_moves_the_evidence_between_places_and_leaves_the_verdict():
    torch.manual_seed(0)
    network, pixels = DCNN(16, 4, 3, classes=2).eval(), torch.from_numpy(noise(3, 16))
    weights = Attribution(12, 5).state_dict()
    with torch.no_grad():
        out, plain = PixelDCNN(network, attribution=weights)(pixels), PixelDCNN(network)(pixels)
    assert torch.equal(out["real"], plain["real"])
    assert torch.allclose(out["evidence"].mean((1, 2)), plain["evidence"].mean((1, 2)), atol=1e-5)
    assert (out["evidence"] - plain["evidence"]).abs().amax((1, 2)).min() > 1e-3


def test_an_attribution_counts_features_in_their_usual_spreads():
    torch.manual_seed(0)
    spoken, features = Attribution(12, 5), 3 + 2 * torch.randn(4, 12, 6, 6)
    spoken.usual.copy_(torch.rand(12, 1, 1))
    spoken.spread.copy_(1e-3 + torch.rand(12, 1, 1))
    with torch.no_grad():
        standard = spoken.inner((features - spoken.usual) / spoken.spread).relu()
        expected = spoken.outer(spoken.around(standard).relu())[:, 0]
        assert torch.allclose(spoken.says(features), expected, atol=1e-3)
        spoken.fold()
        assert torch.allclose(spoken.says(features), expected, atol=1e-3)
    assert (spoken.usual == 0).all()
    assert (spoken.spread == 1).all()


def test_a_dcnn_tells_only_what_it_has_learnt():
    pixels = torch.from_numpy(noise(1, 16))
    assert set(PixelDCNN(DCNN(16, 4, classes=0)).eval()(pixels)) == {"real", "evidence", "features"}
    assert set(PixelDCNN(DCNN(16, 4, classes=2, judges_reality=False)).eval()(pixels)) == {"classes", "features"}


# --- typical ------------------------------------------------------------------------------------------------------


def test_means_and_spreads_are_those_of_each_channel():
    torch.manual_seed(0)
    features = torch.randn(3, 5, 8, 8) * torch.rand(3, 5, 1, 1) + torch.rand(3, 5, 1, 1)
    features[0, 0] = 0.7  # the same everywhere
    mean, spread = mean_and_spread(features)
    assert torch.allclose(mean, features.mean((2, 3)), atol=1e-6)
    assert torch.allclose(spread, features.std((2, 3), correction=0), atol=1e-3)


def statistics(features: int = 6, traits: int = 4, seed: int = 0) -> dict[str, torch.Tensor]:
    """What a training leaves for `typical`: mean, precision of a skewed covariance, an oddity that is the sum of traits
    above 0, quantiles 0, 0.1, ..., 10.
    """
    rng = torch.Generator().manual_seed(seed)
    mix = torch.randn(features, features, generator=rng, dtype=torch.float64)
    precision = torch.linalg.inv(mix @ mix.T + 0.1 * torch.eye(features, dtype=torch.float64))
    mean = 3 * torch.randn(features, generator=rng)
    oddity = {
        "usual": torch.zeros(traits),
        "spread": torch.ones(traits),
        "inner.weight": torch.eye(traits),
        "inner.bias": torch.zeros(traits),
        "outer.weight": torch.ones(1, traits),
        "outer.bias": torch.zeros(1),
    }
    known = {"mean": mean, "precision": precision.float(), "quantiles": torch.linspace(0, 10, 101)}
    return known | {f"oddity.{name}": value for name, value in oddity.items()}


def squared_distances(known: dict[str, torch.Tensor], features: torch.Tensor) -> np.ndarray:
    apart = features.numpy().astype(float) - known["mean"].numpy()
    return np.einsum("nf,fg,ng->n", apart, known["precision"].double().numpy(), apart)


def test_typical_is_the_share_that_is_stranger_by_distance_and_oddity():
    known = statistics()
    features = 5 * torch.randn(50, 6, generator=torch.Generator().manual_seed(1))
    traits = torch.randn(50, 4, generator=torch.Generator().manual_seed(2))
    strangeness = 2 * np.log(1 + squared_distances(known, features)) + np.maximum(traits.numpy(), 0).sum(1)
    assert (strangeness < 10).any()
    assert (strangeness > 10).any()
    found = Typicality(known)(features, traits).detach().numpy()
    assert np.allclose(found, np.clip(1 - strangeness / 10, 0, 1), atol=1e-4)


def test_traits_count_in_their_usual_spreads_and_not_beyond_what_was_ever_learnt():
    known = statistics() | {"oddity.usual": torch.full((4,), 7.0), "oddity.spread": torch.full((4,), 2.0)}
    at = known["mean"].expand(3, -1)
    found = Typicality(known).strangeness(at, torch.tensor([[7.0], [9.0], [1000.0]]).expand(-1, 4))
    assert found.tolist() == pytest.approx([0, 4, 32], abs=1e-4)


def test_the_mean_is_as_typical_as_can_be_and_what_is_far_from_it_is_not():
    known, plain = statistics(), torch.zeros(1, 4)
    assert Typicality(known)(known["mean"][None], plain).item() == pytest.approx(1, abs=1e-5)
    assert Typicality(known)(known["mean"][None] + 1000, plain).item() == 0
    assert Typicality(known)(known["mean"][None], plain + 1000).item() == 0


def test_equal_quantiles_are_no_trouble():
    known = statistics() | {"quantiles": torch.cat([torch.zeros(50), torch.full((51,), 7.0)])}
    near = known["mean"] + torch.tensor([[0.0], [1e-3]]) * torch.ones(6)
    shares = Typicality(known)(torch.cat([near, near + 1000]), torch.zeros(4, 4))
    assert shares.isfinite().all()
    assert shares[2:].tolist() == [0, 0]
    assert 0.5 <= shares[1] <= 1


def test_half_of_the_held_back_pictures_are_less_typical_than_the_median_one():
    known, features = statistics(), 4 * torch.randn(2000, 6, generator=torch.Generator().manual_seed(2))
    traits = torch.randn(2000, 4, generator=torch.Generator().manual_seed(3))
    strangeness = Typicality(known).strangeness(features, traits)
    known["quantiles"] = torch.quantile(strangeness, torch.linspace(0, 1, 101))
    shares = Typicality(known)(features, traits)
    assert abs(shares.median() - 0.5) < 0.01
    assert abs((shares < 0.01).float().mean() - 0.01) < 0.003  # a limit of 1 % refuses 1 % of such pictures


def test_a_dcnn_with_statistics_says_how_typical_and_nothing_else_changes():
    network, pixels = DCNN(16, 4, classes=3, blocks=1).eval(), torch.from_numpy(noise(2, 16))
    known = statistics(features=2 * 3 + 2 + 2 * 4, traits=2 * (4 + 8 + 8))
    with torch.no_grad():
        before, after = PixelDCNN(network).eval()(pixels), PixelDCNN(network, known).eval()(pixels)
    assert set(after) - set(before) == {"typical"}
    assert all(torch.equal(after[name], before[name]) for name in before)
    images = to_images(pixels.permute(0, 3, 1, 2))
    assert torch.allclose(after["typical"], Typicality(known)(*looks(images, network.stages(images))), atol=1e-5)


def test_looks_are_means_and_spreads_and_how_far_neighbours_are_apart():
    images, stages = torch.randn(5, 3, 8, 8), [torch.rand(5, 4, 8, 8), torch.rand(5, 6, 4, 4)]
    appearance, traits = (each.numpy() for each in looks(images, stages))
    pixels, first, second = (each.numpy() for each in (images, *stages))
    across = np.abs(np.diff(pixels, axis=3)).mean((1, 2, 3))
    down = np.abs(np.diff(pixels, axis=2)).mean((1, 2, 3))
    of_first, of_second = ([maps.mean((2, 3)), maps.std((2, 3))] for maps in (first, second))
    parts = [pixels.mean((2, 3)), pixels.std((2, 3)), across[:, None], down[:, None], *of_first]
    assert np.allclose(appearance, np.concatenate(parts, 1), atol=1e-5)
    assert np.allclose(traits, np.concatenate([*of_first, *of_second], 1), atol=1e-5)
