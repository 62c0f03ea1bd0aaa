"""Every word that the page says, by language: en.json, a section for each tab and each drawn part.

A translation is a second file with the same keys.
"""

import json
from pathlib import Path

TEXTS: dict[str, dict[str, str]] = json.loads((Path(__file__).parent / "en.json").read_text(encoding="utf-8"))


def say(key: str, **values: object) -> str:
    """The text of "section.key", its {placeholders} filled."""
    section, _, name = key.partition(".")
    return TEXTS[section][name].format(**values) if values else TEXTS[section][name]
