"""A toy world that tests share: pictures drawn here, networks trained on them for seconds, and their bundle."""

import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
SIZE = 16
EVERYWHERE = ["--device", "cpu", "--precision", "fp32"]  # the same arithmetic, whatever the machine could do
ERRORS = {"clean": {"false_alarms": 0.01, "misses": 0.02}, "degraded": {"false_alarms": 0.03, "misses": 0.04}}
# Of the careful toy DCNN; slope and bias leave its logits as they are.
BANDS = {"unsure_band": [0.55, 0.65], "resaved_band": [0.58, 0.62]}
CALIBRATION = {"slope": 1.0, "bias": 0.0, "threshold": 0.6, **BANDS, "errors": ERRORS}

# Before any test module is imported: nothing is read from, or left in, a person's own cache.
os.environ["DCGAN_CACHE"] = tempfile.mkdtemp(prefix="dcgan-test-cache-")
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ.setdefault("OMP_NUM_THREADS", "1")  # two threads of toy size mostly wait for each other


def pytest_unconfigure() -> None:
    shutil.rmtree(os.environ["DCGAN_CACHE"], ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """First what needs the toy world: of two processes, that have a half each, one makes it and the other need not wait
    for it.
    """
    items.sort(key=lambda item: "once" not in item.fixturenames)


@pytest.fixture(scope="session")
def once(tmp_path_factory) -> Callable[[str, Callable[[Path], object]], Path]:
    """once(name, make) -> a folder: the first of pytest's processes that needs it makes it, and the others find it."""
    base = tmp_path_factory.getbasetemp()
    common = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def folder(name: str, make: Callable[[Path], object]) -> Path:
        place, made = common / "once" / name, common / "once-made" / name.replace("/", "-")
        for parent in (place.parent, made.parent):
            parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{made}.lock"):
            if not made.exists():
                shutil.rmtree(place, ignore_errors=True)
                make(place)
                made.touch()
        return place

    return folder


def draw_toy(kind: str, rng: np.random.Generator) -> np.ndarray:
    """A grey picture of a disc or a cross, somewhere, of some size: two classes that a toy network can tell apart."""
    y, x = np.mgrid[:SIZE, :SIZE]
    cy, cx, r = rng.uniform(5, 10), rng.uniform(5, 10), rng.uniform(3, 5)
    if kind == "disc":
        inside = (y - cy) ** 2 + (x - cx) ** 2 < r**2
    else:
        inside = (abs(y - cy) < 1.5) | (abs(x - cx) < 1.5)
    return np.where(inside, rng.integers(160, 256), rng.integers(0, 60)).astype(np.uint8)


@pytest.fixture(scope="session")
def toy_pictures(once) -> Path:
    """A folder of 16x16 pictures: train/ and test/, in each 64 and 32 pictures of `cross` and of `disc`."""

    def make(folder: Path) -> None:
        rng = np.random.default_rng(7)
        for split, each in (("train", 64), ("test", 32)):
            for kind in ("cross", "disc"):
                (folder / split / kind).mkdir(parents=True)
                for i in range(each):
                    Image.fromarray(draw_toy(kind, rng)).save(folder / split / kind / f"{i:03d}.png")

    return once("toy/shapes", make)


@pytest.fixture(scope="session")
def gan_run(toy_pictures, once) -> Path:
    """A run of train_gan: a few steps of a narrow network."""
    from dcgan import train_gan

    toy = ["--latent-dim", "8", "--width", "8", "--batch", "16", "--steps", "12", "--tick", "6", *EVERYWHERE]
    data = ["--data", str(toy_pictures), "--licence", "CC0-1.0"]
    return once("runs/gan", lambda run: train_gan.cli([*data, "--out", str(run), *toy]))


@pytest.fixture(scope="session")
def dcnn_run(toy_pictures, gan_run, once) -> Path:
    """A run of train_dcnn against that generator."""
    from dcgan import train_dcnn

    toy = ["--width", "8", "--batch", "16", "--steps", "12", "--tick", "6", *EVERYWHERE]
    data = ["--data", str(toy_pictures), "--licence", "CC0-1.0", "--gan", str(gan_run)]
    return once("runs/dcnn", lambda run: train_dcnn.cli([*data, "--out", str(run), *toy]))


@pytest.fixture(scope="session")
def toy_bundle(gan_run, dcnn_run, once) -> Path:
    """The bundle of both runs, alone in its folder of models."""
    from export import to_onnx

    return once("models/shapes", lambda folder: to_onnx.main([str(gan_run), str(dcnn_run), "--out", str(folder)]))


def toy_pixels(toy_pictures: Path, split: str) -> np.ndarray:
    """Pixels uint8 N,S,S,3, first of `cross`, then as many of `disc`."""
    paths = sorted((toy_pictures / split).rglob("*.png"))
    return np.stack([np.asarray(Image.open(path).convert("RGB")) for path in paths])


@pytest.fixture(scope="session")
def careful_run(toy_pictures, toy_bundle, dcnn_run, once) -> Path:
    """That run of train_dcnn with what makes a DCNN careful: statistics of crosses, discs and fakes, and limits."""
    import torch

    from dcgan import checkpoint, typical
    from dcgan.pixels import looks, to_images
    from export.runtime import Generator

    def look(network, some: torch.Tensor) -> typical.Looks:
        images = to_images(some)
        return looks(images, network.stages(images))

    def make(run: Path) -> None:
        network = checkpoint.network_of(checkpoint.load(dcnn_run))
        fakes, test = Generator(toy_bundle).draw(range(64)), toy_pixels(toy_pictures, "test")
        sets = (np.concatenate([toy_pixels(toy_pictures, "train"), fakes]), test)
        training, held_back = (torch.from_numpy(some).permute(0, 3, 1, 2)[:, :1] for some in sets)
        with torch.no_grad():
            odd = [look(network, copies) for copies in typical.odd_copies(training)]
            known, unseen = look(network, training), look(network, held_back)
        state = torch.load(dcnn_run / checkpoint.NAME, weights_only=True)
        state["known"] = typical.fit([known], odd, [], unseen)
        state["calibration"] = CALIBRATION
        run.mkdir()
        torch.save(state, run / checkpoint.NAME)

    return once("runs/careful", make)


@pytest.fixture(scope="session")
def careful_bundle(toy_bundle, careful_run, once) -> Path:
    """The bundle of the toy generator and the careful DCNN."""
    from export import to_onnx

    def make(folder: Path) -> None:
        shutil.copytree(toy_bundle, folder)
        to_onnx.main([str(careful_run), "--keep", "generator.onnx", "critic.onnx", "--out", str(folder)])

    return once("careful-models/careful", make)


@pytest.fixture(scope="session")
def referee_run(toy_pictures, once) -> Path:
    """A run of train_dcnn on real pictures alone."""
    from dcgan import train_dcnn

    toy = ["--data", str(toy_pictures), "--steps", "4", "--batch", "8", "--width", "4"]
    return once("runs/referee", lambda run: train_dcnn.cli([*toy, "--out", str(run)]))


@pytest.fixture(scope="session")
def referee_bundle(referee_run, once) -> Path:
    """The bundle of that run."""
    from export import to_onnx

    return once("referee-models/referee", lambda folder: to_onnx.main([str(referee_run), "--out", str(folder)]))


@pytest.fixture(scope="session")
def mixed_models(toy_bundle, referee_bundle, toy_pictures, once) -> Path:
    """A folder of bundles that differ in what they have: `plain` has no classes, no DCNN and a licence against
    commerce; `referee` is a referee alone; `shapes` is the toy bundle. Two copies of it are damaged: `tampered` has
    another generator and critic than its manifest says, `torn` has lost its DCNN.
    """
    from dcgan import train_gan
    from export import to_onnx

    def make(models: Path) -> None:
        run = models.parent / "plain-run"
        toy = ["--width", "8", "--latent-dim", "8", "--batch", "16", "--steps", "2", "--tick", "1", "--no-conditional"]
        licence = ["--licence", "non-commercial research only"]
        train_gan.cli(["--data", str(toy_pictures), *licence, *toy, "--out", str(run)])
        to_onnx.main([str(run), "--out", str(models / "plain")])
        shutil.copytree(referee_bundle, models / "referee")
        for name in ("shapes", "tampered", "torn"):
            shutil.copytree(toy_bundle, models / name)
        for name in ("generator.onnx", "critic.onnx"):
            with (models / "tampered" / name).open("ab") as file:
                file.write(b"\0")
        (models / "torn" / "dcnn.onnx").unlink()

    return once("mixed-models", make)


@pytest.fixture(scope="session")
def mixed_server(mixed_models, tmp_path_factory) -> Iterator["Server"]:
    """The page with those bundles."""
    server = start_page(mixed_models, tmp_path_factory.mktemp("mixed-page"))
    yield server
    server.process.terminate()
    server.process.wait(timeout=10)


@dataclass
class Server:
    """app.py in a process of its own."""

    process: subprocess.Popen
    url: str
    log_path: Path
    seconds_to_answer: float

    @property
    def log(self) -> str:
        return self.log_path.read_text(encoding="utf-8")


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def page_environment(models: Path, folder: Path) -> dict[str, str]:
    """What app.py needs to know: which models, and a temporary folder for what Gradio keeps."""
    return os.environ | {"DCGAN_MODELS": str(models), "GRADIO_TEMP_DIR": str(folder), "PYTHONUNBUFFERED": "1"}


def start_page(models: Path, folder: Path) -> Server:
    """Starts app.py on a free port and waits until it answers."""
    port, log_path = free_port(), folder / "log.txt"
    environment = page_environment(models, folder) | {"GRADIO_SERVER_PORT": str(port)}
    began = time.monotonic()
    with log_path.open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "app.py"], cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
    url = f"http://127.0.0.1:{port}"
    while time.monotonic() - began < 60:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return Server(process, url, log_path, time.monotonic() - began)
        except OSError:
            assert process.poll() is None, log_path.read_text()
            time.sleep(0.05)
    process.kill()
    raise AssertionError(f"The page did not answer within a minute:\n{log_path.read_text()}")


@pytest.fixture(scope="session")
def indexed_bundle(careful_bundle, toy_pictures, once) -> Path:
    """The careful bundle with an index of its training pictures."""
    from export import add_neighbours

    def make(folder: Path) -> None:
        shutil.copytree(careful_bundle, folder)
        add_neighbours.main([str(folder), "--data", str(toy_pictures)])

    return once("indexed-models/careful", make)


@pytest.fixture(scope="session")
def page_bundle(indexed_bundle, toy_pictures, once) -> Path:
    """The indexed bundle as one that is shipped: with figures and with real pictures as examples."""

    def make(folder: Path) -> None:
        shutil.copytree(indexed_bundle, folder)
        metric = {"of": "dcnn", "metric": "real_or_fake_balanced_accuracy", "value": 0.75, "n": 128}
        conditions = {"on": "shapes test and fakes of unused seeds", "command": "python -m dcgan.evaluate runs/shapes"}
        (folder / "metrics.json").write_text(json.dumps([metric | conditions]))
        (folder / "examples").mkdir()
        for kind in ("cross", "disc"):
            shutil.copy(toy_pictures / "test" / kind / "000.png", folder / "examples" / f"{kind}.png")
        manifest = json.loads((folder / "manifest.json").read_text())
        manifest["sha256"]["metrics.json"] = hashlib.sha256((folder / "metrics.json").read_bytes()).hexdigest()
        (folder / "manifest.json").write_text(json.dumps(manifest))

    return once("page-models/shapes", make)


@pytest.fixture(scope="session")
def page_server(page_bundle, tmp_path_factory) -> Iterator[Server]:
    """The page with that bundle."""
    server = start_page(page_bundle.parent, tmp_path_factory.mktemp("page"))
    yield server
    server.process.terminate()
    server.process.wait(timeout=10)
