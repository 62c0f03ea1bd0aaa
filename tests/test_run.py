"""Runs: a checkpoint is whole at every moment, loading runs no code, and what goes wrong is said in a sentence."""

import contextlib
import io
import json
import multiprocessing
import os
import pickle
import random
import resource
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest
import torch
from drawing import dark_and_light, noise, save_all
from processes import ROOT, one_thread, run_module, start_child, start_module  # noqa: F401 - a fixture
from torch import nn

from dcgan import checkpoint
from dcgan.config import DcnnConfig, GanConfig, TrainingError
from dcgan.game import Game
from dcgan.run import Run, describe, pick_device, speed_of_bf16, train
from dcgan.train_dcnn import train_dcnn
from dcgan.train_gan import cli, train_gan

pytestmark = pytest.mark.usefixtures("one_thread")
TOY = {
    "width": 2,
    "latent_dim": 4,
    "batch": 8,
    "steps": 4,
    "tick": 2,
    "image_size": 8,
    "device": "cpu",
    "precision": "fp32",
}


@pytest.fixture(scope="module")
def shades(tmp_path_factory) -> Path:
    return dark_and_light(tmp_path_factory.mktemp("shades") / "shades", size=8)


@pytest.fixture
def toy(shades, tmp_path) -> GanConfig:
    return GanConfig(data=str(shades), out=str(tmp_path / "run"), **TOY)


def changed(c: GanConfig, **values) -> GanConfig:
    return GanConfig(**(vars(c) | values))


def options(c: GanConfig) -> list[str]:
    names = ("data", "out", *TOY)
    return [text for name in names for text in ("--" + name.replace("_", "-"), str(getattr(c, name)))]


def log_of(folder: str | Path) -> list[dict]:
    return [json.loads(line) for line in (Path(folder) / "log.jsonl").read_text().splitlines()]


def one_sentence(text: str) -> str:
    """What a command printed last, which is all that it printed but for progress bars."""
    assert "Traceback" not in text
    return text.replace("\r", "\n").strip().splitlines()[-1]


# --- checkpoints --------------------------------------------------------------------------------------------------


def saved(path: Path, kind: type = GanConfig) -> nn.Module:
    network = nn.Linear(3, 2)
    checkpoint.save(path, kind(out="run", width=5), 7, {"classes": ["a"]}, {"G": network}, {"seconds": 1.5})
    return network


def test_a_processor_is_called_by_its_threads():
    assert describe(torch.device("cpu")).startswith("1 CPU thread (")
    torch.set_num_threads(2)
    assert describe(torch.device("cpu")).startswith("2 CPU threads (")


def test_a_checkpoint_gives_back_what_was_saved(tmp_path):
    network = saved(tmp_path / checkpoint.NAME)
    for place in (tmp_path, tmp_path / checkpoint.NAME, str(tmp_path)):
        state = checkpoint.load(place, GanConfig)
        assert state["config"] == GanConfig(out="run", width=5)
        assert (state["step"], state["data"], state["made"]) == (7, {"classes": ["a"]}, {"seconds": 1.5})
        assert torch.equal(state["G"]["weight"], network.weight)
        assert len(state["sha256"]) == 64
    assert [path.name for path in tmp_path.iterdir()] == [checkpoint.NAME]


def test_a_checkpoint_that_is_missing_is_a_sentence(tmp_path):
    with pytest.raises(TrainingError, match=r"There is no checkpoint at .*checkpoint\.pt\. Train one with"):
        checkpoint.load(tmp_path)


def test_the_other_trainers_checkpoint_is_a_sentence(tmp_path):
    saved(tmp_path / "gan.pt")
    saved(tmp_path / "dcnn.pt", DcnnConfig)
    with pytest.raises(TrainingError, match=r"gan\.pt was made by train_gan; one of train_dcnn is needed"):
        checkpoint.load(tmp_path / "gan.pt", DcnnConfig)
    with pytest.raises(TrainingError, match=r"dcnn\.pt was made by train_dcnn; one of train_gan is needed"):
        checkpoint.load(tmp_path / "dcnn.pt", GanConfig)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("damage", ["empty", "text", "cut", "cut short", "flipped", "tensor", "unknown knob", "list"])
def test_a_damaged_or_foreign_checkpoint_is_one_sentence(tmp_path, damage):
    path = tmp_path / "checkpoint.pt"
    saved(path)
    whole = path.read_bytes()
    if damage == "empty":
        path.write_bytes(b"")
    elif damage == "text":
        path.write_text("not a checkpoint\n" * 100)
    elif damage == "cut":
        path.write_bytes(whole[: len(whole) // 2])
    elif damage == "cut short":
        path.write_bytes(whole[:-1])
    elif damage == "flipped":
        place = whole.index(b"GanConfig")
        path.write_bytes(whole[:place] + b"X" + whole[place + 1 :])
    elif damage == "tensor":
        torch.save(torch.zeros(3), path)
    elif damage == "list":
        torch.save([1, 2], path)
    else:
        torch.save({"kind": "GanConfig", "config": {"no_such_knob": 1}}, path)
    with pytest.raises(
        TrainingError, match=r"checkpoint\.pt is not a checkpoint of this project, or it is damaged"
    ) as e:
        checkpoint.load(path)
    assert len(str(e.value).splitlines()) == 1


class Trap:
    """A pickle of it makes a file when it is opened."""

    def __init__(self, place: Path):
        self.place = place

    def __reduce__(self):
        return os.mkdir, (str(self.place),)


@pytest.mark.filterwarnings("ignore")
def test_loading_a_checkpoint_runs_no_code_in_it(tmp_path):
    trap, sprung = Trap(tmp_path / "sprung"), tmp_path / "sprung"
    torch.save({"kind": "GanConfig", "config": {}, "trap": trap}, tmp_path / "a.pt")
    (tmp_path / "b.pt").write_bytes(pickle.dumps(trap))
    for path in (tmp_path / "a.pt", tmp_path / "b.pt"):
        with pytest.raises(TrainingError, match="is not a checkpoint of this project"):
            checkpoint.load(path)
        assert not sprung.exists()
    pickle.loads(pickle.dumps(trap))
    assert sprung.exists()  # the trap works


def save_for_ever(path: Path) -> None:
    network = nn.Linear(1000, 700)
    step = checkpoint.load(path)["step"] if path.exists() else 0
    while True:
        step += 1
        nn.init.constant_(network.weight, step)
        checkpoint.save(path, GanConfig(out="run"), step, {}, {"G": network}, {})


def test_a_process_killed_while_it_saves_leaves_a_whole_checkpoint(tmp_path):
    path, seed, before = tmp_path / checkpoint.NAME, random.randrange(10**6), 0
    print(f"moments by seed {seed}")
    moments = random.Random(seed)
    for _ in range(10):
        stamp = path.stat().st_mtime_ns if path.exists() else 0
        child = start_child(save_for_ever, path)
        while not path.exists() or path.stat().st_mtime_ns == stamp:
            assert child.is_alive()
            time.sleep(0.002)
        time.sleep(moments.uniform(0, 0.1))
        child.kill()
        child.join()
        state = checkpoint.load(path)
        assert (state["G"]["weight"] == state["step"]).all()
        assert state["step"] > before
        before = state["step"]


# --- the loop -----------------------------------------------------------------------------------------------------


def run_of(tmp_path: Path, network: nn.Module, **values) -> Run:
    c = GanConfig(**{"out": str(tmp_path / "run"), "steps": 10, "tick": 2, "batch": 4} | values)
    return Run(c, {"classes": []}, {"G": network}, torch.device("cpu"))


def grow(network: nn.Module):
    """An update that adds one to every weight, with the step as its loss."""

    def update(step: int) -> dict[str, torch.Tensor]:
        with torch.no_grad():
            network.weight += 1
        return {"loss": torch.tensor(float(step))}

    return update


def test_every_tick_and_the_last_step_is_logged_drawn_and_saved(tmp_path):
    network = nn.Linear(2, 2)
    run = run_of(tmp_path, network, steps=5, tick=2)
    train(run, grow(network), lambda step: ({"more": step}, np.zeros((4, 4, 3), np.uint8)))
    lines = log_of(run.folder)
    assert [line["step"] for line in lines] == [2, 4, 5]
    assert [line["images"] for line in lines] == [8, 16, 20]
    assert [line["loss"] for line in lines] == [1.5, 3.5, 5]
    assert [line["more"] for line in lines] == [2, 4, 5]
    assert all(line["images_per_second"] > 0 for line in lines)
    names = sorted(path.name for path in (run.folder / "pictures").iterdir())
    assert names == ["step-000002.png", "step-000004.png", "step-000005.png"]
    state = checkpoint.load(run.folder)
    assert state["step"] == 5
    assert state["made"]["seconds"] > 0


def test_random_numbers_of_a_step_depend_on_the_seed_and_the_step_alone(tmp_path):
    drawn: dict[int, dict[int, float]] = {}
    for seed in (0, 1):
        network, numbers = nn.Linear(2, 2), drawn.setdefault(seed, {})

        def update(step: int, numbers=numbers) -> dict[str, torch.Tensor]:
            assert numbers.setdefault(step, torch.rand(()).item()) is not None
            return {"loss": torch.zeros(())}

        for steps in (4, 10):
            train(run_of(tmp_path / str(seed), network, steps=steps, seed=seed), update, lambda _: ({}, None))
    assert len(set(drawn[0].values()) | set(drawn[1].values())) == 20
    torch.manual_seed(7)
    assert drawn[0][7] == torch.rand(()).item()


def test_a_finished_run_has_nothing_left_to_do(tmp_path):
    network = nn.Linear(2, 2)
    train(run_of(tmp_path, network), grow(network), lambda _: ({}, None))
    before = (tmp_path / "run" / checkpoint.NAME).read_bytes()

    def never(step):
        raise AssertionError

    train(run_of(tmp_path, nn.Linear(2, 2)), never, never)
    assert (tmp_path / "run" / checkpoint.NAME).read_bytes() == before
    assert len(log_of(tmp_path / "run")) == 5


@pytest.mark.parametrize("what", ["loss", "infinite loss", "weights"])
def test_a_run_that_leaves_the_numbers_stops_and_keeps_its_last_good_checkpoint(tmp_path, what):
    network = nn.Linear(2, 2)
    good = grow(network)

    def update(step: int) -> dict[str, torch.Tensor]:
        losses = good(step)
        if step == 6 and what == "weights":  # by the last step before the next checkpoint: no loss has shown it yet
            with torch.no_grad():
                network.weight[0, 0] = float("nan")
        if step == 5 and what != "weights":
            losses["loss"] = torch.tensor(float("nan" if what == "loss" else "inf"))
        return losses

    run, kept = run_of(tmp_path, network), []

    def report(step: int) -> tuple[dict, None]:
        kept.append(step)
        return {}, None

    with pytest.raises(TrainingError, match=r"between steps 4 and 6; the checkpoint of step 4 is kept\. A smaller"):
        train(run, update, report)
    assert checkpoint.load(run.folder)["step"] == 4
    assert [line["step"] for line in log_of(run.folder)] == [2, 4]
    assert kept == [2, 4]
    fresh = nn.Linear(2, 2)
    train(run_of(tmp_path, fresh), grow(fresh), report)
    assert torch.equal(fresh.weight, checkpoint.load(run.folder)["G"]["weight"])


def test_a_run_that_leaves_the_numbers_before_its_first_checkpoint_says_that_nothing_was_saved(tmp_path):
    with pytest.raises(TrainingError, match="between steps 0 and 2; nothing was saved"):
        train(run_of(tmp_path, nn.Linear(2, 2)), lambda _: {"loss": torch.tensor(float("nan"))}, lambda _: ({}, None))


def test_an_absurd_learning_rate_stops_a_gan_and_keeps_its_checkpoint_byte_for_byte(toy):
    train_gan(toy)
    path = Path(toy.out) / checkpoint.NAME
    before = path.read_bytes()
    state = torch.load(path)
    state["config"]["lr_g"] = 1e30
    for group in state["G_opt"]["param_groups"]:
        group["lr"] = 1e30
    torch.save(state, path)
    before = path.read_bytes()
    with pytest.raises(TrainingError, match=r"stopped being .* the checkpoint of step 4 is kept"):
        train_gan(changed(toy, lr_g=1e30, steps=40, tick=20))
    assert path.read_bytes() == before
    assert [line["step"] for line in log_of(toy.out)] == [2, 4]


# --- going on -----------------------------------------------------------------------------------------------------


def test_a_run_goes_on_where_it_stopped_and_may_be_made_longer(toy):
    train_gan(toy)
    train_gan(changed(toy, steps=7, tick=3, licence="CC0"))
    assert [line["step"] for line in log_of(toy.out)] == [2, 4, 6, 7]
    state = checkpoint.load(toy.out)
    assert (state["step"], state["config"].steps, state["data"]["licence"]) == (7, 7, "CC0")
    assert state["made"]["seconds"] >= 0


def test_a_run_is_the_same_with_its_pictures_in_a_file_and_may_change_that(toy, tmp_path):
    train_gan(toy)
    for memory in (0, 4096):  # begun with all of them in a file, ended with all in memory
        train_gan(changed(toy, out=str(tmp_path / "other"), memory=memory, steps=2 if memory == 0 else 4))
    one, other = checkpoint.load(toy.out), checkpoint.load(tmp_path / "other")
    for part in ("G", "D", "G_ema"):
        assert all(torch.equal(value, other[part][name]) for name, value in one[part].items())
    losses = [[(line["D_loss"], line["G_loss"]) for line in log_of(out)] for out in (toy.out, tmp_path / "other")]
    assert losses[0] == losses[1]


@pytest.mark.parametrize(
    "values", [{"width": 3}, {"lr_g": 0.5}, {"latent_dim": 5}, {"loss": "mse"}, {"image_size": 10}]
)
def test_another_knob_is_a_sentence_that_names_it(toy, values):
    train_gan(toy)
    before = (Path(toy.out) / checkpoint.NAME).read_bytes()
    (name,) = values
    option = "--" + name.replace("_", "-")
    words = f"was begun with {option} {getattr(toy, name)}, not {values[name]}. .*another --out to begin anew"
    with pytest.raises(TrainingError, match=words):
        train_gan(changed(toy, **values))
    assert (Path(toy.out) / checkpoint.NAME).read_bytes() == before


def test_changed_pictures_are_a_sentence(toy, tmp_path):
    folder = save_all(noise(64, 8), tmp_path / "pictures")
    c = changed(toy, data=str(folder))
    train_gan(c)
    save_all(noise(65, 8), folder)
    with pytest.raises(TrainingError, match=r"The pictures have changed since .* Give another --out"):
        train_gan(changed(c, steps=6))


def test_the_other_trainers_run_is_a_sentence(toy):
    train_gan(toy)
    with pytest.raises(TrainingError, match="was made by train_gan; one of train_dcnn is needed"):
        train_dcnn(DcnnConfig(data=toy.data, out=toy.out, width=2, steps=2, batch=8, image_size=8, device="cpu"))


def test_log_lines_after_the_checkpoint_are_dropped_when_a_run_goes_on(toy):
    train_gan(toy)
    log = Path(toy.out) / "log.jsonl"
    log.write_text(log.read_text() + '{"step": 6, "D_loss": 1.0}\n{"step": 8, "D_lo')  # killed before it was saved
    train_gan(changed(toy, steps=8))
    assert [line["step"] for line in log_of(toy.out)] == [2, 4, 6, 8]


def test_log_lines_before_any_checkpoint_are_dropped_when_a_run_begins_again(toy):
    Path(toy.out).mkdir()
    (Path(toy.out) / "log.jsonl").write_text('{"step": 2, "D_loss": 1.0}\n')  # killed before its first checkpoint
    train_gan(toy)
    assert [line["step"] for line in log_of(toy.out)] == [2, 4]


def test_tensorboard_events_are_written_if_asked_for(toy):
    train_gan(changed(toy, tensorboard=True))
    events = [path for path in Path(toy.out).iterdir() if "tfevents" in path.name]
    assert len(events) == 1
    content = events[0].read_bytes()
    assert b"D_loss" in content
    assert b"pictures" in content


def test_no_tensorboard_events_are_written_otherwise(toy):
    train_gan(toy)
    assert sorted(path.name for path in Path(toy.out).iterdir()) == ["checkpoint.pt", "log.jsonl", "pictures"]


# --- sentences at the command line --------------------------------------------------------------------------------


def test_a_folder_that_is_a_file_is_a_sentence(toy, tmp_path):
    (tmp_path / "run").write_text("in the way")
    with pytest.raises(TrainingError, match=r"--out .*run: the folder cannot be made"):
        train_gan(toy)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_here_is_a_sentence(toy):
    with pytest.raises(TrainingError, match=r"--device cuda cannot be used here: "):
        train_gan(changed(toy, device="cuda"))
    with pytest.raises(TrainingError, match=r"--device toaster cannot be used here: "):
        pick_device("toaster")


def test_the_automatic_device_is_one_that_works():
    assert torch.ones(2, device=pick_device("auto")).sum().item() == 2


def test_the_command_line_says_one_sentence_and_exits_with_2(capsys):
    with pytest.raises(SystemExit) as stop:
        cli(["--data", "no-such-set", "--out", "nowhere"])
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("python -m dcgan.train_gan: --data no-such-set: there is no such folder or zip")
    assert said.count("\n") == 1
    assert not Path("nowhere").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_training_that_is_told_to_stop_keeps_its_last_step_says_one_sentence_and_exits_with_130(toy, number):
    with start_module("dcgan.train_gan", *options(changed(toy, steps=10**6, tick=10**5))) as process:
        assert process.stderr.read(1)  # of the progress bar
        time.sleep(0.5)
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    step = checkpoint.load(toy.out)["step"]
    assert 1 <= step < 10**5
    assert one_sentence(said) == f"Stopped. The same command goes on from step {step:,}."


# --- stopped by a person or a machine -----------------------------------------------------------------------------


def ask_to_stop(monkeypatch, at: int, times: int = 1) -> None:
    """The signal comes while step number `at` of the game is played."""
    play = Game.step

    def step(game: Game, number: int) -> dict:
        if number == at:
            for _ in range(times):
                signal.raise_signal(signal.SIGINT)
        return play(game, number)

    monkeypatch.setattr(Game, "step", step)


@pytest.mark.parametrize("at", [1, 3, 4, 6])  # between ticks, at one, and at the end
def test_a_run_that_was_stopped_and_resumed_is_the_run_that_was_not(toy, at, monkeypatch):
    toy = changed(toy, steps=6, augment="adaptive")
    whole = changed(toy, out=f"{toy.out}-whole")
    train_gan(whole)
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with monkeypatch.context() as patch:
        ask_to_stop(patch, at)
        with pytest.raises(KeyboardInterrupt, match=f"goes on from step {at}"):
            train_gan(toy)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    state = checkpoint.load(toy.out)
    assert state["step"] == at
    assert state["made"]["seconds"] > 0
    train_gan(toy)
    expected, found = (checkpoint.load(c.out) for c in (whole, toy))
    for name in ("G", "D", "G_ema"):
        assert all(torch.equal(tensor, found[name][key]) for key, tensor in expected[name].items())
    assert found["G_best"]["step"] == expected["G_best"]["step"]
    assert [line["step"] for line in log_of(toy.out)] == [2, 4, 6]


def test_who_asks_a_second_time_does_not_wait_for_the_step(toy, monkeypatch):
    ask_to_stop(monkeypatch, 3, times=2)
    with pytest.raises(KeyboardInterrupt, match="goes on from step 2"):
        train_gan(toy)
    assert checkpoint.load(toy.out)["step"] == 2
    ask_to_stop(monkeypatch, 1, times=2)
    with pytest.raises(KeyboardInterrupt, match="begins anew: none of its steps was kept"):
        train_gan(changed(toy, out=f"{toy.out}-other"))


def test_a_step_that_spoilt_a_weight_is_not_kept(toy, monkeypatch):
    play = Game.step

    def spoil(game: Game, number: int) -> dict:
        losses = play(game, number)
        if number == 3:
            next(game.G.parameters()).data.fill_(float("nan"))
            signal.raise_signal(signal.SIGINT)
        return losses

    monkeypatch.setattr(Game, "step", spoil)
    with pytest.raises(KeyboardInterrupt, match="goes on from step 2"):
        train_gan(toy)
    assert checkpoint.load(toy.out)["step"] == 2


def test_what_is_ignored_stays_ignored(toy, monkeypatch):
    """As Ctrl-C is by a training in the background of a script."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        ask_to_stop(monkeypatch, 3)
        train_gan(toy)
    finally:
        signal.signal(signal.SIGINT, before)
    assert checkpoint.load(toy.out)["step"] == toy.steps


def test_beside_the_main_thread_a_training_hears_no_signals(toy):
    with ThreadPoolExecutor(1) as pool:
        pool.submit(train_gan, toy).result()
    assert checkpoint.load(toy.out)["step"] == toy.steps


# --- words --------------------------------------------------------------------------------------------------------


def test_a_training_says_what_it_learns_from_and_how_it_ends(toy, capsys):
    for _ in range(2):  # also when it has nothing left to do
        train_gan(toy)
        first, *_, last = capsys.readouterr().out.splitlines()
        assert "80 pictures in 2 classes, 8 x 8 pixels, colour" in first
        assert "training on" in first
        assert last.startswith(f"{toy.out} has its {toy.steps} steps. Next: ")


def train_with_little_room(room: int, argv: list[str], answer: Connection) -> None:
    """Runs the command where no file may be larger than `room` bytes; answers with its exit status and last words."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
    words = io.StringIO()
    quiet = contextlib.redirect_stdout(io.StringIO())  # the limit holds for whatever stdout is written to, too
    with quiet, contextlib.redirect_stderr(words), pytest.raises(SystemExit) as stop:
        cli(argv)
    answer.send((stop.value.code, words.getvalue()))


@pytest.mark.parametrize("what", ["checkpoint", "picture", "log"])
def test_a_full_disk_is_a_sentence_and_the_last_checkpoint_stays_whole(toy, what):
    train_gan(toy)
    path = Path(toy.out) / checkpoint.NAME
    before = path.read_bytes()
    if what == "log":
        with (Path(toy.out) / "log.jsonl").open("a") as log:
            log.write('{"step": 6}\n')  # it has something to forget
    room = {"checkpoint": len(before) - 1000, "picture": 900, "log": 9}[what]  # bytes that a file may have
    assert len(before) - 1000 > (Path(toy.out) / "pictures" / "step-000004.png").stat().st_size > 900
    here, there = multiprocessing.Pipe()
    start_child(train_with_little_room, room, options(changed(toy, steps=6)), there)
    assert here.poll(60)
    status, words = here.recv()
    assert status == 2
    assert one_sentence(words).endswith("run cannot be written (File too large). The last checkpoint is whole.")
    assert path.read_bytes() == before
    assert not list(Path(toy.out).glob("*.tmp"))
    train_gan(changed(toy, steps=6))
    assert [line["step"] for line in log_of(toy.out)] == [2, 4, 6]


@pytest.mark.parametrize("trainer", ["train_gan", "train_dcnn"])
def test_without_torch_one_sentence_says_what_to_install(trainer):
    command = [sys.executable, "-S", "-E", "-m", f"dcgan.{trainer}", "--out", "x"]  # -S: without installed packages
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr == "Training needs torch. Install it with: pip install -r requirements-train.txt\n"


def test_what_cannot_be_compiled_is_a_sentence(toy, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(TrainingError, match=r"needs a C\+\+ compiler, and there is no no-such-compiler here"):
        train_gan(changed(toy, compile=True))


@pytest.mark.parametrize(("speed", "faster"), [(1.9, "bf16"), (1.1, "fp32"), (0.1, "fp32")])
def test_the_faster_precision_is_taken(toy, monkeypatch, capsys, speed, faster):
    monkeypatch.setattr("dcgan.run.speed_of_bf16", lambda device: speed)
    train_gan(changed(toy, precision="auto"))
    assert checkpoint.load(toy.out)["config"].precision == faster
    assert f", in {faster}.\n" in capsys.readouterr().out


def test_a_run_keeps_the_precision_that_it_was_begun_with(toy, monkeypatch, capsys):
    monkeypatch.setattr("dcgan.run.speed_of_bf16", lambda device: 1.9)
    train_gan(changed(toy, precision="auto"))
    monkeypatch.setattr("dcgan.run.speed_of_bf16", lambda device: 0.1)
    train_gan(changed(toy, precision="auto", steps=6))
    assert checkpoint.load(toy.out)["config"].precision == "bf16"
    assert ", in bf16, though fp32 would be 10.0 times as fast here.\n" in capsys.readouterr().out


def test_the_speed_of_bf16_is_measured_without_drawing_random_numbers():
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    assert 0.01 < speed_of_bf16.__wrapped__(torch.device("cpu")) < 100
    assert torch.rand(1) == expected


def test_bf16_trains_too(toy):
    train_gan(changed(toy, precision="bf16"))
    assert all(np.isfinite(line["D_loss"]) for line in log_of(toy.out))


def test_a_command_trains_and_says_a_few_lines_and_its_progress(toy):
    done = run_module("dcgan.train_gan", *options(toy))
    assert done.returncode == 0
    assert done.stdout.count("\n") == 3
    assert len(done.stderr.replace("\r", "\n").strip().splitlines()) <= 6
    assert log_of(toy.out)[-1]["step"] == 4
