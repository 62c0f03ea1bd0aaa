"""The real pictures that a bundle brings along."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import toy_pixels
from PIL import Image

from export.pictures import PictureError, sheet
from export.runtime import Bundle, ModelError
from ui.reals import has_reals, real_pictures, tiles_of


@pytest.fixture
def bundle(toy_bundle, tmp_path) -> Path:
    """A copy of the toy bundle, to which real pictures can be added."""
    return Path(shutil.copytree(toy_bundle, tmp_path / "shapes"))


def add_sheet(folder: Path, pixels: np.ndarray, name: str = "reals.webp") -> None:
    """A lossless sheet of these pixels, listed in the manifest."""
    Image.fromarray(pixels).save(folder / name, lossless=True)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["sha256"][name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_a_bundle_without_real_pictures_has_none(bundle):
    assert not has_reals(Bundle(bundle))
    assert real_pictures(Bundle(bundle)).shape == (0, 16, 16, 3)


@pytest.mark.parametrize("name", ["reals.webp", "reals.png"])
def test_a_sheet_is_read_tile_by_tile_without_loss(bundle, toy_pictures, name):
    pixels = toy_pixels(toy_pictures, "test")[:23]
    add_sheet(bundle, sheet(pixels, columns=5), name)
    assert has_reals(Bundle(bundle))
    np.testing.assert_array_equal(real_pictures(Bundle(bundle)), pixels)


def test_examples_and_sheet_are_one_set_of_different_pictures(bundle, toy_pictures):
    pixels = toy_pixels(toy_pictures, "test")[:6]
    add_sheet(bundle, sheet(pixels, columns=3))
    (bundle / "examples").mkdir()
    Image.fromarray(pixels[2]).save(bundle / "examples" / "a.png")
    Image.fromarray(toy_pixels(toy_pictures, "train")[0]).save(bundle / "examples" / "b.png")
    assert len(real_pictures(Bundle(bundle))) == 7


def test_an_example_of_another_size_becomes_as_large_as_the_fakes(bundle):
    (bundle / "examples").mkdir()
    Image.new("RGB", (40, 30), "red").save(bundle / "examples" / "red.png")
    pixels = real_pictures(Bundle(bundle))
    assert pixels.shape == (1, 16, 16, 3)
    assert (pixels[..., 0] == pixels[..., 1]).all()  # the toy generator is grey


def test_white_tiles_are_left_out_at_the_end_alone():
    tiles = np.full((4, 8, 8, 3), 255, np.uint8)
    tiles[[0, 2]] = 7
    assert len(tiles_of(sheet(tiles, 2), 8)) == 3
    assert len(tiles_of(sheet(tiles[1:2], 1), 8)) == 0


def test_a_sheet_that_cannot_be_used_is_told_of(bundle, toy_pictures):
    pixels = sheet(toy_pixels(toy_pictures, "test")[:4], 2)
    add_sheet(bundle, pixels[:-1])
    with pytest.raises(PictureError, match="32 x 31 pixels does not divide into pictures of 16 x 16"):
        real_pictures(Bundle(bundle))
    add_sheet(bundle, pixels)
    with (bundle / "reals.webp").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(ModelError, match="its sha256 differs"):
        real_pictures(Bundle(bundle))
    (bundle / "reals.webp").unlink()
    with pytest.raises(PictureError, match=r"reals.webp is missing in the bundle shapes"):
        real_pictures(Bundle(bundle))
