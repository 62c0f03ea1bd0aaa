"""Picture files: every kind that people have becomes upright RGB pixels, or one sentence."""

import contextlib
import io
import json
import struct
import zlib

import numpy as np
import pytest
import torch
from drawing import noise, scene
from PIL import Image, PngImagePlugin

from dcgan.pixels import fit
from export.pictures import (
    MAX_PIXELS,
    WORKING_SIDE,
    PictureError,
    as_seen,
    columns_of,
    png_bytes,
    png_files,
    read_picture,
    read_recipe,
    sheet,
)


def encode(picture: Image.Image, kind: str = "PNG", **options) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def png(width: int, height: int, depth: int, colour: int, rows: bytes) -> bytes:
    """A PNG by hand. `rows`: for each row a filter byte and its samples."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


def test_a_lossless_file_keeps_its_pixels():
    pixels = noise(1, 20)[0]
    for kind, options in (("PNG", {}), ("BMP", {}), ("WEBP", {"lossless": True})):
        assert np.array_equal(read_picture(encode(Image.fromarray(pixels), kind, **options)), pixels)


def test_bytes_a_path_and_its_text_are_read_alike(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(encode(Image.fromarray(noise(1)[0])))
    assert np.array_equal(read_picture(path), read_picture(path.read_bytes()))
    assert np.array_equal(read_picture(path), read_picture(str(path)))


def test_the_content_counts_and_not_the_suffix(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(encode(Image.fromarray(noise(1)[0])))
    assert np.array_equal(read_picture(path), noise(1)[0])


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_picture_stands_upright_as_its_exif_says(orientation, kind):
    upright = Image.fromarray(scene(24, 40))
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(undo[orientation]) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = read_picture(encode(stored, kind, exif=exif, quality=95))
    assert pixels.shape == (24, 40, 3)
    assert np.abs(pixels.astype(int) - scene(24, 40)).mean() < 6


def test_a_16_bit_picture_stands_upright_as_its_exif_says():
    levels = np.arange(6 * 4, dtype=np.uint16).reshape(6, 4) * 257
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = read_picture(encode(Image.fromarray(levels).transpose(Image.Transpose.ROTATE_90), exif=exif))
    assert np.array_equal(pixels[..., 0], levels // 257)


def test_a_picture_stands_upright_where_other_things_in_its_exif_are_wrong():
    width_as_text = struct.pack("<HHI4s", 0x0100, 2, 4, b"abc\0")
    orientation = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0)
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + width_as_text + orientation + bytes(4)
    stored = Image.fromarray(scene(24, 40)).transpose(Image.Transpose.ROTATE_90)
    assert np.array_equal(read_picture(encode(stored, exif=exif)), scene(24, 40))


def test_transparency_lies_over_white():
    rgba = np.zeros((2, 2, 4), np.uint8)
    rgba[..., 0] = 200
    rgba[0, 0, 3], rgba[0, 1, 3], rgba[1, 0, 3], rgba[1, 1, 3] = 0, 255, 128, 64
    pixels = read_picture(encode(Image.fromarray(rgba)))
    assert pixels[0, 0].tolist() == [255, 255, 255]
    assert pixels[0, 1].tolist() == [200, 0, 0]
    assert np.abs(pixels[1, 0].astype(int) - [227, 127, 127]).max() <= 1
    assert np.abs(pixels[1, 1].astype(int) - [241, 191, 191]).max() <= 1


def test_grey_with_alpha_lies_over_white():
    la = np.array([[[10, 255], [10, 0]]], np.uint8)
    assert read_picture(encode(Image.fromarray(la, "LA"))).tolist() == [[[10] * 3, [255] * 3]]


def test_a_palettes_transparent_entry_lies_over_white():
    picture = Image.new("P", (2, 1))
    picture.putpalette([10, 20, 30, 200, 100, 0])
    picture.putdata([0, 1])
    assert read_picture(encode(picture)).tolist() == [[[10, 20, 30], [200, 100, 0]]]
    assert read_picture(encode(picture, transparency=1)).tolist() == [[[10, 20, 30], [255, 255, 255]]]
    assert read_picture(encode(picture, "GIF", transparency=0)).tolist() == [[[255, 255, 255], [200, 100, 0]]]


@pytest.mark.parametrize(("mode", "clear"), [("L", 7), ("RGB", (7, 7, 7)), ("1", 0)])
def test_a_transparent_colour_lies_over_white(mode, clear):
    picture = Image.new(mode, (2, 1), clear)
    picture.putpixel((1, 0), 255 if mode != "RGB" else (255, 0, 0))
    pixels = read_picture(encode(picture, transparency=clear))
    assert pixels[0, 0].tolist() == [255, 255, 255]
    assert pixels[0, 1, 0] == 255


def test_sixteen_bits_of_grey_are_reduced_and_not_clipped():
    levels = np.array([[0, 257, 32896, 65535]], np.uint16)
    assert read_picture(encode(Image.fromarray(levels)))[0, :, 0].tolist() == [0, 1, 128, 255]


def test_sixteen_bits_a_colour_are_reduced_and_not_clipped():
    samples = np.array([[[0, 32896, 65535], [257, 514, 65278]]], ">u2")
    pixels = read_picture(png(2, 1, 16, 2, b"\0" + samples.tobytes()))
    assert pixels.tolist() == [[[0, 128, 255], [1, 2, 254]]]


def test_bits_become_black_and_white():
    bits = Image.fromarray(np.array([[0, 255], [255, 0]], np.uint8)).convert("1")
    assert read_picture(encode(bits))[..., 0].tolist() == [[0, 255], [255, 0]]


def test_grey_becomes_equal_red_green_and_blue():
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    pixels = read_picture(encode(Image.fromarray(levels)))
    assert all(np.array_equal(pixels[..., i], levels) for i in range(3))


@pytest.mark.parametrize("colour", [(250, 20, 20), (20, 240, 30), (255, 255, 255), (0, 0, 0)])
def test_a_printers_jpeg_keeps_its_colours(colour):
    pixels = read_picture(encode(Image.new("RGB", (16, 16), colour).convert("CMYK"), "JPEG", quality=95))
    assert np.abs(pixels.astype(int) - colour).max() < 6


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_the_first_frame_of_an_animation_is_taken(kind):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ((255, 0, 0), (0, 255, 0), (0, 0, 255))]
    content = encode(frames[0], kind, save_all=True, append_images=frames[1:], duration=100, lossless=True)
    assert np.abs(read_picture(content).astype(int) - [255, 0, 0]).max() < 4


def test_one_pixel_is_a_picture():
    assert read_picture(encode(Image.new("RGB", (1, 1), (1, 2, 3)))).tolist() == [[[1, 2, 3]]]


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_small_file_of_too_many_pixels_is_refused_before_it_is_unpacked():
    whole = png(13_000, 13_000, 1, 0, bytes(1 + 13_000 // 8) * 13_000)
    assert len(whole) < 30_000
    for bomb in (whole, png(13_000, 13_000, 1, 0, b"\0")):  # the second has no pixels: nobody has looked for them
        with pytest.raises(PictureError, match=r"^bomb\.png has 13000 x 13000 pixels; at most 50 million"):
            read_picture(bomb, "bomb.png")


def test_a_bomb_that_pillow_refuses_itself_is_a_sentence_too():
    with pytest.raises(PictureError, match="at most 50 million"):
        read_picture(png(60_000, 60_000, 1, 0, b"\0"))


def test_the_largest_pictures_accepted_are_those_of_telephones():
    assert MAX_PIXELS >= 8160 * 6120


@pytest.mark.parametrize(("height", "width"), [(2100, 3000), (5000, 2048), (2047, 2047), (100, 9000)])
def test_huge_sides_are_reduced_by_a_whole_factor_and_small_ones_kept(height, width):
    pixels = read_picture(encode(Image.fromarray(np.full((height, width, 3), 90, np.uint8))))
    factor = max(1, min(height, width) // WORKING_SIDE)
    assert pixels.shape == (-(-height // factor), -(-width // factor), 3)
    assert (pixels == 90).all()
    assert factor == 1 or WORKING_SIDE <= min(pixels.shape[:2]) < 2 * WORKING_SIDE


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "I;16"])
def test_a_huge_picture_is_reduced_in_bands_as_it_would_be_whole(mode):
    levels = np.random.default_rng(0).integers(0, 256, (3301, 3100)).astype(np.uint8)
    picture = Image.fromarray(levels.astype(np.uint16) * 257) if mode == "I;16" else Image.fromarray(levels)
    picture = picture if mode == "I;16" else picture.convert(mode)
    whole = Image.fromarray(levels).convert("RGB").reduce(3)
    np.testing.assert_array_equal(read_picture(encode(picture, "PNG", compress_level=1)), np.asarray(whole))


def test_a_text_is_no_picture():
    with pytest.raises(PictureError, match=r"^notes\.png is not a picture\. These can be read: PNG, JPEG"):
        read_picture(b"dear diary", "notes.png")


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"BM", b"RIFF\0\0\0\0WEBP"])
def test_a_mere_beginning_is_a_sentence(content):
    with pytest.raises(PictureError, match=r"^The picture (is not a picture|cannot be read)"):
        read_picture(content)


@pytest.mark.parametrize("kind", ["TIFF", "ICO", "PPM"])
def test_formats_that_nobody_asked_for_are_not_opened(kind):
    with pytest.raises(PictureError, match="is not a picture"):
        read_picture(encode(Image.new("RGB", (16, 16)), kind))


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_file_that_is_cut_short_is_a_sentence(kind):
    content = encode(Image.fromarray(noise(1, 64)[0]), kind)
    with pytest.raises(PictureError, match=r"^half\.x cannot be read: it is damaged or cut short"):
        read_picture(content[: len(content) // 2], "half.x")


def test_a_missing_file_and_a_folder_are_sentences(tmp_path):
    with pytest.raises(PictureError, match="There is no picture at"):
        read_picture(tmp_path / "none.png")
    with pytest.raises(PictureError, match="is a folder"):
        read_picture(tmp_path)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "GIF"])
def test_a_damaged_file_gives_pixels_or_a_sentence_and_nothing_else(kind):
    exif = Image.Exif()
    exif[0x0112] = 6
    options = {"exif": exif} if kind in ("PNG", "JPEG", "WEBP") else {}
    whole = encode(Image.fromarray(scene(12, 9)), kind, **options)
    rng = np.random.default_rng(0)
    for _ in range(300):
        content = bytearray(whole[: rng.integers(8, len(whole) + 1)])
        for place in rng.integers(0, len(content), rng.integers(0, 6)):
            content[place] = rng.integers(256)
        with contextlib.suppress(PictureError):
            pixels = read_picture(bytes(content))
            assert (pixels.dtype, pixels.ndim) == (np.uint8, 3)


@pytest.mark.parametrize("recipe", [None, {}, {"seed": 7, "class": "Ankle boot", "name": "Übergröße 靴"}])
def test_a_png_keeps_pixels_and_recipe(recipe):
    pixels = noise(1, 28)[0]
    content = png_bytes(pixels, recipe)
    assert np.array_equal(read_picture(content), pixels)
    with Image.open(io.BytesIO(content)) as picture:
        assert json.loads(picture.info.get("recipe", "null")) == recipe
    if recipe is not None:
        assert read_recipe(content) == recipe


@pytest.mark.parametrize("side", [28, 300])
def test_a_png_without_colour_is_grey_and_smaller(side):
    grey = np.repeat(noise(1, side)[0][..., :1], 3, 2)
    coloured = grey.copy()
    coloured[-1, -1, 2] ^= 1
    small, large = png_bytes(grey), png_bytes(coloured)
    assert [Image.open(io.BytesIO(content)).mode for content in (small, large)] == ["L", "RGB"]
    assert np.array_equal(read_picture(small), grey)
    assert np.array_equal(read_picture(large), coloured)
    assert len(small) < len(large)


@pytest.mark.parametrize("side", [1, 28, 300])
def test_a_batch_of_pngs_is_what_each_of_them_would_be(side):
    pixels = noise(4, side)
    pixels[[0, 2]] = pixels[[0, 2], ..., :1]  # two of them are grey
    pixels[3] = 0
    recipes = [{"seed": 1}, None, {"seed": 3}, None]
    files = png_files(pixels, recipes)
    assert files == [png_bytes(each, recipe) for each, recipe in zip(pixels, recipes, strict=True)]
    assert np.array_equal(np.stack([read_picture(file) for file in files]), pixels)
    assert png_files(pixels[:0], []) == []


@pytest.mark.parametrize("chunk", [None, "no json", "[1]", "7"])
def test_a_picture_without_a_recipe_says_so(tmp_path, chunk):
    info = PngImagePlugin.PngInfo()
    if chunk is not None:
        info.add_text("recipe", chunk)
    Image.new("L", (4, 4)).save(tmp_path / "plain.png", pnginfo=info)
    with pytest.raises(PictureError, match=r"^plain\.png carries no recipe"):
        read_recipe(tmp_path / "plain.png")
    with pytest.raises(PictureError, match="is not a picture"):
        read_recipe(b"dear diary")


@pytest.mark.parametrize(("classes", "columns"), [(0, 8), (1, 8), (2, 8), (3, 6), (5, 5), (10, 10), (16, 16), (100, 8)])
def test_a_column_of_consecutive_seeds_is_of_one_class_where_these_are_few(classes, columns):
    assert columns_of(classes) == columns
    assert not 1 < classes <= 16 or columns % classes == 0


def test_a_sheet_holds_every_picture_in_reading_order():
    pixels = noise(5, 4)
    whole = sheet(pixels, columns=2)
    assert whole.shape == (12, 8, 3)
    for i in range(5):
        y, x = i // 2 * 4, i % 2 * 4
        assert np.array_equal(whole[y : y + 4, x : x + 4], pixels[i])
    assert (whole[8:, 4:] == 255).all()


def test_a_sheet_enlarges_without_blur_and_leaves_gaps():
    pixels = noise(4, 4)
    whole = sheet(pixels, columns=3, scale=2, gap=3)
    assert whole.shape == (2 * 8 + 3, 3 * 8 + 2 * 3, 3)
    assert np.array_equal(whole[:8:2, 11:19:2], pixels[1])
    assert np.array_equal(whole[:8, 11:19], pixels[1].repeat(2, 0).repeat(2, 1))
    assert (whole[:, 8:11] == 255).all()
    assert (whole[8:11] == 255).all()


def test_a_picture_of_the_networks_size_is_seen_as_it_is():
    pixels = noise(1, 28)[0]
    assert np.array_equal(as_seen(pixels, 28, 3), pixels)
    grey = noise(1, 28, channels=1)[0]
    assert np.array_equal(as_seen(grey, 28, 1), grey)


def test_what_is_seen_is_what_the_graph_leaves():
    for height, width in ((200, 321), (20, 31)):
        pixels = scene(height, width)
        for channels in (1, 3):
            fitted = fit(torch.from_numpy(pixels[None]), 64, channels)[0].permute(1, 2, 0).numpy()
            assert np.abs(as_seen(pixels, 64, channels) - fitted).mean() < 0.6
