"""The page for everybody: every tab in both languages, light and dark, wide and narrow, checked with axe-core."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")

from test_browser import NARROW, SEEN_SOON, WIDE, Visit, browser, open_tab, visiting  # noqa: E402, F401  after the skips

from ui.language import TAGS, reading  # noqa: E402
from ui.texts import say  # noqa: E402

NARROWEST = (360, 740)
GRAVE = {"serious", "critical"}
COME = 60_000  # milliseconds until a tab has what it shows: a film takes some seconds
NOT_YET = ".waiting, .film .nothing, .loading, .progress-text"
# Layout shifts that no hand has caused, from the first moment on.
NOTE_SHIFTS = """
    window.shifts = [];
    new PerformanceObserver((list) => window.shifts.push(...list.getEntries().filter((e) => !e.hadRecentInput)))
        .observe({ type: "layout-shift", buffered: true });
"""


@dataclass(frozen=True)
class Way:
    """How a visitor looks at the page."""

    size: tuple[int, int]
    theme: str
    language: str

    def __str__(self) -> str:
        return f"{self.size[0]}-{self.theme}-{self.language}"


EN, ZH = TAGS
# Each two of size, theme and language meet.
WAYS = [Way(WIDE, "light", EN), Way(WIDE, "dark", ZH), Way(NARROW, "dark", EN), Way(NARROW, "light", ZH)]


@pytest.fixture
def visit(browser, page_server, request) -> Iterator[Visit]:  # noqa: F811 - the fixture
    """The page, looked at in the way that is asked for."""
    way: Way = request.param
    size = {"width": way.size[0], "height": way.size[1]}
    seen = {"query": f"/?__theme={way.theme}", "script": NOTE_SHIFTS, "viewport": size, "locale": TAGS[way.language]}
    with visiting(browser, page_server.url, **seen) as visit, reading(way.language):
        yield visit


def ways(some: list[Way]):
    return pytest.mark.parametrize("visit", some, ids=str, indirect=True)


def tabs(page) -> Iterator[str]:
    """Opens one tab after the other, and lets it come to rest."""
    names = page.evaluate(
        "window.gradio_config.components.filter((c) => c.type === 'tabitem').map((c) => c.props.label)"
    )
    assert len(names) >= 5
    for name in names:
        open_tab(page, name)
        page.wait_for_timeout(300)
        come_to_rest(page)
        yield name


def come_to_rest(page) -> None:
    nothing_waits = f"![...document.querySelectorAll('{NOT_YET}')].some((e) => e.checkVisibility())"
    page.wait_for_function(nothing_waits, timeout=COME)
    page.wait_for_timeout(400)  # what fades in has come


def violations(page) -> list[str]:
    """What is grave for somebody who reads, sees or moves otherwise; by the rules of axe-core."""
    found = axe.Axe().run(page).response["violations"]
    return [
        f"{rule['id']}: {node['html'][:200]}" for rule in found if rule["impact"] in GRAVE for node in rule["nodes"]
    ]


def shifted(page) -> float:
    return page.evaluate("window.shifts.reduce((sum, shift) => sum + shift.value, 0)")


def width(page) -> int:
    return page.evaluate("document.documentElement.scrollWidth")


def width_at(size: tuple[int, int], page) -> int:
    """The page's width in a window of another size."""
    usual = page.viewport_size
    page.set_viewport_size({"width": size[0], "height": size[1]})
    found = width(page)
    page.set_viewport_size(usual)
    return found


def show_more(page) -> bool:
    """What a tab shows only to those who ask: a verdict, a card; whether there is any."""
    more = page.locator("#examples").is_visible() or page.locator("#bundle").is_visible()
    if page.locator("#examples").is_visible():
        page.locator("#examples [role=radio]").first.click()
        page.locator("#verdict .headline[data-answer]").wait_for(timeout=SEEN_SOON)
    if page.locator("#bundle").is_visible():
        page.get_by_role("button", name=say("models.card")).click()
        page.locator("#card h1").first.wait_for(timeout=SEEN_SOON)
    if more:
        page.wait_for_timeout(400)
    return more


@ways(WAYS)
def test_every_tab_is_accessible(visit, tmp_path: Path):
    page, found = visit.page, {}
    for name in tabs(page):
        found[name] = violations(page)
        if show_more(page):
            found[f"{name}, all of it"] = violations(page)
        page.screenshot(path=tmp_path / f"{name}.png", full_page=True)
        assert width(page) <= page.viewport_size["width"], name
        if page.viewport_size["width"] == NARROW[0]:
            assert width_at(NARROWEST, page) <= NARROWEST[0], name
    assert {name: grave for name, grave in found.items() if grave} == {}
    assert shifted(page) < 0.1  # up to there it is called good


@ways([Way(WIDE, "light", "en")])
def test_the_enlarged_picture_is_accessible(visit):
    page = visit.page
    page.get_by_role("button", name=say("sheet.enlarge")).click()
    page.locator("dialog.enlarged img").wait_for()
    assert violations(page) == []
    page.keyboard.press("Enter")  # it has the focus
    sync_api.expect(page.locator("dialog")).to_have_count(0)


@ways([Way(WIDE, "light", "en")])
def test_the_keyboard_reaches_everything(visit):
    page, reached = visit.page, []
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate(
                """() => { const e = document.activeElement;
                    return e.ariaLabel || e.labels?.[0]?.innerText.trim() || e.innerText?.trim() || e.tagName; }"""
            )
        )
    sought = ["中文", "Generate", "Class", "Seed", "Surprise me", "Open a saved picture", "Ask: real or fake?"]
    sought += ["Enlarge", "More like this", "Save picture", "Save all as zip"]
    assert [name for name in sought if not any(name in each for each in reached)] == [], reached
