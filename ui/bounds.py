"""What the page bears from programs that mean harm, or know no better: requests that make no sense, and many files.

Gradio answers what it does not expect with a 500 and a traceback in the log, and keeps what it is sent. Here such a
request is answered with a sentence, and what is kept stays small.
"""

import ctypes
import json
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import gradio as gr
from gradio.exceptions import InvalidPathError
from gradio.processing_utils import check_all_files_in_cache
from gradio.route_utils import FnIndexInferError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ui.texts import say

# What Gradio raises where a request names what is not there, or holds what is not of the kind that belongs there.
OF_NONSENSE = (LookupError, TypeError, ValueError, AttributeError, FnIndexInferError)
EVERY = 10  # seconds between two looks at the folder
M_ARENA_MAX, HEAPS = -8, 2  # glibc's name for the most heaps, from its malloc.h


class Page(gr.Blocks):
    """Blocks that refuse what cannot be an event's input with a sentence, as the callbacks do."""

    def queue(self, *args, **kwargs):
        super().queue(*args, **kwargs)
        push = self._queue.push

        async def push_named(body, request, username):
            # An empty name is none: Gradio would wait for the event's messages under one name and send them to another.
            body.session_hash = body.session_hash or None
            return await push(body, request, username)

        self._queue.push = push_named
        return self

    async def process_api(self, block_fn, *args, **kwargs):
        if block_fn.fn is None:  # the browser alone has something to do then
            raise gr.Error(say("page.nonsense"), print_exception=False)
        with refused():
            check_all_files_in_cache(getattr(kwargs.get("event_data"), "_data", None))
        return await super().process_api(block_fn, *args, **kwargs)

    async def preprocess_data(self, block_fn, inputs, *args, **kwargs):
        needed = len(block_fn.inputs)
        if len(inputs) < needed:
            raise gr.Error(say("page.too_few", needed=needed, given=len(inputs)), print_exception=False)
        with refused():
            return await super().preprocess_data(block_fn, inputs, *args, **kwargs)


@contextmanager
def refused() -> Iterator[None]:
    """Inside, what is raised is the fault of what was sent."""
    try:
        yield
    except gr.Error as error:
        error.print_exception = False
        raise
    except InvalidPathError as error:  # its message would tell where the server keeps its files
        raise gr.Error(say("page.not_uploaded"), print_exception=False) from error
    except (*OF_NONSENSE, OSError) as error:  # also a path too long for the file system
        raise gr.Error(say("page.nonsense"), print_exception=False) from error


class Sensible:
    """ASGI middleware: what Gradio's own routes stumble over is answered with 400 and a sentence.

    No callback runs inside these routes: those have the queue, where their errors keep their tracebacks.
    """

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def watch(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.app(scope, receive, watch)
        except (*OF_NONSENSE, RuntimeError) as error:
            late = isinstance(error.__cause__, HTTPException)  # Starlette's words for one that came after the beginning
            if scope["type"] != "http" or (isinstance(error, RuntimeError) and not late):
                raise
            if begun:  # a stream of events that nobody has, or that was left: it just ends
                await send({"type": "http.response.body", "body": b""})
                return
            body = json.dumps({"detail": say("page.nonsense")}).encode()
            headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
            await send({"type": "http.response.start", "status": 400, "headers": headers})
            await send({"type": "http.response.body", "body": body})


def share_heaps() -> None:
    """Lets all threads allocate from a few heaps, where glibc would give each its own, which keeps what is freed."""
    if sys.platform == "linux" and (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)):  # musl has none
        mallopt(M_ARENA_MAX, HEAPS)


def tidy(folder: Path, age: float, most: int) -> list[Path]:
    """Deletes the files in a folder that are older than `age` seconds, and the oldest until `most` bytes are left.

    Returns what is gone. Empty folders go, too.
    """
    files, gone, now = [], [], time.time()
    for path in folder.rglob("*"):
        try:
            stat = path.lstat()
            if path.is_dir():
                if now - stat.st_mtime > age and not any(path.iterdir()):
                    path.rmdir()
            else:
                files.append((stat.st_mtime, stat.st_size, path))
        except OSError:
            continue  # somebody was quicker, or has just put something into it
    left = sum(size for _, size, _ in files)
    for modified, size, path in sorted(files):
        if left > most or now - modified > age:
            path.unlink(missing_ok=True)
            gone.append(path)
            left -= size
    return gone


def keep_tidy(page: gr.Blocks, folder: Path, age: float, most: int) -> None:
    """Keeps the folder tidy while the process lives; Gradio forgets the names of what is gone."""

    def look() -> None:
        while True:
            forget(page.temp_file_sets, tidy(folder, age, most))
            time.sleep(EVERY)

    threading.Thread(target=look, name="tidy", daemon=True).start()


def forget(known: Iterable[set[str]], gone: list[Path]) -> None:
    """Takes the names of files out of the sets that hold them."""
    for names in known:
        names.difference_update(map(str, gone))
