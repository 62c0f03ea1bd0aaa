"""A checkpoint is one file: config, step, facts of the data, state dicts. Data only: loading runs no code."""

import hashlib
import io
from dataclasses import asdict
from pathlib import Path

import torch
from torch import nn

from dcgan.config import DcnnConfig, GanConfig, RunConfig, TrainingError, from_saved
from dcgan.models import DCNN, Recogniser, make_dcnn, make_gan

NAME = "checkpoint.pt"


class Notes(dict):
    """A part of a checkpoint that is but numbers: a dictionary with the two methods of a network."""

    def state_dict(self) -> dict:
        return dict(self)

    def load_state_dict(self, state: dict) -> None:
        self.clear()
        self.update(state)


def save(path: Path, c: RunConfig, step: int, data: dict, parts: dict, made: dict) -> None:
    """`made`: the conditions it was made under, for the card: seconds of training, device, versions.

    Written aside and renamed: a run killed at any moment leaves the previous checkpoint whole.
    """
    state = {name: part.state_dict() for name, part in parts.items()}
    head = {"kind": type(c).__name__, "config": asdict(c), "step": step, "data": data, "made": made}
    file = io.BytesIO()  # not the path: torch's own writer says of a full disk "unexpected pos 1472 vs 1366"
    torch.save(head | state, file)
    write_aside(path, file.getbuffer())


def write_aside(path: Path, content: bytes | memoryview) -> None:
    """Writes a file that is there whole or not at all. Raises OSError, and leaves what was there before."""
    aside = path.with_suffix(".tmp")
    try:
        aside.write_bytes(content)
        aside.replace(path)
    except OSError:
        aside.unlink(missing_ok=True)
        raise


def load(run: str | Path, kind: type[RunConfig] | None = None) -> dict:
    """The checkpoint of a run's folder (or the file itself), with `config` as a dataclass and `sha256` of the file.

    Raises TrainingError where it is missing, damaged or of another kind.
    """
    path = Path(run) / NAME if Path(run).is_dir() else Path(run)
    if not path.is_file():
        raise TrainingError(
            f"There is no checkpoint at {path}. Train one with python -m dcgan.train_gan or train_dcnn."
        )
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        config = from_saved({"GanConfig": GanConfig, "DcnnConfig": DcnnConfig}[state["kind"]], state["config"])
    except Exception as error:  # torch raises a dozen kinds for a damaged file; a person needs to hear only one thing
        reason = str(error).split(". ")[0][:200]
        raise TrainingError(f"{path} is not a checkpoint of this project, or it is damaged ({reason}).") from error
    if kind is not None and not isinstance(config, kind):
        made_by = {"GanConfig": "train_gan", "DcnnConfig": "train_dcnn"}
        raise TrainingError(f"{path} was made by {made_by[state['kind']]}; one of {made_by[kind.__name__]} is needed.")
    return state | {"config": config, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def network_of(state: dict) -> nn.Module:
    """The network that a loaded checkpoint stands for, in evaluation mode: its generator, or its DCNN, calibrated."""
    c, classes = state["config"], len(state["data"]["classes"])
    if isinstance(c, GanConfig):
        network = make_gan(c, classes)[0]
        network.load_state_dict(generator_state(state))
    else:
        network = dcnn_of(state)
        calibrate(network, state.get("calibration", {}))
        if record := state.get("recogniser"):
            step_back(network, record["share"])
    return network.eval()


def dcnn_of(state: dict) -> DCNN:
    """The DCNN that a loaded checkpoint stands for, in evaluation mode, before any calibration."""
    network = make_dcnn(state["config"], len(state["data"]["classes"]))
    network.load_state_dict(dcnn_state(state))
    return network.eval()


def learnt_after(state: dict) -> tuple[dict | None, dict | None, Recogniser | None, dict | None]:
    """What the DCNN of a loaded checkpoint has got after its training, as far as it is not too old: what it knows
    (dcgan/typical.py), where verdicts come from (dcgan/attribution.py), who helps it to tell the classes, and the spans
    with which it computes in 8 bits (dcgan/levels.py), if it does.
    """
    record = state.get("recogniser")
    recogniser = recogniser_of(record) if record else None
    return state.get("known"), state.get("attribution"), recogniser, state.get("spans")


def as_record(state: dict) -> dict:
    """A recogniser's loaded checkpoint as a part of that of the DCNN that it helps."""
    kept = {name: state[name] for name in ("data", "step", "made", "sha256")}
    return kept | {"config": asdict(state["config"]), "network": dcnn_state(state)}


def recogniser_of(record: dict) -> Recogniser:
    """The recogniser of such a record, in evaluation mode."""
    network = make_dcnn(from_saved(DcnnConfig, record["config"]), len(record["data"]["classes"]))
    network.load_state_dict(record["network"])
    return network.eval()


def calibrate(network: DCNN, calibration: dict) -> None:
    """Folds slope and bias into the real head: its logit becomes slope x logit + bias, and so does all evidence's mean.

    A checkpoint that is too old to have been calibrated, or has nothing to judge by, stays as it is.
    """
    if calibration:
        head = network.real_head
        with torch.no_grad():
            head.weight.mul_(calibration["slope"])
            head.bias.mul_(calibration["slope"]).add_(calibration["bias"])


def step_back(network: DCNN, share: float) -> None:
    """Folds into the class head how much its say counts beside a recogniser's (dcgan.train_dcnn.balanced)."""
    with torch.no_grad():
        for part in network.class_head.parameters():
            part.mul_(share)


def generator_state(state: dict) -> dict:
    """The weights of the generator that a GAN's checkpoint stands for: the best one it kept, else the averaged one."""
    return state.get("G_best", {}).get("network") or state["G_ema"]


def dcnn_state(state: dict) -> dict:
    """The weights of the DCNN that a checkpoint stands for: those that early stopping kept, else the averaged ones,
    where it has any, else the last ones.
    """
    return state.get("best", {}).get("network") or state.get("average") or state["network"]
