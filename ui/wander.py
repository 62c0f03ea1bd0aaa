"""The tab that walks between pictures: seeds in, a film out; and a grid between four of them."""

import random
from collections.abc import Callable

import gradio as gr
import numpy as np
from gradio.processing_utils import save_bytes_to_cache
from gradio.utils import get_upload_folder

from export.films import kinds_here, make_film, scale_of
from export.latents import SeedError, grid, latents, parse_seeds, walk
from export.recipes import recipes_of
from export.runtime import Bundle
from ui.choosing import begin, choose_bundle
from ui.generate import class_asked, offer_classes
from ui.sentences import speaks, whole
from ui.sheets import EACH, SURPRISES, plain_name, ran, sheet_of
from ui.shelf import names_with, take
from ui.texts import say
from ui.widgets import QUIET, Choice, Count, Film, Footer, Option, Sheet

MOST_STOPS = 8
FRAMES, SPEEDS, SIDES = (16, 240), (5, 30), (3, 9)  # least and most
FIRST_STOPS, FIRST_FRAMES, FIRST_SPEED = "3, 17, 40, 51", 120, 20
FIRST_CORNERS, FIRST_SIDE = "3, 17, 40, 51", 7
KIND_NAMES = {"mp4": "MP4", "webp": "WebP", "gif": "GIF"}
AT_ONCE = 24  # pictures drawn between two steps of the progress bar
DRAWING = 0.3  # the share of the time that drawing takes; the rest is packing


@speaks
def wander(
    bundle: str | None = None,
    label: str | None = EACH,
    seeds: str | None = FIRST_STOPS,
    frames: float | None = FIRST_FRAMES,
    speed: float | None = FIRST_SPEED,
    kind: str | None = None,
    progress: gr.Progress = gr.Progress(),  # noqa: B008  Gradio recognises it there
) -> tuple[dict, dict]:
    """Walk through the pictures of some seeds and back to the first, as a film that loops.

    bundle: a name of /bundles (empty: the first). label: a class, or "each" for that of the nearest seed. seeds: two to
    eight, such as "3, 17, 40" or "1-4". frames: 16 to 240 pictures. speed: 5 to 30 pictures a second. kind: mp4 (where
    ffmpeg is installed), webp or gif (empty: the first of these that can be made).
    The way between two latents is an arc (slerp), and every picture is enlarged by whole pixels. Returns the film's
    file with its facts, and what ran.
    """
    shelved, stops = take(bundle), stops_from(seeds)
    number = whole(frames, FIRST_FRAMES, *FRAMES, "wander.framed")
    rate = whole(speed, FIRST_SPEED, *SPEEDS, "wander.speeds")
    kind = str(kind or kinds_here()[0]).lower()

    def drawing(share: float) -> None:
        progress(DRAWING * share, desc=say("wander.drawing"))

    def packing(share: float) -> None:
        progress(DRAWING + (1 - DRAWING) * share, desc=say("wander.packing"))

    content = make_film(walked(shelved, class_asked(label), stops, number, drawing), kind, rate, packing)
    name = plain_name(shelved.name, "walk", *(str(seed) for seed in stops), class_asked(label)) + f".{kind}"
    path = save_bytes_to_cache(content, name, get_upload_folder())
    file = {"path": path, "orig_name": name, "size": len(content), "meta": {"_type": "gradio.FileData"}}
    side = shelved.generator.image_size * scale_of(shelved.generator.image_size, kind)
    asked = {"bundle": shelved.name, "label": label or EACH, "seeds": stops, "frames": number, "speed": rate}
    return {"file": file, "kind": kind, "side": side} | asked, ran(shelved, shelved.generator)


@speaks
def between_four(
    bundle: str | None = None,
    label: str | None = EACH,
    seeds: str | None = FIRST_CORNERS,
    side: float | None = FIRST_SIDE,
) -> tuple[dict, dict]:
    """Draw a grid of pictures between four: every row and every column is a walk from edge to edge.

    bundle: a name of /bundles (empty: the first). label: a class, or "each" for that of the nearest corner. seeds: the
    four corners, such as "3, 17, 40, 51". side: 3 to 9 pictures a side.
    Returns the pictures with their recipes, by rows, as /generate does, and what ran.
    """
    shelved, corners = take(bundle), parse_seeds(seeds or FIRST_CORNERS, MOST_STOPS)
    if len(corners) != 4:
        raise SeedError(say("wander.four", given=len(corners)))
    n = whole(side, FIRST_SIDE, *SIDES, "wander.sides")
    generator = shelved.generator
    of_corners = generator.recipes(corners, class_asked(label))
    places = [(down, across) for down in range(n) for across in range(n)]
    nearest = [of_corners[2 * (2 * down >= n) + (2 * across >= n)] for down, across in places]
    z = grid(latents(corners, generator.facts["latent_dim"]), n)
    recipes = recipes_of(z, generator.sha256, [corner.label for corner in nearest])
    ends = {(0, 0): 0, (0, n - 1): 1, (n - 1, 0): 2, (n - 1, n - 1): 3}
    for i, place in enumerate(places):
        if place in ends:  # the seed's own picture, which it can be called by
            recipes[i] = of_corners[ends[place]]
    captions = [
        say("wander.step", across=across + 1, down=down + 1) if recipe.latent else say("sheet.seed", seed=recipe.seed)
        for recipe, (down, across) in zip(recipes, places, strict=True)
    ]
    return sheet_of(shelved, recipes, captions, columns=n), ran(shelved, generator)


def stops_from(seeds: str | None) -> list[int]:
    """The seeds of a walk. Raises SeedError."""
    stops = parse_seeds(seeds or FIRST_STOPS, MOST_STOPS)
    if len(stops) < 2:
        raise SeedError(say("wander.stops", most=MOST_STOPS, given=len(stops)))
    return stops


def walked(
    bundle: Bundle, label: str | None, stops: list[int], frames: int, tick: Callable[[float], None]
) -> np.ndarray:
    """The pictures of a walk, uint8 N,S,S,3; of one class, or (None) each of the class of its nearest stop."""
    generator = bundle.generator
    z = walk(latents(stops, generator.facts["latent_dim"]), frames)
    labels = generator.labels(stops, label)
    nearest = np.floor(np.arange(frames) * len(stops) / frames + 0.5).astype(int) % len(stops)
    pixels = []
    for start in range(0, frames, AT_ONCE):
        some = slice(start, start + AT_ONCE)
        pixels.append(generator(z[some], None if labels is None else labels[nearest[some]]))
        tick(min(1.0, (start + AT_ONCE) / frames))
    return np.concatenate(pixels)


@speaks
def offer_one_class(bundle: str | None, label: str | None) -> dict:
    """The classes of a bundle, one of them chosen: between pictures of two classes a walk would jump."""
    classes = take(bundle).generator.classes
    return offer_classes(bundle, label if label in classes or not classes else classes[0])


def surprise(count: int = 4) -> str:
    """Seeds that nobody chose."""
    return ", ".join(str(random.randrange(SURPRISES)) for _ in range(count))


def build(footer: Footer) -> Sheet:
    """Lays out the tab; returns the sheet of its grid."""
    names = names_with("generator")
    gr.Markdown(say("wander.introduction"), elem_classes="hint")
    with gr.Row():
        bundle = choose_bundle(names, min_width=150)
        label = Choice([(say("page.mixed"), EACH)], value=EACH, label=say("page.class"), min_width=150)
    with gr.Row(elem_classes="wandering"):
        with gr.Column(min_width=280, scale=4):
            stops = gr.Textbox(FIRST_STOPS, label=say("wander.seeds"), info=say("wander.seeds_hint"), max_lines=1)
            frames = Count(*FRAMES, FIRST_FRAMES, step=1, label=say("wander.frames"))
            speed = Count(*SPEEDS, FIRST_SPEED, step=1, label=say("wander.speed"))
            kinds = [(KIND_NAMES[kind], kind) for kind in kinds_here()]
            kind = Option(kinds, value=kinds_here()[0], label=say("wander.kind"))
            with gr.Row(elem_classes="actions"):
                go = gr.Button(say("wander.go"), variant="primary", size="md", min_width=110)
                dice = gr.Button(say("wander.surprise"), size="md", min_width=110)
        with gr.Column(min_width=280, scale=5):
            film = Film(label=say("wander.film"), elem_id="film")
    gr.Markdown(f"## {say('wander.between')}", elem_classes="section")
    with gr.Row():
        corners = gr.Textbox(FIRST_CORNERS, label=say("wander.corners"), info=say("wander.corners_hint"), max_lines=1)
        side = Count(*SIDES, FIRST_SIDE, step=1, label=say("wander.side"))
    with gr.Row(elem_classes=["actions", "acting"]):
        go_grid = gr.Button(say("wander.go_grid"), variant="primary", size="md", min_width=110)
        dice_grid = gr.Button(say("wander.surprise"), size="md", min_width=110)
    sheet = Sheet(label=say("wander.grid"), detail=True, waiting=FIRST_SIDE**2, columns=FIRST_SIDE, elem_id="grid")

    walking = {"inputs": [bundle, label, stops, frames, speed, kind], "outputs": [film, footer]}
    walking |= {"show_progress": "full", "show_progress_on": film}
    spread = {"inputs": [bundle, label, corners, side], "outputs": [sheet, footer], "show_progress": "hidden"}
    gr.on([go.click, stops.submit], wander, **walking, api_name="wander")
    gr.on([go_grid.click, corners.submit, side.release], between_four, **spread, api_name="between_four")
    dice.click(surprise, outputs=stops, **QUIET).then(wander, **walking, api_visibility="private")
    dice_grid.click(surprise, outputs=corners, **QUIET).then(between_four, **spread, api_visibility="private")
    bundle.input(offer_one_class, [bundle, label], label, **QUIET)
    opened = begin(film, bundle).then(offer_one_class, [bundle, label], label, **QUIET)
    opened.then(wander, **walking, api_visibility="private").then(between_four, **spread, api_visibility="private")
    return sheet
