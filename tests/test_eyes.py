"""Eyes are the same from a run, its file and its bundle; they say whose they are; what cannot serve is refused."""

import shutil

import numpy as np
import onnx
import pytest

from dcgan import eyes
from dcgan.config import RunConfig, TrainingError
from dcgan.data import load
from dcgan.eyes import as_pixels, find_eyes


@pytest.fixture(scope="module")
def pictures(toy_pictures):
    return load(RunConfig(data=str(toy_pictures)), "test")


def test_a_run_its_bundle_and_its_file_see_the_same(referee_run, referee_bundle, pictures):
    pixels = as_pixels(pictures)
    by_torch = find_eyes("shapes", referee_run)
    by_bundle, by_file = (find_eyes("shapes", p) for p in (referee_bundle, referee_bundle / "referee.onnx"))
    assert by_torch(pixels).dtype == np.float32
    assert by_torch(pixels).shape == (64, 8)
    np.testing.assert_allclose(by_bundle(pixels), by_torch(pixels), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(by_bundle(pixels), by_file(pixels))
    assert by_file.classes == by_torch.classes == ("cross", "disc")


def test_batches_do_not_show(referee_run, pictures, monkeypatch):
    look, pixels = find_eyes("shapes", referee_run), as_pixels(pictures)
    whole = look(pixels)
    monkeypatch.setattr(eyes, "BATCH", 7)
    np.testing.assert_allclose(look(pixels), whole, rtol=1e-5, atol=1e-6)
    assert look(pixels[:0]).shape == (0, 8)


def test_eyes_say_whose_they_are(referee_bundle):
    seen = find_eyes("shapes", referee_bundle)
    assert seen.name == f"features of the DCNN of shapes (sha256 {seen.sha256[:12]})"


def test_a_named_set_has_its_own_eyes_and_others_those_of_cifar10(referee_bundle, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(eyes, "MODELS", tmp_path / "models")
    with pytest.raises(TrainingError, match=r"no referee of faces, and none at models/cifar10/\S+ .* again\.$"):
        find_eyes("faces")
    with pytest.raises(TrainingError, match=r"no referee of faces, .* again, or name with --referee a run"):
        find_eyes("faces", option="--referee")
    for name in ("fashion-mnist", "cifar10"):
        shutil.copytree(referee_bundle, tmp_path / "models" / name)
    find_eyes("fashion-mnist")
    find_eyes("cifar10")
    assert capsys.readouterr().err == ""
    find_eyes("faces")
    assert capsys.readouterr().err.endswith("eyes of the DCNN of CIFAR-10.\n")
    find_eyes("faces", option="--referee")
    assert capsys.readouterr().err.endswith("eyes of the DCNN of CIFAR-10 (--referee names others).\n")


def test_eyes_that_are_damaged_or_missing_are_a_sentence(referee_bundle, tmp_path):
    content = (referee_bundle / "referee.onnx").read_bytes()
    (tmp_path / "referee.onnx").write_bytes(content[: len(content) // 2])
    with pytest.raises(TrainingError, match=r"referee\.onnx is not a model that onnxruntime can read"):
        find_eyes("shapes", tmp_path)
    with pytest.raises(TrainingError, match=r"There is no model at .*other\.onnx"):
        find_eyes("shapes", tmp_path / "other.onnx")


def test_a_dcnn_that_learnt_from_fakes_is_no_referee(toy_bundle, dcnn_run):
    for path in (toy_bundle / "dcnn.onnx", dcnn_run):
        with pytest.raises(TrainingError, match="learnt from fakes"):
            find_eyes("shapes", path)


def test_an_earlier_export_without_features_is_a_sentence(referee_bundle, tmp_path):
    model = onnx.load(referee_bundle / "referee.onnx")
    kept = [output for output in model.graph.output if output.name != "features"]
    del model.graph.output[:]
    model.graph.output.extend(kept)
    onnx.save(model, tmp_path / "old.onnx")
    with pytest.raises(TrainingError, match="Export it again"):
        find_eyes("shapes", tmp_path / "old.onnx")


def test_as_pixels_makes_grey_pictures_rgb_without_copying(pictures):
    pixels = as_pixels(pictures)
    assert pixels.shape == (64, 16, 16, 3)
    assert pixels.dtype == np.uint8
    assert np.shares_memory(pixels, pictures.images.numpy())
