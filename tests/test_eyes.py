"""Eyes are the same from a run, its file and its bundle; they say whose they are; what cannot serve is refused."""

import shutil

import numpy as np
import onnx
import pytest

from dcgan import eyes
from dcgan.config import RunConfig, TrainingError
from dcgan.data import load
from dcgan.eyes import Eyes, as_pixels, find_eyes, look_again


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


@pytest.fixture
def counted(tmp_path, monkeypatch):
    """Looks again at numbered pictures, with a cache of its own: what is said of them, and how many were seen."""
    monkeypatch.setenv("DCGAN_CACHE", str(tmp_path / "cache"))

    def look(levels: np.ndarray, factor: float = 1.0, sha256: str = "a") -> tuple[list[float], int]:
        seen = []

        def see(pixels: np.ndarray) -> dict[str, np.ndarray]:
            seen.append(len(pixels))
            features = factor * pixels[:, 0, 0, :1].astype(np.float32)
            return {"features": features, "classes": np.ones_like(features)}

        pixels = np.broadcast_to(levels.astype(np.uint8)[:, None, None, None], (len(levels), 4, 4, 3))
        looks = look_again(Eyes(see, "numbers", sha256, ()), np.array_split(pixels, 4), "numbers")
        return [value for _, said in looks for value in said["features"][:, 0].tolist()], sum(seen)

    return look


def test_what_was_seen_is_recalled(counted):
    levels = np.arange(80)
    assert counted(levels) == (levels.tolist(), 80)
    assert counted(levels) == (levels.tolist(), eyes.FEW)  # to be sure that these are still the same eyes


def test_what_has_changed_is_looked_at_anew(counted):
    levels = np.arange(80)
    counted(levels)
    changed = np.where(levels == 3, 99, levels)  # in the first of four batches
    assert counted(changed) == (changed.tolist(), 20 + eyes.FEW)
    assert counted(levels, sha256="b") == (levels.tolist(), 80)
    assert counted(levels, sha256="b", factor=2) == ((2 * levels).tolist(), 80 + eyes.FEW)  # as after a change of code
    assert counted(levels, sha256="b", factor=2)[1] == eyes.FEW


def test_a_memory_that_is_damaged_or_cannot_be_kept_costs_time_alone(counted, tmp_path):
    levels = np.arange(80)
    counted(levels)
    (path,) = (tmp_path / "cache").iterdir()
    content = path.read_bytes()
    for damaged in (content[:-50], b"", content[:500] + b"X" + content[501:], b"text"):
        path.write_bytes(damaged)
        assert counted(levels) == (levels.tolist(), 80)
        assert path.read_bytes() == content
    shutil.rmtree(tmp_path / "cache")
    (tmp_path / "cache").write_text("in the way")
    assert counted(levels) == (levels.tolist(), 80)


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
