"""The game as programs play it."""

import base64
import io
import shutil

import numpy as np
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError
from PIL import Image

from export.pictures import read_picture
from export.runtime import DCNN, Bundle, Generator
from export.verdict import judge
from ui.game import ROUNDS, draw_of, draws_of, new_game
from ui.sentences import GameError


@pytest.fixture(scope="module")
def client(page_server, tmp_path_factory) -> Client:
    return Client(page_server.url, verbose=False, download_files=str(tmp_path_factory.mktemp("downloads")))


def picture_of(told: dict) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(told["png"].partition(",")[2])))


def pixels_of(told: dict) -> np.ndarray:
    """As the networks know them: 16 pixels a side."""
    return np.asarray(picture_of(told).convert("RGB"))[::21, ::21]


def refusal(client: Client, api_name: str, **asked) -> str:
    with pytest.raises(AppError) as caught:
        client.predict(api_name=api_name, **asked)
    return str(caught.value)


def test_a_round_tells_nothing_but_its_picture(client):
    shown = client.predict(api_name="/game_round")
    assert set(shown) == {"bundle", "game", "round", "of", "png", "notice"}
    assert (shown["bundle"], shown["round"], shown["of"], shown["notice"]) == ("shapes", 1, ROUNDS, None)
    assert picture_of(shown).text == {}
    assert picture_of(shown).size == (336, 336)


def test_ten_rounds_are_played(client, page_bundle):
    name = client.predict(api_name="/game_round")["game"]
    reals = [read_picture(path).tobytes() for path in (page_bundle / "examples").glob("*.png")]
    dcnn, truths = DCNN(page_bundle), []
    for number in range(1, ROUNDS + 1):
        shown = client.predict(game=name, round=number, api_name="/game_round")
        told, ran = client.predict(game=name, round=number, answer="real", api_name="/game_answer")
        assert {key: told[key] for key in shown} == shown
        pixels = pixels_of(told)
        assert (told["truth"] == "real") == (pixels.tobytes() in reals) == (told["seed"] is None)
        if told["truth"] == "fake":
            np.testing.assert_array_equal(pixels, Generator(page_bundle).draw([told["seed"]])[0])
            assert told["label"] in ("cross", "disc")
        own = judge(dcnn, pixels)
        assert (told["dcnn"]["answer"], told["dcnn"]["verdict"]) == (own.side, own.answer)
        assert told["dcnn"]["real"] == pytest.approx(own.verdict.real, abs=1e-6)
        assert "dcnn.onnx" in ran["model"]
        truths.append(told["truth"])
    other, _ = client.predict(game=name, round=3, answer="fake", api_name="/game_answer")
    assert other["truth"] == truths[2]  # it does not depend on the answer
    assert other["answer"] == "fake"


def test_a_coin_decides_and_no_two_games_are_alike():
    games = [draws_of(bytes([i]), 10) for i in range(200)]
    real = np.array([[draw.truth == "real" for draw in draws] for draws in games])
    assert 0.44 < real.mean() < 0.56  # 2000 coins
    assert (abs(real.mean(0) - 0.5) < 0.17).all()
    assert len({tuple(draws) for draws in games}) == 200


@pytest.mark.parametrize(("N", "again"), [(10, False), (400, False), (2, True)])
def test_real_pictures_come_again_only_where_there_are_too_few(N, again):
    for i in range(50):
        numbers = [draw.real for draw in draws_of(bytes([i]), N) if draw.truth == "real"]
        assert max(numbers, default=0) < N
        assert len(set(numbers)) == len(numbers) or again


def test_a_name_belongs_to_one_bundle(page_bundle, tmp_path):
    bundle, other = Bundle(page_bundle), Bundle(shutil.copytree(page_bundle, tmp_path / "other"))
    name = new_game(bundle)
    assert draw_of(bundle, name, 1) == draw_of(bundle, name, 1)
    with pytest.raises(GameError, match="not known here"):
        draw_of(other, name, 1)


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"game": "0123456789abcdef-0123456789ab"}, "This game is not known here"),
        ({"game": "é"}, "This game is not known here"),
        ({"round": 11}, "A round is a whole number from 1 to 10; '11' is not."),
        ({"round": "last"}, "A round is a whole number"),
        ({"answer": "maybe"}, "An answer is real or fake; 'maybe' is neither."),
        ({"bundle": "nothing"}, "There is no bundle 'nothing'"),
    ],
)
def test_what_is_no_answer_is_answered_with_a_sentence(client, page_server, asked, sentence):
    before, name = len(page_server.log), client.predict(api_name="/game_round")["game"]
    asked = {"game": name, "round": 1, "answer": "real"} | asked
    assert sentence in refusal(client, "/game_answer", **asked)
    assert "Traceback" not in page_server.log[before:]


def test_a_bundle_that_cannot_be_played_with_says_why(mixed_server, tmp_path):
    mixed = Client(mixed_server.url, verbose=False, download_files=str(tmp_path))
    assert "plain does not tell real from fake" in refusal(mixed, "/game_round", bundle="plain")
    assert "shapes brings no real pictures" in refusal(mixed, "/game_round", bundle="shapes")
    assert "referee draws no pictures" in refusal(mixed, "/game_round", bundle="referee")
    assert "No bundle here can be played with" in refusal(mixed, "/game_round")
