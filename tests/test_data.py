"""Pictures to train on: folders, zips and named sets as people have them, and what is said where they are of no use."""

import functools
import gzip
import hashlib
import http.server
import io
import shutil
import tarfile
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from drawing import dark_and_light, idx, noise, pixels_of, save_all, scene, zipped
from PIL import Image

from dcgan import named
from dcgan.cache import Mapped
from dcgan.config import DcnnConfig, GanConfig, RunConfig, TrainingError
from dcgan.data import FEWEST, Batches, DataError, Epochs, Pictures, hold_out, load
from dcgan.named import NAMED_SETS
from dcgan.train_dcnn import train_dcnn
from dcgan.train_gan import train_gan


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("DCGAN_CACHE", str(folder))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(named, "FASHION_DEBIAN", folder / "nothing")
    return folder


def config(path: object, **values) -> RunConfig:
    return RunConfig(data=str(path), **values)


# --- folders and zips ---------------------------------------------------------------------------------------------


def test_a_folder_and_its_zip_are_the_same_pictures(tmp_path):
    drawn = noise(64)
    folder = save_all(drawn, tmp_path / "mine")
    from_folder, from_zip = load(config(folder)), load(config(zipped(folder, tmp_path / "mine.zip")))
    assert np.array_equal(pixels_of(from_folder), drawn)
    assert torch.equal(from_folder.images, from_zip.images)
    assert from_folder.facts == from_zip.facts
    assert from_folder.facts["name"] == "mine"
    assert from_folder.facts["pictures"] == 64
    assert from_folder.facts["sha256"] == hashlib.sha256(from_folder.images.numpy().tobytes()).hexdigest()
    assert from_folder.labels is None
    assert from_folder.classes == ()


def test_the_licence_is_that_given_or_not_stated(tmp_path):
    folder = save_all(noise(64), tmp_path / "mine")
    assert load(config(folder)).facts["licence"] == "not stated"
    assert load(config(folder, licence="CC0")).facts["licence"] == "CC0"


@pytest.mark.parametrize("pack", [lambda folder, _: folder, zipped])
def test_subfolders_are_classes(tmp_path, pack):
    folder = dark_and_light(tmp_path / "shades")
    pictures = load(config(pack(folder, tmp_path / "shades.zip")))
    assert pictures.classes == ("dark", "light")
    assert pictures.labels.tolist() == [0] * 40 + [1] * 40
    assert pictures.images[pictures.labels == 0].max() < pictures.images[pictures.labels == 1].min()


@pytest.mark.parametrize("wrapping", ["", "around", "two/around"])
def test_train_and_test_folders_are_splits_also_inside_a_wrapping_folder(tmp_path, wrapping):
    inside = tmp_path / "set" / wrapping
    dark_and_light(inside / "train")
    dark_and_light(inside / "test", each=5)
    (tmp_path / "set" / "README.txt").write_text("about")
    c = config(tmp_path / "set")
    train, test = load(c), load(c, "test")
    assert (len(train), len(test)) == (80, 10)
    assert train.classes == test.classes == ("dark", "light")
    assert test.labels.tolist() == [0] * 5 + [1] * 5


def test_a_wrapping_folder_is_seen_through_and_is_no_class(tmp_path):
    dark_and_light(tmp_path / "set" / "shades-master")
    assert load(config(tmp_path / "set")).classes == ("dark", "light")
    save_all(noise(64), tmp_path / "one" / "faces")
    assert load(config(tmp_path / "one")).classes == ()


def test_pictures_without_a_test_folder_have_no_test_split(tmp_path):
    assert load(config(save_all(noise(64), tmp_path / "a")), "test") is None


def test_a_test_folder_beside_pictures_is_kept_out_of_training(tmp_path):
    save_all(noise(70), tmp_path / "a")
    save_all(noise(5), tmp_path / "a" / "test")
    assert len(load(config(tmp_path / "a"))) == 70
    assert len(load(config(tmp_path / "a"), "test")) == 5


def test_a_class_that_only_the_test_folder_has_is_a_sentence(tmp_path):
    dark_and_light(tmp_path / "train")
    dark_and_light(tmp_path / "test", each=3)
    (tmp_path / "test" / "light").rename(tmp_path / "test" / "lilac")
    with pytest.raises(DataError, match="class 'lilac' is in test/ but not in train/"):
        load(config(tmp_path), "test")


def test_pictures_beside_subfolders_have_no_classes_and_it_is_said(tmp_path, capsys):
    folder = dark_and_light(tmp_path / "a")
    save_all(noise(2), folder)
    assert load(config(folder)).classes == ()
    assert "beside the subfolders" in capsys.readouterr().err


def test_every_kind_of_picture_is_read_as_the_page_reads_it(tmp_path):
    shown = scene(16, 16)
    save_all(noise(60), tmp_path / "noise")
    picture = Image.fromarray(shown)
    exif = Image.Exif()
    exif[0x0112] = 6
    alpha = np.dstack([shown, np.full((16, 16), 255, np.uint8)])
    alpha[:8, :, 3] = 0
    grey16 = np.asarray(picture.convert("L")).astype(np.uint16) * 257
    picture.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "a-turned.png", exif=exif)
    picture.convert("CMYK").save(tmp_path / "b-cmyk.jpg", quality=100, subsampling=0)
    Image.fromarray(alpha).save(tmp_path / "c-alpha.png")
    Image.fromarray(grey16).save(tmp_path / "d-grey16.png")
    picture.quantize(64).save(tmp_path / "e-animated.gif", save_all=True, append_images=[picture.rotate(90)])
    picture.convert("L").save(tmp_path / "f-grey.WEBP", lossless=True)
    pictures = pixels_of(load(config(tmp_path))).astype(int)
    by_name = dict(zip("abcdef", pictures[:6], strict=True))
    assert np.array_equal(by_name["a"], shown)
    assert np.abs(by_name["b"] - shown).mean() < 4
    assert (by_name["c"][:8] == 255).all()
    assert np.array_equal(by_name["c"][8:], shown[8:])
    grey = np.repeat(np.asarray(picture.convert("L"))[..., None], 3, 2)
    assert np.array_equal(by_name["d"], grey)
    assert np.abs(by_name["e"] - shown).mean() < 12
    assert np.array_equal(by_name["f"], grey)


@pytest.mark.parametrize("pack", [lambda folder, _: folder, zipped])
def test_hidden_files_and_what_macs_add_are_ignored(tmp_path, pack):
    folder = save_all(noise(64), tmp_path / "a")
    save_all(noise(3), folder / "__MACOSX" / "a")
    save_all(noise(3), folder / ".thumbnails")
    (folder / "._0001.png").write_bytes(b"resource fork")
    (folder / ".DS_Store").write_bytes(b"")
    (folder / "notes.txt").write_text("not a picture, and not named as one")
    assert len(load(config(pack(folder, tmp_path / "a.zip")))) == 64


def test_a_link_that_leads_nowhere_is_named_and_skipped(tmp_path, capsys):
    folder = save_all(noise(128), tmp_path / "a")
    (folder / "lost.png").symlink_to(tmp_path / "gone.png")
    assert len(load(config(folder))) == 128
    assert "Skipped: lost.png cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize("pack", [lambda folder, _: folder, zipped])
def test_what_is_no_picture_is_named_and_skipped_with_its_label(tmp_path, capsys, pack):
    folder = dark_and_light(tmp_path / "a", each=100)
    (folder / "dark" / "0000b.png").write_text("dear diary")
    for _ in range(2):  # the second time from the cache
        pictures = load(config(pack(folder, tmp_path / "a.zip")))
        assert pictures.labels.tolist() == [0] * 100 + [1] * 100
        assert pictures.facts["pictures"] == 200
        assert pictures.images[:100].max() < 100
        assert "Skipped: dark/0000b.png is not a picture" in capsys.readouterr().err


def test_more_than_one_unreadable_in_a_hundred_is_a_sentence(tmp_path):
    folder = save_all(noise(198), tmp_path / "a")
    (folder / "x.png").write_bytes(b"")
    (folder / "y.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    assert len(load(config(folder))) == 198
    (folder / "z.png").write_text("text")
    with pytest.raises(DataError, match=r"3 of 201 pictures cannot be read, more than 1%\. The first: x\.png is not"):
        load(config(folder))


def test_too_few_pictures_are_a_sentence(tmp_path):
    with pytest.raises(DataError, match=f"has {FEWEST - 1} pictures; training needs at least {FEWEST}"):
        load(config(save_all(noise(FEWEST - 1), tmp_path / "a")))


def test_what_does_not_exist_is_a_sentence_that_names_the_named_sets(tmp_path):
    sets = r"no such folder or zip, and the named sets are fashion-mnist, cifar10, celeba64\.$"
    with pytest.raises(DataError, match=sets):
        load(config(tmp_path / "none"))


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("fashion_mnist", "fashion-mnist"),
        ("FashionMNIST", "fashion-mnist"),
        ("cifar-10", "cifar10"),
        ("celeba", "celeba64"),
    ],
)
def test_a_near_miss_of_a_named_set_is_guessed(typed, meant):
    with pytest.raises(DataError, match=rf"no such folder or zip, .* Did you mean {meant}\?$"):
        load(RunConfig(data=typed))


def test_an_empty_folder_is_a_sentence(tmp_path):
    with pytest.raises(DataError, match=r"holds no pictures \(\.png, "):
        load(config(tmp_path))


def test_a_file_that_is_no_zip_is_a_sentence(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"PK\3\4 and nothing")
    with pytest.raises(DataError, match="neither a folder nor a readable zip"):
        load(config(tmp_path / "a.zip"))


def test_a_damaged_picture_in_a_zip_is_skipped(tmp_path, capsys):
    path = zipped(save_all(noise(150), tmp_path / "a"), tmp_path / "a.zip")
    content = bytearray(path.read_bytes())
    content[content.index(b"0000.png") + 40] ^= 0xFF  # within the first picture: its checksum fails
    path.write_bytes(content)
    assert len(load(config(path))) == 149
    assert "Skipped: " in capsys.readouterr().err


def test_a_zip_with_a_password_is_a_sentence(tmp_path):
    path = zipped(save_all(noise(64), tmp_path / "a"), tmp_path / "a.zip")
    content = bytearray(path.read_bytes())
    place = -1
    for signature, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):  # says that every file is encrypted
        while (place := content.find(signature, place + 1)) >= 0:
            content[place + flags] |= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"cannot be read.*(password|encrypted)"):
        load(config(path))


# --- sizes and channels -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("side", "size"), [(16, 16), (30, 28), (64, 64), (90, 64), (8, 8), (5, 8)])
def test_the_automatic_size_is_the_largest_that_networks_can_have_up_to_the_pictures_own(tmp_path, side, size):
    assert load(config(save_all(noise(64, side), tmp_path / "a"))).images.shape == (64, 3, size, size)


def test_the_automatic_size_is_that_of_the_median_short_side(tmp_path):
    folder = save_all(noise(63, 24), tmp_path / "a")
    Image.fromarray(scene(100, 200)).save(folder / "large.png")
    Image.fromarray(scene(3, 9)).save(folder / "small.png")
    assert load(config(folder)).images.shape[2:] == (24, 24)


def test_channels_are_those_of_the_pictures_unless_given(tmp_path):
    grey, colour = save_all(noise(64, channels=1), tmp_path / "grey"), save_all(noise(64), tmp_path / "colour")
    assert load(config(grey)).images.shape[1] == 1
    assert load(config(colour)).images.shape[1] == 3
    assert load(config(grey, channels=3)).images.shape[1] == 3
    assert load(config(colour, channels=1)).images.shape[1] == 1


def test_grey_pictures_of_the_networks_size_keep_their_levels(tmp_path):
    drawn = noise(64, 28, channels=1)
    assert np.array_equal(load(config(save_all(drawn, tmp_path / "a"))).images[:, 0].numpy(), drawn[..., 0])


@pytest.mark.parametrize("size", [30, 7, -8])
def test_a_size_that_cannot_be_built_is_a_sentence_before_a_picture_is_read(tmp_path, size, cache):
    folder = dark_and_light(tmp_path / "a")
    for train, kind in ((train_gan, GanConfig), (train_dcnn, DcnnConfig)):
        with pytest.raises(TrainingError, match=f"--image-size {size} cannot be built.*such as"):
            train(kind(data=str(folder), out=str(tmp_path / "run"), image_size=size))
    assert not any(cache.iterdir())


# --- batches and validation ---------------------------------------------------------------------------------------


def counted(n: int, labels: bool = True) -> Pictures:
    images = torch.arange(n, dtype=torch.uint8).view(n, 1, 1, 1).expand(n, 1, 4, 4).clone()
    return Pictures(images, torch.arange(n) if labels else None, ("a",) * n if labels else (), {})


def test_the_pictures_held_out_are_the_same_for_everybody_and_are_not_trained_on():
    training, validation = hold_out(counted(120), 1 / 12)
    assert (len(training), len(validation)) == (110, 10)
    assert sorted(training.labels.tolist() + validation.labels.tolist()) == list(range(120))
    torch.manual_seed(5)
    again = hold_out(counted(120), 1 / 12)[1]
    assert torch.equal(again.labels, validation.labels)
    assert torch.equal(validation.images[:, 0, 0, 0].long(), validation.labels)
    assert validation.labels.tolist() == [12, 20, 31, 41, 42, 45, 54, 60, 78, 116]  # as every run so far has held back


def test_nothing_can_be_held_out():
    training, validation = hold_out(counted(70, labels=False), 0)
    assert (len(training), len(validation)) == (70, 0)


def test_holding_everything_out_is_a_sentence():
    with pytest.raises(TrainingError, match=r"--validation 0\.999 leaves no pictures"):
        hold_out(counted(64), 0.999)


def test_a_batch_is_images_with_their_own_labels():
    images, labels = Batches(counted(100), 500, seed=0)(1)
    assert (images.dtype, images.shape) == (torch.float32, (500, 1, 4, 4))
    assert torch.equal(((images[:, 0, 0, 0] + 1) * 127.5).round().long(), labels)
    assert len(set(labels.tolist())) > 90
    assert Batches(counted(100, labels=False), 3, seed=0)(1)[1] is None


def test_in_epochs_every_picture_comes_once_and_is_mirrored_every_second_time():
    n, pictures = 7, counted(30)
    pictures.images[..., 0] = 255  # the left edge tells
    batches, seen = Epochs(pictures, n, seed=3), []
    for number in range(90 // n + 1):
        images, labels = batches(number)
        turned = images[:, 0, 0, 0] != 1
        assert torch.equal(turned, batches.mirrored(number))
        seen += zip(labels.tolist(), turned.tolist(), strict=True)
    first, second, third = (seen[i : i + 30] for i in (0, 30, 60))
    for epoch in (first, second, third):
        assert sorted(label for label, _ in epoch) == list(range(30))
    assert [label for label, _ in first] != [label for label, _ in second]
    assert {(label, not turned) for label, turned in first} == set(second)
    assert set(first) == set(third)
    assert 5 < sum(turned for _, turned in first) < 25


def test_what_is_in_a_batch_depends_on_the_seed_and_its_number_alone():
    labels = {(seed, number): Batches(counted(200), 8, seed)(number)[1] for seed in (0, 1) for number in (1, 2, 3)}
    assert len({tuple(label.tolist()) for label in labels.values()}) == 6
    batch = Batches(counted(200), 8, seed=1)
    for number in (3, 1, 2, 3):
        torch.manual_seed(number)
        assert torch.equal(batch(number)[1], labels[1, number])


# --- named sets ---------------------------------------------------------------------------------------------------


FASHION = {"train": noise(70, 28, channels=1)[..., 0], "t10k": noise(5, 28, channels=1, seed=1)[..., 0]}


@pytest.fixture
def fashion(tmp_path) -> Path:
    """A folder with tiny files of Fashion-MNIST's names and form."""
    folder = tmp_path / "fashion-files"
    folder.mkdir()
    for part, images in FASHION.items():
        (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(idx(images))
        (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(idx((np.arange(len(images)) % 10).astype(np.uint8)))
    return folder


def is_fashion(pictures: Pictures, part: str) -> bool:
    same = np.array_equal(pictures.images[:, 0].numpy(), FASHION[part])
    return same and pictures.labels.tolist() == [i % 10 for i in range(len(FASHION[part]))]


def test_fashion_mnist_is_taken_from_the_folder_given(fashion):
    c = RunConfig(data="fashion-mnist", data_dir=str(fashion))
    train = load(c)
    assert is_fashion(train, "train")
    assert is_fashion(load(c, "test"), "t10k")
    assert train.classes[0] == "T-shirt/top"
    assert len(train.classes) == 10
    assert train.facts["name"] == "Fashion-MNIST"
    assert train.facts["licence"].startswith("MIT")


def test_fashion_mnist_is_taken_from_a_folder_of_its_name_in_the_one_given(fashion):
    fashion.rename(fashion.parent / "fashion-mnist")
    assert is_fashion(load(RunConfig(data="fashion-mnist", data_dir=str(fashion.parent))), "train")


def test_the_home_folder_may_be_abbreviated(fashion, monkeypatch):
    monkeypatch.setenv("HOME", str(fashion.parent))
    assert is_fashion(load(RunConfig(data="fashion-mnist", data_dir="~/fashion-files")), "train")


def test_fashion_mnist_is_taken_from_debians_package(fashion, monkeypatch):
    monkeypatch.setattr(named, "FASHION_DEBIAN", fashion)
    assert is_fashion(load(RunConfig(data="fashion-mnist")), "train")


@pytest.fixture
def served(monkeypatch):
    """Serves a folder on this machine; a function folder -> address."""
    servers = []

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    def serve(folder: Path) -> str:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
        threading.Thread(target=functools.partial(server.serve_forever, 0.02), daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}/"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def md5(path: Path) -> str:
    return "md5:" + hashlib.md5(path.read_bytes()).hexdigest()


def test_fashion_mnist_is_downloaded_once_and_checked(fashion, served, monkeypatch, cache):
    monkeypatch.setattr(named, "FASHION_URL", served(fashion))
    monkeypatch.setattr(named, "FASHION_FILES", {name: md5(fashion / name) for name in named.FASHION_FILES})
    c = RunConfig(data="fashion-mnist")
    assert is_fashion(load(c), "train")
    assert len(list(cache.iterdir())) == 2  # no file of the split that nobody has asked for
    assert is_fashion(load(c, "test"), "t10k")
    shutil.rmtree(fashion)
    assert is_fashion(load(c), "train")


def test_a_download_with_another_checksum_is_a_sentence(fashion, served, monkeypatch, cache):
    monkeypatch.setattr(named, "FASHION_URL", served(fashion))
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz could not be downloaded.*hash.*--data-dir"):
        load(RunConfig(data="fashion-mnist"))
    assert not list(cache.glob("*.gz"))


def test_a_download_that_is_not_there_is_a_sentence(tmp_path, served, monkeypatch):
    monkeypatch.setattr(named, "FASHION_URL", served(tmp_path))
    with pytest.raises(DataError, match=r"could not be downloaded.*404.*--data-dir"):
        load(RunConfig(data="fashion-mnist"))
    monkeypatch.setattr(named, "FASHION_URL", "http://127.0.0.1:9/")  # nobody listens there
    with pytest.raises(DataError, match=r"could not be downloaded.*--data-dir"):
        load(RunConfig(data="fashion-mnist"))


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "text", "short"])
def test_a_damaged_idx_file_is_a_sentence(fashion, damage):
    path = fashion / "train-images-idx3-ubyte.gz"
    content = bytearray(path.read_bytes())
    if damage == "flipped":
        content[200:230] = bytes(30)
    path.write_bytes(
        {
            "cut": content[: len(content) // 2],
            "flipped": content,
            "empty": b"",
            "text": b"not found",
            "short": gzip.compress(bytes([0, 0, 8, 3, 0, 0, 0, 9])),
        }[damage]
    )
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz is damaged \(.*\)\. Delete it and start again\."):
        load(RunConfig(data="fashion-mnist", data_dir=str(fashion)))


CIFAR = {"train": noise(70, 32, seed=3), "test": noise(4, 32, seed=4)}


@pytest.fixture
def cifar(tmp_path) -> Path:
    """A folder with a tiny archive of CIFAR-10's name and form."""

    def rows(pixels: np.ndarray, first: int) -> bytes:
        return b"".join(
            bytes([(first + i) % 10]) + picture.transpose(2, 0, 1).tobytes() for i, picture in enumerate(pixels)
        )

    folder = tmp_path / "cifar-files"
    folder.mkdir()
    with tarfile.open(folder / "cifar-10-binary.tar.gz", "w:gz") as archive:
        parts = {f"data_batch_{k}.bin": rows(CIFAR["train"][14 * (k - 1) : 14 * k], 14 * (k - 1)) for k in range(1, 6)}
        for name, content in (parts | {"test_batch.bin": rows(CIFAR["test"], 0), "readme.html": b""}).items():
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return folder


def is_cifar(pictures: Pictures, split: str) -> bool:
    same = np.array_equal(pixels_of(pictures), CIFAR[split])
    return same and pictures.labels.tolist() == [i % 10 for i in range(len(CIFAR[split]))]


def test_cifar10_is_taken_from_the_official_archive(cifar):
    c = RunConfig(data="cifar10", data_dir=str(cifar))
    train = load(c)
    assert is_cifar(train, "train")
    assert is_cifar(load(c, "test"), "test")
    assert train.classes[6] == "frog"
    assert train.facts["name"] == "CIFAR-10"


def test_cifar10_is_downloaded_and_checked(cifar, served, monkeypatch):
    monkeypatch.setattr(named, "CIFAR_URL", served(cifar))
    with pytest.raises(DataError, match=r"cifar-10-binary\.tar\.gz could not be downloaded"):
        load(RunConfig(data="cifar10"))
    monkeypatch.setattr(named, "CIFAR_SUM", md5(cifar / "cifar-10-binary.tar.gz"))
    assert is_cifar(load(RunConfig(data="cifar10")), "train")


@pytest.mark.parametrize("damage", ["cut", "text", "foreign"])
def test_a_damaged_cifar10_archive_is_a_sentence(cifar, damage):
    path = cifar / "cifar-10-binary.tar.gz"
    if damage == "foreign":
        with tarfile.open(path, "w:gz"):
            pass
    else:
        path.write_bytes(path.read_bytes()[:5000] if damage == "cut" else b"not found")
    with pytest.raises(DataError, match=r"cifar-10-binary\.tar\.gz is damaged \(.*\)\. Delete it and start again\."):
        load(RunConfig(data="cifar10", data_dir=str(cifar)))


def test_cifar10_is_taken_from_a_zip_of_lossless_pictures(tmp_path):
    classes = NAMED_SETS["cifar10"].classes
    for split, pixels in CIFAR.items():
        for i, picture in enumerate(pixels):
            folder = tmp_path / "files" / split / classes[i % 10]
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(folder / f"{i:05d}.webp", lossless=True)
    zipped(tmp_path / "files", tmp_path / "cifar10.zip")
    c = RunConfig(data="cifar10", data_dir=str(tmp_path))
    train, test = load(c), load(c, "test")
    assert train.classes == test.classes == classes
    assert train.facts["name"] == "CIFAR-10"
    for i in range(70):
        (place,) = (train.images == torch.from_numpy(CIFAR["train"][i].transpose(2, 0, 1))).all((1, 2, 3)).nonzero()[0]
        assert train.labels[place] == i % 10
    assert test.labels.tolist() == [0, 1, 2, 3]


@pytest.fixture
def celeba(tmp_path) -> Path:
    """A folder with a tiny zip of CelebA's name and form."""
    for split, n in (("train", 70), ("test", 4)):
        save_all(noise(n, 64, seed=n), tmp_path / "faces" / split / "faces")
    (tmp_path / "zips").mkdir()
    return zipped(tmp_path / "faces", tmp_path / "zips" / "celeba64.zip").parent


def test_celeba64_is_taken_from_a_zip_and_has_no_classes(celeba):
    c = RunConfig(data="celeba64", data_dir=str(celeba))
    train, test = load(c), load(c, "test")
    assert (train.images.shape, test.images.shape) == ((70, 3, 64, 64), (4, 3, 64, 64))
    assert np.array_equal(pixels_of(train), noise(70, 64, seed=70))
    assert (train.classes, train.labels) == ((), None)
    assert train.facts["name"] == "CelebA 64x64"
    assert train.facts["licence"] == "non-commercial research only"


@pytest.mark.parametrize("values", [{}, {"data_dir": "."}])
def test_celeba64_that_is_not_there_is_a_sentence_that_says_what_to_put_where(values):
    with pytest.raises(DataError, match=r"celeba64\.zip, a zip of CelebA's aligned faces .* with --data-dir"):
        load(RunConfig(data="celeba64", **values))


def test_a_named_set_can_be_had_at_another_size_and_in_grey(cifar):
    c = RunConfig(data="cifar10", data_dir=str(cifar), image_size=16, channels=1)
    assert load(c).images.shape == (70, 1, 16, 16)


def test_a_named_set_that_is_made_larger_than_memory_stays_in_a_file(cifar):
    c = RunConfig(data="cifar10", data_dir=str(cifar), image_size=64)
    in_memory, in_file = load(c), load(RunConfig(**vars(c) | {"memory": 0}))
    assert isinstance(in_file.images, Mapped)
    assert torch.equal(in_file.images[:], in_memory.images)
    assert (in_file.facts, in_file.labels.tolist()) == (in_memory.facts, in_memory.labels.tolist())
