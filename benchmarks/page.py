"""How quick and how small is the page? python benchmarks/page.py [--starts 5] [--calls 200]

Starts app.py as a process of its own and prints: seconds until it answers HTTP (median), how long a call of /generate
takes a program, and the memory of the process afterwards. Linux only, as it reads /proc.
"""

import argparse
import os
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from gradio_client import Client

ROOT = Path(__file__).resolve().parent.parent


def start(python: str) -> tuple[subprocess.Popen, str, float]:
    """A new page: its process, its address, and the seconds until the address answered."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"GRADIO_SERVER_PORT": str(port), "GRADIO_SERVER_NAME": "127.0.0.1"}
    url, began = f"http://127.0.0.1:{port}/", time.perf_counter()
    process = subprocess.Popen([python, "app.py"], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    while time.perf_counter() - began < 60:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                answer.read()
            return process, url, time.perf_counter() - began
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.02)
    process.kill()
    raise SystemExit("app.py did not answer within a minute.")


def megabytes(process: subprocess.Popen) -> float:
    """Resident memory of a process."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def stop(process: subprocess.Popen) -> None:
    process.terminate()
    process.wait(timeout=20)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("?")[0] + "?")
    parser.add_argument("--starts", type=int, default=5)
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--python", default=sys.executable, help="the interpreter that runs the page")
    args = parser.parse_args()

    seconds = []
    for _ in range(args.starts):
        process, url, ready = start(args.python)
        seconds.append(ready)
        stop(process)
    process, url, _ = start(args.python)
    client = Client(url, verbose=False)
    before, calls = megabytes(process), []
    for i in range(args.calls):
        began = time.perf_counter()
        client.predict(seed=str(i), count=16, api_name="/generate")
        calls.append(time.perf_counter() - began)
    after = megabytes(process)
    stop(process)

    print("| what | value |\n| --- | --- |")
    print(f"| process start to first HTTP answer, median of {args.starts} | {statistics.median(seconds):.2f} s |")
    print(f"| /generate of 16 pictures, median of {args.calls} | {1000 * statistics.median(calls):.0f} ms |")
    print(f"| resident memory when ready | {before:.0f} MB |")
    print(f"| resident memory after {args.calls} calls | {after:.0f} MB |")


if __name__ == "__main__":
    main()
