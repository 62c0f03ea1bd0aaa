"""Recipes: all that has to be known to draw a picture again, as JSON in its PNG and in links to it.

    {"format": 1, "model": sha256 of the generator.onnx, "label": "Sneaker", "seed": 7, "truncation": 0.7}
    {"format": 1, "model": sha256 of the generator.onnx, "label": "Sneaker", "latent": "base64 of float16"}

A picture of a seed names the seed; one that was bred, mixed or steered has a latent of its own: 16-bit numbers that are
exactly what was drawn. `label` is left out where there are no classes. A sheet has {"pictures": [recipe, ...]}.
"""

from dataclasses import dataclass

import numpy as np

from export.latents import latents, pack, parse_seed, truncate, unpack

FORMAT = 1


class RecipeError(ValueError):
    """Not a recipe, or not one that can be followed; its message is a sentence."""


@dataclass(frozen=True)
class Recipe:
    """One picture: of a seed (its latent times `truncation`, 0 to 1), or of a packed `latent`."""

    model: str | None = None  # sha256 of the generator.onnx
    label: str | None = None  # the name of the class
    seed: int | None = None
    truncation: float = 1.0
    latent: str | None = None

    def as_dict(self) -> dict:
        """As it is written."""
        z = {"latent": self.latent} if self.latent else {"seed": self.seed, "truncation": self.truncation}
        label = {} if self.label is None else {"label": self.label}
        return {"format": FORMAT, "model": self.model} | label | z


def parse_share(value: object, name: str = "Truncation") -> float:
    """A share as a person or a program gives it -> 0 to 1, in hundredths; None: 1. Raises RecipeError."""
    try:
        share = 1.0 if value is None else round(float(value), 2)
    except (TypeError, ValueError):
        share = -1.0
    if not 0 <= share <= 1:
        raise RecipeError(f"{name} is a number from 0 to 1; {str(value)[:40]!r} is not.")
    return share


def parse_recipe(value: object) -> Recipe:
    """What `as_dict` wrote, or an older version of it -> Recipe. Raises RecipeError, SeedError."""
    if not isinstance(value, dict) or not (value.get("latent") or "seed" in value):
        raise RecipeError("This is no recipe of a picture: it names neither a seed nor a latent.")
    if value.get("format", FORMAT) != FORMAT:
        given = str(value["format"])[:20]
        raise RecipeError(f"This recipe is of format {given!r}, which came later than this program; it reads {FORMAT}.")
    if value.get("latent"):
        return Recipe(text(value.get("model")), text(value.get("label")), latent=str(value["latent"]))
    seed, psi = parse_seed(value["seed"]), parse_share(value.get("truncation"))
    return Recipe(text(value.get("model")), text(value.get("label")), seed, psi)


def text(value: object) -> str | None:
    return None if value is None else str(value)


def parse_recipes(value: object) -> list[Recipe]:
    """The recipe of a picture, or those of a sheet. Raises RecipeError, SeedError."""
    if isinstance(value, dict) and isinstance(value.get("pictures"), list):
        return [parse_recipe(each) for each in value["pictures"]]
    return [parse_recipe(value)]


def latents_of(recipes: list[Recipe], latent_dim: int) -> np.ndarray:
    """The latents that recipes describe, float32 N,Z. Raises LatentError."""
    z = np.zeros((len(recipes), latent_dim), np.float32)
    of_seeds = [i for i, recipe in enumerate(recipes) if not recipe.latent]
    if of_seeds:
        psi = np.array([[recipes[i].truncation] for i in of_seeds])
        z[of_seeds] = truncate(latents([recipes[i].seed for i in of_seeds], latent_dim), psi)
    for i, recipe in enumerate(recipes):
        if recipe.latent:
            z[i] = unpack(recipe.latent, latent_dim)
    return z


def recipes_of(z: np.ndarray, model: str, labels: list[str | None]) -> list[Recipe]:
    """Recipes of latents N,Z that belong to no seed; what they draw is what 16 bits hold of them."""
    return [Recipe(model, label, latent=pack(each)) for each, label in zip(z, labels, strict=True)]
