"""The page: python app.py

Draws pictures with the exported DCGAN and asks the exported DCNN: real or fake? It needs no torch.
"""

import argparse
import os
import sys
from pathlib import Path

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # read when gradio is imported

import gradio as gr
from starlette.middleware import Middleware

from export.runtime import ModelError
from ui import generate, judge, models, steer, wander
from ui.language import LANGUAGES, USUAL, reading
from ui.polyglot import Page, Speaking
from ui.sheets import save, save_shown
from ui.shelf import shelf
from ui.texts import say
from ui.widgets import MAX_FILE_BYTES, Footer, Saver, Switch

UI = Path(__file__).parent / "ui"
HOUR = 3600  # seconds


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
    kept = (HOUR, 24 * HOUR)
    with Page(title=say("page.title"), analytics_enabled=False, delete_cache=kept, fill_width=False) as page:
        Switch(label=say("page.language"), elem_id="languages")
        gr.Markdown(say("page.introduction"), elem_id="introduction")
        footer = Footer(label=say("page.ran"), elem_id="ran", render=False)
        saver = Saver(label=say("page.saved"), visible="hidden")
        with gr.Tabs(selected="generate") as tabs:
            with gr.Tab(say("generate.tab"), id="generate"):
                sheet, _ = generate.build(page, footer)
            with gr.Tab(say("judge.tab"), id="judge") as judging:
                pass  # it is laid out when the sheets are there that ask it
            with gr.Tab(say("wander.tab"), id="wander"):
                between = wander.build(footer)
            with gr.Tab(say("steer.tab"), id="steer"):
                steered, total, accept_to_steer = steer.build(footer)
            with gr.Tab(say("models.tab"), id="models"):
                models.build(page)
        sheets = [sheet, between, steered, total]
        with judging:
            judge.build(page, tabs, sheets, footer)
        footer.render()
        for each in sheets:
            generate.accept(each, sheet, tabs, footer)
            accept_to_steer(each, tabs)
        for each in (sheet, between, total):
            each.save(save_shown, None, saver, api_visibility="private", show_progress="hidden")
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
    page.queue(max_size=32, api_open=False).launch(
        theme=theme(),
        css_paths=UI / "page.css",
        head=f"<script>{(UI / 'arrival.js').read_text(encoding='utf-8')}</script>",
        ssr_mode=False,
        show_error=True,
        max_file_size=MAX_FILE_BYTES,
        run_history=False,
        footer_links=["api", "gradio"],
        favicon_path=UI / "favicon.png",
        app_kwargs={"middleware": [Middleware(Speaking)]},
    )


if __name__ == "__main__":
    main()
