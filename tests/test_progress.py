"""The animation of a training: which steps, how long, how large."""

import io

import numpy as np
import pytest
from PIL import Image

from export.progress import FRAME, LAST_FRAME, make_progress, spread


def test_few_steps_are_all_shown():
    assert spread([]) == []
    assert spread([500]) == [500]
    assert spread([6, 12, 18]) == [6, 12, 18]


@pytest.mark.parametrize("steps", [range(500, 12_501, 500), range(100, 200_001, 100), range(1, 26), range(9000, 9100)])
def test_of_many_steps_the_early_ones_are_shown_more_often(steps):
    chosen = spread(list(steps))
    assert (chosen[0], chosen[-1]) == (steps[0], steps[-1])
    assert 16 <= len(chosen) <= 24
    assert set(chosen) <= set(steps)
    gaps = np.diff(chosen)
    assert gaps[:8].mean() <= gaps[-8:].mean()


def draw_grids(folder, steps, size=(40, 20), seed=0):
    rng = np.random.default_rng(seed)
    folder.mkdir(exist_ok=True)
    for step in steps:
        pixels = rng.integers(0, 256, (size[1], size[0], 3)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"step-{step:06d}.png")
    return folder


def test_the_frames_are_the_grids_enlarged_without_loss(tmp_path):
    folder = draw_grids(tmp_path, [5, 10, 15, 20])
    content, facts = make_progress(folder, 15, 10_000_000)
    assert facts == {"steps": [5, 10, 15], "milliseconds": [FRAME, FRAME, LAST_FRAME], "quality": 100}
    with Image.open(io.BytesIO(content)) as film:
        assert (film.format, film.n_frames, film.size) == ("WEBP", 3, (520, 260))
        assert film.info["loop"] == 0  # again and again
        for frame, step in enumerate(facts["steps"]):
            film.seek(frame)
            film.load()
            assert film.info["duration"] == facts["milliseconds"][frame]
            grid = np.asarray(Image.open(folder / f"step-{step:06d}.png"))
            np.testing.assert_array_equal(np.asarray(film.convert("RGB")), grid.repeat(13, 0).repeat(13, 1))


def test_what_is_too_large_without_loss_is_made_smaller(tmp_path):
    folder = draw_grids(tmp_path, [1, 2], size=(520, 100))
    lossless, facts = make_progress(folder, 2, 10_000_000)
    small, lossy = make_progress(folder, 2, len(lossless) - 1)
    assert facts["quality"] == 100 > lossy["quality"]
    assert len(small) < len(lossless)
    assert make_progress(folder, 2, 0)[1]["quality"] == 50  # the lowest


def test_a_run_without_pictures_has_no_progress(tmp_path):
    assert make_progress(tmp_path / "none", 100, 1_000_000) is None
    assert make_progress(draw_grids(tmp_path, [5, 10]), 7, 1_000_000) is None
