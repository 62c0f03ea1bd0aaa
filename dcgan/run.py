"""A training run: a folder with checkpoint.pt, log.jsonl and pictures/, and the loop that fills and resumes it."""

import contextlib
import dataclasses
import functools
import importlib.util
import itertools
import json
import math
import os
import platform
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from dcgan import checkpoint, parallel
from dcgan.cache import Mapped
from dcgan.config import RunConfig, TrainingError
from dcgan.data import Pictures

Losses = dict[str, Tensor]
TIMED = ("cpu", "cuda")  # devices whose precisions are compared; Apple's is not known to do bf16 everywhere
WORTH_IT = 1.2  # times as fast that another precision has to be


def pick_device(name: str) -> torch.device:
    """`auto`: CUDA, else Apple's, else the CPU. Raises TrainingError for one that is not here."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        raise TrainingError(f"--device {name} cannot be used here: {str(error).splitlines()[0]}") from error
    device = torch.device(name)
    parallel.check_device(device)
    torch.backends.cudnn.benchmark = device.type == "cuda"  # every batch has the same shape: the fastest kernel is kept
    return device


def compile_networks(device: torch.device, *networks: torch.nn.Module) -> None:
    """Compiles each at its first call, in place. Raises TrainingError where there is nothing to compile with."""
    if parallel.world() > 1:
        raise TrainingError("--compile is for one process.")
    compiler = os.environ.get("CXX", "g++")
    if device.type == "cuda" and not importlib.util.find_spec("triton"):
        raise TrainingError("--compile needs the package triton on CUDA.")
    if device.type == "cpu" and not shutil.which(compiler):
        raise TrainingError(f"--compile needs a C++ compiler, and there is no {compiler} here.")
    for network in networks:
        network.compile()


def describe(device: torch.device) -> str:
    """The machine in words, for cards: "NVIDIA H100", "8 x NVIDIA H100" or "2 CPU threads (x86_64)"."""
    name = str(device)
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
    if device.type == "cpu":
        n = torch.get_num_threads()
        name = f"{n} CPU thread{'s' * (n > 1)} ({platform.machine()})"
    return f"{parallel.world()} x {name}" if parallel.world() > 1 else name


@functools.cache
def speed_of_bf16(device: torch.device) -> float:
    """How many times as fast as in fp32 a convolution and its gradients are in bf16 here: 0.1 to 10, say.

    Recent processors and GPUs have instructions for it; others imitate it, slowly.
    """
    n, side = (256, 32) if device.type == "cuda" else (16, 16)  # as much work as keeps the device busy
    images = torch.ones(n, 64, side, side, device=device).to(memory_format=torch.channels_last).requires_grad_()
    weight = torch.ones(128, 64, 3, 3, device=device).to(memory_format=torch.channels_last).requires_grad_()
    fastest = dict.fromkeys((False, True), math.inf)
    for _, bf16 in itertools.product(range(3), fastest):
        began = time.perf_counter()
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            made = functional.conv2d(images, weight, padding=1)
        for gradient in torch.autograd.grad(made.float().sum(), (images, weight)):
            gradient[0, 0, 0, 0].item()  # waits for a GPU
        fastest[bf16] = min(fastest[bf16], time.perf_counter() - began)
    return fastest[False] / fastest[True]


def faster_precision(device: torch.device) -> str:
    """bf16 where it is clearly faster here, else fp32."""
    return "bf16" if device.type in TIMED and speed_of_bf16(device) > WORTH_IT else "fp32"


def settle_precision(c: RunConfig, device: torch.device) -> RunConfig:
    """The configuration with --precision auto settled: that which the run was begun with, else the faster one here.

    All processes have that of the first. Raises TrainingError for a damaged checkpoint.
    """
    if c.precision != "auto":
        return c
    begun = Path(c.out) / checkpoint.NAME
    if begun.exists():
        precision = checkpoint.load(begun, type(c))["config"].precision
    else:
        precision = faster_precision(device)
    return dataclasses.replace(c, precision=parallel.of_the_first(precision))


def introduce(c: RunConfig, pictures: Pictures, training: int, device: torch.device) -> None:
    """Says what a training is about to learn from, and how, so that a surprise shows before the hours pass."""
    channels, size = pictures.images.shape[1:3]
    classes = f" in {len(pictures.classes)} classes" if pictures.classes else ""
    kind = f"{size} x {size} pixels, {'grey' if channels == 1 else 'colour'}"
    where = ", read from a file as they are needed" if isinstance(pictures.images, Mapped) else ""
    gain = 1 / speed_of_bf16(device) if c.precision == "bf16" and device.type in TIMED else 1.0
    regret = f", though fp32 would be {gain:.1f} times as fast here" if gain > WORTH_IT else ""
    print(
        f"{pictures.facts['name']}: {len(pictures):,} pictures{classes}, {kind}{where}; ",
        f"training on {training:,} of them, on {describe(device)}, in {c.precision}{regret}.",
        sep="",
        flush=True,
    )


def autocast(c: RunConfig, device: torch.device) -> contextlib.AbstractContextManager:
    """What a network is called within; what was not settled is fp32, which is the same everywhere."""
    return torch.autocast(device.type, torch.bfloat16, enabled=c.precision == "bf16")


class Run:
    """One run's folder. `parts`: everything with a state_dict that resuming needs."""

    def __init__(self, c: RunConfig, data: dict, parts: dict, device: torch.device):
        self.c, self.data, self.parts, self.step = c, data, parts, 0
        self.made = {
            "seconds": 0.0,
            "device": describe(device),
            "torch": str(torch.__version__),
            "date": time.strftime("%Y-%m-%d"),
        }
        self.folder = Path(c.out)
        self.log_path, self.checkpoint_path = self.folder / "log.jsonl", self.folder / checkpoint.NAME
        try:
            (self.folder / "pictures").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TrainingError(f"--out {c.out}: the folder cannot be made ({error.strerror}).") from error
        self.events = self.open_events() if c.tensorboard and parallel.is_first() else None

    def open_events(self):
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ModuleNotFoundError as error:
            raise TrainingError("--tensorboard needs a package: pip install -r requirements-train.txt") from error
        return SummaryWriter(self.folder)

    def resume(self) -> int:
        """Loads the run's checkpoint, if it has one, into `parts`; the step it was made at. Raises TrainingError."""
        if not self.checkpoint_path.exists():
            self.forget_after(0)
            return 0
        state = checkpoint.load(self.checkpoint_path, type(self.c))
        for f in fields(self.c):
            then, now = getattr(state["config"], f.name), getattr(self.c, f.name)
            if then != now and f.name not in self.c.may_change:
                raise TrainingError(
                    f"{self.folder} was begun with --{f.name.replace('_', '-')} {then}, not {now}. "
                    "Give the same value to go on with it, or another --out to begin anew."
                )
        named = {
            "fakes": "generators named by --gan",
            "calibrated_on": "generators named by --calibrate-on",
            "teacher": "weights named by --teacher",
            "start": "weights named by --start",
        }
        for key, what in ({"sha256": "pictures", "classes": "classes"} | named).items():
            if state["data"].get(key) != self.data.get(key):
                raise TrainingError(f"The {what} have changed since {self.folder} was begun. Give another --out.")
        for name, part in self.parts.items():
            if name in state:  # what it is too old to have stays as it begins
                part.load_state_dict(state[name])
        self.made["seconds"] = state["made"]["seconds"]
        self.forget_after(state["step"])
        self.step = state["step"]
        return self.step

    def forget_after(self, step: int) -> None:
        """Drops log lines of steps that were lost with a killed run: they are about to be made again."""
        if not parallel.is_first():
            return
        lines = self.log_path.read_text().splitlines() if self.log_path.exists() else []
        kept = [line for line in lines if line.endswith("}") and json.loads(line)["step"] <= step]
        if kept != lines:
            with self.writing():
                checkpoint.write_aside(self.log_path, "".join(line + "\n" for line in kept).encode())

    def history(self) -> list[dict]:
        """The log entries so far."""
        return [json.loads(line) for line in self.log_path.read_text().splitlines()] if self.log_path.exists() else []

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """A full disk, say, becomes a TrainingError."""
        try:
            yield
        except OSError as error:
            raise TrainingError(
                f"{self.folder} cannot be written ({error.strerror or error}). The last checkpoint is whole."
            ) from error

    def is_finite(self) -> bool:
        """Whether every weight is a number: the last step before a tick can spoil one before any loss shows it."""
        networks = [part for part in self.parts.values() if isinstance(part, torch.nn.Module)]
        return all(bool(t.isfinite().all()) for network in networks for t in network.state_dict().values())

    def write(self, step: int) -> None:
        """The checkpoint of this step."""
        self.step = step
        with self.writing():
            checkpoint.save(self.checkpoint_path, self.c, step, self.data, self.parts, self.made)

    def spend(self, seconds: float) -> None:
        """Counts them to those that the training took."""
        self.made["seconds"] = round(self.made["seconds"] + seconds, 3)

    def keep(self, step: int, seconds: float) -> None:
        """The checkpoint of a step between ticks, so many seconds after the last one; not if its weights are spoilt."""
        if self.is_finite():
            self.spend(seconds)
            self.write(step)

    def save(self, step: int, log: dict, pictures: np.ndarray | None) -> None:
        """One tick: pictures, log line, and last the checkpoint that makes them count."""
        with self.writing():
            if pictures is not None:
                Image.fromarray(pictures).save(self.folder / "pictures" / f"step-{step:06d}.png")
            with self.log_path.open("a") as file:
                file.write(json.dumps({"step": step} | log) + "\n")
            self.write(step)
        if self.events:
            for name, value in log.items():
                self.events.add_scalar(name, value, step)
            if pictures is not None:
                self.events.add_image("pictures", pictures, step, dataformats="HWC")
            self.events.flush()


def train(
    run: Run,
    update: Callable[[int], Losses],
    report: Callable[[int], tuple[dict, np.ndarray | None]],
    alarms: Callable[[dict], list[str]] = lambda log: [],
    is_over: Callable[[], bool] = lambda: False,
    conclude: Callable[[], bool] = lambda: False,
) -> None:
    """Calls `update(step)` up to c.steps, and once a tick `report(step)` -> (further log entries, pictures H,W,3).

    `alarms(log entries)`: sentences about a training that goes wrong, printed while it does. `is_over()`: whether it
    ends before c.steps. `conclude()`: what is done after the last step; whether the checkpoint is written again for it.
    Random numbers of a step depend on the seed and the step alone, so a resumed run is the same run.
    Raises TrainingError, with the last good checkpoint in place, when a loss is no longer a number.
    """
    c, done = run.c, run.resume()
    alike = (
        "The processes do not see the same pictures or checkpoint: --data and --out must lead all to the same place."
    )
    parallel.check_alike((done, run.data.get("sha256")), alike)
    sums: Losses = {}
    began, since = time.perf_counter(), done
    bar = tqdm(
        total=c.steps * c.real_batch,
        initial=done * c.real_batch,
        unit="img",
        unit_scale=True,
        smoothing=0.02,
        mininterval=0.5,
    )

    def tick(step: int) -> None:
        means = {name: parallel.mean(total).item() / (step - since) for name, total in sums.items()}
        loss_is_finite = all(np.isfinite(mean) for mean in means.values())
        if not loss_is_finite or not run.is_finite():
            kept = f"the checkpoint of step {since} is kept" if run.checkpoint_path.exists() else "nothing was saved"
            what = "A weight" if loss_is_finite else "The loss"
            raise TrainingError(
                f"{what} stopped being a number between steps {since} and {step}; {kept}. "
                "A smaller learning rate or --precision fp32 usually helps."
            )
        if not parallel.is_first():
            return
        seconds = time.perf_counter() - began
        run.spend(seconds)
        more, pictures = report(step)
        log = {"images": step * c.real_batch} | means | more
        for alarm in alarms(log):
            tqdm.write(f"Step {step:,}: {alarm}", file=sys.stderr)
        rate = round((step - since) * c.real_batch / seconds, 1)
        run.save(step, log | {"images_per_second": rate}, pictures)
        bar.set_postfix({name: f"{mean:.3f}" for name, mean in (means | more).items()}, refresh=False)

    with bar, farewell(run):
        with asked_to_stop() as asked:
            for step in range(done + 1, c.steps + 1):
                if is_over():
                    break
                torch.manual_seed(c.seed * 1_000_003 + step)
                for name, loss in update(step).items():
                    sums[name] = sums[name] + loss if name in sums else loss
                bar.update(c.real_batch)
                if step % c.tick == 0 or step == c.steps:
                    tick(step)
                    sums, began, since = {}, time.perf_counter(), step
                elif asked:
                    run.keep(step, time.perf_counter() - began)
                if asked:
                    raise KeyboardInterrupt
        if conclude():
            run.write(run.step)


@contextlib.contextmanager
def farewell(run: Run) -> Iterator[None]:
    """Says, when a person stops the run or it ends, what is there and how it goes on."""
    try:
        yield
    except KeyboardInterrupt:
        goes_on = f"goes on from step {run.step:,}" if run.step else "begins anew: none of its steps was kept"
        raise KeyboardInterrupt(f"Stopped. The same command {goes_on}.") from None
    print(f"{run.folder} has its {run.step:,} steps. Next: python -m export.to_onnx {run.folder} --out models/NAME")


@contextlib.contextmanager
def asked_to_stop() -> Iterator[list[int]]:
    """Notes Ctrl-C and SIGTERM, by which a person or a machine asks a training to stop, so that the step at hand can be
    finished and kept. A second one does not wait.

    Several processes would stop at different steps, and only the main thread hears signals: there, none are noted.
    """
    asked: list[int] = []

    def note(number: int, _) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)

    alone = parallel.world() == 1 and threading.current_thread() is threading.main_thread()
    heard = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM) if alone}
    heard = {number: handler for number, handler in heard.items() if handler not in (signal.SIG_IGN, None)}
    for number in heard:
        signal.signal(number, note)
    try:
        yield asked
    finally:
        for number, handler in heard.items():
            signal.signal(number, handler)


def main(parser, start: Callable[[], None]) -> None:
    """The edge: our own errors become a sentence, Ctrl-C a promise; anything else is a bug and keeps its traceback."""
    try:
        with parallel.joined():
            start()
    except TrainingError as error:
        parser.exit(2, f"{parser.prog}: {error}\n")
    except KeyboardInterrupt as stop:
        print(f"\n{str(stop) or 'Stopped before the training began.'}", file=sys.stderr)
        sys.exit(130)
