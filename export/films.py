"""Pictures in a row -> a film that runs in any browser: MP4 by ffmpeg where it is installed, WebP and GIF everywhere.

Each picture is enlarged a whole number of times without blur. numpy and Pillow, and ffmpeg as a program of its own.
"""

import functools
import io
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

KINDS = ("mp4", "webp", "gif")
SIDE, SMALL_SIDE = 336, 224  # pixels a side, about; the small one for WebP and GIF, whose files grow faster
QUALITY = 16  # constant rate factor of x264: 0 is lossless, 23 its default, and hard edges need more than photographs


class FilmError(ValueError):
    """A film that cannot be made; its message is a sentence."""


@functools.cache
def kinds_here() -> tuple[str, ...]:
    """The KINDS that this machine can make, best first."""
    return KINDS if shutil.which("ffmpeg") else KINDS[1:]


def make_film(pixels: np.ndarray, kind: str, speed: int, tick: Callable[[float], None] = lambda share: None) -> bytes:
    """Pixels uint8 N,S,S,3 -> a film that loops, `speed` pictures a second. tick is told the share that is done.

    GIF counts in hundredths of a second, so that its speed is the nearest one that it can say. Raises FilmError.
    """
    if kind not in kinds_here():
        lacks = " MP4 needs the program ffmpeg, which is not installed here." if kind == "mp4" else ""
        raise FilmError(f"A film can be {', '.join(kinds_here())} here; {kind[:20]!r} is none of them.{lacks}")
    return make_mp4(pixels, speed, tick) if kind == "mp4" else make_animation(pixels, kind, speed, tick)


def scale_of(size: int, kind: str) -> int:
    """How many times pictures of this size are enlarged in a film of this kind; MP4 needs an even number."""
    return 2 * max(1, round(SIDE / size / 2)) if kind == "mp4" else max(1, round(SMALL_SIDE / size))


def make_mp4(pixels: np.ndarray, speed: int, tick: Callable[[float], None]) -> bytes:
    """H.264 in 4:2:0 with its index in front: what every browser plays, also while it loads.

    Colour has half the resolution there: pictures are enlarged an even number of times, so that none is blurred.
    """
    size = pixels.shape[1]
    scale = scale_of(size, "mp4")
    with tempfile.TemporaryDirectory() as folder:
        path, log = Path(folder) / "film.mp4", Path(folder) / "log.txt"
        said = log.open("wb")
        command = [
            *("ffmpeg", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24"),
            *("-video_size", f"{size}x{size}", "-framerate", str(speed), "-i", "pipe:0"),
            *("-vf", f"scale=iw*{scale}:ih*{scale}:flags=neighbor:out_color_matrix=bt709:out_range=tv"),
            *("-c:v", "libx264", "-preset", "veryfast", "-crf", str(QUALITY), "-pix_fmt", "yuv420p"),
            *("-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv"),
            *("-fflags", "+bitexact", "-flags:v", "+bitexact", "-movflags", "+faststart", str(path)),
        ]
        with said, subprocess.Popen(command, stdin=subprocess.PIPE, stdout=said, stderr=said) as encoder:
            try:
                for i, picture in enumerate(pixels):
                    encoder.stdin.write(picture.tobytes())
                    tick((i + 1) / len(pixels))
                encoder.stdin.close()
            except BrokenPipeError:
                pass  # it has ended before its time, and its log says why
            failed = encoder.wait() != 0
        if failed:
            why = log.read_text(errors="replace").strip().splitlines()
            raise FilmError(
                f"ffmpeg could not make an MP4 ({why[-1][:160] if why else 'no reason given'}). Choose WebP."
            )
        return path.read_bytes()


def make_animation(pixels: np.ndarray, kind: str, speed: int, tick: Callable[[float], None]) -> bytes:
    """An animated WebP, lossless, or a GIF: exact where pictures are grey, else of 256 colours each."""
    grey = (pixels == pixels[..., :1]).all()
    scale = scale_of(pixels.shape[1], kind)
    frames = []
    for i, picture in enumerate(pixels):
        frame = Image.fromarray(picture[..., 0] if grey and kind == "gif" else picture)
        if kind == "gif" and not grey:
            frame = frame.quantize(256, dither=Image.Dither.NONE)
        frames.append(frame.resize((scale * frame.width, scale * frame.height), Image.Resampling.NEAREST))
        tick((i + 1) / len(pixels) / 2)
    hundredths = round(100 / speed) if kind == "gif" else 100 / speed
    how = {"lossless": True, "method": 0, "quality": 40} if kind == "webp" else {"disposal": 1}
    file = io.BytesIO()
    rest = {"save_all": True, "append_images": frames[1:], "duration": round(10 * hundredths), "loop": 0}
    frames[0].save(file, kind.upper(), **how, **rest)
    tick(1.0)
    return file.getvalue()
