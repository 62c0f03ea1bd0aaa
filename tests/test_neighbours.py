"""The index of training pictures: a copy stands out, whatever was done to it; others do not."""

import io
import json
import shutil
import zipfile

import numpy as np
import pytest
from PIL import Image, ImageOps

from export import add_neighbours, to_onnx
from export.neighbours import (
    INDEX,
    NEXT,
    PICTURES,
    Features,
    Neighbours,
    encode,
    features_of,
    pack_pictures,
    percentiles,
    ratios,
    unpack_picture,
    variants_of,
)
from export.runtime import Bundle, ModelError


def smooth(n: int, size: int = 16, seed: int = 0) -> np.ndarray:
    """Pixels uint8 N,S,S,1 of random slopes: as different from each other as pictures are, and without fine detail."""
    levels = np.random.default_rng(seed).integers(0, 256, (n, 5, 5), np.uint8)
    return np.stack([np.asarray(Image.fromarray(p).resize((size, size), Image.BICUBIC)) for p in levels])[..., None]


def index_of(pixels: np.ndarray) -> Features:
    return Features(encode(features_of(pixels), median=200))


def toy_picture(toy_pictures, name: str) -> np.ndarray:
    return np.asarray(Image.open(toy_pictures / name).convert("RGB"))


# --- arrays --------------------------------------------------------------------------------------------------------


def test_features_are_the_means_of_squares():
    pixels = np.arange(28 * 28, dtype=np.int64).reshape(1, 28, 28, 1).astype(np.uint8)
    features = features_of(pixels)
    assert features.shape == (1, 49)
    np.testing.assert_allclose(features[0, 8], pixels[0, 4:8, 4:8].mean())
    assert [features_of(np.zeros((1, s, s, 3), np.uint8)).shape[1] for s in (32, 48, 64, 80)] == [192, 108, 192, 300]


def test_a_picture_is_compared_as_it_is_mirrored_and_moved():
    pixels = smooth(2)
    variants = variants_of(pixels)
    assert variants.shape == (2, 10, 16, 16, 1)
    np.testing.assert_array_equal(variants[:, 0], pixels)
    np.testing.assert_array_equal(variants[:, 1], pixels[:, :, ::-1])
    moved = {v.tobytes() for v in variants[0, 2:, 1:-1, 1:-1]}
    assert pixels[0, 1:-1, :-2].tobytes() in moved  # to the right
    assert pixels[0, 2:, 1:-1].tobytes() in moved  # up


def test_encoded_features_are_the_features_but_for_rounding():
    features = features_of(smooth(300, 28))
    arrays = encode(features, median=200)
    index = Features(arrays)
    back = index.steps * index.step @ index.axes.T + index.mean
    assert np.abs(back - features).max() < 3 * index.step
    assert np.linalg.norm(back - features, axis=1).max() < 0.1 * 200


def test_the_nearest_are_those_that_a_plain_search_finds():
    pixels, asked = smooth(500, seed=1), smooth(20, seed=2)
    index, features = index_of(pixels), features_of(pixels)
    _, distance, number = index.look(asked)
    assert distance.shape == number.shape == (20, 1 + NEXT)
    for i, variants in enumerate(variants_of(asked)):
        plain = np.linalg.norm(features_of(variants)[:, None] - features, axis=2).min(0)
        np.testing.assert_allclose(distance[i], np.sort(plain)[: 1 + NEXT], rtol=0.02)
    assert (np.diff(distance) >= 0).all()


def test_a_copy_stands_out_whatever_was_done_to_it():
    pixels = smooth(600, 28)
    index, reference = index_of(pixels), np.sort(index_of(pixels).look(smooth(200, 28, seed=9))[0])

    def again(picture: Image.Image) -> Image.Image:
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=50)
        return Image.open(file)

    for change in (lambda p: p, ImageOps.mirror, again):
        copies = np.stack([np.asarray(change(Image.fromarray(p[..., 0]))) for p in pixels[:50]])[..., None]
        ratio, _, number = index.look(copies)
        assert (number[:, 0] == np.arange(50)).all()
        assert (percentiles(ratio, reference) == 0).all()
    moved = np.pad(pixels[:50], ((0, 0), (1, 0), (1, 0), (0, 0)), "edge")[:, :-1, :-1]
    assert (percentiles(index.look(moved)[0], reference) < 1).all()


def test_other_pictures_do_not_stand_out():
    index, reference = index_of(smooth(600)), np.sort(index_of(smooth(600)).look(smooth(200, seed=9))[0])
    found = percentiles(index.look(smooth(200, seed=10))[0], reference)
    assert 35 < np.median(found) < 65
    assert (found < 1).mean() < 0.05


def test_a_picture_that_is_there_many_times_does_not_stand_out_from_itself():
    assert ratios(np.zeros((1, 6))).tolist() == [1]
    assert ratios(np.array([[1.0, 2, 2, 2, 2, 2]])).tolist() == [0.5]


@pytest.mark.parametrize("grey", [True, False])
def test_thumbnails_are_the_pictures_nearly(grey):
    pixels = np.broadcast_to(smooth(410, 28), (410, 28, 28, 3)).copy()
    pixels[..., 0] = pixels[..., 0] if grey else 255 - pixels[..., 0]
    with zipfile.ZipFile(io.BytesIO(pack_pictures(pixels))) as archive:
        assert archive.namelist() == ["0000.webp", "0001.webp"]
        for number in (0, 19, 399, 400, 409):
            tile = unpack_picture(archive, number, 28, grey).astype(int)
            assert np.abs(tile - pixels[number]).mean() < (9 if grey else 30)  # colour has half the resolution there
            assert not grey or (tile == tile[..., :1]).all()


# --- of a bundle ---------------------------------------------------------------------------------------------------


def test_a_planted_copy_is_found_and_an_unseen_picture_is_not(indexed_bundle, toy_pictures):
    index = Neighbours(indexed_bundle)
    assert len(index) == 128
    for kind in ("cross", "disc"):
        found = index.look(toy_picture(toy_pictures, f"train/{kind}/007.png"))
        assert found.percentile == 0
        assert found.nearest[0].number == 7 + 64 * (kind == "disc")
        assert [len(found.nearest), found.nearest[0].label] == [NEXT, kind]
        assert found.ratio < 0.5
    unseen = [index.look(toy_picture(toy_pictures, f"test/disc/{i:03d}.png")).percentile for i in range(32)]
    assert min(unseen) > 0
    assert 20 < np.median(unseen) < 80


def test_a_copy_is_found_in_a_larger_wide_picture(indexed_bundle, toy_pictures):
    copy = toy_picture(toy_pictures, "train/disc/011.png").repeat(3, 0).repeat(3, 1)
    wide = np.pad(copy, ((0, 0), (20, 20), (0, 0)))
    found = Neighbours(indexed_bundle).look(wide)
    assert found.nearest[0].number == 64 + 11
    assert found.ratio < 0.25


def test_an_index_says_how_it_was_made_and_what_it_finds(indexed_bundle):
    facts = Neighbours(indexed_bundle).facts
    assert (facts["training"], facts["unseen"], facts["unseen_are"]) == (128, 64, "shapes test")
    assert facts["recall"] > 0.9
    assert min(facts["found"][how] for how in ("as they are", "mirrored")) > 0.9
    assert facts["data"]["licence"] == "CC0-1.0"
    card = (indexed_bundle / "README.md").read_text()
    assert "## Is it a copy?" in card
    assert "128 training pictures of shapes" in card
    assert "64 pictures of shapes test, which no training saw" in card


def test_the_manifest_vouches_for_the_index(indexed_bundle):
    manifest = Bundle(indexed_bundle).manifest
    assert {INDEX, PICTURES, "generator.onnx", "README.md"} <= set(manifest["sha256"])
    assert Bundle(indexed_bundle).generator.draw([1]).shape == (1, 16, 16, 3)
    assert not [path.name for path in indexed_bundle.iterdir() if path.suffix == ".tmp"]


@pytest.mark.parametrize("licence", ["non-commercial research only", "not stated", "no formal licence; cite K. 2009"])
def test_pictures_travel_only_where_their_licence_lets_them(licence):
    assert not add_neighbours.lets_travel(licence)
    assert add_neighbours.lets_travel("MIT (Zalando SE)")
    assert add_neighbours.lets_travel("CC0-1.0")


def test_without_thumbnails_distances_remain(indexed_bundle, toy_pictures, tmp_path):
    folder = tmp_path / "shapes"
    shutil.copytree(indexed_bundle, folder)
    add_neighbours.main([str(folder), "--data", str(toy_pictures), "--no-thumbnails"])
    assert not (folder / PICTURES).exists()
    assert PICTURES not in json.loads((folder / "manifest.json").read_text())["sha256"]
    found = Neighbours(folder).look(toy_picture(toy_pictures, "train/disc/000.png"))
    assert found.percentile == 0
    assert found.nearest[0].pixels is None
    assert "does not clearly let them travel" in (folder / "README.md").read_text()


def test_what_it_has_of_an_index_a_new_export_keeps_when_asked(indexed_bundle, careful_run, tmp_path):
    folder = tmp_path / "shapes"
    shutil.copytree(indexed_bundle, folder)
    kept = ["generator.onnx", "critic.onnx"]
    to_onnx.main([str(careful_run), "--out", str(folder), "--keep", *kept, INDEX])
    assert len(Neighbours(folder)) == 128
    assert "## Is it a copy?" in (folder / "README.md").read_text()
    to_onnx.main([str(careful_run), "--out", str(folder), "--keep", *kept])
    assert not (folder / INDEX).exists()
    assert not (folder / PICTURES).exists()


def test_the_pictures_of_another_training_are_refused(indexed_bundle, tmp_path, capsys):
    rng = np.random.default_rng(3)
    (tmp_path / "others").mkdir()
    for i in range(80):
        Image.fromarray(rng.integers(0, 256, (16, 16)).astype(np.uint8)).save(tmp_path / "others" / f"{i}.png")
    with pytest.raises(SystemExit):
        add_neighbours.main([str(indexed_bundle), "--data", str(tmp_path / "others")])
    assert "has learnt from other pictures than those of --data" in capsys.readouterr().err


def test_a_folder_that_is_no_bundle_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit):
        add_neighbours.main([str(tmp_path)])
    assert "is not a bundle" in capsys.readouterr().err


@pytest.mark.parametrize("name", [INDEX, PICTURES])
def test_a_damaged_or_altered_index_is_a_sentence(indexed_bundle, toy_pictures, tmp_path, name):
    folder, picture = tmp_path / "shapes", toy_picture(toy_pictures, "test/disc/000.png")
    shutil.copytree(indexed_bundle, folder)
    (folder / name).write_bytes((folder / name).read_bytes()[:500])
    with pytest.raises(ModelError, match="sha256 differs"):
        Neighbours(folder).look(picture)
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["sha256"][name]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ModelError, match=f"{name} is damaged"):
        Neighbours(folder).look(picture)
    (folder / name).unlink()
    with pytest.raises(ModelError, match=r"python -m export\.add_neighbours"):
        Neighbours(folder).look(picture)
