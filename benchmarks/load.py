"""Does the page hold under load? python benchmarks/load.py [--visitors 40] [--seconds 300]

Starts app.py as a process of its own, and visitors who each have a session as a browser has: they draw, look at what is
like a picture, judge, steer, walk, mix, breed, look for copies, play, save and read about models, with 3 to 8 seconds
of thought between two clicks; some of them draw the pictures that everybody sees first, most others. Events that the
page has and this mix does not name are asked with their defaults. On this machine alone. Prints errors, times and what
the page's process grew by. Linux only, as it reads /proc.
"""

import argparse
import asyncio
import collections
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from benchmarks.page import megabytes, start, stop

THINKING = (3.0, 8.0)  # seconds between two clicks of a person
FULL = "Queue is full"  # the queue's sentence begins so
# Of a hundred clicks, so many ask for each event; moves of a slider come four at a time, as a hand makes them.
MIX = {
    "generate": 30,
    "steer": 16,
    "judge": 14,
    "more_like": 8,
    "breed": 4,
    "nearest": 3,
    "game": 3,
    "between_four": 5,
    "mix": 5,
    "save": 4,
    "describe": 3,
    "wander": 2,
    "others": 3,
}
MOVES = 4


class Refused(Exception):
    """The page said a sentence in place of an answer."""


def requests(rng: random.Random, photo: str) -> dict[str, Callable[[], dict]]:
    """Event -> the arguments of one click on it."""

    def seed(most: int = 10**6) -> str:
        return str(1 if rng.random() < 0.2 else rng.randrange(most))

    def seeds(n: int) -> str:
        return ", ".join(seed() for _ in range(n))

    brought = {"picture": {"path": photo, "meta": {"_type": "gradio.FileData"}}}
    return {
        "generate": lambda: {"label": "each", "seed": seed(), "count": rng.choice([1, 16, 24, 24, 64])},
        "steer": lambda: {"seed": seed(), "amounts": [round(rng.uniform(-4, 4), 1) for _ in range(3)]},
        "judge": lambda: brought,
        "nearest": lambda: brought,
        "breed": lambda: {"parents": [{"seed": rng.randrange(10**6)} for _ in range(rng.randint(1, 4))]},
        "more_like": lambda: {"seed": seed(), "count": 16},
        "between_four": lambda: {"seeds": seeds(4), "side": 7},
        "mix": lambda: {"a": seeds(3), "b": seeds(3), "c": seeds(3)},
        "save": lambda: {"pictures": [{"seed": rng.randrange(10**6)} for _ in range(24)], "how": "zip"},
        "describe": dict,
        "wander": lambda: {"seeds": seeds(4), "frames": 120},
    }


class Tally:
    """What came of all clicks: seconds by event, and everything that was no answer."""

    def __init__(self):
        self.seconds: dict[str, list[float]] = collections.defaultdict(list)
        self.refused, self.errors = 0, collections.Counter()


class Visitor:
    """Somebody with a session of their own."""

    def __init__(self, http: httpx.AsyncClient, named: dict, numbers: dict[str, int], photo: str, number: int):
        self.http, self.named, self.numbers = http, named, numbers
        self.name, self.random = f"visitor-{number}", random.Random(number)
        self.asks = requests(self.random, photo)
        asked = [*self.asks, "game_round", "game_answer", "open"]  # `open` needs a saved file
        self.others = sorted(set(named) - {f"/{name}" for name in asked})

    async def visit(self, until: float, tally: Tally) -> None:
        await asyncio.sleep(self.random.uniform(0, THINKING[1]))
        while time.perf_counter() < until:
            kind = self.random.choices(list(MIX), list(MIX.values()))[0]
            if kind == "game":
                await self.play(tally)
            elif kind == "others":
                await self.click(self.random.choice(self.others).strip("/"), {}, tally)
            else:
                for _ in range(MOVES if kind == "steer" else 1):
                    await self.click(kind, self.asks[kind](), tally)
            await asyncio.sleep(self.random.uniform(*THINKING))

    async def play(self, tally: Tally) -> None:
        """A round of a new game."""
        if shown := await self.click("game_round", {}, tally):
            await asyncio.sleep(self.random.uniform(*THINKING))
            guess = {"answer": self.random.choice(["real", "fake"])}
            await self.click(
                "game_answer", {name: shown[0][name] for name in ("game", "round", "bundle")} | guess, tally
            )

    async def click(self, event: str, asked: dict, tally: Tally) -> list | None:
        """What the event returned; None where it was refused, which is counted."""
        began = time.perf_counter()
        try:
            returned = await self.ask(event, asked)
        except (httpx.HTTPError, Refused) as error:
            if FULL in str(error):
                tally.refused += 1
            else:
                tally.errors[f"{event}: {error!r:.160}"] += 1
            return None
        tally.seconds[event].append(time.perf_counter() - began)
        return returned

    async def ask(self, event: str, asked: dict) -> list:
        """What the event returned. Raises Refused, httpx.HTTPError."""
        given = [
            asked.get(p["parameter_name"], p.get("parameter_default")) for p in self.named[f"/{event}"]["parameters"]
        ]
        body = {"data": given, "fn_index": self.numbers[event], "session_hash": self.name}
        joined = await self.http.post("/gradio_api/queue/join", json=body)
        if joined.status_code != 200:
            raise Refused(joined.text)
        async with self.http.stream("GET", "/gradio_api/queue/data", params={"session_hash": self.name}) as stream:
            async for line in stream.aiter_lines():
                if line.startswith('data: {"msg":"process_completed"'):
                    said = json.loads(line[6:])
                    if not said["success"]:
                        raise Refused(str(said["output"].get("error")))
                    return said["output"]["data"]
        raise Refused("The stream ended before its event.")


def photograph(folder: Path) -> Path:
    """A picture such as a visitor may bring."""
    from PIL import Image

    path = folder / "photo.jpg"
    scene = np.random.default_rng(0).integers(0, 256, (9, 12, 3)).astype(np.uint8)
    Image.fromarray(scene).resize((1200, 900)).save(path, quality=85)
    return path


async def crowd(url: str, visitors: int, seconds: float, folder: Path, sample: Callable[[], None]) -> Tally:
    tally, limits = Tally(), httpx.Limits(max_connections=2 * visitors)
    async with httpx.AsyncClient(base_url=url, timeout=60, limits=limits) as http:
        photo = photograph(folder)
        sent = await http.post("/gradio_api/upload", files={"files": (photo.name, photo.read_bytes())})
        named = (await http.get("/gradio_api/info")).json()["named_endpoints"]
        events = (await http.get("/config")).json()["dependencies"]
        numbers = {event["api_name"]: event["id"] for event in events if f"/{event['api_name']}" in named}
        until = time.perf_counter() + seconds
        visits = [Visitor(http, named, numbers, sent.json()[0], i).visit(until, tally) for i in range(visitors)]
        watching = asyncio.create_task(watch(sample))
        await asyncio.gather(*visits)
        watching.cancel()
    return tally


async def watch(sample: Callable[[], None]) -> None:
    while True:
        sample()
        await asyncio.sleep(5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("?")[0] + "?")
    parser.add_argument("--visitors", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=300)
    args = parser.parse_args()
    samples: list[tuple[float, float, float]] = []  # seconds, MB of memory, MB on disk
    with tempfile.TemporaryDirectory() as place:
        folder, log = Path(place) / "gradio", Path(place) / "log.txt"
        folder.mkdir()
        process, url, _ = start(sys.executable, log=log, GRADIO_TEMP_DIR=str(folder))
        began = time.perf_counter()

        def sample() -> None:
            on_disk = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
            samples.append((time.perf_counter() - began, megabytes(process), on_disk / 1e6))

        try:
            tally = asyncio.run(crowd(url, args.visitors, args.seconds, Path(place), sample))
            sample()
            ticks = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        finally:
            stop(process)
        tracebacks = log.read_text(errors="replace").count("Traceback")

    every = np.concatenate([np.array(each) for each in tally.seconds.values()])
    first = next((mb for second, mb, _ in samples if second >= min(60, args.seconds / 2)), samples[-1][1])
    print(f"{args.visitors} visitors, {args.seconds:g} s, {THINKING[0]:g} to {THINKING[1]:g} s of thought\n")
    print("| event | answers | median ms | p95 ms | slowest ms |\n| --- | --- | --- | --- | --- |")
    for event, each in sorted(tally.seconds.items(), key=lambda item: -len(item[1])):
        ms = 1000 * np.array(each)
        print(f"| {event} | {len(ms)} | {np.median(ms):.0f} | {np.percentile(ms, 95):.0f} | {ms.max():.0f} |")
    ms = 1000 * every
    print(f"| all | {len(ms)} | {np.median(ms):.0f} | {np.percentile(ms, 95):.0f} | {ms.max():.0f} |\n")
    print("| what | value |\n| --- | --- |")
    print(f"| told that the queue is full | {tally.refused} |")
    print(f"| other errors | {sum(tally.errors.values())} {dict(tally.errors) or ''} |")
    print(f"| tracebacks in the log | {tracebacks} |")
    print(f"| CPU time a click | {10 * sum(map(int, ticks)) / len(every):.0f} ms |")
    print(f"| resident memory: after a minute, at the end | {first:.0f} MB, {samples[-1][1]:.0f} MB |")
    print(f"| on the way, each half minute | {', '.join(f'{mb:.0f}' for _, mb, _ in samples[::6])} MB |")
    print(f"| files kept: at most | {max(mb for _, _, mb in samples):.0f} MB |")


if __name__ == "__main__":
    main()
