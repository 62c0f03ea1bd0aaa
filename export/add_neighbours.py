"""Add to a bundle an index of its training pictures: python -m export.add_neighbours models/fashion-mnist

With it, and without the data, anyone can ask whether a picture is a copy (export/neighbours.py). What it can and cannot
see is measured while it is made, and stands on the bundle's card.
"""

import argparse
import dataclasses
import hashlib
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from tqdm import tqdm

from dcgan import metrics
from dcgan.checkpoint import write_aside
from dcgan.config import RunConfig, TrainingError
from dcgan.data import Pictures, load
from dcgan.eyes import as_pixels
from dcgan.unseen import data_of, load_training, load_unseen
from dcgan.yardstick import HARMS, harmed, sample
from export.card import HUB_LICENCES, write_card
from export.neighbours import (
    INDEX,
    PICTURES,
    QUALITY,
    Features,
    encode,
    features_of,
    pack_pictures,
    percentiles,
    variants_of,
)
from export.runtime import MANIFEST, Bundle, ModelError
from export.to_onnx import MODELS, MOST_BYTES, ExportError, read_model, read_rows

FORMAT = 1  # of neighbours.npz; raised when a reader of the old one would go wrong
MOST_UNSEEN = 5_000  # real pictures whose ratios are kept to compare with
TRIED = 500  # pictures with which it is tried what is found: copies, and exact nearest pictures
AT_ONCE = 50


def make_index(training: Pictures, unseen: Pictures, thumbnails: bool) -> tuple[bytes, dict]:
    """The content of neighbours.npz, and the facts in it."""
    channels = training.images.shape[1]
    features = features_of(as_pixels(training)[..., :channels])
    pixels = as_pixels(sample(unseen, MOST_UNSEEN))[..., :channels]
    exact, nearest = exactly(pixels[:TRIED], features)
    usual = float(np.median(exact)) or float(features.std()) or 1.0
    arrays = encode(features, usual)
    index = Features(arrays)
    ratio, number = search(index, pixels)
    reference = np.sort(ratio).astype(np.float32)
    facts = {
        "format": FORMAT,
        "image_size": training.images.shape[2],
        "channels": channels,
        "classes": list(training.classes),
        "data": {name: training.facts[name] for name in ("name", "licence", "sha256")},
        "features": features.shape[1],
        "training": len(training),
        "unseen": len(pixels),
        "unseen_are": unseen.facts["name"],
        "recall": rounded(float((number[:TRIED] == nearest).mean())),
        "found": copies_found(index, reference, training),
        "thumbnails": {"quality": QUALITY} if thumbnails else None,
    }
    labels = {} if training.labels is None else {"labels": training.labels.numpy().astype(np.uint16)}
    file = io.BytesIO()
    np.savez_compressed(file, facts=np.array(json.dumps(facts)), unseen=reference, **arrays, **labels)
    return file.getvalue(), facts


def exactly(pixels: np.ndarray, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of pixels uint8 N,S,S,C the distance N to the nearest of features M,F that were not rounded, and its number N."""
    variants = variants_of(pixels)
    n, v = variants.shape[:2]
    distance, number = metrics.nearest(features_of(variants.reshape(n * v, *pixels.shape[1:])), features)
    of_variant = distance.reshape(n, v).argmin(1)
    return distance.reshape(n, v).min(1), number.reshape(n, v)[np.arange(n), of_variant]


def search(index: Features, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of pixels uint8 N,S,S,C the ratio N of the nearest training picture, and its number N."""
    starts = tqdm(range(0, len(pixels), AT_ONCE), "Comparing", unit_scale=AT_ONCE, leave=False, disable=None)
    parts = [index.look(pixels[i : i + AT_ONCE]) for i in starts]
    return np.concatenate([ratio for ratio, _, _ in parts]), np.concatenate([number[:, 0] for *_, number in parts])


def copies_found(index: Features, reference: np.ndarray, training: Pictures) -> dict[str, float]:
    """Copies of training pictures, as they are and after known harms: the share that stands out more than 99 % of the
    unseen real pictures do.
    """
    pixels, channels = as_pixels(sample(training, TRIED)), training.images.shape[1]
    changes: dict[str, Callable[[Image.Image], Image.Image]] = {"as they are": lambda picture: picture}
    found = {}
    for name, change in (changes | {"mirrored": ImageOps.mirror} | HARMS).items():
        ratio, _ = search(index, harmed(pixels, change, channels)[..., :channels])
        found[name] = rounded(float(np.mean(percentiles(ratio, reference) < 1)))
    return found


def rounded(value: float) -> float:
    return float(f"{value:.4g}")


def lets_travel(licence: str) -> bool:
    """Whether a licence is one of those under which pictures may be passed on; what is not stated is none."""
    return licence.split()[0].lower() in HUB_LICENCES


def add(folder: Path, asked: RunConfig, thumbnails: bool | None = None) -> dict:
    """Writes the index into a bundle, and its card and manifest anew. Returns the index's facts.

    asked: which pictures, and where they are; thumbnails: None leaves it to the licence. Raises ExportError,
    ModelError, TrainingError.
    """
    bundle = Bundle(folder)
    known = {name: read_model(folder / name)[1] for name in MODELS if name in bundle.manifest["sha256"]}
    some = next(iter(known.values()))
    c = dataclasses.replace(
        asked,
        data=asked.data or data_of(bundle),
        licence=some["data"]["licence"],
        image_size=some["image_size"],
        channels=some["channels"],
        validation=some["config"]["validation"],
    )
    training = load_training(c)
    if load(c).facts["sha256"] != some["data"]["sha256"]:
        raise ExportError(f"{folder} has learnt from other pictures than those of --data {c.data}.")
    thumbnails = lets_travel(c.licence) if thumbnails is None else thumbnails
    content, facts = make_index(training, load_unseen(c), thumbnails)
    files = {INDEX: content} | ({PICTURES: pack_pictures(as_pixels(training))} if thumbnails else {})
    check_sizes(files)
    for name, each in files.items():
        write_aside(folder / name, each)
    vouch(bundle, known, files, facts)
    return facts


def check_sizes(files: dict[str, bytes]) -> None:
    """No file of a bundle may have 10 MB. Raises ExportError."""
    for name, content in files.items():
        if len(content) >= MOST_BYTES:
            without = " Leave the pictures out with --no-thumbnails." if name == PICTURES else ""
            size = f"{len(content) / 1e6:.1f} MB"
            raise ExportError(f"{name} would have {size}, and the limit is {MOST_BYTES // 10**6}.{without}")


def vouch(bundle: Bundle, known: dict[str, dict], files: dict[str, bytes], facts: dict) -> None:
    """The bundle's card and manifest anew, with the files of the index, and without those of an earlier one.

    known: the facts of its models by file name.
    """
    folder, manifest = bundle.folder, bundle.manifest
    stale = {INDEX, PICTURES} - set(files)
    sizes = {name: (folder / name).stat().st_size for name in known}
    card = write_card(folder.name, known, sizes, read_rows(folder), manifest.get("progress"), facts).encode()
    write_aside(folder / "README.md", card)
    changed = {name: hashlib.sha256(content).hexdigest() for name, content in (files | {"README.md": card}).items()}
    sha256 = {name: each for name, each in (manifest["sha256"] | changed).items() if name not in stale}
    content = json.dumps(manifest | {"sha256": dict(sorted(sha256.items()))}, indent=1) + "\n"
    write_aside(folder / MANIFEST, content.encode())
    for name in stale:
        (folder / name).unlink(missing_ok=True)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m export.add_neighbours", description=__doc__.split(":")[0] + ".")
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="a folder of export.to_onnx, such as models/NAME")
    parser.add_argument("--data", default="", help="its training pictures (default: the named set that it tells)")
    parser.add_argument("--data-dir", default="", help="folder in which a named set is looked for first")
    parser.add_argument(
        "--thumbnails",
        action=argparse.BooleanOptionalAction,
        help="whether the training pictures travel along, small and lossy (default: where their licence lets them)",
    )
    args = parser.parse_args(argv)
    try:
        asked = RunConfig(data=args.data, data_dir=args.data_dir)
        facts = add(args.bundle, asked, args.thumbnails)
    except (ExportError, ModelError, TrainingError) as error:
        parser.exit(2, f"{parser.prog}: {error}\n")
    except OSError as error:
        parser.exit(2, f"{parser.prog}: {args.bundle} cannot be written ({error.strerror}).\n")
    print(
        f"{facts['training']:,} training pictures, compared with {facts['unseen']:,} of {facts['unseen_are']}; "
        f"{facts['recall']:.1%} of exact nearest pictures are found."
    )
    print("Copies that stand out: " + "; ".join(f"{name} {share:.1%}" for name, share in facts["found"].items()) + ".")
    for name in (INDEX, PICTURES):
        if (args.bundle / name).is_file():
            print(f"{args.bundle / name}  {(args.bundle / name).stat().st_size / 1000:,.0f} kB")


if __name__ == "__main__":
    sys.exit(main())
