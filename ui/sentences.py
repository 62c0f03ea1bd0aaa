"""Where the project's own exceptions become sentences on the page and answers of the API. Anything else is a bug."""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import gradio as gr

from export.films import FilmError
from export.runtime import SENTENCES as OF_MODELS
from ui.texts import retold, say


class GameError(ValueError):
    """A round or an answer that does not belong to a game; its message is a sentence."""


class NumberError(ValueError):
    """A number that is none, or lies beyond its ends; its message is a sentence."""


SENTENCES = (*OF_MODELS, FilmError, GameError, NumberError)


def whole(number: float | None, usual: int, least: int, most: int, text: str) -> int:
    """A whole number between two ends, or `usual` for None. Raises NumberError with the text."""
    number = usual if number is None else number
    if not isinstance(number, int | float) or number != number // 1 or not least <= number <= most:
        raise NumberError(say(text, least=least, most=most, given=repr(str(number)[:40])))
    return int(number)


@contextmanager
def spoken() -> Iterator[None]:
    """Inside, what the project says in an exception is said to the visitor, without a traceback."""
    try:
        yield
    except SENTENCES as error:
        title = say("common.error")
        raise gr.Error(retold(str(error)), duration=6, print_exception=False, title=title) from error


def speaks(callback: Callable) -> Callable:
    """A callback whose SENTENCES reach the visitor."""

    @functools.wraps(callback)
    def wrapped(*args, **kwargs):
        with spoken():
            return callback(*args, **kwargs)

    return wrapped
