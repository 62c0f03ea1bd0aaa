"""Run the exported models: numpy, Pillow and onnxruntime, nothing else.

    from export.runtime import Bundle
    clothes = Bundle("models/fashion-mnist")
    pixels = clothes.generator.draw([1, 2, 3], "Sneaker")  # uint8 3,28,28,3
    verdict = clothes.dcnn.judge("photo.jpg")              # verdict.real, verdict.label, verdict.evidence

Arrays and numbers come back; how they look is the caller's business. What cannot be done is said in a sentence, by one
of the exceptions in SENTENCES.
"""

import ctypes
import functools
import hashlib
import json
import re
import sys
import threading
import time
import warnings
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import onnxruntime as ort

from export.latents import LatentError, SeedError, label_of_seed, seed_array
from export.outputs import only
from export.pictures import PictureError, read_picture
from export.recipes import Recipe, RecipeError, latents_of
from export.sharing import SHARE, Arrays, Turns, cores, joined, pieces, spread

CPU = "CPUExecutionProvider"
MANIFEST = "manifest.json"
ORDER = "order.txt"  # beside bundles: which of them come first
NON_COMMERCIAL = re.compile(r"non.?commercial|\bnc\b|research (use )?only", re.IGNORECASE)
MOST_AT_ONCE = 64  # pictures in one run of a graph: memory stays bounded, and throughput no longer grows


class ModelError(ValueError):
    """A model that cannot be used; its message is a sentence that says what is wrong and what to do."""


class LabelError(ValueError):
    """A class that a model does not have; its message names those it has."""


# What an edge (page, command line) turns into a sentence.
SENTENCES = (ModelError, LabelError, PictureError, SeedError, LatentError, RecipeError)


@functools.cache
def cuda_is_here() -> bool:
    """Whether the machine has an NVIDIA GPU and onnxruntime can use it; asked of the driver, which prints nothing."""
    if "CUDAExecutionProvider" not in ort.get_available_providers():
        return False
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
        count = ctypes.c_int()
        return driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 and count.value > 0
    except OSError:
        return False


def open_session(model: bytes) -> ort.InferenceSession:
    """A session on the GPU where there is one, else one that runs in the thread that calls it.

    `Model.run` shares work among the cores. Threads inside a graph would have to meet after each operator: they
    cost a fifth more CPU time, or twice as much where they spin, and on busy cores they wait for each other.
    """
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.inter_op_num_threads = options.intra_op_num_threads = 1
    providers = [CPU]
    if cuda_is_here():
        ort.preload_dlls()
        providers.insert(0, "CUDAExecutionProvider")
    return ort.InferenceSession(model, options, providers=providers)


class Model:
    """An exported model: its file (or the bundle's folder that holds it), its facts and its session.

    `facts`: what the file says of itself; `sha256` of the file; `provider` that runs it; `seconds` of the last run in
    this thread. Raises ModelError for a file that is missing, damaged, foreign, altered or of another kind.
    """

    kind = ""

    def __init__(self, path: str | Path):
        self.path = Path(path) / f"{self.kind}.onnx" if Path(path).is_dir() else Path(path)
        if not self.path.is_file():
            raise ModelError(
                f"There is no model at {self.path}. Make it with: python -m export.to_onnx RUN --out FOLDER"
            )
        self._content = self.path.read_bytes()
        self.sha256 = hashlib.sha256(self._content).hexdigest()
        self.check_manifest()
        try:
            self.session = open_session(self._content)
        except Exception as error:  # onnxruntime has a class for each failure; a person needs one sentence
            reason = str(error).splitlines()[0][:200]
            raise ModelError(
                f"{self.path} is not a model that onnxruntime can read ({reason}). Export it again."
            ) from error
        self.facts = read_facts(self.session, self.path)
        if self.facts.get("kind") != self.kind:
            raise ModelError(
                f"{self.path} is a model of kind {self.facts.get('kind')!r}; a {self.kind} is needed here."
            )
        self.provider = self.session.get_providers()[0]
        self.classes: list[str] = self.facts["classes"]
        self.numbers = {name.lower(): i for i, name in reversed(list(enumerate(self.classes)))}  # the first, of twins
        self.image_size: int = self.facts["image_size"]
        self.output_names = [output.name for output in self.session.get_outputs()]
        if self.provider == CPU:
            self.turns = Turns(functools.partial(spread, self.compute), SHARE * len(cores()))
        else:
            self.turns = Turns(self.compute, MOST_AT_ONCE)
        self._local = threading.local()
        self._opening = threading.Lock()

    def check_manifest(self) -> None:
        """In a bundle, the manifest tells what the file must be."""
        wanted = read_manifest(self.path.parent).get("sha256", {}).get(self.path.name)
        if wanted is not None and wanted != self.sha256:
            raise ModelError(
                f"{self.path} is not the file that its bundle was made with: its sha256 differs from {MANIFEST}. "
                "Fetch the bundle again, or export it again."
            )

    @property
    def seconds(self) -> float:
        return getattr(self._local, "seconds", 0.0)

    def run(self, inputs: Arrays, alone: bool = False) -> Arrays:
        """The graph's outputs by name, of a turn or several (export/sharing.py).

        alone: in the calling thread and out of turn, for callers whose threads keep all cores busy as they are. A GPU,
        which does best with many pictures at a time, nevertheless runs them in turns.
        """
        alone = alone and self.provider == CPU
        began = time.perf_counter()
        some_run, most = (self.compute, SHARE) if alone else (self.turns, self.turns.most)
        outputs = joined([some_run(some) for some in pieces(inputs, most)])
        self._local.seconds = time.perf_counter() - began
        return outputs

    def compute(self, inputs: Arrays) -> Arrays:
        """One run of the graph, in the calling thread."""
        return dict(zip(self.output_names, self.session.run(self.output_names, inputs), strict=True))

    def label_index(self, label: str | int) -> int:
        """A class by its name (in any case) or number. Raises LabelError."""
        if not self.classes:
            raise LabelError(f"{self.path.parent.name} was trained without classes; leave the class out.")
        text = str(label).strip().lower()
        if text in self.numbers:
            return self.numbers[text]
        if text.isdecimal() and int(text) < len(self.classes):
            return int(text)
        raise LabelError(f"There is no class {str(label)[:40]!r}; there are: {', '.join(self.classes)}.")


def read_facts(session: ort.InferenceSession, path: Path) -> dict:
    try:
        return json.loads(session.get_modelmeta().custom_metadata_map["facts"])
    except (KeyError, json.JSONDecodeError) as error:
        raise ModelError(f"{path} was not made by python -m export.to_onnx: it has no facts about itself.") from error


def forbids_commerce(licence: str) -> bool:
    """Whether a licence, as facts state it, allows no commercial use."""
    return bool(NON_COMMERCIAL.search(licence))


def read_manifest(folder: Path) -> dict:
    """A bundle's manifest.json, or {} for a folder that is no bundle. Raises ModelError."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        return manifest | {"sha256": dict(manifest["sha256"])}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ModelError(
            f"{folder / MANIFEST} is damaged ({error}). Fetch the bundle again, or export it again."
        ) from error


class Generator(Model):
    """Latents (and classes) -> pictures."""

    kind = "generator"

    @property
    def directions(self) -> np.ndarray | None:
        """Directions K,Z of length 1 to steer along, the strongest first; None where the file has none."""
        found = self.facts.get("directions")
        return None if found is None else np.array(found["vectors"], np.float64)

    def __call__(self, latents: np.ndarray, label: np.ndarray | None = None) -> np.ndarray:
        """Pixels uint8 N,S,S,3 for latents float32 N,Z, and label int64 N where there are classes."""
        inputs = {"latents": latents} | ({"label": label} if self.classes else {})
        return self.run(inputs)["pixels"]

    def draw(self, seeds, label: str | int | None = None, truncation: float = 1.0) -> np.ndarray:
        """Pixels uint8 N,S,S,3 for seeds; of one class, or (None) of the class that belongs to each seed.

        truncation, 0 to 1, draws the latents towards their mean: less variety, more typical pictures.
        """
        return self.follow(self.recipes(seeds, label, truncation))

    def recipes(self, seeds, label: str | int | None = None, truncation: float = 1.0) -> list[Recipe]:
        """What `draw` draws, each picture by itself. Raises SeedError, LabelError."""
        seeds = seed_array(seeds)
        numbers = self.labels(seeds, label)
        names = [None] * len(seeds) if numbers is None else [self.classes[i] for i in numbers]
        return [Recipe(self.sha256, n, s, truncation) for s, n in zip(seeds.tolist(), names, strict=True)]

    def follow(self, recipes: list[Recipe]) -> np.ndarray:
        """The pictures of recipes, whichever generator they name: pixels uint8 N,S,S,3. Raises LatentError, LabelError.

        A recipe without a class draws that of its seed, or the first one.
        """
        z, labels = latents_of(recipes, self.facts["latent_dim"]), [self.number_of(recipe) for recipe in recipes]
        return self(z, np.array(labels, np.int64) if self.classes else None)

    def named(self, recipe: Recipe) -> Recipe:
        """The recipe with its class by name, also where it had left that to its seed. Raises LabelError."""
        number = self.number_of(recipe)
        return recipe if number is None else replace(recipe, label=self.classes[number])

    def number_of(self, recipe: Recipe) -> int | None:
        """The number of a recipe's class; None where there are no classes. Raises LabelError."""
        if recipe.label is None:
            return int(label_of_seed([recipe.seed or 0], len(self.classes))[0]) if self.classes else None
        return self.label_index(recipe.label)

    def labels(self, seeds, label: str | int | None = None) -> np.ndarray | None:
        """The class int64 N that `draw` gives each seed; None where there are no classes. Raises LabelError."""
        if label is not None:
            return np.full(np.size(seeds), self.label_index(label), np.int64)
        return label_of_seed(seeds, len(self.classes)) if self.classes else None


class Critic(Model):
    """Pictures (and their classes) -> the score that the GAN's own critic gives them; higher is more real."""

    kind = "critic"

    def __call__(self, pixels: np.ndarray, label: np.ndarray | None = None) -> np.ndarray:
        """Scores float32 N for pixels uint8 N,H,W,3, and label int64 N where there are classes."""
        return self.run({"pixels": pixels} | ({"label": label} if self.classes else {}))["score"]


@dataclass(frozen=True)
class Limits:
    """Where a DCNN's numbers become words; measured on pictures that its training held back, and told by its file.

    threshold: probabilities from there on are called real; unsure_band: probabilities, both included, between which it
    had better not decide; resaved_band: probabilities that say nothing against the answer when a re-saved picture gets
    them; atypical_below: a picture that is less typical is unlike all that it knows. None where the
    file does not tell.
    """

    threshold: float = 0.5
    unsure_band: tuple[float, float] | None = None
    resaved_band: tuple[float, float] | None = None
    atypical_below: float | None = None


@dataclass(frozen=True)
class Verdict:
    """What the DCNN says of one picture. None for what it has not learnt.

    real: probability; evidence: float32 h,w over the centre square, positive where the picture speaks for real, its
    mean the logit; classes: probability by name, most likely first; label: the most likely; typical: share of unseen
    real pictures that are stranger to it, 0 for a picture that is stranger than all of them.
    """

    real: float | None
    evidence: np.ndarray | None
    classes: dict[str, float] | None
    typical: float | None = None

    @property
    def label(self) -> str | None:
        return next(iter(self.classes)) if self.classes else None


class DCNN(Model):
    """Pictures -> real or fake, why, and of which class."""

    kind = "dcnn"

    def __call__(self, pixels: np.ndarray) -> dict[str, np.ndarray]:
        """`real` N, `evidence` N,h,w, `classes` N,K, `features` N,F and `typical` N, float32, as far as the file has
        them, for pixels uint8 N,H,W,3."""
        return self.run({"pixels": pixels})

    def reals(self, pixels: np.ndarray) -> np.ndarray:
        """`real` N, float32, for pixels uint8 N,H,W,3, and nothing else; on a CPU in the calling thread, out of turn.

        What else a verdict has, a graph of its own leaves out: that saves an eighth of the time.
        """
        if self.provider != CPU:
            return self(pixels)["real"]
        with self._opening:  # once, however many ask for it first
            session = self.session_of_real
        runs = [session.run(["real"], some)[0] for some in pieces({"pixels": pixels}, SHARE)]
        return np.concatenate(runs)

    @functools.cached_property
    def session_of_real(self) -> ort.InferenceSession:
        return open_session(only({"real"}, self._content))

    @functools.cached_property
    def limits(self) -> Limits:
        told = {f.name: self.facts[f.name] for f in fields(Limits) if self.facts.get(f.name) is not None}
        return Limits(**{name: tuple(value) if isinstance(value, list) else value for name, value in told.items()})

    @property
    def judges_reality(self) -> bool:
        """Whether it has learnt to tell real from fake, or, as a referee, the classes alone."""
        return "real" in self.facts["outputs"]

    def judge(self, picture: str | Path | bytes | np.ndarray) -> Verdict:
        """The verdict on a picture file, its bytes, or pixels uint8 H,W,3. Raises PictureError."""
        pixels = picture if isinstance(picture, np.ndarray) else read_picture(picture)
        return self.verdicts(pixels[None])[0]

    def verdicts(self, pixels: np.ndarray, alone: bool = False) -> list[Verdict]:
        """The verdicts on pixels uint8 N,H,W,3; alone: as `run` has it."""
        out = self.run({"pixels": pixels}, alone)
        return [self.verdict({name: values[i] for name, values in out.items()}) for i in range(len(pixels))]

    def verdict(self, out: dict[str, np.ndarray]) -> Verdict:
        """What the graph gave for one picture, as a verdict."""
        classes = None
        if "classes" in out:
            order = np.argsort(-out["classes"], kind="stable")
            classes = {self.classes[i]: float(out["classes"][i]) for i in order}
        real, typical = (float(out[name]) if name in out else None for name in ("real", "typical"))
        return Verdict(real, out.get("evidence"), classes, typical)


class Bundle:
    """A folder made by export.to_onnx. Its models open when they are first asked for, and stay open."""

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        self.name = self.folder.name
        self.manifest = read_manifest(self.folder)
        if not self.manifest:
            raise ModelError(
                f"{self.folder} is not a bundle: it has no {MANIFEST}. Make one with python -m export.to_onnx"
            )

    @functools.cached_property
    def generator(self) -> Generator:
        return Generator(self.folder)

    @functools.cached_property
    def dcnn(self) -> DCNN:
        return DCNN(self.folder)

    @functools.cached_property
    def critic(self) -> Critic:
        return Critic(self.folder)

    @functools.cached_property
    def referee(self) -> DCNN:
        return DCNN(self.folder / "referee.onnx")

    def __repr__(self) -> str:
        return f"Bundle({str(self.folder)!r}): {', '.join(self.manifest['sha256'])}"

    def has(self, kind: str) -> bool:
        """Whether the bundle has this model: generator, critic, dcnn or referee."""
        return f"{kind}.onnx" in self.manifest["sha256"]


def read_order(root: Path) -> list[str]:
    """The names in a folder's order.txt, a line each; none where there is no such file."""
    try:
        return [line.strip() for line in (root / ORDER).read_text(encoding="utf-8-sig", errors="replace").splitlines()]
    except OSError:
        return []


def find_bundles(root: str | Path) -> list[Bundle]:
    """The bundles in a folder: those that its order.txt names, in that order, then the others by name.

    Warns of a damaged one, and leaves it out. ModelError if none is left.
    """
    folders = {path.parent.name: path.parent for path in sorted(Path(root).glob(f"*/{MANIFEST}"))}
    bundles = []
    for name in dict.fromkeys([*read_order(Path(root)), *folders]):
        if name not in folders:
            continue  # one that is not made yet
        try:
            bundles.append(Bundle(folders[name]))
        except ModelError as error:
            warnings.warn(str(error), stacklevel=2)
    if not bundles:
        raise ModelError(f"There is no bundle in {root}. Make one with: python -m export.to_onnx RUN --out {root}/NAME")
    return bundles
