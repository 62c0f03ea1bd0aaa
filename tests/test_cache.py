"""What was read once is not read again, is noticed when it changes, and may be more than memory holds."""

import hashlib
import json
import os
import shutil
import threading
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from drawing import dark_and_light, noise, pixels_of, save_all, scene, zipped
from filelock import FileLock
from PIL import Image

from dcgan.cache import Mapped
from dcgan.config import RunConfig
from dcgan.data import Batches, DataError, Pictures, hold_out, load


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("DCGAN_CACHE", str(folder))
    return folder


def config(path: object, **values) -> RunConfig:
    return RunConfig(data=str(path), **values)


def kept(cache: Path) -> Path:
    (path,) = cache.glob("pictures-*.npy")
    return path


@pytest.mark.parametrize("memory", [0, 4096])
@pytest.mark.parametrize("pack", [lambda folder, _: folder, zipped])
def test_what_was_read_once_comes_from_the_cache(tmp_path, cache, pack, memory):
    c = config(pack(save_all(noise(64), tmp_path / "a"), tmp_path / "a.zip"), memory=memory)
    first = load(c).images[:].numpy()
    np.save(kept(cache), 255 - first)
    notes = kept(cache).with_suffix(".json")
    sha256 = hashlib.sha256(255 - first).hexdigest()
    notes.write_text(json.dumps(json.loads(notes.read_text()) | {"sha256": sha256}))
    again = load(c)
    assert np.array_equal(again.images[:].numpy(), 255 - first)
    assert again.facts["sha256"] == sha256


@pytest.mark.parametrize("change", ["added", "removed", "changed", "touched"])
def test_a_file_added_removed_or_changed_is_noticed(tmp_path, change):
    folder = save_all(noise(70), tmp_path / "a")
    load(config(folder))
    expected = noise(70)
    place = folder / "0003.png"
    if change == "added":
        Image.fromarray(scene(16, 16)).save(folder / "0069b.png")
        expected = np.concatenate([expected, scene(16, 16)[None]])
    elif change == "removed":
        place.unlink()
        expected = np.delete(expected, 3, 0)
    elif change == "changed":
        Image.fromarray(scene(16, 16)).save(place)
        expected[3] = scene(16, 16)
    else:
        stat = place.stat()
        content = bytearray(Image.fromarray(expected[3]).tobytes())
        content[0] ^= 1
        expected[3] = np.frombuffer(bytes(content), np.uint8).reshape(16, 16, 3)
        Image.fromarray(expected[3]).save(place)
        os.utime(place, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    assert np.array_equal(pixels_of(load(config(folder))), expected)


def test_a_changed_zip_is_noticed_also_where_size_and_time_are_the_same(tmp_path):
    path = tmp_path / "a.zip"
    for pixels in (noise(64, seed=1), noise(64, seed=2)):
        shutil.rmtree(tmp_path / "a", ignore_errors=True)
        save_all(pixels, tmp_path / "a", ".bmp")
        zipped(tmp_path / "a", path)
        os.utime(path, (1, 1))
        assert np.array_equal(pixels_of(load(config(path))), pixels)


def test_sizes_channels_and_splits_are_cached_apart(tmp_path, cache):
    dark_and_light(tmp_path / "train")
    dark_and_light(tmp_path / "test", each=4)
    c = config(tmp_path)
    assert load(c).images.shape == (80, 3, 16, 16)
    assert load(config(tmp_path, image_size=8, channels=1)).images.shape == (80, 1, 8, 8)
    assert load(c, "test").images.shape == (8, 3, 16, 16)
    assert load(c).images.shape == (80, 3, 16, 16)
    assert len(list(cache.glob("*.npy"))) == 3


@pytest.mark.parametrize("damage", ["empty", "cut", "noise", "flipped", "other", "gone"])
@pytest.mark.parametrize("part", [".npy", ".json"])
def test_a_damaged_cache_is_made_anew(tmp_path, cache, part, damage):
    folder = save_all(noise(64), tmp_path / "a")
    load(config(folder))
    path = kept(cache).with_suffix(part)
    whole = path.read_bytes()
    if damage == "empty":
        path.write_bytes(b"")
    elif damage == "cut":
        path.write_bytes(whole[: len(whole) // 2])
    elif damage == "noise":
        path.write_bytes(noise(10).tobytes())
    elif damage == "flipped":
        middle = len(whole) // 2
        path.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
    elif damage == "other" and part == ".npy":
        np.save(path, np.zeros((64, 3, 8, 8), np.uint8))
    elif damage == "other":
        path.write_text("[]")
    else:
        path.unlink()
    assert np.array_equal(pixels_of(load(config(folder))), noise(64))
    assert path.read_bytes() == whole
    assert sorted(p.suffix for p in cache.iterdir()) == [".json", ".lock", ".npy"]


def test_a_cache_that_cannot_be_written_is_said_and_does_no_harm(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("DCGAN_CACHE", str(tmp_path / "file" / "cache"))
    folder = save_all(noise(64), tmp_path / "a")
    assert len(load(config(folder))) == 64
    assert "read again next time" in capsys.readouterr().err
    with pytest.raises(DataError, match=r"do not fit into 0 MB, and .* cannot hold them .* DCGAN_CACHE, or .*--memory"):
        load(config(folder, memory=0))


def test_pictures_that_another_process_is_reading_are_waited_for(tmp_path, cache, capsys):
    folder = save_all(noise(64), tmp_path / "a")
    load(config(folder))
    before = kept(cache).stat().st_mtime_ns
    with FileLock(kept(cache).with_suffix(".lock")):
        waiting = threading.Thread(target=load, args=[config(folder)])
        waiting.start()
        waiting.join(0.2)
        assert waiting.is_alive()
    waiting.join()
    assert "Another process is reading these pictures; waiting for it." in capsys.readouterr().err
    assert kept(cache).stat().st_mtime_ns == before


def test_reading_thousands_shows_its_progress_and_reading_few_does_not(tmp_path, capsys):
    folder = save_all(noise(2000, 64), tmp_path / "many", ".bmp")
    assert load(config(folder)).images.shape == (2000, 3, 64, 64)
    assert "Reading pictures: 100%" in capsys.readouterr().err
    load(config(save_all(noise(70), tmp_path / "few")))
    assert "Reading" not in capsys.readouterr().err


# --- more than memory ---------------------------------------------------------------------------------------------


@pytest.fixture
def both(tmp_path, capsys) -> tuple[Pictures, Pictures]:
    """The same pictures, one of them unreadable, in memory and in a file."""
    folder = dark_and_light(tmp_path / "a", each=100)
    (folder / "dark" / "0000b.png").write_text("dear diary")
    return load(config(folder)), load(config(folder, memory=0))


def test_above_the_limit_the_same_pictures_stay_in_a_file(both):
    in_memory, in_file = both
    assert isinstance(in_file.images, Mapped)
    assert in_file.images.shape == in_memory.images.shape == (200, 3, 16, 16)
    assert torch.equal(in_file.images[:], in_memory.images)
    assert torch.equal(torch.cat(list(in_file.images.split(70))), in_memory.images)
    assert torch.equal(in_file.labels, in_memory.labels)
    assert (in_file.classes, in_file.facts) == (in_memory.classes, in_memory.facts)


def test_the_limit_is_in_megabytes(tmp_path):
    folder = save_all(noise(65, 72), tmp_path / "a")
    assert 65 * 3 * 64 * 64 < 1_000_000 < 65 * 3 * 80 * 80
    assert not isinstance(load(config(folder, image_size=64, memory=1)).images, Mapped)
    assert isinstance(load(config(folder, image_size=80, memory=1)).images, Mapped)


def test_holding_out_pictures_of_a_file_copies_none(both):
    in_memory, in_file = (hold_out(pictures, 1 / 12) for pictures in both)
    for one, other in zip(in_memory, in_file, strict=True):
        assert isinstance(other.images, Mapped)
        assert np.shares_memory(other.images.array, in_file[0].images.array)
        assert torch.equal(other.images[:], one.images)
        assert torch.equal(other.labels, one.labels)


def test_batches_of_a_file_are_those_of_memory_in_any_order(both):
    in_memory, in_file = (Batches(hold_out(pictures, 1 / 12)[0], 16, seed=3) for pictures in both)
    for number in (1, 2, 3, 4, 9, 8, 1, 10**9):  # as they come, and after a jump
        for one, other in zip(in_memory(number), in_file(number), strict=True):
            assert torch.equal(one, other)


def test_batches_of_a_file_are_read_before_they_are_needed(both):
    batch = Batches(both[1], 16, seed=3)
    batch(5)
    assert sorted(batch.read_ahead) == [6, 7, 8, 9]
    batch(6)
    assert sorted(batch.read_ahead) == [7, 8, 9, 10]


def test_decoding_into_a_file_needs_little_memory(tmp_path):
    folder = save_all(noise(240, 160), tmp_path / "a", ".bmp")
    tracemalloc.start()
    pictures = load(config(folder, image_size=160, memory=1))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert pictures.images.shape == (240, 3, 160, 160)
    assert most < 240 * 3 * 160 * 160 / 2  # bytes
