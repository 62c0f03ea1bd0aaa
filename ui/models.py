"""The tab that shows what the page runs: cards, figures, files."""

import functools
import hashlib
import json
import re
from pathlib import Path

import gradio as gr
import numpy as np
from PIL import Image, ImageSequence

from export.pictures import PictureError
from export.runtime import Bundle, forbids_commerce
from ui.choosing import begin, choose_bundle
from ui.sentences import speaks
from ui.sheets import chosen
from ui.shelf import address, facts_of, licence_of, offered_files, shelf, take
from ui.texts import retold, say
from ui.usage import snippets
from ui.widgets import QUIET, BundleView, png_url


def list_bundles() -> list[str]:
    """The names of the bundles on this page."""
    return list(shelf())


@speaks
def describe(bundle: str | None = None) -> tuple[dict, str]:
    """What a bundle is: its files with sizes and sha256, its figures, the licence of its pictures, and its card.

    bundle: a name of /bundles (empty: the first). Returns the facts, and the card as Markdown.
    """
    shelved = take(bundle, None)
    licence = licence_of(shelved)
    samples = shelved.folder / "samples.png"
    value = {
        "name": shelved.name,
        "data": facts_of(shelved).get("data", {}).get("name", ""),
        "licence": licence,
        "non_commercial": forbids_commerce(licence),
        "classes": facts_of(shelved).get("classes", []),
        "files": [file_facts(shelved, path.name) for path in offered_files(shelved) if path.parent == shelved.folder],
        "metrics": read_metrics(shelved.folder),
        "samples": address(samples) if samples.is_file() else None,
        "samples_size": size_of(samples),
        "progress": progress_of(shelved),
        "code": snippets(shelved),
    }
    return value, card(shelved)


def progress_of(bundle: Bundle) -> dict | None:
    """The animation of the generator's training: its url, the seeds, and the step and milliseconds of each frame."""
    progress = bundle.manifest.get("progress")
    if not progress:
        return None
    path = bundle.folder / progress["file"]
    return progress | {"url": address(path), "size": size_of(path)}


def size_of(picture: Path) -> list[int] | None:
    """Width and height of a picture file, so that the page can keep its place; None where it cannot be read."""
    try:
        with Image.open(picture) as opened:
            return list(opened.size)
    except (OSError, ValueError):
        return None


@speaks
def describe_with_frames(event: gr.EventData) -> dict:
    """`describe`, for a browser that cannot take the animation apart: each of its frames as a picture of its own."""
    shelved = take(chosen(event).get("bundle"), None)
    value, _ = describe(shelved.name)
    if value["progress"]:
        value["progress"] |= {"frames": frames_of(shelved.folder / value["progress"]["file"])}
    return value


def frames_of(path: Path) -> list[str]:
    """The frames of an animation as data URLs. Raises PictureError."""
    try:
        with Image.open(path, formats=["WEBP"]) as film:
            return [png_url(np.asarray(frame.convert("RGB"))) for frame in ImageSequence.Iterator(film)]
    except (OSError, ValueError) as error:
        raise PictureError(f"{path.name} is damaged or missing.") from error


def file_facts(bundle: Bundle, name: str) -> dict:
    """A file as it is now; `whole`: as its manifest says it should be."""
    path = bundle.folder / name
    if not path.is_file():
        return {"name": name, "bytes": 0, "sha256": "", "url": None, "whole": False}
    stat = path.stat()
    sha256 = sha256_of(path, stat.st_size, stat.st_mtime_ns)
    whole = bundle.manifest["sha256"].get(name, sha256) == sha256
    return {"name": name, "bytes": stat.st_size, "sha256": sha256, "url": address(path), "whole": whole}


@functools.lru_cache(maxsize=256)
def sha256_of(path: Path, size: int, modified: int) -> str:
    """Of a file's content; asked again when size or time of change differ."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read_metrics(folder: Path) -> list[dict]:
    """The rows of metrics.json; none where there is none, or a damaged one, which the list of files shows."""
    try:
        return [in_words(row) for row in json.loads((folder / "metrics.json").read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError, AttributeError):
        return []


def in_words(row: dict) -> dict:
    """A row of metrics.json, the harms that it compares with in the visitor's language."""
    if not row.get("ceilings"):
        return row
    return row | {"ceilings": {retold(how): value for how, value in row["ceilings"].items()}}


def card(bundle: Bundle) -> str:
    """README.md without its front matter, its pictures' paths made the page's."""
    try:
        text = (bundle.folder / "README.md").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return say("models.no_card")
    text = re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.DOTALL)
    return re.sub(
        r"(!\[[^\]]*\])\((?![a-z]+:|/)([^)\s]+)\)",
        lambda found: f"{found[1]}({address(bundle.folder / found[2])})",
        text,
    )


def build() -> None:
    """Lays out the tab."""
    names = list(shelf())
    gr.set_static_paths([path for bundle in shelf().values() for path in offered_files(bundle)])
    bundle = choose_bundle(names, elem_classes="narrow")
    view = BundleView(label=say("models.view"), elem_id="bundle")
    with gr.Accordion(say("models.card"), open=False):
        text = gr.Markdown(label=say("models.card"), elem_id="card", sanitize_html=True)
    gr.api(list_bundles, api_name="bundles")
    bundle.input(describe, bundle, [view, text], api_name="describe", show_progress="hidden")
    begin(view, bundle).then(describe, bundle, [view, text], **QUIET)
    view.frames(describe_with_frames, None, view, **QUIET)
