"""The tab that draws: seeds in, a sheet of small pictures out."""

import random
from dataclasses import asdict, dataclass, replace

import gradio as gr

from export.latents import SEED_MAX, SeedError, near, parse_seed
from export.pictures import PictureError, read_recipe
from export.recipes import Recipe, RecipeError, latents_of, parse_recipes, parse_share, recipes_of
from export.runtime import Bundle, Generator
from ui.choosing import choose_bundle
from ui.sentences import SENTENCES, speaks, whole
from ui.sheets import EACH, MOST, SURPRISES, as_entry, chosen, ran, recipe_of, sheet_of
from ui.shelf import names_with, shelf, take
from ui.texts import called, retold, say
from ui.widgets import AS_THEY_ARE, QUIET, Choice, Count, Footer, PictureFile, SentFile, Sheet

FIRST_SEED, FIRST_COUNT = 1, 24  # what a visitor finds
SPREAD = 0.3  # how far "more like this" goes: the same kind of thing, and not the same picture
DIGITS = 12  # of the generator's sha256 in a link


@speaks
def generate(
    bundle: str | None = None,
    label: str | None = EACH,
    seed: str | None = None,
    count: float | None = None,
    truncation: float | None = 1,
) -> tuple[dict, dict]:
    """Draw pictures of the seeds `seed`, `seed` + 1, ...

    bundle: a name of /bundles (empty: the first). label: a class, or "each" for the class that belongs to each seed.
    seed: a whole number from 0 to 4294967295 (empty: a random one). count: 1 to 256 pictures. truncation: 0 to 1; below
    1 the latents are drawn towards their mean, and pictures become more typical and more alike.
    Returns the pictures with their recipes (each a lossless PNG as a data URL, its recipe inside), and what ran. The
    same seed draws the same picture, alone or among others.
    """
    return drawn_seeds(take(bundle), label, seeds_from(seed, count), parse_share(truncation))


@speaks
def more_like(
    bundle: str | None = None,
    label: str | None = None,
    seed: str | None = None,
    truncation: float | None = 1,
    latent: str | None = None,
    spread: float | None = SPREAD,
    count: float | None = None,
) -> tuple[dict, dict]:
    """Draw a picture, and others like it.

    bundle: a name of /bundles (empty: the first). label, and seed with truncation, or latent: the picture's recipe, as
    /generate states it. spread: how far from it the others are, 0 (the same) to 1 (any). count: 1 to 256 pictures, the
    given one first.
    Returns the pictures with their recipes, as /generate does, and what ran.
    """
    entry = {"label": class_asked(label), "seed": seed, "truncation": truncation, "latent": latent}
    shelved = take(bundle)
    return drawn_near(shelved, recipe_of(entry, shelved), spread, count_from(count))


@speaks
def open_picture(file: SentFile | None, bundle: str | None = None) -> tuple[dict, dict]:
    """Draw the picture of a PNG that was saved here again, or all pictures of a sheet, from the recipe inside it.

    file: the PNG. bundle: what draws it where no bundle here is the one that drew it (empty: the first).
    Returns the pictures with their recipes, as /generate does (`note` says so where another model drew it), and what
    ran.
    """
    recipes, shelved = opened(file, bundle)
    note = note_on_model(shelved, recipes[0].model)
    recipes = [replace(recipe, model=shelved.generator.sha256) for recipe in recipes]
    return drawn(shelved, recipes, settings_that_draw(shelved.generator, recipes), note=note)


# --- what is asked for --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Settings:
    """What the tab's controls say of a sheet."""

    label: str = EACH
    seed: int = FIRST_SEED
    count: int = FIRST_COUNT
    truncation: float = 1.0


def class_asked(label: str | None) -> str | None:
    """The class; None where each seed shall have its own."""
    return None if label in (None, "", EACH) else label


def count_from(count: float | None) -> int:
    """A number of pictures. Raises NumberError."""
    return whole(count, FIRST_COUNT, 1, MOST, "generate.counted")


def seeds_from(seed: str | None, count: float | None) -> list[int]:
    """The seeds of a sheet. Raises SeedError, NumberError."""
    first = random.randrange(SURPRISES) if seed is None or not str(seed).strip() else parse_seed(seed)
    number = count_from(count)
    if first + number - 1 > SEED_MAX:
        raise SeedError(say("generate.seeds_end", last=SEED_MAX, count=number, first=first))
    return list(range(first, first + number))


def opened(file: SentFile | None, bundle: str | None) -> tuple[list[Recipe], Bundle]:
    """The recipes inside a file, and the bundle that drew it, else the one named. Raises PictureError, RecipeError."""
    if file is None:
        raise PictureError(say("generate.nothing_opened"))
    recipes = parse_recipes(read_recipe(file.content, file.name))
    if not 1 <= len(recipes) <= MOST:
        raise RecipeError(say("generate.counted", most=MOST, given=len(recipes)))
    return recipes, take(drawn_by(recipes[0].model) or bundle)


def drawn_by(model: str | None) -> str | None:
    """The bundle whose generator has this sha256 (or one that begins so), by its manifest; None where none has."""
    files = {name: bundle.manifest["sha256"].get("generator.onnx", "") for name, bundle in shelf().items()}
    return next((name for name, sha256 in files.items() if model and sha256.startswith(model)), None)


def note_on_model(bundle: Bundle, model: str | None) -> str | None:
    """A sentence where a recipe names another generator than the one that draws it now."""
    own = bundle.generator.sha256
    if not model or own.startswith(model):
        return None
    return say("generate.another_model", model=model[:DIGITS], bundle=bundle.name, own=own[:DIGITS])


def settings_that_draw(generator: Generator, recipes: list[Recipe]) -> Settings | None:
    """The settings with which `generate` draws these recipes, where there are such."""
    first, n = recipes[0], len(recipes)
    if first.seed is None or first.seed + n - 1 > SEED_MAX:
        return None
    for label in (first.label or EACH, EACH):
        found = generator.recipes(range(first.seed, first.seed + n), class_asked(label), first.truncation)
        if found == recipes:
            return Settings(label, first.seed, n, first.truncation)
    return None


# --- what is drawn ------------------------------------------------------------------------------------------------


def drawn(bundle: Bundle, recipes: list[Recipe], settings: Settings | None, **more) -> tuple[dict, dict]:
    """Sheet and footer; the sheet knows which address draws it again, where there is one."""
    if settings:
        more |= {"address": address_of(bundle, asdict(settings)), **asdict(settings)}
    elif len(recipes) == 1:
        more |= {"address": address_of(bundle, as_entry(recipes[0]))}
    return sheet_of(bundle, recipes, **more), ran(bundle, bundle.generator)


def drawn_seeds(bundle: Bundle, label: str | None, seeds: list[int], psi: float) -> tuple[dict, dict]:
    """Sheet and footer of consecutive seeds."""
    recipes = bundle.generator.recipes(seeds, class_asked(label), psi)
    asked = EACH if class_asked(label) is None else recipes[0].label
    return drawn(bundle, recipes, Settings(asked, seeds[0], len(seeds), psi))


def drawn_near(bundle: Bundle, recipe: Recipe, spread: float | str | None, count: int) -> tuple[dict, dict]:
    """Sheet and footer of a picture and of its neighbours."""
    generator, recipe = bundle.generator, bundle.generator.named(recipe)
    spread = SPREAD if spread is None else parse_share(spread, "Spread")
    z = latents_of([recipe], generator.facts["latent_dim"])[0]
    others = recipes_of(near(z, range(1, count), spread), generator.sha256, [recipe.label] * (count - 1))
    value = sheet_of(
        bundle,
        [recipe, *others],
        [say("generate.original"), *(say("generate.neighbour", number=i) for i in range(1, count))],
        heading=say("generate.near_latent") if recipe.latent else say("generate.near_seed", seed=recipe.seed),
        address=address_of(bundle, as_entry(recipe) | {"near": spread, "count": count}),
    )
    return value, ran(bundle, generator)


def address_of(bundle: Bundle, asked: dict) -> dict:
    """The query of an address that draws a sheet again; the head of the sha256 tells which model drew it."""
    usual = {"truncation": 1.0, "seed": None, "label": None}
    query = {key: value for key, value in asked.items() if key not in usual or value != usual[key]}
    return {"bundle": bundle.name, **query, "model": bundle.generator.sha256[:DIGITS]}


# --- the page -----------------------------------------------------------------------------------------------------


def redraw(
    bundle: str | None, label: str | None, seed: str | None, count: float | None, truncation: float | None
) -> tuple:
    """`generate` while numbers are being typed or dragged: what is not a number yet draws nothing."""
    if count is None or truncation is None:
        return gr.skip(), gr.skip()
    return generate(bundle, label, seed, within(count, 1, MOST, step=1), within(truncation, 0, 1))


def within(number: float, least: float, most: float, step: float | None = None) -> float:
    """What was typed, or the end that it went beyond; what is no number stays as it is, for a sentence about it."""
    if not isinstance(number, int | float):
        return number
    number = min(max(number, least), most)
    return number // step * step if step else number


@speaks
def offer_classes(bundle: str | None, label: str | None = EACH) -> dict:
    """The classes of a bundle, for the dropdown; keeps the one that is chosen, where the bundle has it."""
    classes = take(bundle).generator.classes
    own = say("page.mixed") if classes else say("page.no_classes")
    return gr.update(
        choices=[(own, EACH), *((called(c), c) for c in classes)], value=label if label in classes else EACH
    )


def surprise() -> str:
    """A seed that nobody chose."""
    return str(random.randrange(SURPRISES))


@speaks
def open_page(request: gr.Request) -> tuple:
    """What the page's address asks for, so that a sheet can be sent to a friend; see `follow_address`."""
    query = dict(request.query_params)
    try:
        return follow_address(query)
    except SENTENCES as error:  # said beside the sheet that everybody finds
        return follow_address({}, note=say("generate.address", why=retold(str(error))))


def follow_address(query: dict[str, str], note: str | None = None) -> tuple:
    """Controls, sheet and footer for ?bundle=&label=&seed=&count=&truncation=, or &latent= and &near=.

    Raises what cannot be followed.
    """
    model, known = query.get("model"), query.get("bundle") in shelf()
    shelved = take(query.get("bundle") if known else drawn_by(model) or query.get("bundle"))
    label, seed = query.get("label", EACH), query.get("seed") or str(FIRST_SEED)
    count, psi = number_in(query, "count", FIRST_COUNT), parse_share(query.get("truncation"))
    entry = {"label": class_asked(label), "seed": seed, "truncation": psi, "latent": query.get("latent")}
    if "near" in query:
        sheet, footer = drawn_near(shelved, recipe_of(entry, shelved), query["near"], count_from(count))
    elif "latent" in query:
        sheet, footer = drawn(shelved, [recipe_of(entry, shelved)], None)
    else:
        sheet, footer = drawn_seeds(shelved, label, seeds_from(seed, count), psi)
    note = note or note_on_model(shelved, model)
    return shelved.name, offer_classes(shelved.name, label), seed, count, psi, sheet | {"note": note}, footer


def number_in(query: dict[str, str], key: str, usual: int) -> int | str:
    """A whole number of the address; what is none stays as it is, for a sentence about it."""
    text = query.get(key, str(usual))
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else text


@speaks
def controls_of(file: SentFile | None, bundle: str | None) -> tuple:
    """The tab's controls after a file was opened; what its recipe does not tell stays as it is."""
    recipes, shelved = opened(file, bundle)
    recipes = [replace(recipe, model=shelved.generator.sha256) for recipe in recipes]
    settings = settings_that_draw(shelved.generator, recipes)
    if settings is None:
        return shelved.name, offer_classes(shelved.name, recipes[0].label), gr.skip(), gr.skip(), gr.skip()
    label = offer_classes(shelved.name, settings.label)
    return shelved.name, label, str(settings.seed), settings.count, settings.truncation


@speaks
def more_like_chosen(event: gr.EventData) -> tuple:
    """`more_like` of a picture of any sheet, shown in this tab."""
    entry = chosen(event)
    keys = ("bundle", "label", "seed", "truncation", "latent")
    return gr.Tabs(selected="generate"), *more_like(**{key: entry.get(key) for key in keys})


def accept(sheet: Sheet, here: Sheet, tabs: gr.Tabs, footer: Footer) -> None:
    """Lets the pictures of a sheet be asked for others like them, which are shown `here`."""
    sheet.more(more_like_chosen, None, [tabs, here, footer], **QUIET)


def build(page: gr.Blocks, footer: Footer) -> tuple[Sheet, gr.Dropdown]:
    """Lays out the tab; returns the sheet, whose `submit` event asks the other tab, and the choice of bundle."""
    names = names_with("generator")
    with gr.Row(elem_classes="controls"):
        bundle = choose_bundle(names, min_width=150)
        label = Choice([(say("page.mixed"), EACH)], value=EACH, label=say("page.class"), min_width=150)
        seed = gr.Textbox(
            str(FIRST_SEED),
            label=say("generate.seed"),
            max_lines=1,
            placeholder=say("generate.seed_hint"),
            min_width=110,
        )
        count = Count(1, MOST, FIRST_COUNT, step=1, label=say("generate.count"), min_width=170, buttons=[])
        truncation = Count(0, 1, 1, step=0.05, label=say("generate.truncation"), min_width=170, buttons=[])
    gr.Markdown(say("generate.truncation_hint"), elem_classes="hint")
    with gr.Row(elem_classes=["actions", "opener"]):
        go = gr.Button(say("generate.go"), variant="primary", size="md", min_width=110)
        dice = gr.Button(say("generate.surprise"), size="md", min_width=110)
        file = PictureFile(label=say("generate.open"), file_types=[".png"], size="md", min_width=110)
    sheet = Sheet(label=say("generate.pictures"), detail=True, opener=".opener input[type=file]", elem_id="sheet")

    controls, shown = [bundle, label, seed, count, truncation], [sheet, footer]
    what = {"inputs": controls, "outputs": shown, "show_progress": "hidden"} | AS_THEY_ARE
    again = {"fn": generate} | what | QUIET
    gr.on([go.click, seed.submit, label.input], generate, **what, api_name="generate")
    gr.on([count.input, truncation.input], redraw, **what, api_visibility="private", trigger_mode="always_last")
    dice.click(surprise, outputs=seed, **QUIET).then(**again)
    bundle.input(offer_classes, [bundle, label], label, **QUIET).then(**again)
    gr.api(more_like, api_name="more_like")
    file.upload(open_picture, [file, bundle], shown, api_name="open", show_progress="hidden").success(
        controls_of, [file, bundle], controls, **QUIET
    )
    page.load(open_page, None, [*controls, *shown], **QUIET)
    return sheet, bundle
