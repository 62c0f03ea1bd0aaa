"""The bundles of models/ that the page offers: found once, opened when first asked for, shared by every visitor."""

import functools
import os
from pathlib import Path
from urllib.parse import quote

from export.runtime import MANIFEST, Bundle, ModelError, find_bundles, forbids_commerce
from ui.texts import say

WITHOUT = {"generator": "shelf.draws_nothing", "dcnn": "shelf.judges_nothing"}  # what is said of a bundle


def models_folder() -> Path:
    """The folder of bundles: DCGAN_MODELS, or models/ beside app.py; relative if it can be, as visitors may read it."""
    folder = Path(os.environ.get("DCGAN_MODELS") or Path(__file__).resolve().parent.parent / "models").absolute()
    return folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder


@functools.cache
def shelf() -> dict[str, Bundle]:
    """Name -> bundle. Raises ModelError where there is none."""
    return {bundle.name: bundle for bundle in find_bundles(models_folder())}


def names_with(kind: str) -> list[str]:
    """The bundles that have a model of this kind; all of them if none has, so that a choice can still be shown."""
    return [name for name, bundle in shelf().items() if bundle.has(kind)] or list(shelf())


def some_have(kind: str) -> bool:
    """Whether any bundle has a model of this kind."""
    return any(bundle.has(kind) for bundle in shelf().values())


def take(name: str | None, kind: str | None = "generator") -> Bundle:
    """The bundle of this name, which has a model of this kind (None: or has not); for None or "", the first such one.

    Raises ModelError.
    """
    bundles = shelf()
    name = str(name or (names_with(kind) if kind else list(bundles))[0])
    if name not in bundles:
        raise ModelError(say("shelf.no_bundle", name=repr(name[:40]), names=", ".join(bundles)))
    if kind and not bundles[name].has(kind):
        others = [other for other, bundle in bundles.items() if bundle.has(kind)]
        instead = say("shelf.instead", names=", ".join(others)) if others else ""
        raise ModelError(say(WITHOUT[kind], name=name, instead=instead))
    return bundles[name]


def offered_files(bundle: Bundle) -> list[Path]:
    """The files of a bundle that may be downloaded: those its manifest vouches for, and the manifest."""
    return [bundle.folder / name for name in (*bundle.manifest["sha256"], MANIFEST)]


def example_files(bundle: Bundle) -> list[Path]:
    """Real pictures that a bundle brings along in examples/."""
    return sorted((bundle.folder / "examples").glob("*.png"))


def address(path: Path) -> str:
    """Where the page serves an offered file, relative to the page itself, so that it also works behind a proxy."""
    return f"gradio_api/file={quote(path.as_posix())}"


def facts_of(bundle: Bundle) -> dict:
    """The facts of the bundle's first model that can be opened, for what all of them share; {} if none can."""
    for kind in ("generator", "dcnn", "critic", "referee"):
        if bundle.has(kind):
            try:
                return getattr(bundle, kind).facts
            except ModelError:
                continue  # whoever asks for that model itself is told
    return {}


def licence_of(bundle: Bundle) -> str:
    """The licence of the pictures that a bundle was trained on."""
    return facts_of(bundle).get("data", {}).get("licence", say("shelf.not_stated"))


def notice_of(bundle: Bundle) -> str | None:
    """What has to be said beside the pictures that a bundle draws, where their licence forbids commerce."""
    licence = licence_of(bundle)
    if not forbids_commerce(licence):
        return None
    name = facts_of(bundle)["data"].get("name", say("shelf.pictures"))
    return say("shelf.notice", data=name, licence=licence)
