"""Which language a visitor reads: the one in the address (?lang=zh), else the browser's; a program's is English.

A browser sends the languages of its owner with every request, and Gradio hands a page's address on with every event, so
that nothing has to be kept: no cookie, no session.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

LANGUAGES = {"en": "English", "zh": "中文"}  # by their own names; the first is of those who ask for none of them
TAGS = {"en": "en", "zh": "zh-CN"}  # as HTML and Gradio's own parts know them
USUAL = next(iter(LANGUAGES))

reads: ContextVar[str] = ContextVar("reads", default=USUAL)  # also in the threads that callbacks run in


def chosen(query: Mapping[str, str], accepted: str) -> str:
    """The language of an address's query and of an Accept-Language header: the first of LANGUAGES that is wanted."""
    if query.get("lang") in LANGUAGES:
        return query["lang"]
    return next((language for language in wanted(accepted) if language in LANGUAGES), USUAL)


def wanted(accepted: str) -> list[str]:
    """The languages of an Accept-Language header, without their regions, the dearest first."""
    ranges = [part.partition(";") for part in accepted.lower().split(",")]
    ranked = [(weight(parameter), tag.strip().partition("-")[0]) for tag, _, parameter in ranges]
    return [language for q, language in sorted(ranked, key=lambda each: -each[0]) if q > 0]


def weight(parameter: str) -> float:
    """Of "q=0.8": 0.8; a language without a weight is wanted most, one with a broken weight not at all."""
    try:
        return float(parameter.strip().removeprefix("q=") or 1)
    except ValueError:
        return 0.0


@contextmanager
def reading(language: str) -> Iterator[None]:
    """Inside, the page speaks this language."""
    before = reads.set(language)
    try:
        yield
    finally:
        reads.reset(before)


def language() -> str:
    """Of whoever is being answered, or of the layout that is being made."""
    return reads.get()
