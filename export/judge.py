"""Real or fake? python -m export.judge models/fashion-mnist PICTURES... [--out verdicts.csv]

Each picture is judged together with its re-savings (export/verdict.py): the answer is real, fake, unsure, or unlike
anything known. Whole folders stream through; what cannot be read becomes a row that says why.
"""

import argparse
import csv
import json
import os
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

from export.pictures import SUFFIXES, PictureError
from export.resave import RESAVINGS
from export.runtime import DCNN, SENTENCES
from export.verdict import Judgement, as_json, judge_files

COLUMNS = ("file", "verdict", "probability", "unsure", "typical", "class", *RESAVINGS, "error")
BAR = 24  # characters
BLINK = 0.1  # seconds between two looks of the bar


# --- which files --------------------------------------------------------------------------------------------------


def files_of(places: list[str]) -> Iterator[str]:
    """The files named, and of a folder those that look like pictures, at any depth, in order of their names."""
    for place in places:
        if place and os.path.isdir(place):
            yield from files_in(place)
        else:
            yield place


def files_in(folder: str) -> Iterator[str]:
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.is_dir(follow_symlinks=False):  # a link may lead back to where it stands
            yield from files_in(entry.path)
        elif entry.name.lower().endswith(SUFFIXES):
            yield entry.path


# --- what is written ----------------------------------------------------------------------------------------------

Outcome = tuple[str, Judgement | PictureError]


def as_row(file: str, outcome: Judgement | PictureError) -> dict:
    """One picture as a row of COLUMNS; what there is nothing to say about is left out."""
    if isinstance(outcome, PictureError):
        return {"file": file, "error": str(outcome)}
    verdict = outcome.verdict
    row = {"file": file, "verdict": outcome.answer, "probability": verdict.real, "typical": verdict.typical}
    row |= {"class": verdict.label} | {each.name: each.real for each in outcome.resavings}
    row |= {"unsure": "yes" if outcome.unsure else "no"} if outcome.answer else {}
    return {name: f"{value:.6g}" if isinstance(value, float) else value for name, value in row.items()}


def as_object(file: str, outcome: Judgement | PictureError, facts: dict) -> dict:
    """One picture as JSON has it: everything but pixels."""
    said = {"error": str(outcome)} if isinstance(outcome, PictureError) else as_json(outcome, facts)
    return {"file": file} | said


def percent(probability: float) -> str:
    """Six characters; nothing is said to be certain."""
    return " <0.1%" if probability < 0.001 else ">99.9%" if probability > 0.999 else f"{probability:6.1%}"


def as_line(file: str, judgement: Judgement, width: int) -> str:
    """One picture as a line to read."""
    verdict, answer = judgement.verdict, judgement.answer
    real = "" if answer is None else f"{answer.split()[0]:6}  {percent(verdict.real)} real"
    label = f"  {verdict.label} {percent(verdict.classes[verdict.label]).strip()}" if verdict.label else ""
    return f"{file:{width}}  {real}{label}"


# Each writer returns how many pictures could not be read.


def write_lines(outcomes: Iterable[Outcome], width: int) -> int:
    """A line each on stdout, refusals on stderr."""
    unread = 0
    for file, outcome in outcomes:
        if isinstance(outcome, PictureError):
            unread += 1
            print(outcome, file=sys.stderr)
        else:
            print(as_line(file, outcome, width))
    return unread


def write_csv(outcomes: Iterable[Outcome], out: TextIO) -> int:
    """A header, and a row each."""
    writer, unread = csv.DictWriter(out, COLUMNS), 0
    writer.writeheader()
    for file, outcome in outcomes:
        unread += isinstance(outcome, PictureError)
        writer.writerow(as_row(file, outcome))
    return unread


def write_json(outcomes: Iterable[Outcome], out: TextIO, facts: dict) -> int:
    """One array, an object a line; whole also where it was interrupted."""
    between, unread = "\n", 0
    out.write("[")
    try:
        for file, outcome in outcomes:
            unread += isinstance(outcome, PictureError)
            out.write(between + json.dumps(as_object(file, outcome, facts)))
            between = ",\n"
    finally:
        out.write("\n]\n")
    return unread


def write_file(outcomes: Iterable[Outcome], path: Path, facts: dict) -> int:
    """A file of the kind that its name says."""
    with path.open("w", encoding="utf-8", newline="") as out:
        if path.suffix.lower() == ".csv":
            return write_csv(outcomes, out)
        return write_json(outcomes, out, facts)


def watched(outcomes: Iterable[Outcome], total: int) -> Iterator[Outcome]:
    """The same, with a bar on stderr where a person looks at it."""
    if not sys.stderr.isatty():
        yield from outcomes
        return
    began, drawn = time.perf_counter(), 0.0
    try:
        for done, outcome in enumerate(outcomes, 1):
            yield outcome
            now = time.perf_counter()
            if now - drawn > BLINK:
                bar = "#" * (BAR * done // total)
                line = f"[{bar:.<{BAR}}] {done:,} of {total:,} pictures, {done / (now - began):.0f} a second"
                print(f"\r{line:78}", end="", file=sys.stderr, flush=True)
                drawn = now
    finally:
        print("\r" + " " * 78, end="\r", file=sys.stderr, flush=True)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m export.judge", description=__doc__.split("?")[0] + "?")
    parser.add_argument("model", metavar="BUNDLE", help="a bundle's folder, or a dcnn.onnx")
    parser.add_argument("files", nargs="+", metavar="PICTURE", help="PNG, JPEG, WebP, BMP or GIF, or folders of them")
    parser.add_argument("--out", type=Path, help="a table (NAME.csv), or everything (NAME.json: an array of objects)")
    parser.add_argument("--json", action="store_true", help="print what NAME.json would hold")
    args = parser.parse_args(argv)
    if args.out and args.out.suffix.lower() not in (".csv", ".json"):
        parser.error(f"--out {args.out}: name it {args.out.with_suffix('.csv')} or {args.out.with_suffix('.json')}.")
    try:
        dcnn = DCNN(args.model)
    except SENTENCES as error:
        parser.error(str(error))
    try:
        total, width = 0, 0
        for file in files_of(args.files):
            total, width = total + 1, max(width, len(file))
    except OSError as error:
        parser.error(f"{error.filename} cannot be looked into: {error.strerror}.")
    if not total:
        parser.error(f"There is no picture in {', '.join(args.files)}; their names end in {', '.join(SUFFIXES)}.")
    outcomes = judge_files(dcnn, files_of(args.files))
    if not args.out:
        return 1 if (write_json(outcomes, sys.stdout, dcnn.facts) if args.json else write_lines(outcomes, width)) else 0
    began = time.perf_counter()
    try:
        unread = write_file(watched(outcomes, total), args.out, dcnn.facts)
    except OSError as error:
        parser.error(f"--out {args.out} cannot be written: {error.strerror}.")
    said = f"; {unread:,} could not be read, and their rows say why" if unread else ""
    speed = total / (time.perf_counter() - began)
    print(f"{total:,} pictures -> {args.out}, {speed:.0f} a second{said}", file=sys.stderr)
    return 1 if unread else 0


if __name__ == "__main__":
    sys.exit(main())
