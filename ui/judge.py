"""The tab that asks: real or fake?"""

import re

import gradio as gr
import numpy as np

from export import verdict
from export.pictures import PictureError, as_seen, read_picture
from export.resave import centre_square, thumbnail
from export.runtime import Bundle, ModelError
from ui.asking import Example, as_pictures, connect, example_at
from ui.choosing import choose_bundle
from ui.evidence import enlarge, paint
from ui.sentences import speaks
from ui.sheets import chosen, ran, recipe_of
from ui.shelf import example_files, names_with, some_have, take
from ui.texts import called, listed, say, texts_of
from ui.widgets import QUIET, Footer, Picture, Sheet, VerdictView, png_url

EXAMPLES = 6  # of each kind


@speaks
def judge(picture: np.ndarray | None, bundle: str | None = None) -> tuple[dict, dict]:
    """Ask the DCNN of a bundle whether a picture is real or generated, how sure that is, of which class, and why.

    picture: a PNG, JPEG, WebP, BMP or GIF (its first frame), up to 50 million pixels and 20 MB; its centre square is
    judged, as it is and after re-savings. bundle: a name of /bundles (empty: the first).
    Returns the answer (real, fake, unsure, or unlike anything known) and what it rests on: the probability that it is
    real, those of its re-savings, how typical it is, the class probabilities and the evidence; and what ran.
    """
    if picture is None:
        raise PictureError(say("judge.no_picture"))
    shelved = take(bundle, "dcnn")
    judgement = verdict.judge(shelved.dcnn, picture)
    what_ran = ran(shelved, shelved.dcnn)
    return as_value(shelved, picture, judgement), what_ran


def as_value(bundle: Bundle, pixels: np.ndarray, judgement: verdict.Judgement) -> dict:
    """A judgement as numbers and pictures."""
    facts, evidence = bundle.dcnn.facts, judgement.verdict.evidence
    seen = as_seen(pixels, bundle.dcnn.image_size, facts["channels"])
    said = verdict.as_json(judgement, facts) | {"why": why(judgement, facts)}
    for row, each in zip(said["resavings"], judgement.resavings, strict=True):
        row["png"] = png_url(thumbnail(each.pixels))
    return said | {
        "harder": [as_step(step) for step in verdict.judge_harder(bundle.dcnn, pixels)],
        "bundle": bundle.name,
        "knows": knows(bundle),
        "errors": facts.get("errors"),
        "critic": critic_score(bundle, pixels, judgement.verdict.label),
        "size": list(pixels.shape[1::-1]),
        "seen": png_url(enlarge(seen, 336)),
        "map": None if evidence is None else png_url(paint(seen, evidence)),
        "png": png_url(thumbnail(centre_square(pixels))),
    }


def as_step(step: verdict.Step) -> dict:
    """A picture that was made harder to judge, and what is said of it."""
    own, hardship = step.judgement, step.hardship
    answer = {"answer": own.answer, "real": own.verdict.real, "png": png_url(thumbnail(step.pixels))}
    return {"side": hardship and hardship.side, "quality": hardship and hardship.quality} | answer


def knows(bundle: Bundle) -> str:
    """What the DCNN has learnt from, and so may be asked about."""
    facts = bundle.dcnn.facts
    colours = say("judge.grey" if facts["channels"] == 1 else "judge.colour")
    return say("judge.knows", data=facts["data"]["name"], side=facts["image_size"], colours=colours)


def why(judgement: verdict.Judgement, facts: dict) -> str | None:
    """`verdict.why` in the visitor's language."""
    found = verdict.reason(judgement)
    if found is None:
        return None
    key, of = found
    words = {
        name: word(value) if isinstance(value, str) else listed(list(map(word, value))) for name, value in of.items()
    }
    return say(f"why.{key}", data=known(facts), **words)


def word(name: str) -> str:
    """An answer or a re-saving; what has no word of its own, such as a percentage, is its own name."""
    return texts_of("verdict").get(name, name)


def known(facts: dict) -> str:
    """`verdict.known` in the visitor's language."""
    name, (some, more) = facts["data"]["name"], verdict.named(facts["classes"])
    classes = [*map(called, some), *[say("judge.more", number=more)] * bool(more)]
    return say("judge.known", data=name, classes=listed(classes)) if some else name


def critic_score(bundle: Bundle, pixels: np.ndarray, label: str | None) -> float | None:
    """What the GAN's own critic thinks, where the bundle has one; a conditional one is told the class: the DCNN's."""
    if not bundle.has("critic"):
        return None
    try:
        critic = bundle.critic
    except ModelError:
        return None  # the verdict stands without it; the list of files shows what is wrong
    if critic.classes and label not in critic.classes:
        return None
    index = np.array([critic.label_index(label)]) if critic.classes else None
    return float(critic(pixels[None], index)[0])


def examples_of(bundle: Bundle) -> list[Example]:
    """Pictures to try: real ones that the bundle brings along, and generated ones."""
    real = [
        Example(say("judge.real"), shown(path.stem, bundle), read_picture(path))
        for path in example_files(bundle)[:EXAMPLES]
    ]
    if not bundle.has("generator"):
        return real
    seeds = list(range(1, EXAMPLES + 1))
    try:
        generated = bundle.generator.draw(seeds)
    except ModelError:
        return real  # whoever asks for the generator itself is told
    return real + [
        Example(say("judge.fake"), say("sheet.seed", seed=s), p) for s, p in zip(seeds, generated, strict=True)
    ]


def shown(stem: str, bundle: Bundle) -> str:
    """What an example shows, by the name of its file: a class of the DCNN, or what the file says."""
    words = re.split("[-_]", stem)
    named = (label for label in bundle.dcnn.classes if re.split("[-_ /]", label.lower())[: len(words)] == words)
    return called(next(named, " ".join(words)))


@speaks
def show_examples(bundle: str | None) -> dict:
    """The examples of a bundle, small; none where no bundle could judge them."""
    examples = examples_of(take(bundle, "dcnn")) if some_have("dcnn") else []
    return as_pictures(examples)


@speaks
def take_example(bundle: str | None, event: gr.EventData) -> np.ndarray:
    """The example that was chosen."""
    return example_at(examples_of(take(bundle, "dcnn")), event, say("judge.no_example"))


@speaks
def take_generated(event: gr.EventData) -> tuple[dict, str, np.ndarray]:
    """The picture that was chosen in the other tab, drawn again from its recipe: no detail is lost on the way."""
    entry = chosen(event)
    bundle = take(entry.get("bundle"), "dcnn")
    pixels = bundle.generator.follow([recipe_of(entry, bundle)])[0]
    return gr.Tabs(selected="judge"), bundle.name, pixels


def build(tabs: gr.Tabs, sheets: list[Sheet], footer: Footer) -> None:
    """Lays out the tab; `sheets` are the other tabs', whose chosen pictures can be asked about."""
    names, some = names_with("dcnn"), some_have("dcnn")
    with gr.Row(elem_classes="judging"):
        with gr.Column(min_width=300, scale=4):
            picture = Picture(
                label=say("judge.picture"),
                format="png",
                sources=["upload", "clipboard", "webcam"],
                height=300,
                buttons=[],
                elem_id="picture",
                alt_text=say("judge.picture_alt"),
            )
            bundle = choose_bundle(names)
            examples = Sheet(label=say("judge.examples"), detail=False, waiting=6, elem_id="examples", visible=some)
        with gr.Column(min_width=300, scale=5):
            unable = None if some else {"unable": say("judge.unable")}
            answer = VerdictView(unable, label=say("judge.verdict"), elem_id="verdict")

    ask_after = connect(judge, picture, bundle, examples, (answer, footer), show_examples, take_example)
    ask_after(gr.on([sheet.submit for sheet in sheets], take_generated, None, [tabs, bundle, picture], **QUIET))
