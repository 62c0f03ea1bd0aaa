"""Films: what comes out is what went in, enlarged, at the right speed, and loops."""

import io
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image, ImageSequence

from export import films
from export.films import FilmError, kinds_here, make_film, scale_of

needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")


def shades(n: int = 6, size: int = 8, grey: bool = False) -> np.ndarray:
    """Pixels uint8 N,S,S,3: a slope that moves and changes its colour."""
    t, y, x = np.mgrid[:n, :size, :size]
    red, green = 20 + 25 * x + 3 * t, 20 + 25 * y
    pixels = np.stack([red, red if grey else green, red if grey else 200 - 20 * t], -1)
    return np.clip(pixels, 0, 255).astype(np.uint8)


def frames_of(content: bytes) -> tuple[list[np.ndarray], list[int], int]:
    """Frames uint8 H,W,3, the milliseconds of each, and how often an animation plays (0: for ever)."""
    with Image.open(io.BytesIO(content)) as film:
        frames = [(np.asarray(f.convert("RGB")), f.info["duration"]) for f in ImageSequence.Iterator(film)]
        return [f for f, _ in frames], [d for _, d in frames], film.info.get("loop", -1)


@pytest.mark.parametrize(("kind", "grey"), [("webp", False), ("webp", True), ("gif", True)])
def test_an_animation_holds_every_picture_exactly(kind, grey):
    pixels = shades(grey=grey)
    frames, milliseconds, loop = frames_of(make_film(pixels, kind, 20))
    scale = scale_of(8, kind)
    assert len(frames) == 6
    assert frames[0].shape == (8 * scale, 8 * scale, 3)
    for frame, picture in zip(frames, pixels, strict=True):
        assert np.array_equal(frame, picture.repeat(scale, 0).repeat(scale, 1))
    assert set(milliseconds) == {50}
    assert loop == 0


def test_a_gif_has_nearly_every_colour():
    frames, _, _ = frames_of(make_film(shades(), "gif", 20))
    scale = scale_of(8, "gif")
    for frame, picture in zip(frames, shades(), strict=True):
        assert np.abs(frame[::scale, ::scale].astype(int) - picture).max() <= 12


def test_a_gif_is_as_fast_as_its_hundredths_allow():
    _, milliseconds, _ = frames_of(make_film(shades(grey=True), "gif", 30))
    assert set(milliseconds) == {30}


@needs_ffmpeg
def test_an_mp4_shows_every_picture_in_its_colours(tmp_path):
    pixels = shades(12)
    (tmp_path / "film.mp4").write_bytes(make_film(pixels, "mp4", 12))
    side = 8 * scale_of(8, "mp4")
    decode = ["ffmpeg", "-loglevel", "error", "-i", tmp_path / "film.mp4", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    raw = subprocess.run(decode, capture_output=True, check=True).stdout
    frames = np.frombuffer(raw, np.uint8).reshape(-1, side, side, 3)
    assert len(frames) == 12
    middle = side // 16  # of each enlarged pixel
    small = frames[:, middle :: side // 8, middle :: side // 8].astype(int)
    assert np.abs(small - pixels).mean() < 4
    ask = ["ffprobe", "-v", "error", "-show_entries", "stream=codec_name,pix_fmt,avg_frame_rate", "-of", "csv=p=0"]
    found = subprocess.run([*ask, tmp_path / "film.mp4"], capture_output=True, check=True, text=True).stdout
    assert found.strip() == "h264,yuv420p,12/1"


@needs_ffmpeg
def test_an_mp4_can_begin_while_it_loads():
    content = make_film(shades(), "mp4", 10)
    assert content.index(b"moov") < content.index(b"mdat")


@pytest.mark.parametrize("kind", kinds_here())
def test_a_film_tells_how_far_it_is(kind):
    told = []
    make_film(shades(), kind, 10, told.append)
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert len(told) > 4


@pytest.mark.parametrize(("size", "scale"), [(28, 12), (32, 10), (64, 6), (128, 2), (512, 2)])
def test_an_mp4_is_enlarged_an_even_number_of_times(size, scale):
    assert scale_of(size, "mp4") == scale


def test_what_is_no_kind_of_film_is_refused_in_a_sentence():
    with pytest.raises(FilmError, match=r"^A film can be .*webp, gif here; 'avi' is none of them\.$"):
        make_film(shades(), "avi", 10)


def test_without_ffmpeg_there_are_webp_and_gif_and_a_sentence(monkeypatch):
    monkeypatch.setenv("PATH", "")
    kinds_here.cache_clear()
    try:
        assert kinds_here() == ("webp", "gif")
        with pytest.raises(FilmError, match="MP4 needs the program ffmpeg, which is not installed here"):
            make_film(shades(), "mp4", 10)
    finally:
        monkeypatch.undo()
        kinds_here.cache_clear()


@pytest.mark.skipif(shutil.which("sh") is None, reason="needs a shell")
def test_an_ffmpeg_that_cannot_is_quoted(monkeypatch, tmp_path):
    (tmp_path / "ffmpeg").write_text("#!/bin/sh\necho 'Unknown encoder libx264' >&2\nexit 1\n")
    (tmp_path / "ffmpeg").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    kinds_here.cache_clear()
    with pytest.raises(FilmError, match=r"ffmpeg could not make an MP4 \(Unknown encoder libx264\)\. Choose WebP\."):
        films.make_mp4(shades(200, 64), 10, lambda share: None)
