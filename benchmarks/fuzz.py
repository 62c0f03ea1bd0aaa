"""Does the page stand abuse? python benchmarks/fuzz.py [--requests 2000] [--seed 0]

Starts app.py as a process of its own and sends it what no honest client would: wrong types, huge numbers, broken
pictures and bombs, paths and names that climb out of their folder, data URLs, payloads of foreign components, damaged
bodies; to every event that the page has and to Gradio's own routes, on this machine alone. Prints what went wrong: an
answer of 500, a traceback, an error without a sentence, a file that is not the page's to show, one that was written
elsewhere; and the peak of the memory. Linux only, as it reads /proc.
"""

import argparse
import base64
import io
import json
import random
import struct
import sys
import tempfile
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from benchmarks.page import ROOT, megabytes, start, stop

API = "/gradio_api"
SECRETS = ("root:x:0", "benchmarks.page import", "[tool.ruff]")  # in /etc/passwd, this file and pyproject.toml
CLIMBING = (
    *(
        "/etc/passwd",
        "../../../../etc/passwd",
        "..%2f..%2fetc%2fpasswd",
        "....//....//etc/passwd",
        "file:///etc/passwd",
    ),
    *(
        str(ROOT / "pyproject.toml"),
        "pyproject.toml",
        "./pyproject.toml",
        "benchmarks/fuzz.py",
        "models/../pyproject.toml",
    ),
    *("/proc/self/environ", "/proc/self/fd/0", "/dev/zero", "\\\\host\\share", "C:\\boot.ini", "a\0b", "~/.ssh/id_rsa"),
)
NUMBERS = (0, -1, 1, 2.5, 1e308, -1e308, 2**31, 2**32, 2**53 + 1, 10**30, 10**400, -0.0, 1e-320)
TEXTS = (
    "",
    " ",
    "each",
    "zebra",
    "null",
    "NaN",
    "1e9",
    "9" * 5000,
    "١٢",
    "½",
    "💥" * 50,
    "\0",
    "a\nb",
    "{}",
    "<b>",
    "'\"",
)
LISTS = ([], [[]], [None], [1, "a", {}], [1] * 3000, [[[[[[]]]]]], [{"seed": 1}] * 300)
NOTHING = (None, True, False)
BODIES = (
    *(b"", b"{", b"[]", b"null", b'{"data": 5}', b'{"data": null}', b'{"data": {}}', b"\xff\xfe", b"5", b'"x"'),
    *(b"[" * 20_000, b'{"data": [' + b"9" * 100_000 + b"]}", b'{"data":[NaN, Infinity, -Infinity]}', bytes(1000)),
    *(b'{"data": ["\\ud800"]}', b'{"data": [' + b'"a",' * 50_000 + b'"a"]}'),
    *(b'{"data":["' + b"A" * 5_000_000 + b'"]}', b'{"data":[' + b"[]," * 300_000 + b"1]}"),
)
NAMES = (*CLIMBING, "x" * 300, "a.php", ".", "", "é.png")


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, packed: bytes, *more: bytes) -> bytes:
    """A PNG that says it has this size, whatever is in it: one bit a pixel."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(more) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def picture(form: str, side: int = 32, **options) -> bytes:
    file = io.BytesIO()
    Image.effect_noise((side, side), 90).convert("RGB").save(file, form, **options)
    return file.getvalue()


def pictures() -> dict[str, bytes]:
    """Whole, broken, foreign and explosive picture files."""
    bomb = zlib.compressobj(9)
    rows = bytes(1 + 13_000 // 8) * 500
    packed = b"".join(bomb.compress(rows) for _ in range(26)) + bomb.flush()
    whole = picture("PNG")
    recipe = json.dumps({"format": 1, "latent": "A" * 100_000, "seed": -1}).encode()
    deep = b"recipe\0" + b'{"pictures":' * 900 + b"1" + b"}" * 900
    long = b"recipe\0\0" + zlib.compress(bytes(50_000_000))
    many = b"recipe\0" + json.dumps({"pictures": [{"seed": i} for i in range(5000)]}).encode()
    return {
        "whole.png": whole,
        "whole.jpg": picture("JPEG"),
        "whole.gif": picture("GIF"),
        "whole.webp": picture("WEBP"),
        "large.png": picture("PNG", 1200),
        "torn.png": whole[: len(whole) // 2],
        "torn.jpg": picture("JPEG")[:300],
        "torn.webp": picture("WEBP")[:90],
        "foreign.tiff": picture("TIFF"),
        "foreign.ico": picture("ICO"),
        "drawing.svg": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
        "bomb.png": png(13_000, 13_000, packed),
        "below.png": png(7_000, 7_000, zlib.compress(bytes(876) * 7_000, 9)),
        "lying.png": png(2**31 - 1, 2**31 - 1, b""),
        "empty.png": b"",
        "text.png": b"no picture",
        "random.png": random.Random(0).randbytes(3000),
        "latent.png": png(16, 16, zlib.compress(bytes(48)), chunk(b"tEXt", b"recipe\0" + recipe)),
        "deep.png": png(16, 16, zlib.compress(bytes(48)), chunk(b"tEXt", deep)),
        "many.png": png(16, 16, zlib.compress(bytes(48)), chunk(b"tEXt", many)),
        "words.png": png(16, 16, zlib.compress(bytes(48)), chunk(b"zTXt", long)),
    }


@dataclass(frozen=True)
class Answer:
    """What was sent, in a few words, and what came back."""

    what: str
    status: int
    text: str

    @property
    def fault(self) -> str | None:
        """What is wrong with it; a full queue is not."""
        if self.status >= 500 and not (self.status == 503 and "queue" in self.text.lower()):
            return f"status {self.status}"
        if "Traceback (most recent" in self.text:
            return "a traceback"
        if "event: error" in self.text and not sentence_in(self.text):
            return "an error without a sentence"
        return next(("a file's content" for secret in SECRETS if secret in self.text), None)


def sentence_in(text: str) -> bool:
    """Whether the error in a stream of events says anything."""
    said = json.loads(text.partition("event: error\ndata: ")[2].partition("\n")[0] or "null")
    said = said.get("error") if isinstance(said, dict) else said
    return isinstance(said, str) and len(said.split()) > 2


class Fuzzer:
    """A visitor that means harm: the same seed sends the same requests to the same page."""

    def __init__(self, url: str, seed: int):
        self.http = httpx.Client(base_url=url, timeout=60)
        self.random, self.files = random.Random(seed), pictures()
        self.named = self.http.get(f"{API}/info").json()["named_endpoints"]
        self.events = self.http.get("/config").json()["dependencies"]
        self.uploaded = [path for name in self.files for path in self.upload(name).json()]
        self.ways = [self.call, self.call, self.call, self.join, self.join, self.by_name, self.damaged, self.file]
        self.ways += [self.climb, self.component, self.tool, self.direct]

    def upload(self, name: str, called: str | None = None) -> httpx.Response:
        return self.http.post(f"{API}/upload", files={"files": (called or name, self.files[name])})

    def requests(self, n: int) -> Iterator[Answer]:
        for _ in range(n):
            yield self.random.choice(self.ways)()

    # --- values --------------------------------------------------------------------------------------------------

    def value(self, depth: int = 0) -> object:
        """Anything that JSON can hold."""
        kind = self.random.randrange(9)
        if kind == 0:
            return self.random.choice(NUMBERS)
        if kind in (1, 2):
            return self.random.choice(TEXTS + CLIMBING)
        if kind == 3:
            return self.random.choice(LISTS)
        if kind == 4:
            return self.random.choice(NOTHING)
        if kind in (5, 6):
            return self.payload()
        if kind == 7 and depth < 3:
            keys = self.random.sample(("path", "url", "meta", "seed", "latent", "label", "__type__", "headers"), 3)
            return {key: self.value(depth + 1) for key in keys}
        return self.random.choice(("shapes", "fashion-mnist", "1", "1, 2, 3", "each", 4, 0.5, 1))

    def payload(self) -> dict:
        """What pretends to be a file."""
        where = self.random.choice([*CLIMBING, *self.uploaded, *self.uploaded, "http://127.0.0.1:1/x.png", 7, None, ""])
        name = self.random.choice(list(self.files))
        url = "data:image/png;base64," + base64.b64encode(self.files[name]).decode()
        kinds = [
            {"path": where, "meta": {"_type": "gradio.FileData"}},
            {"path": where},
            {"path": where, "orig_name": self.random.choice(CLIMBING), "meta": {"_type": "gradio.FileData"}},
            {"path": where, "url": self.random.choice(CLIMBING), "meta": {"_type": "gradio.FileData"}, "size": -1},
            {"url": url, "meta": {"_type": "gradio.FileData"}},
            {"url": url[: self.random.randrange(len(url))], "meta": {"_type": "gradio.FileData"}},
            {"url": "data:,"},
            {"image": {"path": where}, "points": [[1, 2]]},
            {
                "background": None,
                "layers": [url[:50]],
                "composite": {"path": where, "meta": {"_type": "gradio.FileData"}},
            },
            {"headers": ["a"], "data": [[1]], "metadata": None},
            {"__type__": "update", "value": where, "choices": [where]},
        ]
        return self.random.choice(kinds)

    def data(self, n: int) -> list:
        """Arguments: some of them honest, their number mostly right."""
        n = n if self.random.random() < 0.85 else self.random.randrange(12)
        return [None if self.random.random() < 0.4 else self.value() for _ in range(n)]

    # --- requests ------------------------------------------------------------------------------------------------

    def send(self, what: str, method: str, path: str, **more) -> Answer:
        try:
            with self.http.stream(method, path, **more) as answer:
                text = ""
                for part in answer.iter_text():
                    text += part
                    if len(text) > 3_000_000:
                        break
                return Answer(what, answer.status_code, text)
        except (httpx.InvalidURL, ValueError):  # it cannot even be sent
            return Answer(what, 0, "")
        except httpx.HTTPError as error:
            return Answer(what, 599, repr(error))

    def post(self, what: str, path: str, body: object) -> Answer:
        content = json.dumps(body).encode()  # Infinity and NaN pass, as they would from JavaScript's text
        return self.send(what, "POST", path, content=content, headers={"Content-Type": "application/json"})

    def followed(self, answer: Answer, path: str, **query) -> Answer:
        """The event's own answer, where it was accepted."""
        try:
            event = json.loads(answer.text)["event_id"]
        except (ValueError, KeyError, TypeError):
            return answer
        return self.send(answer.what, "GET", path.format(event=event), params=query)

    def call(self) -> Answer:
        name = self.random.choice(list(self.named))
        body = {"data": self.data(len(self.named[name]["parameters"]))}
        sent = self.post(f"call {name} {str(body)[:300]}", f"{API}/call{name}", body)
        return self.followed(sent, f"{API}/call{name}/{{event}}")

    def by_name(self) -> Answer:
        name = self.random.choice(list(self.named))
        keys = [p["parameter_name"] for p in self.named[name]["parameters"]] + ["nonsense", "oauth_token", "data"]
        body = {key: self.value() for key in self.random.sample(keys, self.random.randint(0, len(keys)))}
        sent = self.post(f"call/v2 {name} {str(body)[:300]}", f"{API}/call/v2{name}", body)
        return self.followed(sent, f"{API}/call/v2{name}/{{event}}")

    def join(self) -> Answer:
        """Any event of the page, also those that only the page itself uses."""
        event, hash_ = self.random.choice(self.events), f"s{self.random.randrange(10**9)}"
        body = {"data": self.data(len(event["inputs"])), "fn_index": event["id"], "session_hash": hash_}
        if self.random.random() < 0.5:
            body |= {"event_data": self.value(), "trigger_id": self.random.choice([None, 1, 10**6])}
        if self.random.random() < 0.15:
            body["fn_index"] = self.random.choice([-1, 10**6, None, "generate", 1.5])
        if self.random.random() < 0.1:
            body["session_hash"] = self.random.choice([None, "", "x" * 5000, 5, "../.."])
        sent = self.post(f"join {event['api_name']} {str(body)[:300]}", f"{API}/queue/join", body)
        answer = self.followed(sent, f"{API}/queue/data", session_hash=str(body["session_hash"]))
        if '"success":false' in answer.text:
            said = next(json.loads(line[6:]) for line in answer.text.splitlines() if '"success":false' in line)
            words = (said.get("output") or {}).get("error") or said.get("message")
            return Answer(answer.what, answer.status, f"event: error\ndata: {json.dumps(words)}\n")
        return answer

    def direct(self) -> Answer:
        """The routes that a queued event does not have, and odd names."""
        name = self.random.choice(["generate", "judge", "predict", "nothing", "%2e%2e", "x" * 3000])
        way = self.random.choice(["run", "api", "call", "call/v2", "stream"])
        return self.post(f"{way}/{name[:20]}", f"{API}/{way}/{name}", {"data": self.data(3)})

    def damaged(self) -> Answer:
        name = self.random.choice(list(self.named))
        path = self.random.choice([f"{API}/call{name}", f"{API}/call/v2{name}", f"{API}/queue/join", f"{API}/mcp/"])
        body = self.random.choice(BODIES)
        kind = self.random.choice(["application/json", "text/plain", "multipart/form-data", ""])
        sent = self.send(f"{path} {body[:40]!r}", "POST", path, content=body, headers={"Content-Type": kind})
        return self.followed(sent, f"{API}/call{name}/{{event}}") if "/call" in path else sent

    def file(self) -> Answer:
        """A picture file under some name, uploaded, then judged or opened."""
        name, called = (
            self.random.choice(list(self.files)),
            self.random.choice([*CLIMBING, "x" * 300, "a.php", ".", "", "é.png"]),
        )
        try:
            sent = self.upload(name, called)
        except (httpx.HTTPError, ValueError, UnicodeError):
            return Answer("upload", 0, "")
        if sent.status_code != 200:
            return Answer(f"upload {called!r}", sent.status_code, sent.text)
        where, event = sent.json()[0], self.random.choice(["judge", "open"])
        body = {"data": [{"path": where, "orig_name": called, "meta": {"_type": "gradio.FileData"}}, None]}
        joined = self.post(f"{event} {name} as {called[:40]!r}", f"{API}/call/{event}", body)
        return self.followed(joined, f"{API}/call/{event}/{{event}}")

    def climb(self) -> Answer:
        way = self.random.choice(
            ["file=", "file/", "proxy=", "stream/", "custom_component/", "../static/", "../assets/"]
        )
        where = self.random.choice([*CLIMBING, *self.uploaded, "http://127.0.0.1:1/", "http://127.0.0.1:1/hf.space"])
        headers = {"Range": self.random.choice(["bytes=0-10", "bytes=-1", "bytes=9-1", "bytes=a-b", "lines=1-2"])}
        return self.send(f"GET {way}{where}", "GET", f"{API}/{way}{where}", headers=headers)

    def component(self) -> Answer:
        body = {"component_id": self.random.choice([0, 1, 10**6, "x", None]), "session_hash": "x", "data": self.value()}
        body["fn_name"] = self.random.choice(["preprocess", "__init__", "get_config", 5, "ls"])
        path = self.random.choice(["component_server", "cancel", "reset", "vibe-code/", "run-history/connect"])
        return self.post(f"{path} {str(body)[:100]}", f"{API}/{path}", body | {"fn_index": 0, "event_id": "x"})

    def tool(self) -> Answer:
        names = ["generate", "judge", "save", "open_picture", "steer_picture", "nothing", "__init__"]
        arguments = {key: self.value() for key in ("seed", "count", "picture", "label", "pictures", "file")}
        ask = {"name": self.random.choice(names), "arguments": self.random.choice([arguments, {}, [], None, "x"])}
        body = {
            "jsonrpc": "2.0",
            "id": 1,
            "method": self.random.choice(["tools/call", "tools/list", "nothing"]),
            "params": ask,
        }
        headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
        content = json.dumps(body).encode()
        return self.send(f"mcp {str(ask)[:200]}", "POST", f"{API}/mcp/", content=content, headers=headers)


def files_around(folder: Path) -> set[Path]:
    """Everything beside the page's own temporary folder, and in the project."""
    kept = {path for path in folder.parent.iterdir() if path != folder}
    return kept | {p for p in ROOT.rglob("*") if not {".git", "__pycache__"} & set(p.parts)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("?")[0] + "?")
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--log", type=Path, help="where to keep what the page printed")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder, log = Path(place) / "gradio", args.log or Path(place) / "log.txt"
        folder.mkdir()
        log.touch()
        process, url, _ = start(sys.executable, log=log, GRADIO_TEMP_DIR=str(folder))
        before, faults, statuses = files_around(folder), Counter(), Counter()
        try:
            for answer in Fuzzer(url, args.seed).requests(args.requests):
                statuses[answer.status] += 1
                if answer.fault:
                    faults[answer.fault] += 1
                    print(f"{answer.fault}: {answer.what}\n    {answer.text[:200]!r}", file=sys.stderr)
            alive, peak = httpx.get(url).status_code == 200, megabytes(process, "VmHWM")
        finally:
            stop(process)
        tracebacks, written = log.read_text(errors="replace").count("Traceback"), files_around(folder) - before
        kept = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print("| what | value |\n| --- | --- |")
    print(f"| requests, by status | {args.requests}: {', '.join(f'{n} x {s}' for s, n in sorted(statuses.items()))} |")
    print(f"| faulty answers | {sum(faults.values())} {dict(faults) or ''} |")
    print(f"| tracebacks in the log | {tracebacks} |")
    print(f"| files written elsewhere | {len(written)} {sorted(map(str, written))[:3] or ''} |")
    print(f"| kept in the page's own folder | {kept / 1e6:.0f} MB |")
    print(f"| answers afterwards | {'yes' if alive else 'no'} |")
    print(f"| peak of resident memory | {peak:.0f} MB |")


if __name__ == "__main__":
    main()
