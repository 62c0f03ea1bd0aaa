"""The floor of the page: python benchmarks/ready.py serves events that return what is ready.

`ready_sheet` takes what the Generate tab's click sends and returns a sheet of 16 pictures, `ready_picture` takes what a
slider of Steer sends and returns a steered picture; through the same components, queue and server as the page's own.
"""

import sys
from pathlib import Path

import gradio as gr

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from app import serve
from ui.generate import generate
from ui.steer import MOST_DIRECTIONS, NOTHING, steer_shown
from ui.widgets import Choice, Count, Footer, Sheet, Steered

PICTURES = 16


def build() -> gr.Blocks:
    sheet = generate(seed="1", count=PICTURES)
    picture = steer_shown(None, NOTHING, 1.0)
    with gr.Blocks(analytics_enabled=False) as page:
        bundle, label = Choice(label="Bundle"), Choice(label="Class")
        seed, start = gr.Textbox(label="Seed"), gr.Textbox(label="Start")
        count, truncation = Count(label="Pictures"), Count(label="Truncation")
        sliders = [Count(-4, 4, 0, label=f"Direction {i}") for i in range(MOST_DIRECTIONS)]
        shown, steered, footer = Sheet(label="Pictures"), Steered(label="Picture"), Footer(label="What ran")
        controls = [bundle, label, seed, count, truncation]
        gr.Button().click(lambda *_: sheet, controls, [shown, footer], api_name="ready_sheet")
        gr.Button().click(lambda *_: picture, [bundle, start, *sliders], [steered, footer], api_name="ready_picture")
    return page


if __name__ == "__main__":
    serve(build())
