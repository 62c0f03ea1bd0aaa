"""The page in English and Chinese: what programs get, and what people see."""

from collections.abc import Iterator

import httpx
import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")

from test_browser import SEEN_SOON, Visit, browser, open_tab, visiting  # noqa: E402, F401  after the skip

CHINESE = {"accept-language": "zh-CN,zh;q=0.9,en;q=0.8"}


def config(url: str, **asked) -> dict:
    return httpx.get(f"{url}/config", **asked).raise_for_status().json()


def answer(url: str, data: list, name: str = "generate", **asked) -> str:
    """What a program reads that calls the page by HTTP alone."""
    event = httpx.post(f"{url}/gradio_api/call/{name}", json={"data": data}, **asked).raise_for_status().json()
    return (
        httpx.get(f"{url}/gradio_api/call/{name}/{event['event_id']}", timeout=30)
        .text.encode()
        .decode("unicode_escape")
    )


# --- what is served -------------------------------------------------------------------------------------------------


def test_both_languages_have_the_same_parts(page_server):
    english, chinese = config(page_server.url), config(page_server.url, headers=CHINESE)
    assert english["title"] == "Real or fake?"
    assert chinese["title"] == "真的还是假的？"
    assert [c["type"] for c in chinese["components"]] == [c["type"] for c in english["components"]]
    assert [c["id"] for c in chinese["components"]] == [c["id"] for c in english["components"]]
    for key in ("layout", "dependencies"):
        assert chinese[key] == english[key]
    for mine, twin in zip(english["components"], chinese["components"], strict=True):
        assert mine["props"].get("elem_id") == twin["props"].get("elem_id")


def test_the_html_says_its_language(page_server):
    english, chinese = httpx.get(page_server.url), httpx.get(page_server.url, headers=CHINESE)
    assert 'lang="en"' in english.text
    assert 'lang="zh-CN"' in chinese.text
    assert "Accept-Language" in chinese.headers["vary"]
    assert 'lang="zh-CN"' in httpx.get(page_server.url, params={"lang": "zh"}).text
    assert 'lang="en"' in httpx.get(page_server.url, params={"lang": "en"}, headers=CHINESE).text
    assert httpx.head(page_server.url).status_code == 200


def test_a_program_gets_english_unless_it_asks(page_server):
    wrong = ["shapes", "each", "abc", 4, 1]
    assert "A seed is a whole number from 0 to 4294967295" in answer(page_server.url, wrong)
    assert answer(page_server.url, wrong, headers=CHINESE) != answer(page_server.url, wrong)
    assert answer(page_server.url, wrong, params={"lang": "zh"}) == answer(page_server.url, wrong, headers=CHINESE)


def test_classes_keep_their_names_for_programs(page_server):
    assert '"label": "disc"' in answer(page_server.url, ["shapes", "disc", "5", 1, 1], headers=CHINESE)


# --- what is seen ---------------------------------------------------------------------------------------------------


@pytest.fixture
def visit(browser, page_server, request) -> Iterator[Visit]:  # noqa: F811 - the fixture
    """The page in a browser of the language that is asked for."""
    with visiting(browser, page_server.url, locale=getattr(request, "param", "zh-CN")) as visit:
        yield visit


def language(page) -> str:
    return page.evaluate("document.documentElement.lang")


def test_a_chinese_browser_is_spoken_to_in_chinese(visit):
    page = visit.page
    assert language(page) == "zh-CN"
    assert page.title() == "真的还是假的？"
    assert page.locator("#sheet .caption").first.inner_text() == "种子 1"
    page.get_by_role("button", name="问一问：真的还是假的？").click()
    page.locator("#verdict .headline[data-answer]").wait_for(timeout=SEEN_SOON)
    assert page.locator("#verdict .headline").inner_text() in ("真", "假", "不确定")
    assert "为真的概率" in page.locator("#verdict .gauge").inner_text()
    assert "模糊" in page.locator("#verdict .strip").inner_text()


def test_a_refusal_is_said_in_chinese(visit, tmp_path):
    page = visit.page
    page.get_by_label("种子", exact=True).fill("abc")
    page.get_by_label("种子", exact=True).press("Enter")
    page.get_by_text("种子是 0 到 4294967295 之间的整数；'abc' 不是。").wait_for(timeout=SEEN_SOON)
    (tmp_path / "text.png").write_text("not a picture")
    open_tab(page, "真假判断")
    page.set_input_files("#picture input[type=file]", tmp_path / "text.png")
    page.get_by_text("text.png 不是图片。").wait_for(timeout=SEEN_SOON)


@pytest.mark.parametrize("visit", ["en-US"], indirect=True)
def test_the_switch_keeps_the_recipe(visit, page_server):
    page = visit.page
    page.goto(f"{page_server.url}/?label=disc&seed=7&count=3")
    page.locator("#sheet .caption", has_text="seed 7").first.wait_for(timeout=SEEN_SOON)
    page.get_by_label("Seed", exact=True).fill("8")
    page.get_by_label("Seed", exact=True).press("Enter")
    page.locator("#sheet .caption", has_text="seed 10").first.wait_for(timeout=SEEN_SOON)
    page.get_by_role("link", name="中文").click()
    page.locator("#sheet .caption", has_text="种子 8").first.wait_for(timeout=SEEN_SOON)
    assert page.locator("#sheet .note").all_inner_texts() == ["disc"] * 3
    assert "lang=zh" in page.url
    assert language(page) == "zh-CN"
    assert "lang=zh" in page.get_by_role("link", name="链接", exact=True).get_attribute("href")
    open_tab(page, "真假判断")
    page.get_by_text("点击上传").wait_for(timeout=SEEN_SOON)  # Gradio's own words
    page.get_by_role("link", name="English").click()
    page.locator("#sheet .caption", has_text="seed 8").first.wait_for(timeout=SEEN_SOON)
    assert language(page) == "en"
