"""Makes the README's pictures of the page: python tests/screenshots.py [--models models] [--out ui/screenshots]"""

import argparse
import io
import tempfile
from pathlib import Path

from conftest import ROOT, start_page
from PIL import Image
from playwright.sync_api import Page, sync_playwright
from test_browser import FLAGS, NARROW, SEEN_SOON, WIDE, find_chromium, open_tab

SHOWN = 6  # which picture of the sheet is asked about


def generate(page: Page) -> None:
    """The first sheet, with one picture chosen."""
    page.wait_for_selector("#sheet [role=radio]", timeout=SEEN_SOON)
    page.locator("#sheet [role=radio]").nth(SHOWN).click()


def judge(page: Page) -> None:
    """That picture, judged."""
    generate(page)
    page.get_by_role("button", name="Ask: real or fake?").click()
    page.locator("#verdict .headline[data-answer]").wait_for(timeout=SEEN_SOON)


def models(page: Page) -> None:
    """The first bundle."""
    open_tab(page, "Models")
    page.locator("#bundle .samples img").wait_for(timeout=SEEN_SOON)


def keep(png: bytes, path: Path) -> None:
    """In 256 colours, which take less than half of the bytes and are hardly seen."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    picture.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(path, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split(":")[0])
    parser.add_argument("--models", type=Path, default=ROOT / "models", help="folder of bundles (default: models)")
    parser.add_argument("--out", type=Path, default=ROOT / "ui" / "screenshots", help="folder of the pictures")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        server = start_page(args.models.resolve(), Path(folder))
        browser = playwright.chromium.launch(executable_path=find_chromium(playwright), args=FLAGS)
        try:
            for shown in (generate, judge, models):
                for width, (w, h), theme in (("wide", WIDE, "light"), ("narrow", NARROW, "dark")):
                    page = browser.new_page(viewport={"width": w, "height": h})
                    page.goto(f"{server.url}/?__theme={theme}")
                    page.wait_for_selector("#sheet [role=radio]", timeout=SEEN_SOON)
                    shown(page)
                    page.mouse.move(0, 0)
                    page.evaluate("scrollTo(0, 0)")
                    page.wait_for_timeout(800)  # the gauge comes to rest
                    path = args.out / f"{shown.__name__}-{width}-{theme}.png"
                    keep(page.screenshot(full_page=width == "wide"), path)
                    print(path)
                    page.close()
        finally:
            browser.close()
            server.process.terminate()
            server.process.wait(timeout=10)


if __name__ == "__main__":
    main()
