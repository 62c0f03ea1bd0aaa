"""What the tabs that ask about a picture have in common: examples to try, and when it is asked again."""

from collections.abc import Callable
from dataclasses import dataclass

import gradio as gr
import numpy as np

from export.pictures import PictureError
from ui.choosing import begin
from ui.sentences import speaks
from ui.sheets import chosen
from ui.widgets import QUIET, Choice, Drawn, Footer, Picture, Sheet, png_url


@dataclass(frozen=True)
class Example:
    caption: str
    note: str
    pixels: np.ndarray


def as_pictures(examples: list[Example]) -> dict:
    """What a sheet shows of them."""
    return {"pictures": [{"caption": e.caption, "note": e.note, "png": png_url(e.pixels)} for e in examples]}


def example_at(examples: list[Example], event: gr.EventData, missing: str) -> np.ndarray:
    """The one that was chosen. Raises PictureError, which says what is `missing`."""
    number = chosen(event).get("index")
    if not isinstance(number, int) or not 0 <= number < len(examples):
        raise PictureError(missing)
    return examples[number].pixels


def connect(
    ask: Callable[[np.ndarray | None, str | None], tuple[dict, dict]],
    picture: Picture,
    bundle: Choice,
    examples: Sheet,
    outputs: tuple[Drawn, Footer],
    show_examples: Callable[[str | None], dict],
    take_example: Callable[[str | None, gr.EventData], np.ndarray],
) -> Callable[[gr.events.Dependency], None]:
    """Asks when a picture comes, and when it is asked of another bundle; nothing is left of a picture that goes.

    The public endpoint is called as `ask` is. Returns what asks after another event that has brought a picture.
    """

    @speaks
    def ask_again(picture: np.ndarray | None, bundle: str | None) -> tuple[dict | None, dict | None]:
        return (None, gr.skip()) if picture is None else ask(picture, bundle)

    what = {"inputs": [picture, bundle], "outputs": list(outputs), "show_progress": "hidden"}
    asked = picture.upload(ask, **what, api_name=ask.__name__)
    # What cannot be read does not stay there. Nothing is sent: the browser still has a picture that came from here.
    for event in (asked.failure, picture.clear):
        event(lambda: (None, None), outputs=[picture, outputs[0]], **QUIET)
    bundle.input(ask_again, **what, api_visibility="private").then(show_examples, bundle, examples, **QUIET)
    begin(outputs[0], bundle, picture).then(show_examples, bundle, examples, **QUIET)
    examples.select(take_example, bundle, picture, **QUIET).success(ask, **what, api_visibility="private")

    def follow(brought: gr.events.Dependency) -> None:
        found = brought.success(ask, **what, api_visibility="private")
        found.then(show_examples, bundle, examples, **QUIET)

    return follow
