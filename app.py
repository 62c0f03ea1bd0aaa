"""The page: python app.py

Draws pictures with the exported DCGAN and asks the exported DCNN: real or fake? It needs no torch.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

# Read when gradio is imported. After each event it would sum up all earlier ones, by pandas, for a dashboard.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("GRADIO_ANALYTICS_MAX_EVENTS", "1")
os.environ.setdefault("GRADIO_ANALYTICS_CACHE_FREQUENCY", str(10**9))
os.environ.setdefault("GRADIO_TEMP_DIR", os.path.join(tempfile.gettempdir(), "dcgan-studio"))  # the page's own

import gradio as gr
from gradio.utils import get_upload_folder
from starlette.middleware import Middleware

from export.runtime import ModelError
from ui import bounds, breed, copies, game, generate, judge, models, steer, wander
from ui.language import LANGUAGES, USUAL, reading
from ui.polyglot import Page, Speaking
from ui.sheets import save, save_shown
from ui.shelf import shelf
from ui.texts import say
from ui.widgets import MAX_FILE_BYTES, QUIET, Footer, Saver, Switch

UI = Path(__file__).parent / "ui"
HOUR = 3600  # seconds, after which a file that was uploaded or made is deleted
MOST_KEPT = 300_000_000  # bytes of such files; beyond it the oldest go sooner
MOST_SENT = MAX_FILE_BYTES * 4 // 3 + 100_000  # bytes of a request: a file, or its data URL, and some words
MOST_WAITING = 32  # events in the queue; whoever comes then is told so
MOST_SESSIONS = 100  # whose state Gradio keeps, some 300 KB each; who comes back after a hundred others begins anew


def build() -> Page:
    """The page, in every language. Raises ModelError where there is no bundle."""
    shelf()
    page = lay_out()
    for language in LANGUAGES:
        if language != USUAL:
            with reading(language):
                page.lend(language, lay_out())
    return page


def lay_out() -> Page:
    """The page, from its tabs."""
    with Page(title=say("page.title"), analytics_enabled=False, fill_width=False) as page:
        Switch(label=say("page.language"), elem_id="languages")
        gr.Markdown(say("page.introduction"), elem_id="introduction")
        footer = Footer(label=say("page.ran"), elem_id="ran", render=False)
        saver = Saver(label=say("page.saved"), visible="hidden")
        with gr.Tabs(selected="generate") as tabs:
            with gr.Tab(say("generate.tab"), id="generate"):
                sheet, _ = generate.build(page, footer)
            with gr.Tab(say("judge.tab"), id="judge") as judging:
                pass  # it is laid out when the sheets are there that ask it
            with gr.Tab(say("copies.tab"), id="copies") as comparing:
                pass  # likewise
            with gr.Tab(say("wander.tab"), id="wander"):
                between = wander.build(footer)
            with gr.Tab(say("steer.tab"), id="steer"):
                steered, total, accept_to_steer = steer.build(footer)
            with gr.Tab(say("breed.tab"), id="breed"):
                bred, accept_to_breed = breed.build(footer)
            with gr.Tab(say("game.tab"), id="game"):
                game.build(footer)
            with gr.Tab(say("models.tab"), id="models"):
                models.build()
        sheets = [sheet, between, steered, total, bred]
        with judging:
            judge.build(tabs, sheets, footer)
        with comparing:
            copies.build(tabs, sheets, footer)
        footer.render()
        for each in sheets:
            generate.accept(each, sheet, tabs, footer)
            accept_to_steer(each, tabs)
            accept_to_breed(each, tabs)
        for each in (sheet, between, total, bred):
            each.save(save_shown, None, saver, **QUIET)
        gr.api(save, api_name="save")
    return page


def theme() -> gr.themes.Base:
    """Quiet greys, the visitor's own fonts: nothing is fetched from elsewhere."""
    return gr.themes.Base(
        primary_hue="stone",
        neutral_hue="stone",
        font=["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"],
        font_mono=["ui-monospace", "SFMono-Regular", "Menlo", "monospace"],
        radius_size="md",
    ).set(
        body_text_color_subdued="*neutral_500",
        body_text_color_subdued_dark="*neutral_400",
        button_primary_background_fill="*neutral_800",
        button_primary_background_fill_hover="*neutral_700",
        button_primary_text_color="white",
        button_primary_background_fill_dark="*neutral_200",
        button_primary_background_fill_hover_dark="*neutral_100",
        button_primary_text_color_dark="*neutral_900",
    )


def main() -> None:
    """Serves the page at GRADIO_SERVER_NAME and GRADIO_SERVER_PORT (127.0.0.1, 7860)."""
    where = (
        "It listens at GRADIO_SERVER_NAME and GRADIO_SERVER_PORT (default: 127.0.0.1, 7860); DCGAN_MODELS: its models."
    )
    argparse.ArgumentParser(prog="python app.py", description=f"The page. {where}").parse_args()
    try:
        page = build()
    except ModelError as error:
        sys.exit(f"app.py: {error}")
    serve(page)


def serve(page: gr.Blocks) -> None:
    """Serves a page until it is interrupted, within bounds that visitors and programs share."""
    bounds.share_heaps()
    bounds.keep_tidy(page, Path(get_upload_folder()), HOUR, MOST_KEPT)
    page.queue(max_size=MOST_WAITING, api_open=False).launch(
        theme=theme(),
        css_paths=UI / "page.css",
        head=f"<script>{(UI / 'arrival.js').read_text(encoding='utf-8')}</script>",
        ssr_mode=False,
        mcp_server=True,
        show_error=True,
        max_file_size=MAX_FILE_BYTES,
        state_session_capacity=MOST_SESSIONS,
        run_history=False,
        app_kwargs={"max_body_size": MOST_SENT, "middleware": [Middleware(Speaking), Middleware(bounds.Sensible)]},
        footer_links=["api", "gradio"],
        favicon_path=UI / "favicon.png",
    )


if __name__ == "__main__":
    main()
