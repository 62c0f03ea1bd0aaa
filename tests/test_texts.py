"""What the page says, in every language."""

import ast
import json
import re

import pytest
from conftest import ROOT

from dcgan.yardstick import HARMS
from export.verdict import WHY
from ui.language import LANGUAGES, chosen, reading
from ui.texts import SENTENCES, TEXTS, called, listed, pattern, retold, say

TRANSLATIONS = [language for language in LANGUAGES if language != "en"]
GROUND = ("runtime", "latents", "recipes", "pictures", "films")  # the rooms whose exceptions are said on the page


def placeholders(text: str) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", text))


@pytest.mark.parametrize("language", TRANSLATIONS)
def test_a_translation_has_the_same_keys(language):
    assert {s: set(texts) for s, texts in TEXTS[language].items()} == {
        s: set(texts) for s, texts in TEXTS["en"].items()
    }


@pytest.mark.parametrize("language", TRANSLATIONS)
def test_a_translation_has_the_same_placeholders(language):
    for section, texts in TEXTS["en"].items():
        for key, text in texts.items():
            assert placeholders(TEXTS[language][section][key]) == placeholders(text), f"{section}.{key}"
    for sentence, translation in SENTENCES[language].items():
        assert placeholders(sentence) == placeholders(translation), sentence


@pytest.mark.parametrize("language", TRANSLATIONS)
def test_no_text_was_forgotten_in_english(language):
    same = [
        f"{section}.{key}"
        for section, texts in TEXTS["en"].items()
        for key, text in texts.items()
        if TEXTS[language][section][key] == text and re.search("[a-z]{2}", re.sub(r"\{\w+\}", "", text))
    ]
    assert same == ["bundle.sha256"]


def test_every_text_that_is_said_is_there():
    said = {
        key
        for path in [ROOT / "app.py", *(ROOT / "ui").glob("*.py")]
        for key in re.findall(r'\bsay\("([\w.]+)"', path.read_text(encoding="utf-8"))
    }
    assert len(said) > 60
    assert [key for key in said if key.partition(".")[2] not in TEXTS["en"].get(key.partition(".")[0], {})] == []


def sentences_of(room: str) -> list[str]:
    """What the exceptions of a room say, "x1" in each place of something; without what may follow a full stop."""
    tree = ast.parse((ROOT / "export" / f"{room}.py").read_text(encoding="utf-8"))
    raised = [node.exc.args[0] for node in ast.walk(tree) if isinstance(node, ast.Raise) and is_own(node.exc)]
    return [filled(argument) for argument in raised]


def is_own(raised: ast.expr | None) -> bool:
    names = {"ModelError", "LabelError", "PictureError", "SeedError", "LatentError", "RecipeError", "FilmError"}
    return isinstance(raised, ast.Call) and getattr(raised.func, "id", "") in names


def filled(argument: ast.expr) -> str:
    parts = argument.values if isinstance(argument, ast.JoinedStr) else [argument]
    text = "".join(part.value if isinstance(part, ast.Constant) else "x1" for part in parts)
    return re.sub(r"\.x1$", ".", text)


@pytest.mark.parametrize("room", GROUND)
def test_every_sentence_of_the_rooms_below_is_known(room):
    sentences = sentences_of(room)
    assert sentences
    with reading("zh"):
        assert [sentence for sentence in sentences if retold(sentence) == sentence] == []


def test_what_copies_went_through_is_known():
    with reading("zh"):
        assert {name for name in ("as they are", "mirrored", *HARMS) if retold(name) == name} == {"JPEG 50"}


def test_a_sentence_keeps_what_it_speaks_of():
    with reading("zh"):
        assert retold("A seed is a whole number from 0 to 4294967295; 'a; b' is not.") == (
            "种子是 0 到 4294967295 之间的整数；'a; b' 不是。"
        )
        assert retold("Nobody has translated this.") == "Nobody has translated this."
    assert retold("There is no picture at x.png.") == "There is no picture at x.png."


def test_a_pattern_takes_braces_and_brackets_as_they_are():
    assert pattern("{name} (of {most})").fullmatch("a[0] (of 3)").groupdict() == {"name": "a[0]", "most": "3"}


def test_the_page_gives_the_same_reasons_as_a_verdict():
    assert TEXTS["en"]["why"] == WHY


def test_a_text_is_said_in_the_language_that_is_read():
    assert say("sheet.seed", seed=7) == "seed 7"
    assert called("Bag") == "Bag"
    assert listed(["a", "b", "c"]) == "a, b and c"
    with reading("zh"):
        assert say("sheet.seed", seed=7) == "种子 7"
        assert called("Bag") == "包"
        assert called("a class of your own") == "a class of your own"
        assert listed(["a", "b", "c"]) == "a、b和c"


@pytest.mark.parametrize(
    ("query", "accepted", "expected"),
    [
        ({}, "", "en"),
        ({}, "zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ({}, "zh-TW", "zh"),
        ({}, "fr-CH, fr;q=0.9", "en"),
        ({}, "fr, en;q=0.5, zh;q=0.8", "zh"),
        ({}, "zh;q=0, en", "en"),
        ({}, "en-GB,en;q=0.9", "en"),
        ({}, ";;;q=,,*;q=x", "en"),
        ({"lang": "zh"}, "en", "zh"),
        ({"lang": "en"}, "zh-CN", "en"),
        ({"lang": "tlh"}, "zh-CN", "zh"),
    ],
)
def test_the_address_decides_the_language_then_the_browser(query, accepted, expected):
    assert chosen(query, accepted) == expected


def test_json_files_have_no_key_twice():
    def unique(pairs):
        assert len(dict(pairs)) == len(pairs), pairs
        return dict(pairs)

    for path in (ROOT / "ui" / "texts").glob("*.json"):
        json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=unique)
