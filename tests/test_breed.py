"""Breeding: who the children of which pictures are, as programs get them."""

import json

import httpx
import numpy as np
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from export.latents import SEED_MAX, latents, pack
from export.recipes import Recipe, latents_of
from export.runtime import Generator
from ui.breed import ALONE, litter, litter_seeds

PARENTS = [{"label": "disc", "seed": 3, "truncation": 1.0}, {"label": "cross", "seed": 8, "truncation": 0.8}]


@pytest.fixture(scope="module")
def client(page_server, tmp_path_factory) -> Client:
    return Client(page_server.url, verbose=False, download_files=str(tmp_path_factory.mktemp("downloads")))


@pytest.fixture(scope="module")
def generator(page_bundle) -> Generator:
    return Generator(page_bundle)


def bred(client: Client, parents: list[dict] = PARENTS, **more) -> dict:
    return client.predict(parents=parents, api_name="/breed", **more)[0]


def family(generator: Generator, spread: float, count: int = 12) -> tuple[np.ndarray, np.ndarray, list]:
    """The latents of two parents, those of their children, and the children."""
    parents = [Recipe(generator.sha256, "disc", 3), Recipe(generator.sha256, "cross", 8)]
    children = litter(generator, parents, 1, spread, count)
    Z = generator.facts["latent_dim"]
    return latents_of(parents, Z), latents_of([child.recipe for child in children], Z), children


def angle(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    cosine = (a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)
    return np.arccos(np.clip(cosine, -1, 1))


# --- who is whose child --------------------------------------------------------------------------------------------


def test_children_without_a_spread_lie_between_their_parents_or_are_one(generator):
    z, of_children, children = family(generator, spread=0)
    whole = angle(z[0], z[1])
    for i, (child, latent) in enumerate(zip(children, of_children, strict=True)):
        to = angle(z, latent)
        if i % ALONE == ALONE - 1:
            assert len(child.parents) == 1
            assert to[child.parents[0]] < 2e-3  # what 16 bits leave
        else:
            assert child.parents == [0, 1]
            assert to.sum() == pytest.approx(whole, abs=2e-3)
            if abs(to[0] - to[1]) > 0.3 * whole:  # in the middle the longer of the two counts for more
                assert child.recipe.label == ("disc", "cross")[to.argmin()]


def test_the_spread_is_how_far_children_are_from_where_they_lay(generator):
    _, still, _ = family(generator, spread=0)
    moved = [angle(still, family(generator, spread)[1]) for spread in (0.1, 0.3, 0.6)]
    assert (moved[0] < moved[1]).all()
    assert (moved[1] < moved[2]).all()


def test_the_order_of_the_parents_is_nothing_and_the_generation_is_something(generator):
    parents = [Recipe(generator.sha256, "disc", seed) for seed in (5, 2, 9)]
    children = litter(generator, parents, 1, 0.25, 9)
    turned = litter(generator, parents[::-1], 1, 0.25, 9)
    assert [child.recipe for child in children] == [child.recipe for child in turned]
    names = [{parents[number].seed for number in child.parents} for child in children]
    assert names == [{parents[::-1][number].seed for number in child.parents} for child in turned]
    assert [child.recipe for child in litter(generator, parents, 2, 0.25, 9)] != [child.recipe for child in children]
    assert [child.recipe for child in litter(generator, parents, 1, 0.25, 4)] == [c.recipe for c in children[:4]]


def test_the_seeds_of_a_litter_are_seeds():
    assert all(0 <= seed <= SEED_MAX for i in range(50) for seed in litter_seeds([str(i)], i, 64))


# --- as programs see it --------------------------------------------------------------------------------------------


def test_the_same_picks_give_the_same_bytes(client, generator):
    sheet, again = bred(client), bred(client)
    assert [p["png"] for p in sheet["pictures"]] == [p["png"] for p in again["pictures"]]
    assert (sheet["generation"], sheet["favourites"], len(sheet["pictures"])) == (1, 2, 14)
    assert [p["seed"] for p in sheet["pictures"][:2]] == [3, 8]
    assert [p["caption"] for p in sheet["pictures"][:3]] == ["seed 3", "seed 8", "child 1.1"]
    assert all(set(p["parents"]) <= {0, 1} for p in sheet["pictures"][2:])
    as_latent = {"label": "disc", "latent": pack(latents([3], generator.facts["latent_dim"])[0])}
    assert [p["seed"] for p in bred(client, [as_latent, PARENTS[1]])["pictures"][2:]] == [None] * 12


def test_children_have_children(client):
    first = bred(client)
    chosen = [{key: p[key] for key in ("label", "latent", "caption")} for p in first["pictures"][4:7]]
    second = bred(client, chosen, generation=2, spread=0.4, count=5, bundle="shapes")
    assert [p["caption"] for p in second["pictures"]][2:5] == ["child 1.5", "child 2.1", "child 2.2"]
    assert [p["png"] for p in second["pictures"][:3]] == [p["png"] for p in first["pictures"][4:7]]
    assert len(second["pictures"]) == 8


def test_a_picture_that_is_named_twice_is_one_parent(client):
    sheet = bred(client, [PARENTS[0], PARENTS[0]], spread=0, count=3)
    assert sheet["favourites"] == 1
    assert [p["parents"] for p in sheet["pictures"][1:]] == [[0]] * 3


def test_pictures_without_a_class_have_children_without_one(mixed_server, tmp_path):
    mixed = Client(mixed_server.url, verbose=False, download_files=str(tmp_path))
    sheet = bred(mixed, [{"seed": 1}, {"seed": 2}], count=4, bundle="plain")
    assert [p["label"] for p in sheet["pictures"]] == [None] * 6
    assert "Not for commercial use" in sheet["notice"]


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"parents": []}, "From 1 to 12 pictures can be parents; 0 were given."),
        ({"parents": PARENTS * 7}, "From 1 to 12 pictures can be parents; 14 were given."),
        ({"parents": "all"}, "From 1 to 12 pictures can be parents"),
        ({"parents": ["seed 3"]}, "There is no such picture"),
        ({"parents": [{"label": "disc"}]}, "no recipe of a picture"),
        ({"parents": [{"seed": 1, "label": "triangle"}]}, "There is no class 'triangle'"),
        ({"parents": [{"latent": "AAAA"}]}, "has 1 numbers|not base64"),
        ({"parents": [{"seed": -1}]}, "A seed is a whole number"),
        ({"generation": 0}, "A generation is a whole number from 1 to 9999; '0' is not."),
        ({"generation": "late"}, "A generation is a whole number"),
        ({"spread": 1.5}, "Spread is a number from 0 to 1"),
        ({"count": 65}, "From 1 to 64 children can be drawn at once"),
        ({"count": 2.5}, "From 1 to 64 children can be drawn at once"),
        ({"bundle": "nothing"}, "There is no bundle 'nothing'"),
    ],
)
def test_what_cannot_be_bred_is_answered_with_a_sentence(client, page_server, asked, sentence):
    before = len(page_server.log)
    with pytest.raises(AppError, match=sentence):
        client.predict(**{"parents": PARENTS} | asked, api_name="/breed")
    assert "Traceback" not in page_server.log[before:]


def test_nothing_at_all_is_answered_with_a_sentence(page_server):
    call = f"{page_server.url}/gradio_api/call/breed"
    event = httpx.post(call, json={"data": [None, None, None, None, None]}).raise_for_status().json()["event_id"]
    answer = httpx.get(f"{call}/{event}", timeout=30).text
    assert json.loads(answer.partition("data:")[2])["error"].startswith("From 1 to 12 pictures can be parents")
