"""Re-savings: the same picture, the same size, a little other."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from drawing import noise, scene
from PIL import Image

from dcgan.pixels import fit
from export.resave import HARDEST, MOST_SIDE, RESAVINGS, SMALLEST, centre_square, harden, hardships, resave, shrunk


@pytest.mark.parametrize("side", [1, 2, 28, 33, 200])
def test_a_re_saved_picture_keeps_its_size(side):
    assert resave(scene(side, side)).shape == (len(RESAVINGS), side, side, 3)


def test_a_large_picture_is_reduced_before_it_is_saved_again():
    assert resave(scene(1000, 1000)).shape == (len(RESAVINGS), MOST_SIDE, MOST_SIDE, 3)


def test_re_saving_changes_a_picture_a_little_and_each_in_its_own_way():
    picture = scene(64, 64) // 2 + noise(1, 64)[0] // 8
    changed = [np.abs(each.astype(int) - picture).mean() for each in resave(picture)]
    assert all(0.1 < change < 10 for change in changed)
    jpeg_75, jpeg_50 = (changed[list(RESAVINGS).index(name)] for name in ("JPEG 75", "JPEG 50"))
    assert jpeg_75 < jpeg_50
    assert len({each.tobytes() for each in resave(picture)}) == len(RESAVINGS)


def test_a_picture_of_one_colour_stays_it():
    assert np.abs(resave(np.full((32, 32, 3), 128, np.uint8)).astype(int) - 128).max() <= 1


def test_a_grey_picture_stays_grey():
    picture = np.repeat(scene(32, 32)[..., :1], 3, 2)
    saved = resave(picture).astype(int)
    assert np.abs(saved - saved[..., :1]).max() <= 3


@pytest.mark.parametrize(("height", "width"), [(123, 333), (333, 124), (65, 64), (7, 7), (1, 9)])
def test_the_graphs_see_nothing_but_the_centre_square(height, width):
    pixels = scene(height, width)
    seen = [fit(torch.from_numpy(each[None].copy()), 28, 3) for each in (pixels, centre_square(pixels))]
    assert torch.equal(*seen)


def test_jpeg_is_what_any_program_would_have_saved(tmp_path):
    picture = scene(40, 40)
    Image.fromarray(picture).save(tmp_path / "saved.jpg", quality=50)
    saved = np.asarray(Image.open(tmp_path / "saved.jpg"))
    assert np.array_equal(resave(picture)[list(RESAVINGS).index("JPEG 50")], saved)


@pytest.mark.parametrize(("width", "height"), [(64, 64), (30, 20), (4, 2), (1, 1)])
def test_a_shrunk_picture_has_been_that_small(width, height):
    picture = Image.fromarray(scene(height, width))
    half = picture.resize((max(1, width // 2), max(1, height // 2)), Image.Resampling.BILINEAR)
    expected = half.resize(picture.size, Image.Resampling.BILINEAR)
    assert np.array_equal(np.asarray(shrunk(picture, 0.5)), np.asarray(expected))


# --- harder -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", [1, 5, 28, 64, 256])
def test_each_step_is_harder_than_the_one_before(side):
    steps = hardships(side)
    assert len(steps) == HARDEST
    assert steps[-1].side == min(side, SMALLEST)
    for before, after in pairwise(steps):
        assert after.side <= before.side
        assert after.quality < before.quality


@pytest.mark.parametrize("side", [28, 200])
def test_a_picture_goes_farther_from_itself_step_by_step(side):
    picture = scene(side, side)
    harder = harden(picture).astype(int)
    assert np.array_equal(harder[0], picture)
    away = np.abs(harder - picture).mean((1, 2, 3))
    assert (np.diff(away) > -0.1).all()
    assert away[-1] > 2 * away[1] > 0


def test_a_picture_of_any_size_is_made_harder():
    for side in (1, 2, 300):
        assert harden(scene(side, side)).shape == (1 + HARDEST, *(min(side, MOST_SIDE),) * 2, 3)
