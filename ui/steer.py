"""The tab that computes with latents: sums of pictures, and steps along the directions that an export found."""

import json
import random
from collections.abc import Callable

import gradio as gr
import numpy as np

from export.latents import latents, mix, near, pack, parse_seeds, steer
from export.neighbours import has_index
from export.recipes import Recipe, RecipeError, latents_of, recipes_of
from export.runtime import Bundle, Generator, ModelError
from ui.choosing import begin, choose_bundle
from ui.generate import class_asked
from ui.sentences import speaks
from ui.sheets import EACH, SURPRISES, as_entry, chosen, ran, recipe_of, sheet_of
from ui.shelf import names_with, notice_of, take
from ui.texts import say
from ui.wander import offer_one_class
from ui.widgets import AS_THEY_ARE, QUIET, Choice, Count, Equation, Footer, Option, Sheet, Steered, png_url

MOST_DIRECTIONS = 8
FARTHEST = 4.0  # along a direction; 95 of 100 seeds lie within 2
MOST_IN_A_TERM = 8
FIRST_SEED = 7
TERMS = {"A": "1, 2, 3", "B": "4, 5, 6", "C": "7, 8, 9"}  # what a visitor finds
AROUND = 0.15  # how near the pictures around a sum are to it: as the paper shows them, nearly the same
POOL = 24  # pictures to pick from
NOTHING = json.dumps({"seed": FIRST_SEED})


@speaks
def steer_picture(
    bundle: str | None = None,
    label: str | None = None,
    seed: str | None = None,
    truncation: float | None = 1,
    latent: str | None = None,
    amounts: list[float] | None = None,
) -> tuple[dict, dict]:
    """Move a picture along the directions that its generator's first layer knows best (Shen and Zhou 2021).

    bundle: a name of /bundles (empty: the first). label, and seed with truncation, or latent: the picture's recipe, as
    /generate states it. amounts: how far along Direction 1, 2, ..., each -4 to 4; along each the latents of seeds are
    spread by 1. Those left out are 0.
    Returns the picture before (start) and after (picture), each with its recipe and PNG, and what ran.
    """
    shelved = take(bundle)
    entry = {"label": class_asked(label), "seed": seed, "truncation": truncation, "latent": latent}
    return steered(shelved, recipe_of(entry, shelved), amounts)


@speaks
def mix_pictures(
    bundle: str | None = None,
    label: str | None = EACH,
    a: str | None = TERMS["A"],
    b: str | None = TERMS["B"],
    c: str | None = TERMS["C"],
) -> tuple[dict, dict, dict]:
    """Compute with pictures: the mean latent of A, less that of B, plus that of C (Radford et al. 2015, section 6.3.2).

    bundle: a name of /bundles (empty: the first). label: a class, or "each" for that of C's first seed. a, b, c: one to
    eight seeds each, such as "3, 17, 40".
    Returns the three terms with their pictures and means, the sum with eight pictures near it (it is in the middle), as
    /generate returns pictures, and what ran.
    """
    shelved = take(bundle)
    generator = shelved.generator
    seeds = {name: seeds_of(name, given) for name, given in zip(TERMS, (a, b, c), strict=True)}
    name = generator.recipes(seeds["C"][:1], class_asked(label))[0].label
    z = {term: latents(numbers, generator.facts["latent_dim"]) for term, numbers in seeds.items()}
    terms = [
        term_of(generator, term, sign, generator.recipes(seeds[term], name), z[term].mean(0))
        for term, sign in zip(TERMS, ("", "\u2212", "+"), strict=True)
    ]
    total = mix(*z.values())
    others = near(total, range(1, 9), AROUND)
    recipes = recipes_of(np.concatenate([others[:4], total[None], others[4:]]), generator.sha256, [name] * 9)
    captions = [say("steer.sum") if i == 4 else say("steer.around") for i in range(9)]
    sheet = sheet_of(shelved, recipes, captions, columns=3, chosen=4)
    return {"terms": terms}, sheet, ran(shelved, generator)


# --- what is computed ---------------------------------------------------------------------------------------------


def steered(bundle: Bundle, start: Recipe, amounts: list[float]) -> tuple[dict, dict]:
    """A picture before and after, and the footer. Raises ModelError where the generator knows no directions."""
    generator = bundle.generator
    start = generator.named(start)
    recipe = along(generator, start, amounts_from(amounts))
    pictures = [as_entry(r) | {"png": png_url(p, r.as_dict())} for r, p in drawn_once(generator, start, recipe)]
    value = {
        "bundle": bundle.name,
        "model": generator.sha256,
        "can_be_asked_about": bundle.has("dcnn"),
        "can_be_compared": has_index(bundle.manifest),
        "notice": notice_of(bundle),
        "start": pictures[0],
        "picture": pictures[-1] | ({} if recipe == start else {"caption": say("steer.steered")}),
        "amounts": amounts,
    }
    return value, ran(bundle, generator)


def along(generator: Generator, start: Recipe, amounts: list[float]) -> Recipe:
    """The recipe of a picture that was moved; without a step it is the picture itself."""
    if not any(amounts):
        return start
    directions = generator.directions
    if directions is None:
        raise ModelError(say("steer.no_directions"))
    if len(amounts) > len(directions):
        raise RecipeError(say("steer.fewer", most=len(directions), given=len(amounts)))
    z = latents_of([start], generator.facts["latent_dim"])[0]
    return Recipe(generator.sha256, start.label, latent=pack(steer(z, directions[: len(amounts)], amounts)))


def drawn_once(generator: Generator, *recipes: Recipe) -> list[tuple[Recipe, np.ndarray]]:
    """Recipes with their pixels."""
    return list(zip(recipes, generator.follow(list(recipes)), strict=True))


def amounts_from(amounts: list[float] | None) -> list[float]:
    """How far along each direction. Raises RecipeError."""
    try:
        numbers = [float(amount or 0) for amount in amounts or []]
    except (TypeError, ValueError):
        numbers = [np.inf]
    if not all(abs(number) <= FARTHEST for number in numbers):
        raise RecipeError(say("steer.amounts", farthest=int(FARTHEST), given=repr(str(amounts)[:40])))
    return numbers


def seeds_of(name: str, given: str | None) -> list[int]:
    """The seeds of a term. Raises SeedError, RecipeError."""
    if given is None or not str(given).strip():
        raise RecipeError(say("steer.empty", name=name))
    return parse_seeds(str(given), MOST_IN_A_TERM)


def term_of(generator: Generator, name: str, sign: str, recipes: list[Recipe], mean: np.ndarray) -> dict:
    """A term of the sum: its pictures, and the picture of their mean."""
    drawn = drawn_once(generator, *recipes, *recipes_of(mean[None], generator.sha256, [recipes[0].label]))
    entries = [as_entry(recipe) | {"png": png_url(pixels, recipe.as_dict())} for recipe, pixels in drawn]
    return {"name": name, "sign": sign, "pictures": entries[:-1], "mean": entries[-1]}


# --- the page -----------------------------------------------------------------------------------------------------


@speaks
def start_anew(bundle: str | None, label: str | None, seed: str | None) -> tuple:
    """The picture of a seed, and sliders at rest; a random seed where none is given."""
    shelved = take(bundle)
    number = parse_seeds(seed, 1)[0] if seed and seed.strip() else random.randrange(SURPRISES)
    return str(number), *at_rest(shelved, shelved.generator.recipes([number], class_asked(label))[0])


def at_rest(bundle: Bundle, start: Recipe) -> tuple:
    """What every part of the page shows before a slider is moved: start, sliders, sentence, picture, footer."""
    generator = bundle.generator
    K = 0 if generator.directions is None else len(generator.directions)
    sliders = [gr.update(value=0, visible=i < K) for i in range(MOST_DIRECTIONS)]
    start = generator.named(start)
    return json.dumps(as_entry(start)), *sliders, gr.update(visible=K == 0), *steered(bundle, start, [])


def start_of(text: str, bundle: Bundle) -> Recipe:
    """The recipe in the box that holds it. Raises RecipeError, SeedError."""
    try:
        return recipe_of(json.loads(text), bundle)
    except (TypeError, json.JSONDecodeError):
        return recipe_of(None, bundle)


@speaks
def rest(bundle: str | None, start: str) -> tuple:
    """Sliders back to the start."""
    shelved = take(bundle)
    return at_rest(shelved, start_of(start, shelved))


@speaks
def steer_shown(bundle: str | None, start: str, *amounts: float) -> tuple[dict, dict]:
    """`steer_picture`, for the sliders."""
    shelved = take(bundle)
    return steered(shelved, start_of(start, shelved), list(amounts))


@speaks
def steer_chosen(event: gr.EventData) -> tuple:
    """A picture of any sheet, taken to this tab."""
    entry = chosen(event)
    shelved = take(entry.get("bundle"))
    start = recipe_of(entry, shelved)
    seed = "" if start.seed is None else str(start.seed)
    label = offer_one_class(shelved.name, start.label or EACH)
    return gr.Tabs(selected="steer"), shelved.name, label, seed, *at_rest(shelved, start)


@speaks
def offer_pool(bundle: str | None, label: str | None, first: int = 1) -> dict:
    """Pictures to pick from."""
    shelved = take(bundle)
    return sheet_of(shelved, shelved.generator.recipes(range(first, first + POOL), class_asked(label)))


def other_pool(bundle: str | None, label: str | None) -> dict:
    """Other pictures to pick from."""
    return offer_pool(bundle, label, random.randrange(SURPRISES))


def pick(term: str | None, a: str | None, b: str | None, c: str | None, event: gr.EventData) -> list[str]:
    """The terms A, B and C after a picture was clicked: its seed goes into one of them, or out again."""
    texts = [a or "", b or "", c or ""]
    place = list(TERMS).index(term) if term in TERMS else 0
    seed, seeds = str(chosen(event).get("seed")), [part.strip() for part in texts[place].split(",") if part.strip()]
    texts[place] = ", ".join([s for s in seeds if s != seed] if seed in seeds else [*seeds, seed][-MOST_IN_A_TERM:])
    return texts


@speaks
def mix_again(bundle: str | None, label: str | None, a: str | None, b: str | None, c: str | None) -> tuple:
    """`mix_pictures` while seeds are being picked: with an empty term nothing is drawn."""
    return mix_pictures(bundle, label, a, b, c) if all((a, b, c)) else (gr.skip(),) * 3


def build(footer: Footer) -> tuple[Steered, Sheet, Callable]:
    """Lays out the tab; returns its picture, its sheet, and what lets the pictures of another be taken here."""
    names = names_with("generator")
    gr.Markdown(say("steer.introduction"), elem_classes="hint")
    with gr.Row(elem_classes="steering"):
        with gr.Column(min_width=280):
            bundle = choose_bundle(names)
            label = Choice([(say("page.mixed"), EACH)], value=EACH, label=say("page.class"))
            seed = gr.Textbox(
                str(FIRST_SEED), label=say("steer.seed"), max_lines=1, placeholder=say("generate.seed_hint")
            )
            with gr.Row(elem_classes=["actions", "acting"]):
                dice = gr.Button(say("steer.surprise"), size="md", min_width=110)
                back = gr.Button(say("steer.back"), size="md", min_width=110)
            lacking = gr.Markdown(say("steer.no_directions"), visible=False, elem_classes="lacking")
            sliders = [
                Count(-FARTHEST, FARTHEST, 0, step=0.1, label=say("steer.direction", number=i + 1), buttons=[])
                for i in range(MOST_DIRECTIONS)
            ]
            start = gr.Textbox(NOTHING, visible=False, label=say("steer.start"))
        with gr.Column(min_width=280):
            view = Steered(label=say("steer.steered"), actions=["more", "breed"], elem_id="steered")

    gr.Markdown(f"## {say('steer.mix')}", elem_classes="section")
    gr.Markdown(say("steer.mix_introduction"), elem_classes="hint")
    with gr.Row(elem_classes="picking"):
        target = Option(list(TERMS), value="A", label=say("steer.target"))
        others = gr.Button(say("steer.others"), size="md", min_width=110)
    pool = Sheet(label=say("steer.pool"), detail=False, waiting=POOL, elem_id="pool")
    with gr.Row():
        terms = [gr.Textbox(seeds, label=say("steer.term", name=t), max_lines=1) for t, seeds in TERMS.items()]
    equation = Equation(label=say("steer.mix"), elem_id="equation")
    total = Sheet(label=say("steer.sum"), detail=True, waiting=9, columns=3, elem_id="sum")

    anew = [seed, start, *sliders, lacking, view, footer]
    mixing = {"inputs": [bundle, label, *terms], "outputs": [equation, total, footer], "show_progress": "hidden"}
    gr.api(steer_picture, api_name="steer")
    steering = {"inputs": [bundle, start, *sliders], "outputs": [view, footer]} | AS_THEY_ARE | QUIET
    for slider in sliders:
        slider.input(steer_shown, trigger_mode="always_last", **steering)
    seed.submit(start_anew, [bundle, label, seed], anew, **QUIET)
    dice.click(lambda bundle, label: start_anew(bundle, label, None), [bundle, label], anew, **QUIET)
    back.click(rest, [bundle, start], anew[1:], **QUIET)
    gr.on([term.submit for term in terms], mix_pictures, **mixing, api_name="mix")
    pool.select(pick, [target, *terms], terms, **QUIET).success(mix_again, **mixing, api_visibility="private")
    others.click(other_pool, [bundle, label], pool, **QUIET)
    anew_from = {"fn": start_anew, "inputs": [bundle, label, seed], "outputs": anew} | QUIET
    mixed_from = {"fn": mix_again} | mixing | {"api_visibility": "private"}
    pool_from = {"fn": offer_pool, "inputs": [bundle, label], "outputs": pool} | QUIET
    label.input(**anew_from).then(**mixed_from).then(**pool_from)
    for event in (bundle.input, begin(view, bundle).then):
        event(offer_one_class, [bundle, label], label, **QUIET).then(**anew_from).then(**mixed_from).then(**pool_from)

    def accept(sheet: Sheet | Steered, tabs: gr.Tabs) -> None:
        """Lets the pictures of a sheet be taken here."""
        taken = sheet.steer(steer_chosen, None, [tabs, bundle, label, *anew], **QUIET)
        taken.success(**mixed_from).then(**pool_from)

    return view, total, accept
