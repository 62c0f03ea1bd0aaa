"""The tab that breeds: favourites are picked, and their children come next, generation after generation."""

import hashlib
import json
import random
from collections.abc import Callable
from dataclasses import dataclass

import gradio as gr

from export import latents
from export.latents import SEED_MAX, couples, pack
from export.recipes import Recipe, RecipeError, latents_of, parse_share, recipes_of
from export.runtime import Bundle, Generator
from ui.choosing import begin, choose_bundle
from ui.generate import class_asked, offer_classes
from ui.sentences import speaks, whole
from ui.sheets import EACH, SURPRISES, chosen, ran, recipe_of, sheet_of
from ui.shelf import names_with, take
from ui.texts import say
from ui.widgets import QUIET, Breeder, Choice, Count, Footer, Sheet, Steered

FOUNDERS = CHILDREN = 12
MOST_PARENTS, MOST_CHILDREN, LAST_GENERATION = 12, 64, 9999
FIRST_SPREAD = 0.25  # how far children are from what lies between their parents
ALONE = 3  # every third child has one parent; the others lie between two


@speaks
def breed(
    parents: list[dict],
    generation: float | None = 1,
    spread: float | None = FIRST_SPREAD,
    count: float | None = CHILDREN,
    bundle: str | None = None,
) -> tuple[dict, dict]:
    """Breed pictures: draw children near the parents, and between two of them.

    parents: one to twelve recipes such as those in a sheet of /generate (label, and seed with truncation, or latent).
    generation: 1 to 9999; another one has other children of the same parents. spread: how different from their parents
    the children are, 0 (exactly one of them, or between two) to 1 (anything). count: 1 to 64 children. bundle: a name
    of /bundles (empty: the first).
    Returns the parents and then their children, with their recipes, as /generate does (in `parents` of a child: which
    pictures of the sheet those are), and what ran. The same parents, in any order, always have the same children.
    """
    shelved = take(bundle)
    generator = shelved.generator
    favourites, captions = parents_from(parents, shelved)
    number = whole(generation, 1, 1, LAST_GENERATION, "breed.generations")
    share = FIRST_SPREAD if spread is None else parse_share(spread, say("breed.spread"))
    children = litter(generator, favourites, number, share, whole(count, CHILDREN, 1, MOST_CHILDREN, "breed.counted"))
    captions += [say("breed.child", generation=number, number=i + 1) for i in range(len(children))]
    recipes = [*favourites, *(child.recipe for child in children)]
    value = sheet_of(shelved, recipes, captions, generation=number, favourites=len(favourites))
    for picture, child in zip(value["pictures"][len(favourites) :], children, strict=True):
        picture["parents"] = child.parents
    return value, ran(shelved, generator)


# --- what is bred -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Child:
    """A picture, and the numbers of its parents: of one or of two."""

    recipe: Recipe
    parents: list[int]


def litter(generator: Generator, parents: list[Recipe], generation: int, spread: float, count: int) -> list[Child]:
    """The children of different parents, each of the class of the parent that it is nearer to."""
    z = latents_of(parents, generator.facts["latent_dim"])
    names = [f"{parent.label} {pack(each)}" for parent, each in zip(parents, z, strict=True)]
    order = sorted(range(len(parents)), key=names.__getitem__)  # so that the order in which they were picked is nothing
    children = []
    for i, seed in enumerate(litter_seeds([names[p] for p in order], generation, count)):
        mates = [order[i // ALONE % len(order)]] if i % ALONE == ALONE - 1 else order
        one, other, _ = couples(len(mates), [seed])
        bred, nearer = latents.breed(z[mates], [seed], spread)
        recipe = recipes_of(bred, generator.sha256, [parents[mates[nearer[0]]].label])[0]
        children.append(Child(recipe, sorted({mates[one[0]], mates[other[0]]})))
    return children


def litter_seeds(parents: list[str], generation: int, count: int) -> list[int]:
    """A seed for each child, told by its parents and the generation alone: another spread moves the same children."""
    digest = hashlib.sha256(json.dumps([parents, generation]).encode()).digest()
    first = int.from_bytes(digest[:4], "big")
    return [(first + i) % (SEED_MAX + 1) for i in range(count)]


def parents_from(parents: list[dict] | None, bundle: Bundle) -> tuple[list[Recipe], list[str]]:
    """The recipes of different parents, and what the sheet they come from calls them. Raises RecipeError, SeedError."""
    if not isinstance(parents, list) or not 1 <= len(parents) <= MOST_PARENTS:
        given = len(parents) if isinstance(parents, list) else 0
        raise RecipeError(say("breed.parents", most=MOST_PARENTS, given=given))
    named = {bundle.generator.named(recipe_of(entry, bundle)): caption_of(entry) for entry in parents}
    return list(named), list(named.values())


def caption_of(entry: dict) -> str:
    """What a sheet calls a picture, else its seed."""
    if isinstance(entry.get("caption"), str):
        return entry["caption"][:40]
    return say("sheet.own") if entry.get("latent") else say("sheet.seed", seed=entry["seed"])


# --- the page -----------------------------------------------------------------------------------------------------


@speaks
def found(bundle: str | None, label: str | None, first: int = 1, chosen: Recipe | None = None) -> tuple[dict, dict]:
    """The first generation: pictures of consecutive seeds, after one that was chosen elsewhere and is picked."""
    shelved = take(bundle)
    generator = shelved.generator
    brought = [] if chosen is None else [chosen]
    recipes = [*brought, *generator.recipes(range(first, first + FOUNDERS - len(brought)), class_asked(label))]
    value = sheet_of(shelved, recipes, generation=0, favourites=0, picked=list(range(len(brought))))
    return value, ran(shelved, generator)


def found_others(bundle: str | None, label: str | None) -> tuple[dict, dict]:
    """Another first generation."""
    return found(bundle, label, random.randrange(SURPRISES))


def breed_picked(spread: float | None, event: gr.EventData) -> tuple[dict, dict]:
    """`breed`, of the pictures that are picked on the page."""
    picked = chosen(event)
    return breed(picked.get("parents"), picked.get("generation"), spread, CHILDREN, picked.get("bundle"))


@speaks
def breed_from_chosen(event: gr.EventData) -> tuple:
    """A picture of any sheet, taken to this tab, among others of its class."""
    entry = chosen(event)
    shelved = take(entry.get("bundle"))
    recipe = shelved.generator.named(recipe_of(entry, shelved))
    shown = found(shelved.name, recipe.label, random.randrange(SURPRISES), recipe)
    return gr.Tabs(selected="breed"), shelved.name, offer_classes(shelved.name, recipe.label or EACH), *shown


def build(footer: Footer) -> tuple[Breeder, Callable]:
    """Lays out the tab; returns its sheet, and what lets the pictures of another be taken here."""
    names = names_with("generator")
    gr.Markdown(say("breed.introduction"), elem_classes="hint")
    with gr.Row(elem_classes="breeding"):
        bundle = choose_bundle(names, min_width=150)
        label = Choice([(say("page.mixed"), EACH)], value=EACH, label=say("page.class"), min_width=150)
        spread = Count(0, 1, FIRST_SPREAD, step=0.05, label=say("breed.different"), min_width=170, buttons=[])
    view = Breeder(label=say("breed.tab"), actions=["more", "steer"], waiting=FOUNDERS, elem_id="breeder")

    what = {"inputs": [bundle, label], "outputs": [view, footer]} | QUIET
    gr.api(breed, api_name="breed")
    view.next(breed_picked, spread, [view, footer], **QUIET)
    view.others(found_others, **what)
    label.input(found, **what)
    for event in (bundle.input, begin(view, bundle).then):
        event(offer_classes, [bundle, label], label, **QUIET).then(found, **what)

    def accept(sheet: Sheet | Steered, tabs: gr.Tabs) -> None:
        """Lets the pictures of a sheet be taken here."""
        sheet.breed(breed_from_chosen, None, [tabs, bundle, label, view, footer], **QUIET)

    return view, accept
