"""The page asked whether a picture is a copy, over HTTP."""

import shutil

import numpy as np
import pytest
from conftest import start_page
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from export.neighbours import NEXT, Neighbours
from export.runtime import Generator


@pytest.fixture(scope="module")
def client(page_server, tmp_path_factory) -> Client:
    return Client(page_server.url, verbose=False, download_files=str(tmp_path_factory.mktemp("downloads")))


@pytest.fixture(scope="module")
def mixed(mixed_server, tmp_path_factory) -> Client:
    return Client(mixed_server.url, verbose=False, download_files=str(tmp_path_factory.mktemp("downloads")))


def nearest(client: Client, picture, bundle="shapes") -> tuple[dict, dict]:
    return client.predict(handle_file(str(picture)), bundle, api_name="/nearest")


def refusal(client: Client, *args) -> str:
    with pytest.raises(AppError) as caught:
        client.predict(*args, api_name="/nearest")
    return str(caught.value)


def test_a_planted_copy_is_told(client, toy_pictures):
    found, ran = nearest(client, toy_pictures / "train" / "cross" / "007.png")
    assert (found["answer"], found["percentile"]) == ("copy", 0)
    assert found["headline"] == "It looks like a copy"
    assert found["why"].startswith("Of 64 real pictures that no training saw, none are nearer to a training picture")
    assert [len(found["nearest"]), found["nearest"][0]["number"], found["nearest"][0]["label"]] == [NEXT, 7, "cross"]
    assert abs(found["nearest"][0]["distance"] - found["ratio"]) < 1e-9
    assert found["ratio"] < found["nearest"][1]["distance"]
    assert found["nearest"][0]["png"].startswith("data:image/png;base64,")
    assert found["kept_back"] is None
    assert ran["model"].startswith("shapes/neighbours.npz ")
    assert ran["licence"] == "CC0-1.0"


def test_an_unseen_picture_is_compared_as_the_index_compares_it(client, toy_pictures, page_bundle):
    index = Neighbours(page_bundle)
    for i in range(4):
        path = toy_pictures / "test" / "disc" / f"{i:03d}.png"
        found, _ = nearest(client, path)
        expected = index.look(np.asarray(Image.open(path).convert("RGB")))
        assert found["percentile"] == expected.percentile
        assert [n["number"] for n in found["nearest"]] == [n.number for n in expected.nearest]
        share = "over 99 %" if expected.percentile < 1 else f"{round(100 - expected.percentile)} %"
        assert found["answer"] != "none" or f"This one is nearer than {share} of them." in found["why"]
    assert "128 training pictures of shapes" in found["measured"]
    assert set(found["found"]) == {"as they are", "mirrored", "JPEG 50", "blur of 1 px", "3/4 size and back"}


def test_a_generated_picture_is_compared(client, page_bundle, tmp_path):
    Image.fromarray(Generator(page_bundle).draw([3])[0]).save(tmp_path / "fake.png")
    found, _ = nearest(client, tmp_path / "fake.png", bundle=None)
    assert found["bundle"] == "shapes"
    assert 0 <= found["percentile"] <= 100


def test_a_sheet_says_whether_its_pictures_can_be_compared(client, mixed):
    assert client.predict("shapes", "each", "1", 1, 1, api_name="/generate")[0]["can_be_compared"]
    assert not mixed.predict("shapes", "each", "1", 1, 1, api_name="/generate")[0]["can_be_compared"]


def test_a_bundle_without_an_index_says_so(mixed, toy_pictures):
    picture = handle_file(str(toy_pictures / "test" / "disc" / "000.png"))
    assert "plain has no index of its training pictures" in refusal(mixed, picture, "plain")
    assert "There is no bundle 'none'" in refusal(mixed, picture, "none")


def test_what_is_no_picture_is_answered_with_a_sentence(client, tmp_path):
    (tmp_path / "letter.png").write_text("no picture at all")
    assert "letter.png is not a picture" in refusal(client, handle_file(str(tmp_path / "letter.png")), "shapes")
    assert "There is no picture yet" in refusal(client, None, "shapes")


def test_a_damaged_index_is_told_and_where_one_is_left_the_answer_comes(page_bundle, toy_pictures, tmp_path):
    for name in ("good", "torn"):
        shutil.copytree(page_bundle, tmp_path / "models" / name)
    (tmp_path / "models" / "torn" / "neighbours.npz").write_bytes(b"PK")
    server = start_page(tmp_path / "models", tmp_path)
    try:
        client = Client(server.url, verbose=False, download_files=str(tmp_path))
        picture = toy_pictures / "test" / "disc" / "000.png"
        assert "sha256 differs" in refusal(client, handle_file(str(picture)), "torn")
        assert nearest(client, picture, "good")[0]["bundle"] == "good"
        assert "Traceback" not in server.log
    finally:
        server.process.terminate()
        server.process.wait(timeout=10)
