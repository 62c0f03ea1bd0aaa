"""Recipes: what is written is read back, and what is no recipe is refused in a sentence."""

import json

import numpy as np
import pytest

from export.latents import LatentError, SeedError, latents, truncate
from export.recipes import (
    Recipe,
    RecipeError,
    latents_of,
    parse_recipe,
    parse_recipes,
    parse_share,
    recipes_of,
)

SEEDED = Recipe("ab" * 32, "Sneaker", 7, 0.7)
OWN = recipes_of(latents([5], 8), "ab" * 32, [None])[0]


@pytest.mark.parametrize("recipe", [SEEDED, OWN, Recipe("cd" * 32, None, 0)])
def test_a_recipe_is_read_as_it_was_written(recipe):
    assert parse_recipe(json.loads(json.dumps(recipe.as_dict()))) == recipe


def test_a_recipe_says_no_more_than_it_needs():
    assert SEEDED.as_dict() == {"format": 1, "model": "ab" * 32, "label": "Sneaker", "seed": 7, "truncation": 0.7}
    assert set(OWN.as_dict()) == {"format", "model", "latent"}


def test_a_recipe_from_before_formats_had_numbers_is_read():
    assert parse_recipe({"model": "ef", "seed": 9, "label": "disc"}) == Recipe("ef", "disc", 9)


def test_a_sheet_has_many_recipes_and_a_picture_one():
    assert parse_recipes({"pictures": [SEEDED.as_dict(), OWN.as_dict()]}) == [SEEDED, OWN]
    assert parse_recipes(OWN.as_dict()) == [OWN]


def test_latents_of_recipes_are_those_of_their_seeds_or_their_own():
    z = latents_of([SEEDED, OWN, Recipe(seed=3)], 8)
    assert np.array_equal(z[0], truncate(latents([7], 8)[0], 0.7))
    assert np.array_equal(z[1], latents([5], 8)[0].astype(np.float16).astype(np.float32))
    assert np.array_equal(z[2], latents([3], 8)[0])
    assert latents_of([], 8).shape == (0, 8)
    with pytest.raises(LatentError, match="has 8 numbers, and the generator takes 9"):
        latents_of([OWN], 9)


@pytest.mark.parametrize(
    ("value", "error", "sentence"),
    [
        (None, RecipeError, "no recipe"),
        ([], RecipeError, "no recipe"),
        ({}, RecipeError, "neither a seed nor a latent"),
        ({"latent": ""}, RecipeError, "neither a seed nor a latent"),
        ({"seed": "abc"}, SeedError, "A seed is a whole number"),
        ({"seed": 1, "truncation": "x"}, RecipeError, "Truncation is a number"),
        ({"seed": 1, "format": 2}, RecipeError, "came later than this program"),
    ],
)
def test_what_is_no_recipe_is_refused_in_a_sentence(value, error, sentence):
    with pytest.raises(error, match=sentence):
        parse_recipe(value)


@pytest.mark.parametrize(("given", "psi"), [(None, 1.0), ("0.7", 0.7), (0, 0.0), (1, 1.0), (0.7000000001, 0.7)])
def test_truncation_is_read_as_a_person_gives_it(given, psi):
    assert parse_share(given) == psi


@pytest.mark.parametrize("given", ["", "abc", -0.1, 1.01, float("nan"), [], "1e9"])
def test_what_is_no_truncation_is_refused_in_a_sentence(given):
    with pytest.raises(RecipeError, match="Truncation is a number from 0 to 1"):
        parse_share(given)
