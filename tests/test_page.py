"""The page as programs see it: app.py in a process of its own, asked over HTTP."""

import base64
import hashlib
import io
import json
import re
import shutil
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import httpx
import numpy as np
import pytest
from conftest import ROOT, page_environment
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image, ImageSequence

import export.verdict
from export.films import kinds_here
from export.latents import latents, mix, pack, steer, unpack, walk
from export.pictures import png_bytes, read_picture
from export.recipes import Recipe
from export.resave import RESAVINGS
from export.runtime import DCNN, Bundle, Generator, ModelError, forbids_commerce
from ui.steer import steered
from ui.wander import walked


@pytest.fixture(scope="module")
def client(page_server, tmp_path_factory) -> Client:
    return Client(page_server.url, verbose=False, download_files=str(tmp_path_factory.mktemp("downloads")))


def refusal(client: Client, *args, api_name: str, **kwargs) -> str:
    """The sentence with which the page refuses a call."""
    with pytest.raises(AppError) as caught:
        client.predict(*args, api_name=api_name, **kwargs)
    return str(caught.value)


def pixels_of(data_url: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data_url.partition(",")[2]))).convert("RGB"))


def generate(client: Client, bundle="shapes", label="each", seed="5", count=4, truncation=1):
    return client.predict(bundle, label, seed, count, truncation, api_name="/generate")


def png_of(picture: dict) -> bytes:
    return base64.b64decode(picture["png"].partition(",")[2])


def entry_of(picture: dict) -> dict:
    """The recipe of a sheet's picture, as other calls take it."""
    return {key: value for key, value in picture.items() if key not in ("png", "caption")}


def judge(client: Client, picture, bundle="shapes"):
    return client.predict(handle_file(str(picture)), bundle, api_name="/judge")


# --- starting ------------------------------------------------------------------------------------------------------


def test_the_page_answers_soon(page_server):
    assert page_server.seconds_to_answer < 12  # about 3 on a quiet machine; tests share theirs


def test_without_a_bundle_the_app_says_so_and_ends(tmp_path):
    done = subprocess.run(
        [sys.executable, "app.py"], cwd=ROOT, env=page_environment(tmp_path, tmp_path), capture_output=True, text=True
    )
    assert done.returncode in (1, 2)
    assert done.stderr.count("\n") == 1
    assert "There is no bundle in" in done.stderr
    assert "export.to_onnx" in done.stderr


def test_the_page_and_its_api_are_there(page_server, client):
    assert httpx.get(page_server.url).status_code == 200
    named = client.view_api(return_format="dict")["named_endpoints"]
    drawing = {"/generate", "/more_like", "/open", "/save", "/wander", "/between_four", "/steer", "/mix", "/breed"}
    playing = {"/game_round", "/game_answer"}
    assert set(named) == drawing | playing | {"/judge", "/nearest", "/describe", "/bundles"}
    assert all(endpoint["description"] for endpoint in named.values())


def test_the_page_asks_nobody_else_for_anything(page_server):
    page = httpx.get(page_server.url).text
    assert "fonts.googleapis" not in page
    assert "cdn" not in page.lower()


# --- generate ------------------------------------------------------------------------------------------------------


def test_a_sheet_holds_the_pictures_of_its_seeds(client, page_bundle):
    sheet, ran = generate(client, seed="5", count=4)
    pixels = Generator(page_bundle).draw([5, 6, 7, 8])
    assert [p["seed"] for p in sheet["pictures"]] == [5, 6, 7, 8]
    assert [p["label"] for p in sheet["pictures"]] == ["disc", "cross", "disc", "cross"]
    for picture, expected in zip(sheet["pictures"], pixels, strict=True):
        np.testing.assert_array_equal(pixels_of(picture["png"]), expected)
    assert ran["provider"].endswith("ExecutionProvider")
    assert sheet["model"][:12] in ran["model"]
    assert ran["licence"] == "CC0-1.0"


def test_a_class_can_be_asked_for(client, page_bundle):
    sheet, _ = generate(client, label="disc", seed="0", count=3)
    assert {p["label"] for p in sheet["pictures"]} == {"disc"}
    np.testing.assert_array_equal(pixels_of(sheet["pictures"][0]["png"]), Generator(page_bundle).draw([0], "disc")[0])


def test_a_picture_carries_its_recipe(client, page_bundle):
    sheet, _ = generate(client, seed="9", count=1)
    recipe = json.loads(Image.open(io.BytesIO(png_of(sheet["pictures"][0]))).text["recipe"])
    model = Generator(page_bundle).sha256
    assert recipe == {"format": 1, "model": model, "label": "disc", "seed": 9, "truncation": 1.0}


def test_truncation_draws_pictures_nearer_to_each_other(client, page_bundle):
    sheet, _ = generate(client, label="disc", seed="1", count=2, truncation=0.5)
    expected = Generator(page_bundle).draw([1, 2], "disc", truncation=0.5)
    for picture, pixels in zip(sheet["pictures"], expected, strict=True):
        np.testing.assert_array_equal(pixels_of(picture["png"]), pixels)
        assert picture["truncation"] == 0.5
    assert sheet["address"]["truncation"] == 0.5
    same, _ = generate(client, label="disc", seed="1", count=2, truncation=0)
    assert pixels_of(same["pictures"][0]["png"]).tolist() == pixels_of(same["pictures"][1]["png"]).tolist()


@pytest.mark.parametrize("truncation", [-0.1, 1.1, "much"])
def test_what_is_no_truncation_is_answered_with_a_sentence(client, truncation):
    answer = refusal(client, "shapes", "each", "1", 4, truncation, api_name="/generate")
    assert "Truncation is a number from 0 to 1" in answer


def test_a_sheet_is_saved_as_one_lossless_file_with_every_recipe(client, page_bundle):
    sheet, _ = generate(client, seed="20", count=4)
    path = client.predict([entry_of(p) for p in sheet["pictures"]], "sheet", "shapes", 0, api_name="/save")
    assert Path(path).name == "shapes-seeds-20-23.png"
    picture = Image.open(path)
    assert picture.format == "PNG"
    assert [recipe["seed"] for recipe in json.loads(picture.text["recipe"])["pictures"]] == [20, 21, 22, 23]
    scale = 84 // 16
    first = np.asarray(picture.convert("RGB"))[: 16 * scale : scale, : 16 * scale : scale]
    np.testing.assert_array_equal(first, Generator(page_bundle).draw([20])[0])


def test_a_sheet_is_saved_as_a_zip_of_the_very_pictures(client):
    sheet, _ = generate(client, seed="5", count=3, truncation=0.7)
    like, _ = client.predict("shapes", "disc", "5", count=2, api_name="/more_like")
    pictures = sheet["pictures"] + like["pictures"]
    path = client.predict([entry_of(p) for p in pictures], "zip", "shapes", 0, api_name="/save")
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist()[0] == "001-shapes-seed-5-disc.png"
        assert archive.namelist()[-1] == "005-shapes-disc.png"  # it has no seed
        assert [archive.read(name) for name in archive.namelist()] == [png_of(p) for p in pictures]


@pytest.mark.parametrize(
    ("pictures", "how", "sentence"),
    [
        ([], "zip", "From 1 to 256 pictures"),
        ([{"seed": 1}] * 257, "zip", "From 1 to 256 pictures"),
        ([{"seed": 1}], "tar", "'tar' is neither"),
        ([{"seed": "x"}], "zip", "A seed is a whole number"),
        ([{"latent": "AAAA"}], "zip", "has 1 numbers|not base64"),
        (["seed 1"], "zip", "no such picture"),
    ],
)
def test_what_cannot_be_saved_is_answered_with_a_sentence(client, pictures, how, sentence):
    assert re.search(sentence, refusal(client, pictures, how, "shapes", 0, api_name="/save"))


def test_pictures_like_one_begin_with_it_and_are_drawn_again_from_their_latents(client, page_bundle):
    like, _ = client.predict("shapes", "disc", "6", 0.8, spread=0.4, count=5, api_name="/more_like")
    first, *others = like["pictures"]
    np.testing.assert_array_equal(pixels_of(first["png"]), Generator(page_bundle).draw([6], "disc", truncation=0.8)[0])
    assert [p["label"] for p in others] == ["disc"] * 4
    assert len({p["png"] for p in like["pictures"]}) == 5
    again, _ = client.predict("shapes", "disc", latent=others[2]["latent"], count=1, api_name="/more_like")
    assert again["pictures"][0]["png"] == others[2]["png"]
    same, _ = client.predict("shapes", "disc", "6", spread=0, count=2, api_name="/more_like")
    assert len({pixels_of(p["png"]).tobytes() for p in same["pictures"]}) == 1


def test_a_saved_picture_is_opened_as_the_same_picture(client, tmp_path):
    sheet, _ = generate(client, seed="40", count=3, truncation=0.9)
    like, _ = client.predict("shapes", "cross", "40", count=2, api_name="/more_like")
    for i, picture in enumerate([sheet["pictures"][1], like["pictures"][1]]):
        (tmp_path / f"{i}.png").write_bytes(png_of(picture))
        again, _ = client.predict(handle_file(str(tmp_path / f"{i}.png")), "shapes", api_name="/open")
        assert [p["png"] for p in again["pictures"]] == [picture["png"]]
        assert again["note"] is None


def test_a_saved_sheet_is_opened_with_the_settings_that_drew_it(client):
    for label, truncation in (("each", 1), ("disc", 0.5)):
        sheet, _ = generate(client, label=label, seed="8", count=4, truncation=truncation)
        path = client.predict([entry_of(p) for p in sheet["pictures"]], "sheet", "shapes", 0, api_name="/save")
        again, _ = client.predict(handle_file(path), None, api_name="/open")
        assert again["pictures"] == sheet["pictures"]
        assert again["address"] == sheet["address"]
        assert (again["label"], again["seed"], again["count"]) == (label, 8, 4)


def test_a_picture_of_another_generator_is_drawn_and_told(client, tmp_path):
    recipe = {"format": 1, "model": "ab" * 32, "label": "disc", "seed": 5, "truncation": 1}
    (tmp_path / "theirs.png").write_bytes(png_bytes(noise(16, 16, 3), recipe))
    sheet, _ = client.predict(handle_file(str(tmp_path / "theirs.png")), "shapes", api_name="/open")
    assert sheet["note"].startswith("This was drawn by another generator (abababababab). You see what shapes (")
    assert sheet["pictures"] == generate(client, label="disc", seed="5", count=1)[0]["pictures"]


def test_a_file_without_a_recipe_is_answered_with_a_sentence(client, tmp_path):
    Image.fromarray(noise(16, 16, 3)).save(tmp_path / "plain.png")
    answer = refusal(client, handle_file(str(tmp_path / "plain.png")), "shapes", api_name="/open")
    assert "plain.png carries no recipe" in answer
    (tmp_path / "letter.png").write_text("no picture at all")
    answer = refusal(client, handle_file(str(tmp_path / "letter.png")), "shapes", api_name="/open")
    assert "letter.png is not a picture" in answer
    assert "No file came with this" in refusal(client, None, "shapes", api_name="/open")


@pytest.mark.parametrize("recipe", [{"seed": "x"}, {"latent": "AAAA"}, {"seed": 1, "label": "zebra"}, {"format": 9}])
def test_a_recipe_that_cannot_be_followed_is_answered_with_a_sentence(client, tmp_path, recipe):
    (tmp_path / "odd.png").write_bytes(png_bytes(noise(16, 16, 3), {"seed": 1} | recipe))
    answer = refusal(client, handle_file(str(tmp_path / "odd.png")), "shapes", api_name="/open")
    assert re.search("A seed is|latent|There is no class 'zebra'|came later than this program", answer)


def test_a_file_of_the_server_cannot_be_opened(page_server):
    payload = {"path": str(ROOT / "ui" / "favicon.png"), "meta": {"_type": "gradio.FileData"}}
    answer = raw_answer(page_server, payload, "shapes", api_name="open")
    assert answer.startswith("event: error")
    assert "not uploaded" in answer


def test_without_a_seed_one_is_chosen_and_told(client):
    sheets = [generate(client, seed="", count=1)[0] for _ in range(3)]
    assert len({sheet["seed"] for sheet in sheets}) > 1
    assert all(sheet["pictures"][0]["seed"] == sheet["seed"] for sheet in sheets)


def test_everything_left_out_is_a_sheet_too(client):
    assert client.predict(None, None, None, None, None, api_name="/generate")[0]["pictures"]


@pytest.mark.parametrize("seed", ["abc", "-1", str(2**40), "1.5", "7; 8"])
def test_what_is_no_seed_is_answered_with_a_sentence(client, seed):
    answer = refusal(client, "shapes", "each", seed, 4, api_name="/generate")
    assert "A seed is a whole number from 0 to 4294967295" in answer
    assert seed in answer


@pytest.mark.parametrize("count", [10_000, 257, 0, -3, 2.5, "many"])
def test_what_is_no_number_of_pictures_is_answered_with_a_sentence(client, count):
    answer = refusal(client, "shapes", "each", "1", count, api_name="/generate")
    assert "From 1 to 256 pictures" in answer


def test_seeds_end_where_they_end(client):
    assert generate(client, seed="4294967295", count=1)[0]["seed"] == 2**32 - 1
    assert "Seeds end at" in refusal(client, "shapes", "each", "4294967295", 2, api_name="/generate")


def test_a_class_that_does_not_exist_is_answered_with_those_that_do(client):
    assert "cross, disc" in refusal(client, "shapes", "zebra", "1", 4, api_name="/generate")


def test_a_bundle_that_does_not_exist_is_answered_with_those_that_do(client, toy_pictures):
    picture = handle_file(str(next(toy_pictures.rglob("*.png"))))
    for answer in (
        refusal(client, "nowhere", "each", "1", 4, api_name="/generate"),
        refusal(client, picture, "nowhere", api_name="/judge"),
        refusal(client, "nowhere", api_name="/describe"),
    ):
        assert "no bundle 'nowhere'" in answer
        assert "shapes" in answer


# --- wander -------------------------------------------------------------------------------------------------------


def film(client: Client, seeds="1, 4", frames=16, speed=10, kind="webp", label="disc", bundle="shapes"):
    return client.predict(bundle, label, seeds, frames, speed, kind, api_name="/wander")


def frames_of(path: str) -> np.ndarray:
    with Image.open(path) as pictures:
        return np.stack([np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(pictures)])


def test_a_walk_is_a_film_of_its_pictures(client, page_bundle):
    value, ran = film(client)
    assert (value["seeds"], value["frames"], value["speed"], value["kind"]) == ([1, 4], 16, 10, "webp")
    assert Path(value["file"]).name == "shapes-walk-1-4-disc.webp"
    frames = frames_of(value["file"])
    scale = value["side"] // 16
    assert frames.shape == (16, value["side"], value["side"], 3)
    expected = Generator(page_bundle).draw([1, 4], "disc")
    np.testing.assert_array_equal(frames[[0, 8], ::scale, ::scale], expected)
    assert "generator.onnx" in ran["model"]


def test_a_walk_through_two_classes_changes_half_way(page_bundle):
    bundle, told = Bundle(page_bundle), []
    z = walk(latents([0, 1], bundle.generator.facts["latent_dim"]), 30)
    labels = np.array([0] * 8 + [1] * 15 + [0] * 7)
    np.testing.assert_array_equal(walked(bundle, None, [0, 1], 30, told.append), bundle.generator(z, labels))
    assert told == [24 / 30, 1.0]


@pytest.mark.parametrize("kind", kinds_here())
def test_a_walk_comes_in_every_kind_of_file_that_can_be_made(client, kind):
    value, _ = film(client, kind=kind)
    head = Path(value["file"]).read_bytes()[:16]
    assert {"mp4": b"ftyp", "webp": b"WEBP", "gif": b"GIF89a"}[kind] in head


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"seeds": "7"}, "2 to 8 seeds; 1 were given"),
        ({"seeds": "1-9"}, "At most 8 pictures"),
        ({"seeds": "x,y"}, "A seed is a whole number"),
        ({"frames": 10_000}, "16 to 240 pictures; '10000' is not"),
        ({"frames": 20.5}, "16 to 240 pictures"),
        ({"speed": 0}, "5 to 30 pictures a second"),
        ({"kind": "avi"}, "'avi' is none of them"),
        ({"label": "zebra"}, "cross, disc"),
        ({"bundle": "nowhere"}, "no bundle 'nowhere'"),
    ],
)
def test_what_cannot_be_walked_is_answered_with_a_sentence(client, asked, sentence):
    usual = {"bundle": "shapes", "label": "disc", "seeds": "1, 4", "frames": 16, "speed": 10, "kind": "webp"}
    assert sentence in refusal(client, *(usual | asked).values(), api_name="/wander")


def test_a_grid_has_the_four_in_its_corners(client, page_bundle):
    sheet, _ = client.predict("shapes", "disc", "3, 5, 7, 9", 4, api_name="/between_four")
    assert (len(sheet["pictures"]), sheet["columns"]) == (16, 4)
    corners = [sheet["pictures"][i] for i in (0, 3, 12, 15)]
    assert [p["seed"] for p in corners] == [3, 5, 7, 9]
    expected = Generator(page_bundle).draw([3, 5, 7, 9], "disc")
    np.testing.assert_array_equal([pixels_of(p["png"]) for p in corners], expected)
    between = sheet["pictures"][5]
    again, _ = client.predict("shapes", "disc", latent=between["latent"], count=1, api_name="/more_like")
    assert again["pictures"][0]["png"] == between["png"]
    mixed, _ = client.predict("shapes", "each", "2, 3, 4, 5", 3, api_name="/between_four")
    assert [p["label"] for p in mixed["pictures"]][:3] == ["cross", "cross", "disc"]


@pytest.mark.parametrize(
    ("seeds", "side", "sentence"),
    [("1,2,3", 5, "Four corners are needed; 3 were given"), ("1-4", 2, "3 to 9 pictures a side"), ("", "x", "3 to 9")],
)
def test_what_is_no_grid_is_answered_with_a_sentence(client, seeds, side, sentence):
    assert sentence in refusal(client, "shapes", "disc", seeds, side, api_name="/between_four")


# --- steer and mix -------------------------------------------------------------------------------------------------


def steer_(client: Client, amounts, **asked):
    usual = {"bundle": "shapes", "label": "disc", "seed": "6", "truncation": 1, "latent": None}
    return client.predict(**(usual | asked), amounts=amounts, api_name="/steer")


def test_a_picture_is_steered_as_the_runtime_would(client, page_bundle):
    value, ran = steer_(client, [1.5, 0, -2])
    generator = Generator(page_bundle)
    z = steer(latents([6], 8)[0], generator.directions[:3], [1.5, 0, -2])
    expected = generator.follow([Recipe(label="disc", latent=pack(z))])[0]
    np.testing.assert_array_equal(pixels_of(value["picture"]["png"]), expected)
    np.testing.assert_array_equal(pixels_of(value["start"]["png"]), generator.draw([6], "disc")[0])
    assert value["picture"]["latent"] == pack(z)
    assert "generator.onnx" in ran["model"]


def test_without_a_step_the_picture_is_that_of_its_seed(client):
    value, _ = steer_(client, [0, 0])
    assert value["picture"] == value["start"]
    assert value["picture"]["seed"] == 6


def test_a_steered_picture_is_steered_on(client):
    once, _ = steer_(client, [1])
    twice, _ = steer_(client, [1], seed=None, latent=once["picture"]["latent"])
    at_once, _ = steer_(client, [2])
    both = [pixels_of(v["picture"]["png"]).astype(int) for v in (twice, at_once)]
    assert np.abs(both[0] - both[1]).max() <= 2  # each step is rounded to 16 bits


@pytest.mark.parametrize(
    ("amounts", "sentence"),
    [
        ([5], "from -4 to 4"),
        (["x"], "from -4 to 4"),
        ([1] * 9, "has 8 directions; 9 amounts were given"),
    ],
)
def test_what_is_no_way_to_steer_is_answered_with_a_sentence(client, amounts, sentence):
    assert sentence in refusal(client, "shapes", "disc", "6", 1, None, amounts, api_name="/steer")


def test_a_generator_without_directions_says_so(page_bundle, monkeypatch):
    bundle = Bundle(page_bundle)
    monkeypatch.delitem(bundle.generator.facts, "directions")
    start = bundle.generator.recipes([1])[0]
    with pytest.raises(ModelError, match="exported without directions"):
        steered(bundle, start, [1.0])
    assert steered(bundle, start, [])[0]["picture"]["seed"] == 1


def test_a_sum_has_its_terms_and_stands_amid_pictures_like_it(client, page_bundle):
    equation, sheet, _ = client.predict("shapes", "cross", "1, 2, 3", "4", "5-6", api_name="/mix")
    generator = Generator(page_bundle)
    assert [(t["name"], t["sign"]) for t in equation["terms"]] == [("A", ""), ("B", "\u2212"), ("C", "+")]
    assert [[p["seed"] for p in t["pictures"]] for t in equation["terms"]] == [[1, 2, 3], [4], [5, 6]]
    mean = generator.follow([Recipe(label="cross", latent=pack(latents([1, 2, 3], 8).mean(0)))])[0]
    np.testing.assert_array_equal(pixels_of(equation["terms"][0]["mean"]["png"]), mean)
    z = mix(latents([1, 2, 3], 8), latents([4], 8), latents([5, 6], 8))
    assert sheet["pictures"][sheet["chosen"]]["latent"] == pack(z)
    assert len({p["latent"] for p in sheet["pictures"]}) == 9


def test_terms_that_add_nothing_leave_the_picture(client, page_bundle):
    _, sheet, _ = client.predict("shapes", "cross", "1", "2", "2", api_name="/mix")
    total = unpack(sheet["pictures"][4]["latent"], 8)
    z = latents([1], 8)[0]
    np.testing.assert_allclose(total / np.linalg.norm(total), z / np.linalg.norm(z), atol=1e-3)


@pytest.mark.parametrize(
    ("terms", "sentence"),
    [
        (("1", "", "3"), "B has no pictures yet"),
        (("1", "x", "3"), "A seed is"),
        (("1-9", "1", "1"), "At most 8 pictures"),
    ],
)
def test_what_is_no_sum_is_answered_with_a_sentence(client, terms, sentence):
    assert sentence in refusal(client, "shapes", "cross", *terms, api_name="/mix")


# --- judge ---------------------------------------------------------------------------------------------------------


def test_a_picture_is_judged_as_the_runtime_judges_it(client, toy_pictures, page_bundle):
    path = toy_pictures / "test" / "disc" / "000.png"
    verdict, ran = judge(client, path)
    expected = DCNN(page_bundle).judge(path)
    assert verdict["real"] == pytest.approx(expected.real, abs=1e-6)
    assert verdict["label"] == expected.label
    assert verdict["classes"] == pytest.approx(expected.classes, abs=1e-6)
    assert np.array(verdict["evidence"]).shape == expected.evidence.shape
    np.testing.assert_array_equal(pixels_of(verdict["seen"])[:: 336 // 16, :: 336 // 16], np.asarray(rgb(path)))
    assert pixels_of(verdict["map"]).shape == (336, 336, 3)
    assert "dcnn.onnx" in ran["model"]


def rgb(path: Path) -> Image.Image:
    return Image.open(path).convert("RGB")


def test_a_verdict_has_all_that_it_rests_on(client, toy_pictures, page_bundle):
    path, dcnn = toy_pictures / "test" / "disc" / "000.png", DCNN(page_bundle)
    said, _ = judge(client, path)
    expected, steps = export.verdict.judge(dcnn, path), export.verdict.judge_harder(dcnn, read_picture(path))
    for name, value in export.verdict.as_json(expected, dcnn.facts).items():
        if name not in ("evidence", "resavings"):
            assert said[name] == (pytest.approx(value, abs=1e-6) if name in ("real", "typical", "classes") else value)
    assert said["errors"] == dcnn.facts["errors"]
    assert [each["name"] for each in said["resavings"]] == list(RESAVINGS)
    for each, wanted in zip(said["resavings"], expected.resavings, strict=True):
        assert each["real"] == pytest.approx(wanted.real, abs=1e-6)
        np.testing.assert_array_equal(pixels_of(each["png"]), wanted.pixels)
    for each, wanted in zip(said["harder"], steps, strict=True):
        assert each["answer"] == wanted.judgement.answer
        np.testing.assert_array_equal(pixels_of(each["png"]), wanted.pixels)


def test_what_is_unlike_all_that_it_knows_is_not_judged(client, tmp_path):
    Image.fromarray(noise(16, 16, 3)).save(tmp_path / "noise.png")
    said, _ = judge(client, tmp_path / "noise.png")
    assert (said["answer"], said["typical"]) == ("unlike anything known", 0)
    assert "only pictures like those of shapes (cross and disc)" in said["why"]


def test_the_verdict_is_typed(client):
    returns = client.view_api(return_format="dict")["named_endpoints"]["/judge"]["returns"][0]
    said, properties = judge(client, ROOT / "ui" / "favicon.png")[0], returns["type"]["properties"]
    assert set(said) == set(properties)
    assert "unlike anything known" in properties["answer"]["enum"]


def test_a_large_picture_brings_small_pictures(client, tmp_path):
    Image.fromarray(noise(900, 1200, 3)).save(tmp_path / "large.png")
    said, _ = judge(client, tmp_path / "large.png")
    assert {pixels_of(each["png"]).shape for each in [*said["resavings"], *said["harder"]]} == {(128, 128, 3)}


def test_a_generated_picture_is_judged_without_loss(client, page_bundle):
    sheet, _ = generate(client, seed="3", count=1)
    payload = {"url": sheet["pictures"][0]["png"], "meta": {"_type": "gradio.FileData"}}
    verdict, _ = client.predict(payload, "shapes", api_name="/judge")
    expected = DCNN(page_bundle).judge(Generator(page_bundle).draw([3])[0])
    assert verdict["real"] == pytest.approx(expected.real, abs=1e-6)


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


@pytest.mark.parametrize("case", ["1x1", "gif", "16 bits", "cmyk", "grey", "transparent", "wide", "bmp", "webp"])
def test_unusual_pictures_are_judged(client, tmp_path, case):
    grey, colour = Image.fromarray(noise(40, 40)), Image.fromarray(noise(40, 40, 3))
    name, picture, options = {
        "1x1": ("dot.png", Image.new("RGB", (1, 1), "red"), {}),
        "gif": ("moves.gif", grey, {"save_all": True, "append_images": [Image.new("L", (40, 40))]}),
        "16 bits": ("deep.png", Image.fromarray(noise(40, 40).astype(np.uint16) * 257), {}),
        "cmyk": ("print.jpg", colour.convert("CMYK"), {}),
        "grey": ("grey.png", grey, {}),
        "transparent": ("clear.png", colour.convert("RGBA"), {}),
        "wide": ("wide.jpg", Image.fromarray(noise(20, 900, 3)), {}),
        "bmp": ("plain.bmp", colour, {}),
        "webp": ("small.webp", colour, {}),
    }[case]
    picture.save(tmp_path / name, **options)
    verdict, _ = judge(client, tmp_path / name)
    assert 0 <= verdict["real"] <= 1


def test_of_an_animated_gif_the_first_frame_is_judged(client, tmp_path):
    first, second = Image.new("L", (16, 16), 255), Image.new("L", (16, 16), 0)
    first.save(tmp_path / "moves.gif", save_all=True, append_images=[second], duration=100)
    verdict, _ = judge(client, tmp_path / "moves.gif")
    assert pixels_of(verdict["seen"]).min() == 255


def png_of_size(width: int, height: int) -> bytes:
    """A small PNG file that unpacks to width x height black pixels (one bit each)."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    packer, rows = zlib.compressobj(9), bytes((1 + (width + 7) // 8) * 100)
    packed = b"".join(packer.compress(rows) for _ in range(height // 100)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def bad_pictures() -> dict[str, tuple[bytes, str]]:
    """File name -> (content, what the answer must say besides the name)."""
    jpeg = io.BytesIO()
    Image.fromarray(noise(64, 64, 3)).save(jpeg, "JPEG")
    svg = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'
    return {
        "text.png": (b"this is a letter, not a picture", "not a picture"),
        "truncated.jpg": (jpeg.getvalue()[:900], "cannot be read"),
        "bomb.png": (png_of_size(13_000, 13_000), "at most 50 million"),
        "empty.png": (b"", "not a picture"),
        "drawing.svg": (svg, "not a picture"),
    }


@pytest.mark.parametrize("name", bad_pictures())
def test_a_bad_file_is_answered_with_a_sentence_that_names_it(client, tmp_path, name):
    content, says = bad_pictures()[name]
    (tmp_path / name).write_bytes(content)
    answer = refusal(client, handle_file(str(tmp_path / name)), "shapes", api_name="/judge")
    assert says in answer
    assert name in answer


@pytest.mark.parametrize("name", bad_pictures())
def test_a_bad_data_url_passes_the_same_checks(client, name):
    content, says = bad_pictures()[name]
    url = "data:image/png;base64," + base64.b64encode(content).decode()
    payload = {"url": url, "meta": {"_type": "gradio.FileData"}}
    assert says in refusal(client, payload, "shapes", api_name="/judge")


def test_a_data_url_that_is_not_base64_is_answered_with_a_sentence(client):
    payload = {"url": "data:image/png;base64,%%%", "meta": {"_type": "gradio.FileData"}}
    assert "not base64" in refusal(client, payload, "shapes", api_name="/judge")


def test_no_picture_is_answered_with_a_sentence(client):
    assert "There is no picture yet" in refusal(client, None, "shapes", api_name="/judge")


def test_a_file_that_is_too_large_is_refused(client, tmp_path):
    (tmp_path / "large.png").write_bytes(bytes(21_000_000))
    with pytest.raises(Exception, match=r"(?i)413|too large|exceed|maximum"):
        judge(client, tmp_path / "large.png")


def raw_answer(page_server, *data, api_name: str = "judge") -> str:
    """What a call answers to exactly this JSON; Gradio's own client would upload files first."""
    call = f"{page_server.url}/gradio_api/call/{api_name}"
    event = httpx.post(call, json={"data": data}).raise_for_status().json()["event_id"]
    return httpx.get(f"{call}/{event}", timeout=30).text


@pytest.mark.parametrize("marked", [True, False])
def test_a_file_of_the_server_cannot_be_judged(page_server, marked):
    payload = {"path": str(ROOT / "ui" / "favicon.png")} | ({"meta": {"_type": "gradio.FileData"}} if marked else {})
    answer = raw_answer(page_server, payload, "shapes")
    assert answer.startswith("event: error")
    assert "not uploaded" in answer


@pytest.mark.parametrize("payload", ["hello", 5, [1], {}, {"path": None}, {"path": 5}, {"url": 7}])
def test_what_is_no_picture_at_all_is_answered_with_a_sentence(page_server, payload):
    assert "No picture came with this" in raw_answer(page_server, payload, "shapes")


# --- models --------------------------------------------------------------------------------------------------------


def test_a_bundle_is_described_and_its_files_can_be_fetched(client, page_server, page_bundle):
    assert client.predict(api_name="/bundles") == ["shapes"]
    facts, card = client.predict("shapes", api_name="/describe")
    assert facts["licence"] == "CC0-1.0"
    assert not facts["non_commercial"]
    assert {"generator.onnx", "dcnn.onnx", "manifest.json"} <= {f["name"] for f in facts["files"]}
    for f in facts["files"]:
        content = httpx.get(f"{page_server.url}/{f['url']}").content
        assert f["whole"]
        assert hashlib.sha256(content).hexdigest() == f["sha256"]
        assert content == (page_bundle / f["name"]).read_bytes()
    assert not card.lstrip().startswith("---")
    assert card.lstrip().startswith("# careful")
    assert facts["samples"] in card
    assert facts["metrics"][0]["value"] == 0.75


def test_other_files_are_not_served(page_server):
    for path in (ROOT / "app.py", ROOT / "requirements.txt", Path("/etc/passwd")):
        assert httpx.get(f"{page_server.url}/gradio_api/file={path}").status_code == 403


def test_refusals_leave_no_traceback_in_the_log(page_server):
    # All but one: Gradio itself logs a path that is marked as an upload and is none.
    assert page_server.log.count("Traceback") == page_server.log.count("gradio.exceptions.InvalidPathError")


def test_many_sheets_do_not_fill_the_memory(client, page_server):
    status = Path(f"/proc/{page_server.process.pid}/status")
    if not status.exists():
        pytest.skip("memory is read from /proc")

    def after(seeds: range) -> int:
        """KB that the page holds after these sheets."""
        for seed in seeds:
            generate(client, seed=str(seed), count=64)
        return int(next(line for line in status.read_text().splitlines() if line.startswith("VmRSS")).split()[1])

    first = after(range(40))  # by then, all that is kept within a bound is full
    assert after(range(40, 120)) - first < 20_000
    assert first < 600_000


# --- bundles that have not everything ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mixed(mixed_server, tmp_path_factory) -> Client:
    return Client(mixed_server.url, verbose=False, download_files=str(tmp_path_factory.mktemp("downloads")))


def test_a_bundle_without_classes_draws_and_says_what_its_licence_asks(mixed):
    sheet, ran = generate(mixed, bundle="plain", count=3)
    assert [p["label"] for p in sheet["pictures"]] == [None] * 3
    assert "Not for commercial use" in sheet["notice"]
    assert ran["licence"] in sheet["notice"]
    assert not sheet["can_be_asked_about"]
    assert "without classes" in refusal(mixed, "plain", "disc", "1", 1, api_name="/generate")
    sheet = generate(mixed, bundle="shapes", count=1)[0]
    assert sheet["notice"] is None
    assert sheet["can_be_asked_about"]


def test_a_bundle_says_what_it_does_not_have_and_which_other_has_it(mixed, toy_pictures):
    picture = next(toy_pictures.rglob("*.png"))
    answer = refusal(mixed, handle_file(str(picture)), "plain", api_name="/judge")
    assert "plain does not tell real from fake: it has no DCNN; there is one in: shapes, tampered, torn." in answer
    answer = refusal(mixed, "referee", "each", "1", 4, api_name="/generate")
    assert "referee draws no pictures: it has no generator; there is one in: plain, shapes, tampered, torn." in answer
    verdict, ran = mixed.predict(handle_file(str(picture)), None, api_name="/judge")
    assert (verdict["bundle"], ran["model"].split("/")[0]) == ("shapes", "shapes")  # the first that can


def test_every_bundle_is_described_whatever_it_has(mixed):
    assert mixed.predict(api_name="/bundles") == ["plain", "referee", "shapes", "tampered", "torn"]
    plain, card = mixed.predict("plain", api_name="/describe")
    assert plain["non_commercial"]
    assert "Not for commercial use" in card
    assert plain["progress"]["url"].endswith("plain/progress.webp")
    assert plain["progress"]["steps"] == [1, 2]
    assert plain["progress"]["url"] in card
    referee, card = mixed.predict("referee", api_name="/describe")
    assert referee["progress"] is referee["samples"] is None
    assert referee["classes"] == ["cross", "disc"]
    assert "## Use" not in card
    assert mixed.predict(None, api_name="/describe")[0]["name"] == "plain"


def test_models_open_when_they_are_first_asked_for(mixed_models):
    code = """
import app
from ui.shelf import shelf
def opened():
    kinds = {"generator", "critic", "dcnn", "referee"}
    return {name: sorted(set(vars(bundle)) & kinds) for name, bundle in shelf().items()}
app.build()
print(opened())
shelf()["shapes"].generator
print(opened())
"""
    environment = page_environment(mixed_models, mixed_models)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.stdout.splitlines() == [
        "{'plain': [], 'referee': [], 'shapes': [], 'tampered': [], 'torn': []}",
        "{'plain': [], 'referee': [], 'shapes': ['generator'], 'tampered': [], 'torn': []}",
    ]


def test_where_nothing_can_be_asked_no_examples_are_waited_for(mixed_models, tmp_path):
    shutil.copytree(mixed_models / "plain", tmp_path / "plain")
    code = """
import app
parts = [part for part in app.build().blocks.values() if getattr(part, "elem_id", "") in ("examples", "copy-examples")]
print([(part.elem_id, part.visible) for part in parts[:2]])
"""
    environment = page_environment(tmp_path, tmp_path)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == "[('examples', False), ('copy-examples', False)]"


# --- damaged bundles -----------------------------------------------------------------------------------------------


def test_an_altered_model_is_told_of_and_the_other_bundles_work(mixed, mixed_server, toy_pictures):
    before, picture = len(mixed_server.log), next(toy_pictures.rglob("*.png"))
    assert "sha256 differs" in refusal(mixed, "tampered", "each", "1", 4, api_name="/generate")
    assert "There is no model at" in refusal(mixed, handle_file(str(picture)), "torn", api_name="/judge")
    assert generate(mixed, bundle="shapes")[0]["pictures"]
    assert judge(mixed, picture, "tampered")[0]["label"]
    broken = [f["name"] for f in mixed.predict("tampered", api_name="/describe")[0]["files"] if not f["whole"]]
    assert broken == ["critic.onnx", "generator.onnx"]
    assert "Traceback" not in mixed_server.log[before:]
    assert httpx.get(mixed_server.url).status_code == 200


def test_a_licence_against_commerce_is_seen():
    for licence in ("CC BY-NC 4.0", "non-commercial research only", "Noncommercial use"):
        assert forbids_commerce(licence)
    for licence in ("MIT (Zalando SE)", "CC0-1.0", "no formal licence; cite Krizhevsky 2009"):
        assert not forbids_commerce(licence)
