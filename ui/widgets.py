"""Gradio's components, taught two things: to leave judgement to the callbacks, which know sentences, and to be sharp.

An API user can send anything to a widget. Gradio's own checks answer with its own words and a traceback in the log, so
these widgets pass on what came, and the callback, or `read_picture`, says what is wrong with it.
"""

import base64
import binascii
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import gradio as gr
import numpy as np
from gradio.data_classes import ImageData

from export.pictures import PictureError, png_bytes, read_picture
from export.verdict import FAKE, REAL, UNLIKE, UNSURE
from ui.language import LANGUAGES, TAGS, language
from ui.sentences import spoken
from ui.texts import say, texts_of

HERE = Path(__file__).parent
MAX_FILE_BYTES = 20_000_000
# Of events whose values are what callbacks take and the page shows: Gradio would send each through a thread to see.
AS_THEY_ARE = {"preprocess": False, "postprocess": False}
QUIET = {"api_visibility": "private", "show_progress": "hidden"}  # of events that belong to the page alone


@dataclass(frozen=True)
class SentFile:
    """A file that a visitor or a program sent."""

    name: str
    content: bytes


def data_url(png: bytes) -> str:
    """A PNG as an address that carries it: no file, no second request."""
    return "data:image/png;base64," + base64.b64encode(png).decode()


class Choice(gr.Dropdown):
    """A dropdown for people; for programs, any text."""

    is_template = True  # drawn in the browser by the class above it

    def preprocess(self, payload: Any) -> str | None:
        return None if payload is None else str(payload)

    def api_info(self) -> dict[str, Any]:
        return {"type": "string"}


class Option(gr.Radio):
    """Buttons of which one is chosen, for people; for programs, any text."""

    is_template = True  # drawn in the browser by the class above it

    def preprocess(self, payload: Any) -> str | None:
        return None if payload is None else str(payload)

    def api_info(self) -> dict[str, Any]:
        return {"type": "string"}


class Count(gr.Slider):
    """A slider for people; for programs, any number."""

    is_template = True  # drawn in the browser by the class above it

    def preprocess(self, payload: Any) -> Any:
        return payload


class Sent(ImageData):
    """A picture as it was sent; what is nothing of the kind becomes an empty one, which `Picture` answers."""

    @classmethod
    def model_validate(cls, obj: Any, **kwargs) -> "Sent":
        try:
            return super().model_validate(obj, **kwargs)
        except ValueError:
            return cls()


class Picture(gr.Image):
    """A picture that comes in as pixels uint8 H,W,3 by the road that every picture takes, or as a sentence."""

    is_template = True  # drawn in the browser by the class above it
    data_model = Sent

    def preprocess(self, payload: Any) -> np.ndarray | None:
        if payload is None:
            return None
        with spoken():
            file = sent_file(payload, self.GRADIO_CACHE)
            return read_picture(file.content, file.name)


class PictureFile(gr.UploadButton):
    """A button for a picture file that comes in as it is, for what it holds besides pixels; or a sentence."""

    is_template = True  # drawn in the browser by the class above it

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.data_model = Sent

    def get_config(self) -> dict[str, Any]:
        return super().get_config(gr.UploadButton)

    def preprocess(self, payload: Any) -> SentFile | None:
        if payload is None:
            return None
        with spoken():
            return sent_file(payload, self.GRADIO_CACHE)


def sent_file(payload: Sent, cache: str) -> SentFile:
    """The file that came with a call: uploaded before, or in a data URL. Raises PictureError."""
    if payload.url and payload.url.startswith("data:"):
        return SentFile(say("judge.unnamed"), decode_data_url(payload.url))
    if not payload.path:
        raise PictureError(say("judge.nothing_sent"))
    path = Path(payload.path)
    if not path.resolve().is_relative_to(Path(cache).resolve()):
        raise PictureError(say("judge.not_uploaded", name=path.name))  # it would be any file of the server
    return SentFile(Path(payload.orig_name or path.name).name, path.read_bytes())


def decode_data_url(url: str) -> bytes:
    """The bytes in data:...;base64,... Raises PictureError."""
    if len(url) > MAX_FILE_BYTES * 4 / 3 + 100:
        raise PictureError(say("judge.too_large", most=MAX_FILE_BYTES // 10**6))
    try:
        return base64.b64decode(url.partition(",")[2], validate=True)
    except binascii.Error as error:
        raise PictureError(say("judge.not_base64")) from error


class Drawn(gr.HTML):
    """HTML that a script of ours draws from a dict: programs get the dict, people the drawing.

    The script fills the DOM by itself, and text only as text: what stands in a bundle is never read as HTML.
    """

    script, about = "", ""
    parts: tuple[str, ...] = ()  # scripts that it shares with others
    texts: tuple[str, ...] = ()  # sections of the texts that the script says

    def __init__(self, value: dict | None = None, **kwargs):
        said = {key: text for section in ("common", *self.texts) for key, text in texts_of(section).items()}
        constants = {"TEXTS": said, "CLASSES": texts_of("classes"), "LANGUAGE": TAGS[language()]}
        scripts = [(HERE / name).read_text(encoding="utf-8") for name in ("dom.js", *self.parts, self.script)]
        constants = [f"const {name} = {json.dumps(value)};" for name, value in constants.items()]
        scripts = "\n".join([*constants, *scripts])
        kwargs = {"html_template": "<div></div>", "js_on_load": scripts, "apply_default_css": False} | kwargs
        super().__init__(value, **kwargs)

    def api_info(self) -> dict[str, Any]:
        return {"type": "object", "description": self.about}

    def example_payload(self) -> Any:
        return {}

    def example_value(self) -> Any:
        return {}


class Sheet(Drawn):
    """Small pictures, sharply enlarged, of which one can be chosen. `detail`: also shows the chosen one large."""

    script, parts, texts = "sheet.js", ("picture.js",), ("sheet",)
    about = (
        "bundle, model (sha256), pictures: a list of label, seed with truncation or latent, png (a data URL, lossless, "
        "with its recipe); notice (what their licence asks to be said, or null), note (what else has to be said, or "
        "null), can_be_asked_about (whether the bundle has a DCNN), can_be_compared (whether it has an index of its "
        "training pictures), address (the query of the page that draws them)"
    )


def maybe(schema: dict) -> dict:
    """The JSON schema of what may be null."""
    return {"anyOf": [schema, {"type": "null"}]}


NUMBER, TEXT = {"type": "number"}, {"type": "string"}
ANSWER = {"type": "string", "enum": [REAL, FAKE, UNSURE, UNLIKE]}


class VerdictView(Drawn):
    """What the DCNN says of a picture."""

    script, texts = "verdict.js", ("verdict",)
    about = (
        "answer, why (a sentence), real (probability), threshold (from there on it is called real), unsure (the "
        "answer changes with a re-saving, beyond resaved_band, or real lies in unsure_band), typical (share of "
        "held-back real pictures that are stranger to it), atypical_below (less typical is unlike "
        "anything known), label, classes (probability by name), evidence (rows of numbers, positive: for real), "
        "resavings, harder (the picture ever "
        "harder to judge: as it is, then shrunk to side x side and back and saved as a JPEG of that quality), knows "
        "(what it has learnt from), errors (on pictures that it has not learnt from), critic (score), size (of the "
        "picture), png, seen and map (data URLs of PNGs)"
    )
    properties: ClassVar = {
        "answer": ANSWER,
        "why": TEXT,
        "real": NUMBER,
        "threshold": NUMBER,
        "unsure": {"type": "boolean"},
        "unsure_band": maybe({"type": "array", "items": NUMBER}),
        "resaved_band": maybe({"type": "array", "items": NUMBER}),
        "typical": maybe(NUMBER),
        "atypical_below": maybe(NUMBER),
        "label": maybe(TEXT),
        "classes": maybe({"type": "object", "additionalProperties": NUMBER}),
        "evidence": {"type": "array", "items": {"type": "array", "items": NUMBER}},
        "resavings": {
            "type": "array",
            "items": {"type": "object", "properties": {"name": TEXT, "real": NUMBER, "png": TEXT}},
        },
        "harder": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "side": maybe({"type": "integer"}),
                    "quality": maybe({"type": "integer"}),
                    "answer": ANSWER,
                    "real": NUMBER,
                    "png": TEXT,
                },
            },
        },
        "bundle": TEXT,
        "knows": TEXT,
        "errors": maybe({"type": "object"}),
        "critic": maybe(NUMBER),
        "size": {"type": "array", "items": {"type": "integer"}},
        "png": TEXT,
        "seen": TEXT,
        "map": TEXT,
    }

    def api_info(self) -> dict[str, Any]:
        return super().api_info() | {"properties": self.properties}


class CopyView(Drawn):
    """The training pictures that are nearest to a picture, and whether it is a copy."""

    script, texts = "copies.js", ("copied",)
    about = (
        "answer (copy, near or none), headline and why (sentences), percentile (of real pictures that no training saw, "
        "the share that is nearer to a training picture: 0 for a copy), ratio (the distance of the nearest training "
        "picture, in mean distances of the next few), nearest (a list of number, label, distance in the same unit, and "
        "png, null where the licence keeps the pictures back), training and unseen (how many pictures), unseen_are "
        "(which), found (the share of copies that stood out when it was tried), measured and kept_back (sentences), "
        "png and seen (data URLs of PNGs)"
    )


class Steered(Drawn):
    """A picture before and after it was steered."""

    script, parts, texts = "steered.js", ("picture.js",), ("sheet", "steered")
    about = (
        "bundle, model (sha256), can_be_asked_about, can_be_compared, picture and start (each: label, seed with "
        "truncation or latent, png), amounts (how far along each direction)"
    )


class Equation(Drawn):
    """The terms of A - B + C, each with its pictures and the picture of their mean."""

    script, texts = "equation.js", ("equation",)
    about = "terms (each: name, sign, pictures and mean with label, seed or latent, and png)"


class Breeder(Drawn):
    """Pictures of which several are picked, generation after generation; it keeps the past ones and the family."""

    script, parts, texts = "breed.js", ("picture.js",), ("sheet", "breed")
    about = (
        "what a sheet has, and generation, favourites (how many of its pictures, the first ones, are the parents of "
        "the others, whose `parents` are their numbers), picked (numbers of those that are picked already)"
    )


class Game(Drawn):
    """A picture to be guessed, then the truth; it keeps the rounds of a game, and the best score in the browser."""

    script, texts = "game.js", ("game",)
    about = "bundle, game, round, of, png, notice; after an answer also answer, truth, seed, label and dcnn"


class Film(Drawn):
    """Moving pictures, and the file they are in."""

    script, texts = "film.js", ("film",)
    about = (
        "file (url and path of the film), kind (mp4, webp or gif), bundle, seeds, label, frames, speed (pictures a "
        "second), side (pixels)"
    )


class Saver(Drawn):
    """Hands a file to the browser: seen by nobody."""

    script = "saver.js"
    about = "name, url"


class Switch(Drawn):
    """The languages of the page, of which one is read."""

    script = "switch.js"
    about = "nothing: the page's own"

    def __init__(self, **kwargs):
        super().__init__(languages=LANGUAGES, reading=language(), **kwargs)


class BundleView(Drawn):
    """Files and figures of a bundle."""

    script, parts, texts = "bundle.js", ("plots.js", "scrub.js", "usage.js"), ("bundle", "figures")
    about = (
        "name, licence, non_commercial, classes, files (name, bytes, sha256, url, whole), metrics, samples (url), "
        "samples_size (width, height), progress (url, seeds, steps, milliseconds of each frame and size of an "
        "animation of the training; or null), code (to run the models elsewhere, by language)"
    )


class Footer(Drawn):
    """What ran, and for how long."""

    script, texts = "footer.js", ("footer",)
    about = "model (which, and the head of its sha256), provider, milliseconds, licence of the training pictures"


def png_url(pixels: np.ndarray, recipe: dict | None = None) -> str:
    """Pixels uint8 H,W,3 -> the data URL of a lossless PNG, with its recipe inside."""
    return data_url(png_bytes(pixels, recipe))
