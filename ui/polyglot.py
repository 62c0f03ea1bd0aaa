"""One page in several languages: laid out once in each, served to each visitor in one.

A layout's words are part of its configuration, so that other words are another layout of the same parts: the first is
the page, the others lend it their properties. Nothing is translated in the browser, hence nothing jumps there.
"""

import json
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl

import gradio as gr

from ui import bounds
from ui.language import TAGS, chosen, language, reading


class Page(bounds.Page):
    """A page that is served in the visitor's language, if a layout in it was lent."""

    lent: dict[str, dict]  # language -> configuration
    own: dict

    def __init__(self, **kwargs):
        self.lent = {}
        super().__init__(**kwargs)

    def lend(self, other: str, layout: gr.Blocks) -> None:
        """The words of the same layout in another language."""
        self.lent[other] = layout.config

    @property
    def config(self) -> dict:
        """What the browser builds the page from. Gradio asks for it at each request, and sets it at the start."""
        words = self.lent.get(language())
        return in_words_of(words, self.own) if words else self.own

    @config.setter
    def config(self, config: dict) -> None:
        self.own = config

    async def process_api(self, block_fn, inputs, state=None, request: gr.Request | None = None, **more) -> dict:
        """An event, from what was sent to what is answered, in the language of whoever caused it."""
        with reading(language_of(request)):
            return await super().process_api(block_fn, inputs, state, request, **more)


def in_words_of(other: dict, config: dict) -> dict:
    """A page's configuration, with the title and the parts' properties of another layout of the same parts."""
    pairs = zip(config["components"], other["components"], strict=True)
    parts = [part | {"props": twin["props"]} for part, twin in pairs]
    return config | {"title": other["title"], "components": parts}


def language_of(request: gr.Request | None) -> str:
    """Of an event's request, which has the query of the page and the headers of its browser."""
    if request is None:
        return language()
    return chosen(dict(request.query_params), dict(request.headers).get("accept-language", ""))


class Speaking:
    """A layer of the server: notes which language each request wants, and says so in the HTML that answers it."""

    def __init__(self, app: Callable[..., Awaitable]):
        self.app = app

    async def __call__(self, scope: dict, receive: Callable, send: Callable) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        query = dict(parse_qsl(scope["query_string"].decode("latin-1")))
        accepted = dict(scope["headers"]).get(b"accept-language", b"").decode("latin-1")
        with reading(chosen(query, accepted)):
            await self.app(scope, receive, Tagged(send, TAGS[language()]) if scope["method"] == "GET" else send)


class Tagged:
    """Sends an answer on; HTML as a whole, and tagged with its language."""

    def __init__(self, send: Callable, tag: str):
        self.send, self.tag = send, tag
        self.start: dict | None = None  # of an answer in HTML, kept until its length is known
        self.body = b""

    async def __call__(self, message: dict) -> None:
        if message["type"] == "http.response.start" and is_html(message):
            self.start = message
        elif self.start is None:
            await self.send(message)
        else:
            self.body += message.get("body", b"")
            if not message.get("more_body"):
                body = tagged(self.body, self.tag)
                kept = [(name, value) for name, value in self.start["headers"] if name.lower() != b"content-length"]
                length = (b"content-length", str(len(body)).encode())
                await self.send(self.start | {"headers": [*kept, length, (b"vary", b"Accept-Language")]})
                await self.send({"type": "http.response.body", "body": body})


def is_html(start: dict) -> bool:
    headers = {name.lower(): value for name, value in start["headers"]}
    return headers.get(b"content-type", b"").startswith(b"text/html") and b"content-encoding" not in headers


def tagged(html: bytes, tag: str) -> bytes:
    """HTML that says its language, to Gradio's own parts too: those ask `navigator.language` when they start."""
    told = f'<script>Object.defineProperty(navigator, "language", {{ value: {json.dumps(tag)} }});</script>'
    html = html.replace(b'lang="en"', f'lang="{tag}"'.encode(), 1)
    return html.replace(b"<head>", b"<head>" + told.encode(), 1)
