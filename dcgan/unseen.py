"""The real pictures that a run, a bundle or a folder is measured against: those that its training has not seen."""

import dataclasses
from pathlib import Path

from dcgan.config import RunConfig, TrainingError
from dcgan.data import Pictures, hold_out, load, load_files, open_source
from dcgan.named import NAMED_SETS, DataError
from export.runtime import DCNN, Bundle, Generator

MEMORY = 512  # MB of each set of pictures that are kept in memory


def load_unseen(c: RunConfig) -> Pictures:
    """The test pictures, or where there is no test/ folder those that training held back; named for what they are."""
    unseen, part = load(c, "test"), "test"
    if unseen is None:
        unseen, part = hold_out(load(c), c.validation)[1], "pictures held back"
    if not len(unseen):
        raise TrainingError(f"--data {c.data} has no test/ folder, and training held nothing back: all has been seen.")
    return dataclasses.replace(unseen, facts=unseen.facts | {"name": f"{unseen.facts['name']} {part}"})


def load_training(c: RunConfig) -> Pictures:
    """The pictures that a training may have seen: the training split, less what is held back where that is measured."""
    return load(c) if load(c, "test") is not None else hold_out(load(c), c.validation)[0]


def load_target(path: Path, like: Pictures) -> Pictures:
    """The pictures of a folder or zip, at the size and in the channels of `like`. Raises TrainingError."""
    channels, size = like.images.shape[1:3]
    try:
        c = RunConfig(data=str(path), image_size=size, channels=channels, memory=MEMORY)
        return load_files(open_source(path), c, "train", {"name": path.resolve().stem})
    except DataError as error:
        raise TrainingError(str(error).removeprefix("--data ")) from error


def data_of(bundle: Bundle) -> str:
    """The --data that a bundle was trained on, where it is a named set. Raises TrainingError."""
    kind = next(kind for kind in ("generator", "dcnn", "referee") if bundle.has(kind))
    facts = getattr(bundle, kind).facts
    for data, named in NAMED_SETS.items():
        if named.facts["name"] == facts["data"]["name"]:
            return data
    raise TrainingError(f"{bundle.folder} was trained on {facts['data']['name']}: name these pictures with --data.")


def config_of(model: DCNN | Generator, data: str) -> RunConfig:
    """What it was trained on, as far as its file says."""
    facts = model.facts
    sizes = {"image_size": facts["image_size"], "channels": facts["channels"]}
    return RunConfig(data=data, validation=facts["config"]["validation"], **sizes)
