"""The tab that asks: is it a copy of a picture that the generator learnt from?"""

import functools
import time

import gradio as gr
import numpy as np

from export.neighbours import INDEX, NEXT, Found, Neighbours, has_index
from export.pictures import PictureError
from export.resave import centre_square, thumbnail
from export.runtime import Bundle, ModelError
from ui.asking import Example, as_pictures, connect, example_at
from ui.choosing import choose_bundle
from ui.evidence import enlarge
from ui.sentences import speaks
from ui.sheets import chosen, recipe_of
from ui.shelf import licence_of, shelf, take
from ui.texts import called, retold, say
from ui.widgets import QUIET, CopyView, Footer, Picture, Sheet, png_url

EXAMPLES = 6  # of each kind
SURE, RARE = 0.1, 1.0  # percent of the unseen real pictures: what is nearer than all but these is, or may be, a copy


@speaks
def nearest(picture: np.ndarray | None, bundle: str | None = None) -> tuple[dict, dict]:
    """Find the training pictures that are nearest to a picture, and whether it is a copy of one.

    picture: a PNG, JPEG, WebP, BMP or GIF (its first frame), up to 50 million pixels and 20 MB; its centre square is
    compared, as it is, mirrored, and moved by a pixel. bundle: a name of /bundles (empty: the first with an index).
    Returns the answer (copy, near or none) and what it rests on: the percentile (of real pictures that no training saw,
    the share that stands out more: 0 for a copy), the nearest training pictures with their distances, and how all this
    was measured; and what ran.
    """
    if picture is None:
        raise PictureError(say("copies.no_picture"))
    shelved = take_indexed(bundle)
    index, began = index_of(shelved.name), time.perf_counter()
    found = index.look(picture)
    milliseconds = round(1000 * (time.perf_counter() - began), 1)
    sha256 = shelved.manifest["sha256"][INDEX]
    footer = {"model": f"{shelved.name}/{INDEX} {sha256[:12]}", "provider": "numpy", "milliseconds": milliseconds}
    return as_value(shelved, index, picture, found), footer | {"licence": licence_of(shelved)}


def as_value(bundle: Bundle, index: Neighbours, pixels: np.ndarray, found: Found) -> dict:
    """What was found, as numbers, sentences and pictures."""
    answer, facts = answer_of(found), index.facts
    told = {"training": f"{len(index):,}", "unseen": f"{facts['unseen']:,}", "share": share(100 - found.percentile)}
    told |= {"data": facts["data"]["name"], "unseen_are": facts["unseen_are"], "features": facts["features"]}
    nearer = round(found.percentile * facts["unseen"] / 100)
    how_many = {0: "nearer_none", 1: "nearer_one"}.get(nearer, "nearer_many")
    told["nearer"] = say(f"copies.{how_many}", number=nearer)
    mean = found.nearest[0].distance / found.ratio if found.ratio else 1.0
    return {
        "bundle": bundle.name,
        "answer": answer,
        "headline": say(f"copies.answer_{answer}"),
        "why": say(f"copies.why_{answer}", **told),
        "ratio": found.ratio,
        "percentile": found.percentile,
        "nearest": [
            {
                "number": each.number,
                "label": each.label,
                "distance": each.distance / mean,
                "png": None if each.pixels is None else png_url(each.pixels),
            }
            for each in found.nearest
        ],
        "training": len(index),
        "unseen": facts["unseen"],
        "unseen_are": facts["unseen_are"],
        "found": {retold(how): stood_out for how, stood_out in facts["found"].items()},
        "measured": say("copies.measured", next=NEXT, **told),
        "kept_back": None if facts["thumbnails"] else say("copies.kept_back", licence=facts["data"]["licence"]),
        "png": png_url(thumbnail(centre_square(pixels))),
        "seen": png_url(enlarge(index.seen(pixels), 168)),
    }


def answer_of(found: Found) -> str:
    """copy: nearer than the unseen real pictures, but for one in a thousand; near: but for one in a hundred; none."""
    return "copy" if found.percentile < SURE else "near" if found.percentile < RARE else "none"


def share(percent: float) -> str:
    """A share in words that never claim all or none."""
    extreme = "common.under" if percent < 1 else "common.over" if percent > 99 else None
    return say(extreme) if extreme else say("common.percent", number=round(percent))


# --- bundles with an index ----------------------------------------------------------------------------------------


def indexed() -> list[str]:
    """The bundles that can be compared with; all of them if none can, so that a choice can still be shown."""
    return [name for name, bundle in shelf().items() if has_index(bundle.manifest)] or list(shelf())


def take_indexed(name: str | None) -> Bundle:
    """The bundle of this name, which has an index; for None or "", the first such one. Raises ModelError."""
    bundle = take(name or indexed()[0], None)
    if not has_index(bundle.manifest):
        others = [name for name in indexed() if has_index(shelf()[name].manifest)]
        instead = say("copies.instead", others=", ".join(others)) if others else ""
        raise ModelError(say("copies.lacking", bundle=bundle.name, instead=instead))
    return bundle


@functools.cache
def index_of(name: str) -> Neighbours:
    """A bundle's index, read when it is first asked for. Raises ModelError."""
    return Neighbours(shelf()[name].folder)


# --- examples -----------------------------------------------------------------------------------------------------


def examples_of(bundle: Bundle) -> list[Example]:
    """Pictures to try: generated ones, and training pictures, which are what a copy would be."""
    index, examples = index_of(bundle.name), []
    if bundle.has("generator"):
        seeds = range(1, EXAMPLES + 1)
        try:
            drawn = bundle.generator.draw(seeds)
            examples = [
                Example(say("copies.generated"), say("sheet.seed", seed=s), p)
                for s, p in zip(seeds, drawn, strict=True)
            ]
        except ModelError:
            examples = []  # whoever asks for the generator itself is told
    if index.sheets is None:
        return examples
    apart = [i * len(index) // EXAMPLES for i in range(EXAMPLES)]
    kind = say("copies.from_training")
    return examples + [
        Example(kind, called(each.label) if each.label else say("copied.number", number=each.number), each.pixels)
        for each in (index.neighbour(number, 0) for number in apart)
    ]


@speaks
def show_examples(bundle: str | None) -> dict:
    """The examples of a bundle, small; none where no bundle can be compared with."""
    shelved = take(bundle or indexed()[0], None)
    examples = examples_of(shelved) if has_index(shelved.manifest) else []
    return as_pictures(examples)


@speaks
def take_example(bundle: str | None, event: gr.EventData) -> np.ndarray:
    """The example that was chosen."""
    return example_at(examples_of(take_indexed(bundle)), event, say("copies.no_example"))


# --- the page -----------------------------------------------------------------------------------------------------


@speaks
def take_chosen(event: gr.EventData) -> tuple[dict, str, np.ndarray]:
    """The picture that was chosen in another tab, drawn again from its recipe: no detail is lost on the way."""
    entry = chosen(event)
    bundle = take_indexed(entry.get("bundle"))
    pixels = bundle.generator.follow([recipe_of(entry, bundle)])[0]
    return gr.Tabs(selected="copies"), bundle.name, pixels


def build(tabs: gr.Tabs, sheets: list[Sheet], footer: Footer) -> None:
    """Lays out the tab; `sheets` are the other tabs', whose chosen pictures can be compared."""
    names, some = indexed(), any(has_index(bundle.manifest) for bundle in shelf().values())
    with gr.Row(elem_classes="judging"):
        with gr.Column(min_width=300, scale=4):
            picture = Picture(
                label=say("copies.picture"),
                format="png",
                sources=["upload", "clipboard"],
                height=300,
                buttons=[],
                elem_id="compared",
                alt_text=say("copies.alt"),
            )
            bundle = choose_bundle(names)
            examples = Sheet(
                label=say("copies.examples"), detail=False, waiting=2 * EXAMPLES, elem_id="copy-examples", visible=some
            )
        with gr.Column(min_width=300, scale=5):
            unable = None if some else {"unable": say("copies.none_has")}
            answer = CopyView(unable, label=say("copies.answer"), elem_id="copy")

    ask_after = connect(nearest, picture, bundle, examples, (answer, footer), show_examples, take_example)
    for sheet in sheets:
        ask_after(sheet.compare(take_chosen, None, [tabs, bundle, picture], **QUIET))
