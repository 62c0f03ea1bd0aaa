"""The page as people see it, in headless Chromium, wide and narrow."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")

FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"),
]
WIDE, NARROW = (1280, 900), (390, 844)
SEEN_SOON = 15_000  # milliseconds
only_wide = pytest.mark.parametrize("visit", [WIDE], ids=["1280"], indirect=True)  # what no width can change


def find_chromium(playwright) -> str | None:
    """Of the system, or Playwright's own."""
    system = (shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome"))
    own = playwright.chromium.executable_path
    return next((path for path in (*system, own) if path and os.path.exists(path)), None)


def is_elsewhere(address: str, page: str) -> bool:
    return not address.startswith((page, "data:", "blob:"))


@dataclass
class Visit:
    """A browser's page, and everything it complained of."""

    page: object
    complaints: list[str] = field(default_factory=list)

    def watch(self, url: str) -> None:
        self.page.on("console", lambda m: self.complaints.append(m.text) if m.type == "error" else None)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda r: self.complaints.append(r.url) if is_elsewhere(r.url, url) else None)


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        path = find_chromium(playwright)
        if path is None:
            pytest.skip("Chromium is not installed")
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def opened(browser, url: str, request, tmp_path) -> Iterator[Visit]:
    """The page at an address, its first sheet drawn. Leaves a screenshot; nothing may complain."""
    width, height = request.param
    context = browser.new_context(viewport={"width": width, "height": height}, permissions=["camera"])
    visit = Visit(context.new_page())
    visit.watch(url)
    visit.page.goto(url)
    visit.page.wait_for_selector("#sheet [role=radio]", timeout=SEEN_SOON)
    yield visit
    visit.page.screenshot(path=tmp_path / f"{request.node.name}.png", full_page=True)
    assert visit.complaints == []
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
    context.close()


@pytest.fixture(params=[WIDE, NARROW], ids=["1280", "390"])
def visit(browser, page_server, request, tmp_path) -> Iterator[Visit]:
    """The page with one bundle that has everything."""
    with opened(browser, page_server.url, request, tmp_path) as visit:
        yield visit


@pytest.fixture(params=[WIDE, NARROW], ids=["1280", "390"])
def mixed_visit(browser, mixed_server, request, tmp_path) -> Iterator[Visit]:
    """The page with several bundles, of which some lack something."""
    with opened(browser, mixed_server.url, request, tmp_path) as visit:
        yield visit


def headline(page) -> str:
    """The verdict's large line, once it is there."""
    line = page.locator("#verdict .headline[data-answer]")
    line.wait_for(timeout=SEEN_SOON)
    return line.inner_text()


def test_a_sheet_is_drawn_and_redrawn(visit):
    page = visit.page
    tiles = page.locator("#sheet [role=radio]")
    assert tiles.count() == 24
    page.get_by_label("Seed", exact=True).fill("100")
    page.get_by_label("Seed", exact=True).press("Enter")
    page.locator("#sheet .caption", has_text="seed 100").first.wait_for(timeout=SEEN_SOON)
    assert "seed=100" in page.url
    before = page.url
    page.get_by_role("button", name="Surprise me").click()
    page.wait_for_url(lambda url: url != before, timeout=SEEN_SOON)
    image = page.locator("#sheet .tile img").first
    assert image.evaluate("e => getComputedStyle(e).imageRendering") == "pixelated"
    assert page.locator("#ran").inner_text().count("ExecutionProvider") == 1


@only_wide
def test_a_picture_is_chosen_with_the_keyboard(visit):
    page = visit.page
    page.locator("#sheet [role=radio][aria-checked=true]").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert page.locator("#sheet [role=radio][aria-checked=true] .caption").inner_text() == "seed 3"
    assert page.locator("#sheet .chosen .which").inner_text() == "seed 3"
    page.keyboard.press("End")
    assert page.locator("#sheet .chosen .which").inner_text() == "seed 24"
    page.keyboard.press("ArrowUp")
    assert page.locator("#sheet .chosen .which").inner_text() != "seed 24"


def test_a_chosen_picture_is_asked_about(visit):
    page = visit.page
    page.locator("#sheet [role=radio]").nth(6).click()
    page.get_by_role("button", name="Ask: real or fake?").click()
    assert headline(page)
    assert page.get_by_role("tab", name="Real or fake?").get_attribute("aria-selected") == "true"
    assert page.locator("#verdict .classes li").count() == 2
    assert page.locator("#verdict .pair img").count() == 2
    assert page.locator("#verdict .legend").inner_text().startswith("speaks for fake")
    assert "dcnn.onnx" in page.locator("#ran").inner_text()


@only_wide
def test_downloads_are_lossless_and_carry_their_recipe(visit, tmp_path):
    page = visit.page
    with page.expect_download() as picture:
        page.get_by_role("link", name="Download this picture").click()
    picture.value.save_as(tmp_path / "one.png")
    assert picture.value.suggested_filename == "shapes-seed-1-disc.png"
    assert json.loads(Image.open(tmp_path / "one.png").text["recipe"])["seed"] == 1
    with page.expect_download() as sheet:
        page.get_by_role("button", name="Download sheet").click()
    sheet.value.save_as(tmp_path / "all.png")
    assert len(json.loads(Image.open(tmp_path / "all.png").text["recipe"])["pictures"]) == 24


def test_an_uploaded_picture_is_judged_and_can_be_removed(visit, toy_pictures):
    page = visit.page
    page.get_by_role("tab", name="Real or fake?").click()
    page.locator("#picture input[type=file]").set_input_files(toy_pictures / "test" / "disc" / "000.png")
    assert headline(page)
    page.get_by_role("button", name="Remove Image").click()
    page.locator("#verdict .nothing").wait_for(timeout=SEEN_SOON)


@only_wide
def test_an_example_is_judged(visit):
    page = visit.page
    page.get_by_role("tab", name="Real or fake?").click()
    examples = page.locator("#examples [role=radio]")
    assert examples.locator(".caption").all_inner_texts() == ["real"] * 2 + ["fake"] * 6
    for i in (0, 2):
        examples.nth(i).click()
        assert headline(page)


def test_a_verdict_shows_what_it_rests_on(visit):
    page = visit.page
    page.get_by_role("tab", name="Real or fake?").click()
    page.locator("#examples [role=radio]").first.click()
    assert headline(page) in ("Real", "Fake", "Unsure")
    names = page.locator("#verdict .strip .caption").all_inner_texts()
    assert names == ["as it is", "JPEG 75", "JPEG 50", "WebP 80", "blur", "resize"]
    assert page.locator("#verdict .gauge").inner_text().count("probability of real") == 1
    assert page.get_by_text("held back are more unusual than this one").count() == 1
    assert page.get_by_text("got wrong 1.0 % of the real ones and 2.0 % of the fakes").count() == 1
    wide = page.locator("#verdict").bounding_box()
    for box in page.locator("#verdict .strip img").all():
        assert box.bounding_box()["x"] + box.bounding_box()["width"] <= wide["x"] + wide["width"]


def test_the_picture_is_made_harder_without_asking_again(visit):
    page = visit.page
    page.get_by_role("tab", name="Real or fake?").click()
    page.locator("#examples [role=radio]").first.click()
    headline(page)
    asked = []
    page.on("request", lambda r: asked.append(r.url) if not r.url.startswith("data:") else None)
    image, how = page.locator("#verdict .harder img"), page.locator("#verdict .harder .how")
    assert how.inner_text() == "as it is"
    shown = {image.get_attribute("src")}
    slider = page.get_by_label("How much harder")
    slider.focus()
    for _ in range(10):
        page.keyboard.press("ArrowRight")
        shown.add(image.get_attribute("src"))
    assert len(shown) == 11
    assert how.inner_text() == "shrunk to 6 x 6 and back, then JPEG 10"
    assert page.locator("#verdict .harder .marks i").count() == 11
    assert page.locator("#verdict .harder .remark").inner_text().startswith("Its answer ")
    assert [url for url in asked if "judge" in url or "queue/join" in url] == []


def test_what_it_does_not_know_is_not_judged(visit, tmp_path):
    page = visit.page
    noise = np.random.default_rng(0).integers(0, 256, (16, 16, 3)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    page.get_by_role("tab", name="Real or fake?").click()
    page.locator("#picture input[type=file]").set_input_files(tmp_path / "noise.png")
    assert headline(page) == "Unlike anything it knows"
    assert "so the model does not judge it" in page.locator("#verdict .sentence").inner_text()
    for part in (".gauge", ".strip", ".harder", ".classes", ".legend"):
        assert page.locator(f"#verdict {part}").count() == 0
    assert page.locator("#verdict .pair img").count() == 1


@only_wide
def test_a_photograph_is_taken_and_judged(visit):
    page = visit.page
    page.get_by_role("tab", name="Real or fake?").click()
    page.get_by_label("Capture from camera").click()
    page.get_by_text("Click to Access Webcam").click()
    page.wait_for_function("document.querySelector('#picture video')?.currentTime > 0", timeout=SEEN_SOON)
    page.get_by_label("capture photo").click()
    assert headline(page)


@only_wide
def test_what_is_no_picture_is_answered_on_the_page(visit, tmp_path):
    page = visit.page
    (tmp_path / "letter.png").write_text("not a picture at all")
    page.get_by_role("tab", name="Real or fake?").click()
    page.locator("#picture input[type=file]").set_input_files(tmp_path / "letter.png")
    page.get_by_text("letter.png is not a picture").wait_for(timeout=SEEN_SOON)
    visit.complaints.clear()  # the browser itself says that it could not show that file


@only_wide
def test_what_is_no_seed_is_answered_on_the_page(visit):
    page = visit.page
    page.get_by_label("Seed", exact=True).fill("abc")
    page.get_by_role("button", name="Generate").click()
    page.get_by_text("A seed is a whole number").wait_for(timeout=SEEN_SOON)
    visit.complaints.clear()  # Gradio writes what it shows into the console too


def test_the_models_are_shown_with_their_files(visit, toy_bundle):
    page = visit.page
    page.get_by_role("tab", name="Models").click()
    page.locator("#bundle table").first.wait_for(timeout=SEEN_SOON)
    assert "CC0-1.0" in page.locator("#bundle").inner_text()
    assert "0.7500" in page.locator("#bundle").inner_text()
    with page.expect_download() as file:
        page.locator("#bundle").get_by_role("link", name="generator.onnx").click()
    assert Path(file.value.path()).read_bytes() == (toy_bundle / "generator.onnx").read_bytes()
    page.get_by_text("The card").click()
    page.locator("#card img").first.wait_for(timeout=SEEN_SOON)
    page.wait_for_function("document.querySelector('#card img').naturalWidth > 0", timeout=SEEN_SOON)


def test_the_chosen_picture_stays_in_sight(visit):
    page = visit.page
    page.mouse.move(100, 400)
    page.mouse.wheel(0, 600)
    page.wait_for_timeout(300)
    assert page.get_by_role("button", name="Ask: real or fake?").bounding_box()["y"] > 0


def test_nothing_jumps_while_the_page_opens(visit):
    total = visit.page.evaluate(
        """new Promise(resolve => new PerformanceObserver(
            list => resolve(list.getEntries().reduce((sum, shift) => sum + shift.value, 0))
        ).observe({type: "layout-shift", buffered: true}))"""
    )
    assert total < 0.25  # about 0.13, most of it Gradio's own start; above 0.25 it is called poor


@only_wide
def test_an_address_brings_back_its_sheet(visit, page_server):
    page = visit.page
    page.goto(f"{page_server.url}/?bundle=shapes&label=cross&seed=7&count=3")
    page.locator("#sheet .caption", has_text="seed 7").first.wait_for(timeout=SEEN_SOON)
    assert page.locator("#sheet .note").all_inner_texts() == ["cross"] * 3


def test_it_is_dark_in_the_dark(visit, page_server, tmp_path):
    page = visit.page
    page.goto(f"{page_server.url}/?__theme=dark")
    page.wait_for_selector("#sheet [role=radio]", timeout=SEEN_SOON)
    page.screenshot(path=tmp_path / "dark.png")
    assert np.asarray(Image.open(tmp_path / "dark.png").convert("L")).mean() < 70


@only_wide
def test_the_sheet_follows_the_number_field(visit):
    page = visit.page
    tiles, number = page.locator("#sheet [role=radio]"), page.locator("input[type=number]").first
    number.fill("5")
    sync_api.expect(tiles).to_have_count(5, timeout=SEEN_SOON)
    number.fill("65")
    number.press("Tab")
    sync_api.expect(tiles).to_have_count(64, timeout=SEEN_SOON)
    sync_api.expect(number).to_have_value("64")
    page.locator("input[type=range]").first.focus()
    page.keyboard.press("ArrowLeft")
    sync_api.expect(tiles).to_have_count(63, timeout=SEEN_SOON)
    assert page.locator(".toast-body").count() == 0


@only_wide
def test_what_cannot_be_read_does_not_stay_in_the_box(visit, tmp_path):
    page = visit.page
    (tmp_path / "text.png").write_text("not a picture")
    page.get_by_role("tab", name="Real or fake?").click()
    page.set_input_files("#picture input[type=file]", tmp_path / "text.png")
    page.get_by_text("text.png is not a picture").wait_for(timeout=SEEN_SOON)
    sync_api.expect(page.locator("#picture img")).to_have_count(0, timeout=SEEN_SOON)
    sync_api.expect(page.locator("#picture input[type=file]")).to_have_count(1)


@only_wide
def test_an_address_with_a_wrong_seed_shows_the_first_sheet(visit, page_server):
    visit.page.goto(f"{page_server.url}/?seed=abc")
    visit.page.locator("#sheet .caption", has_text="seed 1").first.wait_for(timeout=SEEN_SOON)


def choose_bundle(page, name: str) -> None:
    """In the tab that is shown."""
    page.get_by_label("Bundle", exact=True).locator("visible=true").click()
    page.get_by_role("option", name=name).click()


def test_a_bundle_that_lacks_something_says_so(mixed_visit):
    page = mixed_visit.page
    assert "Not for commercial use" in page.locator("#sheet .notice").inner_text()
    assert page.locator("#sheet .chosen .which").inner_text() == ""  # no class: the seed is what it is called
    assert "plain has no DCNN" in page.locator("#sheet .chosen").inner_text()
    assert page.get_by_role("button", name="Ask: real or fake?").count() == 0
    page.locator("#sheet [role=radio]").nth(3).dblclick()  # asks nobody
    choose_bundle(page, "shapes")
    page.get_by_role("button", name="Ask: real or fake?").wait_for(timeout=SEEN_SOON)
    assert page.locator("#sheet .notice").count() == 0
    page.get_by_role("button", name="Ask: real or fake?").click()
    assert headline(page)


def test_the_training_is_shown_among_the_models(mixed_visit):
    page = mixed_visit.page
    page.get_by_role("tab", name="Models").click()
    film = page.locator("#bundle .learning img")
    film.wait_for(timeout=SEEN_SOON)
    page.wait_for_function("document.querySelector('#bundle .learning img').naturalWidth > 0", timeout=SEEN_SOON)
    assert (
        film.get_attribute("alt") == "The pictures of seeds 1 to 64 while the generator learns, from step 1 to step 2"
    )
    assert "Not for commercial use" in page.locator("#bundle .warning").inner_text()
    page.get_by_text("How it learnt").click()
    sync_api.expect(film).not_to_be_visible()
    choose_bundle(page, "referee")
    page.locator("#bundle .name", has_text="referee").wait_for(timeout=SEEN_SOON)
    assert film.count() == 0


@only_wide
def test_who_wants_less_motion_has_to_ask_for_it(visit):
    page = visit.page
    page.emulate_media(reduced_motion="reduce")
    page.reload()
    page.get_by_role("tab", name="Models").click()
    page.get_by_text("How it learnt").wait_for(timeout=SEEN_SOON)
    sync_api.expect(page.locator("#bundle .learning img")).not_to_be_visible()
