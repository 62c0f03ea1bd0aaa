"""A worse harm is a larger distance, the floor is below them all, and pictures that stream past are not kept."""

import tracemalloc

import numpy as np
import pytest
import torch
from PIL import ImageFilter

from dcgan import metrics, yardstick
from dcgan.data import Pictures
from dcgan.eyes import Eyes, as_pixels, look_at
from dcgan.yardstick import HARMS, Yardstick, harmed, in_batches, take_in


def see(pixels: np.ndarray) -> dict[str, np.ndarray]:
    """Eyes that need no training: levels and edges of 4 x 4 places."""
    n, side = pixels.shape[0], pixels.shape[1] // 4
    grey = pixels.mean(3) / 255
    edges = np.abs(np.diff(grey, axis=2, append=grey[:, :, -1:]))
    parts = [p.reshape(n, 4, side, 4, side).mean((2, 4)).reshape(n, 16) for p in (grey, 50 * edges)]
    return {"features": np.hstack(parts).astype(np.float32), "classes": np.zeros((n, 1), np.float32)}


EYES = Eyes(see, "edges", "0" * 64, ())


def shapes(n: int, seed: int, size: int = 32) -> Pictures:
    """Discs of any colour on any ground."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size]
    (cy, cx), r = rng.uniform(0.3, 0.7, (2, n, 1, 1)) * size, rng.uniform(3, 9, (n, 1, 1))
    inside = ((y - cy) ** 2 + (x - cx) ** 2 < r**2)[:, None]
    colours = rng.integers(0, 256, (2, n, 3, 1, 1))
    images = torch.from_numpy(np.where(inside, colours[0], colours[1]).astype(np.uint8))
    return Pictures(images, None, (), {"name": "discs"})


@pytest.fixture(autouse=True)
def few_patches(monkeypatch):
    monkeypatch.setattr(metrics, "PATCHES", 4096)


def test_a_worse_harm_is_a_larger_distance():
    measured, fresh = Yardstick(shapes(300, 0), shapes(400, 1), EYES, 300), as_pixels(shapes(300, 2))

    def blurred(radius):
        soft = harmed(fresh, lambda picture: picture.filter(ImageFilter.GaussianBlur(radius)), 3)
        return {row["metric"]: row for row in measured.measure("pictures", "discs", [soft])}

    little, much = blurred(1.5), blurred(5)
    for name in yardstick.DISTANCES:
        assert little[name]["floor"] < little[name]["value"] < much[name]["value"]
        assert little[name]["ceilings"]["blur of 1 px"] < much[name]["value"]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", HARMS)
def test_a_harm_keeps_the_form_of_pictures_and_not_their_levels(name, channels):
    pixels = as_pixels(shapes(3, 0))
    pixels = pixels if channels == 3 else np.repeat(pixels[..., :1], 3, axis=3)
    after = harmed(pixels, HARMS[name], channels)
    assert after.shape == pixels.shape
    assert after.dtype == np.uint8
    assert 0.1 < np.abs(after.astype(float) - pixels).mean() < 20
    assert channels == 3 or (after == after[..., :1]).all()


def test_memorised_pictures_are_told_from_fresh_ones():
    training = shapes(2000, 1)
    measured = Yardstick(shapes(300, 0), training, EYES, 300)

    def share(pictures):
        rows = measured.measure("pictures", "discs", in_batches(pictures))
        return {row["metric"]: row["value"] for row in rows}["nearest_training_below_1st_percentile"]

    assert share(training[:300]) == 1
    assert share(shapes(300, 2)) < 0.05


def test_pictures_stream_past_and_are_not_kept():
    n, seen = 8000, []

    def batches():
        rng = np.random.default_rng(0)
        for _ in range(n // 250):
            yield rng.integers(0, 256, (250, 64, 64, 3), np.uint8)
            seen.append(250)

    tracemalloc.start()
    take_in(look_at(EYES, batches()), n, 3, "noise")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sum(seen) == n
    assert peak < 60e6 < n * 64 * 64 * 3  # bytes


def test_neighbours_are_found_without_all_distances_at_once(monkeypatch):
    monkeypatch.setattr(metrics, "MOST_DISTANCES", 1 << 20)
    a, b = np.random.default_rng(0).standard_normal((2, 4000, 4), np.float32)
    tracemalloc.start()
    metrics.precision_recall_density_coverage(metrics.manifold_of(a), metrics.manifold_of(b))
    metrics.nearest(a, b)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6 < 4 * 4000 * 4000
