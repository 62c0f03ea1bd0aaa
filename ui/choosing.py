"""Which bundle a tab is about: each has a choice of its own, and one that is opened first takes up the last one.

What was chosen last, in whichever tab and however (by hand, by an address, with a picture that was brought along), is
known to the visitor's page alone. A tab that has shown something keeps its bundle: nothing that was made there is lost.
"""

import json

import gradio as gr

from ui.texts import say
from ui.widgets import QUIET, Choice, Drawn

LAST = "document.body.dataset.bundle"


def choose_bundle(names: list[str], first: str | None = None, **how) -> Choice:
    """A choice among bundles, hidden where there is but one; `first`, or the first of the names, is chosen."""
    bundle = Choice(names, value=first or names[0], label=say("page.bundle"), visible=len(names) > 1, **how)
    bundle.change(None, bundle, None, js=f"(name) => {{ {LAST} = name; }}", **QUIET)
    return bundle


def begin(
    view: Drawn, bundle: Choice, *brought: gr.components.Component, among: list[str] | None = None
) -> gr.events.Dependency:
    """When a tab's view is there for the first time, takes up the last choice, where the tab has it; to be followed by
    what is drawn then. brought: if one of these holds something, another tab has sent it, with its bundle. among: the
    bundles that the tab can show, where those are not all that can be chosen.
    """
    names = json.dumps([name for _, name in bundle.choices] if among is None else among)
    last = f"{names}.includes({LAST}) ? {LAST} : own"
    js = f"(own, ...brought) => brought.some((each) => each) ? own : {last}"
    return view.begin(None, [bundle, *brought], bundle, js=js, **QUIET)
