"""Every word that the page says, by language: en.json and zh.json, a section for each tab and each drawn part.

The rooms below the page know English alone; sentences.zh.json says their sentences in Chinese.
"""

import functools
import json
import re
from pathlib import Path

from ui.language import LANGUAGES, USUAL, language

HERE = Path(__file__).parent


def read(name: str) -> dict:
    return json.loads((HERE / name).read_text(encoding="utf-8"))


TEXTS: dict[str, dict[str, dict[str, str]]] = {each: read(f"{each}.json") for each in LANGUAGES}
SENTENCES: dict[str, dict[str, str]] = {each: read(f"sentences.{each}.json") for each in LANGUAGES if each != USUAL}


def say(key: str, **values: object) -> str:
    """The text of "section.key" in the visitor's language, its {placeholders} filled."""
    section, _, name = key.partition(".")
    text = texts_of(section)[name]
    return text.format(**values) if values else text


def texts_of(section: str) -> dict[str, str]:
    """A section in the visitor's language; in English what is not translated yet."""
    return TEXTS[USUAL][section] | TEXTS[language()].get(section, {})


def called(label: str) -> str:
    """What a class is called, where that is known; for programs it keeps its name."""
    return texts_of("classes").get(label, label)


def listed(names: list[str]) -> str:
    """One, two and three."""
    head, last = say("common.comma").join(names[:-1]), names[-1]
    return say("common.and", head=head, last=last) if head else last


def retold(sentence: str) -> str:
    """A sentence of the rooms below the page, in the visitor's language; as it is where there is no translation."""
    for template, translation in SENTENCES.get(language(), {}).items():
        if found := pattern(template).fullmatch(sentence):
            return translation.format(**found.groupdict())
    return sentence


@functools.cache
def pattern(template: str) -> re.Pattern:
    """What "At most {most} can ..." looks like when its placeholders are filled."""
    parts = re.split(r"\{(\w+)\}", template)  # text, name, text, name, ..., text
    filled = [f"(?P<{part}>.+?)" if i % 2 else re.escape(part) for i, part in enumerate(parts)]
    return re.compile("".join(filled), re.DOTALL)
