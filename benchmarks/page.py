"""How quick and how small is the page? python benchmarks/page.py [--starts 5] [--calls 200]

Starts app.py as a process of its own and prints: seconds until it answers HTTP (median), how long a click takes that
draws 16 pictures and a move of a slider that steers one, each beside an event of benchmarks/ready.py that returns as
much and has it ready (events of both in turn, medians), and the memory of the process afterwards. The calls are shared
among the starts: which threads of a process meet on one core is the luck of its start, and worth half a millisecond.
Linux only, as it reads /proc.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parent.parent
EVENTS = ("generate", "ready_sheet", "steer_shown", "ready_picture")
WAKING = 10  # calls of each after a start that are not counted: they wake things up


def start(
    python: str, script: str = "app.py", log: Path = Path(os.devnull), **environment: str
) -> tuple[subprocess.Popen, str, float]:
    """A new page: its process, its address, and the seconds until the address answered. What it prints goes to log."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"GRADIO_SERVER_PORT": str(port), "GRADIO_SERVER_NAME": "127.0.0.1"} | environment
    url, began = f"http://127.0.0.1:{port}/", time.perf_counter()
    with log.open("w") as file:
        process = subprocess.Popen([python, script], cwd=ROOT, env=environment, stdout=file, stderr=subprocess.STDOUT)
    while time.perf_counter() - began < 60:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                answer.read()
            return process, url, time.perf_counter() - began
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.02)
    process.kill()
    raise SystemExit(f"{script} did not answer within a minute.")


def megabytes(process: subprocess.Popen, what: str = "VmRSS") -> float:
    """Resident memory of a process; VmHWM: its peak."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(what)) / 1024


def stop(process: subprocess.Popen) -> None:
    process.terminate()
    process.wait(timeout=20)


class Visitor:
    """A browser's session with a page, without the browser: joins the queue, and reads until the event is completed."""

    def __init__(self, url: str, name: str):
        self.http, self.name = httpx.Client(base_url=url, timeout=60), name
        events = self.http.get("/config").json()["dependencies"]
        self.numbers = {event["api_name"]: event["id"] for event in events if event["api_name"]}

    def click(self, event: str, *data) -> float:
        """Seconds that an event took, from the click until its result was here."""
        body = {"data": data, "fn_index": self.numbers[event], "session_hash": self.name}
        began = time.perf_counter()
        self.http.post("/gradio_api/queue/join", json=body).raise_for_status()
        with self.http.stream("GET", "/gradio_api/queue/data", params={"session_hash": self.name}) as answer:
            for line in answer.iter_lines():
                if line.startswith('data: {"msg":"process_completed"'):
                    seconds = time.perf_counter() - began
                    assert '"success":true' in line, line
        return seconds


def side_by_side(page: Visitor, floor: Visitor, calls: int) -> dict[str, list[float]]:
    """Seconds of each event, called in turn. Every click draws other pictures, every move is to another place."""
    seconds: dict[str, list[float]] = {event: [] for event in EVENTS}
    start = json.dumps({"seed": 7})
    for i in range(-WAKING, calls):
        controls, places = (None, "each", str(16 * i + 1000), 16, 1), (round(i % 80 / 10 - 4, 1), *[0] * 7)
        took = {
            "generate": page.click("generate", *controls),
            "ready_sheet": floor.click("ready_sheet", *controls),
            "steer_shown": page.click("steer_shown", None, start, *places),
            "ready_picture": floor.click("ready_picture", None, start, *places),
        }
        if i >= 0:
            for event, each in took.items():
                seconds[event].append(each)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("?")[0] + "?")
    parser.add_argument("--starts", type=int, default=5)
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--python", default=sys.executable, help="the interpreter that runs the page")
    args = parser.parse_args()

    ready, took, each_start = [], {event: [] for event in EVENTS}, -(-args.calls // args.starts)
    for _ in range(args.starts):
        process, url, seconds = start(args.python)
        other, other_url, _ = start(args.python, "benchmarks/ready.py")
        try:
            before = megabytes(process)
            visitors = Visitor(url, "visitor"), Visitor(other_url, "visitor")
            for event, each in side_by_side(*visitors, each_start).items():
                took[event] += each
            after = megabytes(process)
        finally:
            stop(process)
            stop(other)
        ready.append(seconds)
    ms = {event: 1000 * statistics.median(each) for event, each in took.items()}

    print("| what | value |\n| --- | --- |")
    print(f"| process start to first HTTP answer, median of {args.starts} | {statistics.median(ready):.2f} s |")
    for what, event, floor in (
        ("click to 16 pictures", "generate", "ready_sheet"),
        ("slider to steered picture", "steer_shown", "ready_picture"),
    ):
        ratio = ms[event] / ms[floor]
        print(f"| {what}, median of {len(took[event])} | {ms[event]:.1f} ms |")
        print(f"| the same, had it been ready | {ms[floor]:.1f} ms, ratio {ratio:.2f} |")
    print(f"| resident memory when ready | {before:.0f} MB |")
    print(f"| resident memory after {2 * (each_start + WAKING)} events | {after:.0f} MB |")


if __name__ == "__main__":
    main()
