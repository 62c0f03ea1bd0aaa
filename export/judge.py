"""Real or fake? python -m export.judge models/fashion-mnist FILE... [--json]"""

import argparse
import json
import sys

from export.runtime import DCNN, SENTENCES, PictureError, Verdict


def as_row(file: str, verdict: Verdict) -> dict:
    """One picture's verdict as plain numbers: what --json prints."""
    evidence = None if verdict.evidence is None else [[round(float(v), 4) for v in row] for row in verdict.evidence]
    return {
        "file": file,
        "real": verdict.real,
        "label": verdict.label,
        "classes": verdict.classes,
        "evidence": evidence,
    }


def percent(probability: float) -> str:
    """Six characters; nothing is said to be certain."""
    return " <0.1%" if probability < 0.001 else ">99.9%" if probability > 0.999 else f"{probability:6.1%}"


def as_line(file: str, verdict: Verdict, width: int) -> str:
    """One picture's verdict as a line of the table."""
    real = "" if verdict.real is None else f"{'real' if verdict.real >= 0.5 else 'fake'}  {percent(verdict.real)} real"
    label = f"  {verdict.label} {percent(verdict.classes[verdict.label]).strip()}" if verdict.label else ""
    return f"{file:{width}}  {real}{label}"


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m export.judge", description=__doc__.split("?")[0] + "?")
    parser.add_argument("model", help="a bundle's folder, or a dcnn.onnx")
    parser.add_argument("files", nargs="+", metavar="FILE", help="pictures: PNG, JPEG, WebP, BMP or GIF")
    parser.add_argument("--json", action="store_true", help="print JSON, one object a picture, with the evidence")
    args = parser.parse_args(argv)
    try:
        dcnn = DCNN(args.model)
    except SENTENCES as error:
        parser.error(str(error))
    width, rows, unread = max(map(len, args.files)), [], 0
    for file in args.files:
        try:
            verdict = dcnn.judge(file)
        except PictureError as error:
            print(error, file=sys.stderr)
            unread += 1
            continue
        if args.json:
            rows.append(as_row(file, verdict))
        else:
            print(as_line(file, verdict, width))
    if args.json:
        print(json.dumps(rows, indent=1))
    return 1 if unread else 0


if __name__ == "__main__":
    sys.exit(main())
