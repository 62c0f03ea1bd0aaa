"""The tab that draws: seeds in, a sheet of small pictures out."""

import random

import gradio as gr
import numpy as np

from export.latents import SEED_MAX, SeedError, parse_seed
from export.pictures import contact_sheet, png_bytes
from export.runtime import Bundle, Model
from ui.sentences import speaks
from ui.shelf import licence_of, names_with, notice_of, take
from ui.widgets import Choice, Count, Download, Footer, PngDownload, Sheet, png_url

MOST = 64  # pictures in one sheet
FIRST_SEED, FIRST_COUNT = 1, 24  # what a visitor finds
EACH = "each"  # the class that says: every seed's own
SURPRISES = 1_000_000  # seeds go further, but these can be read out to a friend


@speaks
def generate(
    bundle: str | None = None, label: str | None = EACH, seed: str | None = None, count: float | None = None
) -> tuple[dict, Download, dict]:
    """Draw pictures of the seeds `seed`, `seed` + 1, ...

    bundle: a name of /bundles (empty: the first). label: a class, or "each" for the class that belongs to each seed.
    seed: a whole number from 0 to 4294967295 (empty: a random one). count: 1 to 64 pictures.
    Returns the pictures with their recipes (each a lossless PNG as a data URL), all of them as one PNG file, and what
    ran. The same seed draws the same picture, alone or among others.
    """
    shelved = take(bundle)
    seeds = seeds_from(seed, count)
    generator = shelved.generator
    one_class = None if label in (None, "", EACH) else label
    pixels, labels = generator.draw(seeds, one_class), generator.labels(seeds, one_class)
    names = [None] * len(seeds) if labels is None else [generator.classes[i] for i in labels]
    recipes = [generator.recipe(s, None if labels is None else labels[i]) for i, s in enumerate(seeds)]
    value = {
        "bundle": shelved.name,
        "model": generator.sha256,
        "seed": seeds[0],
        "label": EACH if one_class is None else names[0],
        "notice": notice_of(shelved),
        "can_be_asked_about": shelved.has("dcnn"),
        "pictures": [
            {"seed": s, "label": name, "png": png_url(p, recipe)}
            for s, name, p, recipe in zip(seeds, names, pixels, recipes, strict=True)
        ],
    }
    return value, sheet_file(shelved, pixels, seeds, recipes), ran(shelved, generator)


def seeds_from(seed: str | None, count: float | None) -> list[int]:
    """The seeds of a sheet. Raises SeedError."""
    first = random.randrange(SURPRISES) if seed is None or not str(seed).strip() else parse_seed(seed)
    number = FIRST_COUNT if count is None else count
    if not isinstance(number, int | float) or number != number // 1 or not 1 <= number <= MOST:
        raise SeedError(f"From 1 to {MOST} pictures can be drawn at once; {str(count)[:40]!r} is not among them.")
    if first + number - 1 > SEED_MAX:
        raise SeedError(f"Seeds end at {SEED_MAX}: {int(number)} pictures cannot begin at {first}. Begin lower.")
    return list(range(first, first + int(number)))


def sheet_file(bundle: Bundle, pixels: np.ndarray, seeds: list[int], recipes: list[dict]) -> Download:
    """All pictures of a sheet in one PNG."""
    content = png_bytes(contact_sheet(pixels), {"pictures": recipes})
    return Download(f"{bundle.name}-seeds-{seeds[0]}-{seeds[-1]}.png", content)


def ran(bundle: Bundle, model: Model) -> dict:
    """For the footer: what ran, not what was asked for."""
    return {
        "model": f"{bundle.name}/{model.path.name} {model.sha256[:12]}",
        "provider": model.provider,
        "milliseconds": round(1000 * model.seconds, 1),
        "licence": licence_of(bundle),
    }


def redraw(bundle: str | None, label: str | None, seed: str | None, count: float | None) -> tuple:
    """`generate` while the number of pictures is being typed or dragged: what is not a number yet draws nothing."""
    return (gr.skip(),) * 3 if count is None else generate(bundle, label, seed, min(max(int(count), 1), MOST))


@speaks
def offer_classes(bundle: str | None, label: str | None = EACH) -> dict:
    """The classes of a bundle, for the dropdown; keeps the one that is chosen, where the bundle has it."""
    classes = take(bundle).generator.classes
    own = "mixed" if classes else "none"
    chosen = label if label in classes else EACH
    return gr.update(choices=[(own, EACH), *((name, name) for name in classes)], value=chosen)


def surprise() -> str:
    """A seed that nobody chose."""
    return str(random.randrange(SURPRISES))


@speaks
def open_page(request: gr.Request) -> tuple:
    """What the page's address asks for: ?bundle=&label=&seed=&count=, so that a sheet can be sent to a friend."""
    asked = dict(request.query_params)
    name = asked.get("bundle") if asked.get("bundle") in names_with("generator") else take(None).name
    count = asked.get("count", "")
    return (
        name,
        offer_classes(name, asked.get("label", EACH)),
        seed_asked(asked.get("seed")),
        min(int(count), MOST) if count.isdecimal() and int(count) else FIRST_COUNT,
    )


def seed_asked(text: str | None) -> str:
    """The seed in the page's address; the first one where it is none."""
    try:
        return str(FIRST_SEED if text is None else parse_seed(text))
    except SeedError:
        return str(FIRST_SEED)


def build(page: gr.Blocks, footer: Footer) -> tuple[Sheet, gr.Dropdown]:
    """Lays out the tab; returns the sheet, whose `submit` event asks the other tab, and the choice of bundle."""
    names = names_with("generator")
    with gr.Row(elem_classes="controls"):
        bundle = Choice(names, value=names[0], label="Bundle", visible=len(names) > 1, min_width=150)
        label = Choice([("mixed", EACH)], value=EACH, label="Class", min_width=150)
        seed = gr.Textbox(str(FIRST_SEED), label="Seed", max_lines=1, placeholder="empty: a random one", min_width=110)
        count = Count(1, MOST, FIRST_COUNT, step=1, label="Pictures", min_width=170)
    with gr.Row(elem_classes="actions"):
        go = gr.Button("Generate", variant="primary", size="md", min_width=110)
        dice = gr.Button("Surprise me", size="md", min_width=110)
        download = PngDownload("Download sheet", size="md", min_width=110)
    drawn = Sheet(label="Pictures", detail=True, elem_id="sheet")

    what = {"fn": generate, "inputs": [bundle, label, seed, count], "outputs": [drawn, download, footer]}
    again = what | {"api_visibility": "private", "show_progress": "hidden"}
    gr.on([go.click, seed.submit, label.input], **what, api_name="generate", show_progress="hidden")
    count.change(**again | {"fn": redraw}, trigger_mode="always_last")
    dice.click(surprise, outputs=seed, api_visibility="private", show_progress="hidden").then(**again)
    bundle.input(offer_classes, [bundle, label], label, api_visibility="private", show_progress="hidden").then(**again)
    page.load(open_page, outputs=[bundle, label, seed, count], api_visibility="private", show_progress="hidden").then(
        **again
    )
    return drawn, bundle
