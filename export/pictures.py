"""Picture files -> pixels, the same way wherever a picture enters (training, the runtime, the page), and back to PNG.

numpy and Pillow only.
"""

import io
import json
import math
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")  # Pillow opens thirty; each further one is a further parser to trust
SUFFIXES = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".gif")
MAX_PIXELS = 50_000_000  # a telephone's largest photograph; beyond it a 20-kB file can ask for gigabytes
TILE = 84  # about so many pixels a side in a contact sheet, by enlarging a whole number of times
LARGE = 4_000_000  # pixels; such pictures are unpacked one after the other, however many threads ask for them
UNENLARGED = 128  # pixels a side, at most; what is larger is a sheet, or was enlarged: that repeats itself
BAND = 256  # rows of a picture that are reduced at a time, about
WORKING_SIDE = 1024  # larger pictures are halved (or thirded, ...) down to a short side of at least this
# Pillow's parsers raise all of these for damaged files; each means the same to the person who has the file.
OF_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, MemoryError, struct.error)
# What each EXIF orientation needs. Pillow's exif_transpose also writes the EXIF again, and fails where any is odd.
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

UNPACKING = threading.Lock()

warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # MAX_PIXELS says it, as an error and in a sentence


class PictureError(ValueError):
    """A picture that cannot be used; its message is a sentence for the person who chose it."""


def read_picture(source: str | Path | bytes, name: str | None = None) -> np.ndarray:
    """A picture file (or its bytes) -> pixels uint8 H,W,3.

    Upright (EXIF), RGB, first frame, transparency over white, 16 bits reduced to 8. Raises PictureError.
    """
    with opened(source, name) as picture, UNPACKING if math.prod(picture.size) > LARGE else nullcontext():
        return pixels_of(picture)


def read_recipe(source: str | Path | bytes, name: str | None = None) -> dict:
    """The recipe inside a PNG that `png_bytes` wrote. Raises PictureError where there is none."""
    name = name_of(source, name)
    with opened(source, name) as picture:
        text = picture.info.get("recipe")
    try:
        recipe = json.loads(text) if isinstance(text, str) else None
    except ValueError:
        recipe = None
    if not isinstance(recipe, dict):
        raise PictureError(
            f"{name} carries no recipe: it was not saved here, or a program has saved it again and left the recipe out."
        )
    return recipe


def name_of(source: str | Path | bytes, name: str | None) -> str:
    return name or (Path(source).name if isinstance(source, str | Path) else "The picture")


@contextmanager
def opened(source: str | Path | bytes, name: str | None) -> Iterator[Image.Image]:
    """A picture file (or its bytes), not yet unpacked. What goes wrong with it inside is a PictureError."""
    name = name_of(source, name)
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=FORMATS) as picture:
            width, height = picture.size
            if width * height > MAX_PIXELS:
                raise PictureError(
                    f"{name} has {width} x {height} pixels; at most {MAX_PIXELS // 1_000_000} million are accepted. "
                    "Please make it smaller."
                )
            yield picture
    except PictureError:
        raise
    except FileNotFoundError as error:
        raise PictureError(f"There is no picture at {source}.") from error
    except IsADirectoryError as error:
        raise PictureError(f"{source} is a folder; name the pictures in it.") from error
    except UnidentifiedImageError as error:
        raise PictureError(f"{name} is not a picture. These can be read: {', '.join(FORMATS)}.") from error
    except Image.DecompressionBombError as error:
        raise PictureError(
            f"{name} has too many pixels; at most {MAX_PIXELS // 1_000_000} million are accepted."
        ) from error
    except OF_DAMAGE as error:
        raise PictureError(f"{name} cannot be read: it is damaged or cut short ({error}).") from error


def pixels_of(picture: Image.Image) -> np.ndarray:
    """A picture of any mode -> upright pixels uint8 H,W,3; huge sides are reduced by a whole factor (a box filter).

    Band by band, so that little has to fit into memory beside the picture as its file unpacks it.
    """
    picture.load()  # a PNG may keep its EXIF behind its pixels
    (width, height), factor = picture.size, max(1, min(picture.size) // WORKING_SIDE)
    pixels = np.empty((-(-height // factor), -(-width // factor), 3), np.uint8)
    step = max(1, BAND // factor)
    for row in range(0, len(pixels), step):
        box = (0, row * factor, width, min(height, (row + step) * factor))
        pixels[row : row + step] = np.asarray(on_white(picture.crop(box)).reduce(factor))
    turn = UPRIGHT.get(picture.getexif().get(ExifTags.Base.Orientation))
    return pixels if turn is None else np.asarray(Image.fromarray(pixels).transpose(turn))


def on_white(picture: Image.Image) -> Image.Image:
    """A picture of any mode -> RGB: 16 bits reduced to 8, transparency over white."""
    if picture.mode in ("I", "I;16", "I;16B", "I;16L", "I;16N"):
        levels = np.asarray(picture).astype(np.float64) / 257  # 65535 -> 255
        picture = Image.fromarray(np.clip(levels + 0.5, 0, 255).astype(np.uint8))
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return picture.convert("RGB")


def as_seen(pixels: np.ndarray, size: int, channels: int) -> np.ndarray:
    """Pixels uint8 H,W,3 -> uint8 S,S,3: a picture of what a graph's preprocessing leaves of them, for people.

    Centre square and linear resize, as in the graph, but by Pillow: a quarter of a grey level off on average, or equal
    where the picture has the network's own size.
    """
    height, width = pixels.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    picture = Image.fromarray(pixels[top : top + side, left : left + side]).resize((size, size), Image.BILINEAR)
    return np.asarray(picture.convert("L").convert("RGB") if channels == 1 else picture)


def sheet(pixels: np.ndarray, columns: int, scale: int = 1, gap: int = 0) -> np.ndarray:
    """Pixels uint8 N,S,S,3 -> one picture, each enlarged `scale` times without blur, white between and after them."""
    n, size = len(pixels), pixels.shape[1] * scale
    rows = -(-n // columns)
    canvas = np.full((rows * (size + gap) - gap, columns * (size + gap) - gap, 3), 255, np.uint8)
    for i, tile in enumerate(pixels):
        y, x = (i // columns) * (size + gap), (i % columns) * (size + gap)
        canvas[y : y + size, x : x + size] = tile.repeat(scale, 0).repeat(scale, 1)
    return canvas


def columns_of(classes: int) -> int:
    """Columns for consecutive seeds, whose classes take turns: about 8, each of one class where there are few."""
    return classes * max(1, 8 // classes) if 1 < classes <= 16 else 8


def contact_sheet(pixels: np.ndarray, columns: int | None = None) -> np.ndarray:
    """A `sheet` to look at: tiles enlarged to about TILE pixels a side, a gap between them, as square as can be."""
    return sheet(pixels, columns or math.ceil(math.sqrt(len(pixels))), max(1, TILE // pixels.shape[1]), gap=2)


def png_bytes(pixels: np.ndarray, recipe: dict | None = None) -> bytes:
    """Pixels uint8 H,W,3 -> a lossless PNG, with the recipe that made them as JSON in its text chunk `recipe`.

    Pixels without colour are stored as grey. Each row is stored as its difference to the one above; of a picture as a
    network draws it only runs are packed, as a search for longer repetitions would take longer and find next to none.
    """
    return png_files(pixels[None], [recipe])[0]


def png_files(pixels: np.ndarray, recipes: Sequence[dict | None]) -> list[bytes]:
    """Pixels uint8 N,H,W,3 -> the `png_bytes` of each, in a fraction of the time where they are small."""
    height, width = pixels.shape[1:3]
    red, green, blue = np.moveaxis(pixels, -1, 0)
    coloured = ((red != green) | (red != blue)).any((1, 2))
    grey = None if coloured.all() else differences(pixels[..., :1])
    colour = differences(pixels) if coloured.any() else None
    runs = width <= UNENLARGED
    heads = [struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0) for kind in (0, 2)]  # 8 bits a channel: grey, RGB
    heads = [b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) for head in heads]
    files, end = [], chunk(b"IEND", b"")
    for i, (recipe, rgb) in enumerate(zip(recipes, coloured.tolist(), strict=True)):
        text = b"" if recipe is None else chunk(b"tEXt", b"recipe\0" + json.dumps(recipe).encode("ascii"))
        packer = zlib.compressobj(3, wbits=10, memLevel=5, strategy=zlib.Z_RLE) if runs else zlib.compressobj(3)
        packed = packer.compress((colour if rgb else grey)[i]) + packer.flush()
        files.append(heads[rgb] + text + chunk(b"IDAT", packed) + end)
    return files


def differences(channels: np.ndarray) -> np.ndarray:
    """Channels uint8 N,H,W,C -> a PNG's rows uint8 N,H,1+C*W, each as its difference to the one above."""
    rows = np.full((*channels.shape[:2], 1 + math.prod(channels.shape[2:])), 2, np.uint8)  # 2 names it: "Up"
    rows[:, :, 1:] = channels.reshape(*channels.shape[:2], -1)
    rows[:, 1:, 1:] -= rows[:, :-1, 1:]  # numpy reads an overlap as it was before
    return rows


def chunk(kind: bytes, content: bytes) -> bytes:
    """A part of a PNG."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(content, zlib.crc32(kind)))
