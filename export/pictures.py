"""A picture file -> pixels, the same way wherever a picture enters: training, the runtime, the page. numpy and Pillow only."""

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")  # Pillow opens thirty; each further one is a further parser to trust
SUFFIXES = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".gif")
MAX_PIXELS = 50_000_000  # a telephone's largest photograph; beyond it a 20-kB file can ask for gigabytes
WORKING_SIDE = 1024  # larger pictures are halved (or thirded, ...) down to a short side of at least this


class PictureError(ValueError):
    """A picture that cannot be used; its message is a sentence for the person who chose it."""


def read_picture(source: str | Path | bytes, name: str | None = None) -> np.ndarray:
    """A picture file (or its bytes) -> pixels uint8 H,W,3.

    Upright (EXIF), RGB, first frame, transparency over white, 16 bits reduced to 8. Raises PictureError.
    """
    name = name or (Path(source).name if isinstance(source, str | Path) else "The picture")
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=FORMATS) as picture:
            width, height = picture.size
            if width * height > MAX_PIXELS:
                raise PictureError(
                    f"{name} has {width} x {height} pixels; at most {MAX_PIXELS // 1_000_000} million are accepted. "
                    "Please make it smaller."
                )
            return np.asarray(to_rgb(picture))
    except PictureError:
        raise
    except FileNotFoundError as error:
        raise PictureError(f"There is no picture at {source}.") from error
    except UnidentifiedImageError as error:
        raise PictureError(f"{name} is not a picture. These can be read: {', '.join(FORMATS)}.") from error
    except Image.DecompressionBombError as error:
        raise PictureError(
            f"{name} has too many pixels; at most {MAX_PIXELS // 1_000_000} million are accepted."
        ) from error
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, MemoryError) as error:
        # Pillow's parsers raise all of these for damaged files; each means the same to the person who has the file.
        raise PictureError(f"{name} cannot be read: it is damaged or cut short ({error}).") from error


def to_rgb(picture: Image.Image) -> Image.Image:
    """A picture of any mode -> upright RGB; one of huge sides is first reduced by a whole factor (a box filter)."""
    factor = min(picture.size) // WORKING_SIDE
    if picture.mode in ("I", "I;16", "I;16B", "I;16L", "I;16N"):
        levels = np.asarray(picture).astype(np.float64) / 257  # 65535 -> 255
        picture = Image.fromarray(np.clip(levels + 0.5, 0, 255).astype(np.uint8))
    picture = ImageOps.exif_transpose(picture)
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    picture = picture.convert("RGB")
    return picture.reduce(factor) if factor > 1 else picture
