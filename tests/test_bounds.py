"""What the page bears: nonsense is refused with a sentence, and what it keeps stays small."""

import json
import os
import time

import httpx
import pytest

from ui.bounds import forget, tidy
from ui.texts import say

JSON = {"Content-Type": "application/json"}


def answer_of(server, name: str, *data) -> str:
    """What an event answers to exactly this JSON."""
    call = f"{server.url}/gradio_api/call/{name}"
    event = httpx.post(call, json={"data": data}).raise_for_status().json()["event_id"]
    return httpx.get(f"{call}/{event}", timeout=30).text


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("run/nothing", b'{"data": []}'),
        ("call/nothing", b'{"data": []}'),
        ("call/v2/nothing", b"{}"),
        ("call/v2/judge", b"{}"),
        ("call/v2/generate", b'{"zebra": 1}'),
        ("queue/join", b'{"data": [], "fn_index": 999, "session_hash": "a"}'),
        ("component_server", b'{"data": 1, "component_id": 999, "session_hash": "a", "fn_name": "x"}'),
    ],
)
def test_a_request_that_makes_no_sense_is_refused_with_a_sentence(page_server, path, content):
    before = len(page_server.log)
    answer = httpx.post(f"{page_server.url}/gradio_api/{path}", content=content, headers=JSON)
    assert answer.status_code == 400
    assert answer.json()["detail"] == say("page.nonsense")
    assert "Traceback" not in page_server.log[before:]


def test_bytes_that_are_no_text_are_refused(page_server):
    assert httpx.post(f"{page_server.url}/gradio_api/queue/join", content=b"\xff\xfe").status_code == 400


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("generate", ["shapes", "each"], say("page.too_few", needed=5, given=2)),
        ("judge", [{"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}, None], say("page.not_uploaded")),
        ("judge", [{"path": "x" * 5000, "meta": {"_type": "gradio.FileData"}}, None], "."),
        ("judge", [{"path": "http://127.0.0.1:1/x", "meta": {"_type": "gradio.FileData"}}, None], say("page.nonsense")),
    ],
)
def test_values_that_no_event_takes_are_refused_with_a_sentence(page_server, name, data, sentence):
    before = len(page_server.log)
    answer = answer_of(page_server, name, *data)
    assert answer.startswith("event: error")
    assert sentence in json.loads(answer.partition("data: ")[2])["error"]
    assert "Traceback" not in page_server.log[before:]


def test_an_event_that_names_an_impossible_file_is_refused_with_a_sentence(page_server):
    before, events = len(page_server.log), httpx.get(f"{page_server.url}/config").json()["dependencies"]
    number = next(event["id"] for event in events if event["api_name"] == "take_example")
    for odd in ({"path": "a\0b", "meta": {"_type": "gradio.FileData"}}, "text", [1], None):
        body = {"data": [None], "fn_index": number, "session_hash": "odd", "event_data": odd}
        httpx.post(f"{page_server.url}/gradio_api/queue/join", json=body).raise_for_status()
        answer = httpx.get(f"{page_server.url}/gradio_api/queue/data", params={"session_hash": "odd"}, timeout=30).text
        assert '"success":false' in answer
        assert say("page.nonsense") in answer or "There is no such example" in answer
    assert "Traceback" not in page_server.log[before:]


CHOOSING = ("take_chosen", "take_example", "breed_picked", "breed_from_chosen", "next_round", "answer_round")


@pytest.mark.parametrize("name", CHOOSING)
def test_what_no_sheet_would_tell_is_answered_with_a_sentence(page_server, name):
    before, events = len(page_server.log), httpx.get(f"{page_server.url}/config").json()["dependencies"]
    asked = [event for event in events if event["api_name"].rstrip("_0123456789") == name]
    assert asked
    for event in asked:
        for odd in ("text", [1], None):
            body = {"data": [None] * len(event["inputs"]), "fn_index": event["id"], "session_hash": "odd"}
            httpx.post(f"{page_server.url}/gradio_api/queue/join", json=body | {"event_data": odd}).raise_for_status()
            told = {"params": {"session_hash": "odd"}, "timeout": 30}
            answer = httpx.get(f"{page_server.url}/gradio_api/queue/data", **told).text
            # Who names no round begins a new game.
            assert ('"success":true' if name == "next_round" else '"success":false') in answer
            assert '"error":null' not in answer.replace(" ", "")
    assert "Traceback" not in page_server.log[before:]


def test_who_sends_an_empty_name_of_a_session_is_answered_under_the_event_s_own(page_server):
    before, events = len(page_server.log), httpx.get(f"{page_server.url}/config").json()["dependencies"]
    number = next(event["id"] for event in events if event["api_name"] == "bundles")
    body = {"data": [], "fn_index": number, "session_hash": ""}
    event = httpx.post(f"{page_server.url}/gradio_api/queue/join", json=body).raise_for_status().json()["event_id"]
    told = {"params": {"session_hash": event}, "timeout": 30}
    assert '"success":true' in httpx.get(f"{page_server.url}/gradio_api/queue/data", **told).text
    assert "Traceback" not in page_server.log[before:]


ODDEST = ({"a": [1]}, "text", float("inf"))
ODD = (*ODDEST, None, [], [1], "", float("nan"), -1, 10**30, True, 1.5)


def test_odd_values_in_any_place_of_any_event_are_taken_or_refused_with_a_sentence(page_server):
    before, answers = len(page_server.log), []
    with httpx.Client(base_url=f"{page_server.url}/gradio_api", timeout=60) as http:
        for event in http.get(f"{page_server.url}/config").json()["dependencies"]:
            places = len(event["inputs"])
            for value in ODD:
                for place in range(-1, places if value in ODDEST else 0):  # in all places, then in each of them
                    data = [value if place in (-1, i) else None for i in range(places)]
                    # Infinity and NaN pass as text, as they would from JavaScript's.
                    body = json.dumps({"data": data, "fn_index": event["id"], "session_hash": "odd"})
                    joined = http.post("/queue/join", content=body, headers=JSON)
                    told = http.get("/queue/data", params={"session_hash": "odd"}) if joined.is_success else joined
                    answers.append((event["api_name"], data, joined.status_code, told.text))
    assert [answer for answer in answers if answer[2] not in (200, 400)] == []
    assert [answer for answer in answers if '"error":null' in answer[3].replace(" ", "")] == []
    assert page_server.log[before:].count("Traceback") == 0, page_server.log[before:]


def test_a_sheet_of_a_million_columns_is_refused_with_a_sentence(page_server):
    answer = answer_of(page_server, "save", [{"seed": 1}], "sheet", "", 1_000_000)
    assert "A sheet has 1 to 256 columns" in json.loads(answer.partition("data: ")[2])["error"]
    assert "event: complete" in answer_of(page_server, "save", [{"seed": 1}], "sheet", "", 256)


def test_a_stream_that_nobody_has_begun_just_ends(page_server):
    before = len(page_server.log)
    answer = httpx.get(f"{page_server.url}/gradio_api/queue/data", params={"session_hash": "nobody"})
    assert answer.status_code == 200
    assert "Traceback" not in page_server.log[before:]


def test_a_request_of_too_many_bytes_is_refused(page_server):
    answer = httpx.post(f"{page_server.url}/gradio_api/call/judge", content=bytes(30_000_000), headers=JSON)
    assert answer.status_code == 413


def put(path, size: int, age: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(size))
    os.utime(path, (time.time() - age,) * 2)


def test_old_files_go_and_young_ones_stay(tmp_path):
    put(tmp_path / "a" / "old.png", 10, age=100)
    put(tmp_path / "b" / "young.png", 10, age=10)
    assert tidy(tmp_path, age=50, most=1000) == [tmp_path / "a" / "old.png"]
    assert (tmp_path / "b" / "young.png").exists()


def test_of_too_many_bytes_the_oldest_go(tmp_path):
    for i in range(5):
        put(tmp_path / str(i) / "file", 100, age=10 * i)
    assert [path.parent.name for path in tidy(tmp_path, age=1000, most=250)] == ["4", "3", "2"]
    assert sum(path.is_file() for path in tmp_path.rglob("*")) == 2


def test_empty_folders_go_when_they_are_old(tmp_path):
    for name, age in (("old", 100), ("young", 1)):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    assert tidy(tmp_path, age=50, most=1000) == []
    assert [path.name for path in tmp_path.iterdir()] == ["young"]


def test_names_of_files_that_are_gone_are_forgotten(tmp_path):
    known = [{str(tmp_path / "a"), str(tmp_path / "b")}, {str(tmp_path / "a")}, set()]
    forget(known, [tmp_path / "a"])
    assert known == [{str(tmp_path / "b")}, set(), set()]
