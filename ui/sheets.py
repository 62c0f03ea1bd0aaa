"""What the tabs do with pictures: recipes -> a sheet to look at, and what a visitor saves of it."""

import io
import re
import zipfile
from pathlib import Path

import gradio as gr
from gradio.processing_utils import save_bytes_to_cache
from gradio.utils import get_upload_folder

from export.neighbours import has_index
from export.pictures import contact_sheet, png_bytes, png_files
from export.recipes import Recipe, RecipeError, parse_recipe
from export.runtime import Bundle, Model
from ui.sentences import speaks, whole
from ui.shelf import address, licence_of, notice_of, take
from ui.texts import say
from ui.widgets import data_url

EACH = "each"  # the class that says: every seed's own
MOST = 256  # pictures in one sheet
SURPRISES = 1_000_000  # seeds go further, but these can be read out to a friend


def sheet_of(bundle: Bundle, recipes: list[Recipe], captions: list[str] | None = None, **more) -> dict:
    """The value of a Sheet: each picture with its recipe, as a lossless PNG that holds the recipe too.

    captions: where a seed does not say enough; more: what else the sheet has to know (see sheet.js).
    """
    return {
        "bundle": bundle.name,
        "model": bundle.generator.sha256,
        "notice": notice_of(bundle),
        "can_be_asked_about": bundle.has("dcnn"),
        "can_be_compared": has_index(bundle.manifest),
        "pictures": [
            as_entry(recipe) | {"png": data_url(png)} | ({"caption": captions[i]} if captions else {})
            for i, (recipe, png) in enumerate(zip(recipes, pngs_of(bundle, recipes), strict=True))
        ],
    } | more


def pngs_of(bundle: Bundle, recipes: list[Recipe]) -> list[bytes]:
    """The pictures of recipes, each as a lossless PNG that holds its recipe."""
    return png_files(bundle.generator.follow(recipes), [recipe.as_dict() for recipe in recipes])


def as_entry(recipe: Recipe) -> dict:
    """A recipe as one of a sheet's pictures states it: the sheet names the model."""
    entry = {"label": recipe.label, "seed": recipe.seed}
    return entry | ({"latent": recipe.latent} if recipe.latent else {"truncation": recipe.truncation})


def recipe_of(entry: object, bundle: Bundle) -> Recipe:
    """What a sheet's picture states -> its recipe. Raises RecipeError, SeedError."""
    if not isinstance(entry, dict):
        raise RecipeError(say("generate.no_picture_chosen"))
    return parse_recipe(entry | {"model": bundle.generator.sha256})


def ran(bundle: Bundle, model: Model) -> dict:
    """For the footer: what ran, not what was asked for."""
    return {
        "model": f"{bundle.name}/{model.path.name} {model.sha256[:12]}",
        "provider": model.provider,
        "milliseconds": round(1000 * model.seconds, 1),
        "licence": licence_of(bundle),
    }


def chosen(event: gr.EventData) -> dict:
    """What a sheet tells of the picture, or pictures, that were chosen; {} for what no sheet would tell."""
    return event._data if isinstance(event._data, dict) else {}


@speaks
def save(pictures: list[dict], how: str = "zip", bundle: str = "", columns: int = 0) -> dict:
    """Save pictures as one file: all of them in one PNG (how: sheet), or each in its own (how: zip), with recipes.

    pictures: recipes such as those in a sheet of /generate (label, and seed with truncation, or latent); at most 256.
    bundle: a name of /bundles (empty: the first). columns: of the sheet (0: as square as can be). Returns the file.
    """
    name, content = saved(pictures, how, bundle, columns)
    path = save_bytes_to_cache(content, name, get_upload_folder())
    return {"path": path, "orig_name": name, "size": len(content), "meta": {"_type": "gradio.FileData"}}


def saved(pictures: list[dict], how: str, bundle: str | None, columns: int | None) -> tuple[str, bytes]:
    """Name and content of the file that `save` makes. Raises RecipeError and what recipes raise."""
    shelved = take(bundle)
    if not isinstance(pictures, list) or not 1 <= len(pictures) <= MOST:
        number = len(pictures) if isinstance(pictures, list) else 0
        raise RecipeError(say("generate.counted", most=MOST, given=number))
    recipes = [recipe_of(entry, shelved) for entry in pictures]
    if how == "sheet":
        columns = whole(columns, 0, 0, MOST, "generate.columns")
        pixels = contact_sheet(shelved.generator.follow(recipes), min(columns, len(recipes)) or None)
        return f"{stem(shelved, recipes)}.png", png_bytes(pixels, {"pictures": [r.as_dict() for r in recipes]})
    if how == "zip":
        return f"{stem(shelved, recipes)}.zip", zip_of(shelved, recipes)
    raise RecipeError(say("generate.saves", given=repr(str(how)[:40])))


def zip_of(bundle: Bundle, recipes: list[Recipe]) -> bytes:
    """A zip of single PNGs, each with its recipe; the same recipes make the same zip."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:  # stored: PNGs are packed already
        for i, (recipe, png) in enumerate(zip(recipes, pngs_of(bundle, recipes), strict=True)):
            seed = None if recipe.seed is None else f"seed-{recipe.seed}"
            name = plain_name(f"{i + 1:03d}", bundle.name, seed, recipe.label)
            archive.writestr(zipfile.ZipInfo(f"{name}.png", (1980, 1, 1, 0, 0, 0)), png)
    return file.getvalue()


def stem(bundle: Bundle, recipes: list[Recipe]) -> str:
    """The name of a file of many pictures: their seeds, where they have them."""
    seeds = [recipe.seed for recipe in recipes if recipe.seed is not None]
    whole = len(seeds) == len(recipes)
    return plain_name(bundle.name, f"seeds-{seeds[0]}-{seeds[-1]}" if whole else f"{len(recipes)}-pictures")


def plain_name(*parts: str | None) -> str:
    """Parts of a file's name, joined, without what a file's name may not hold."""
    return re.sub(r"[^\w.-]+", "-", "-".join(part for part in parts if part))


@speaks
def save_shown(event: gr.EventData) -> dict:
    """`save`, of a sheet on the page; for the Saver, which hands the file to the browser."""
    asked = chosen(event)
    name, content = saved(asked.get("pictures"), asked.get("how"), asked.get("bundle"), asked.get("columns"))
    return {"name": name, "url": address(Path(save_bytes_to_cache(content, name, get_upload_folder())))}
