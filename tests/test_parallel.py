"""Two processes train as one: the same losses but for rounding; and where one of them dies, the run can go on.

The processes are started as torchrun starts them, by their environment, but forked from one that has imported torch.
"""

import json
import multiprocessing
import os
import signal
import sys
import time
from argparse import ArgumentParser
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from conftest import EVERYWHERE, free_port
from drawing import dark_and_light
from processes import one_thread, start_child  # noqa: F401 - a fixture
from torch import nn

from dcgan import checkpoint, parallel, run, train_dcnn, train_gan
from dcgan.config import GanConfig, TrainingError
from dcgan.parallel import GlobalBatchNorm2d, joined, normalise_globally
from dcgan.run import main

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"),
]
TOY = ["--width", "4", "--latent-dim", "5", "--batch", "16", "--image-size", "16", *EVERYWHERE]


@pytest.fixture(scope="module")
def shades(tmp_path_factory) -> Path:
    return dark_and_light(tmp_path_factory.mktemp("shades") / "shades", each=50)


def be_one_of_two(rank: int, port: int, folder: Path, function, *arguments) -> None:
    """`function(*arguments)` in an environment as torchrun makes it; what it prints goes to a file of its own."""
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    os.environ.update(address | {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"})
    with (folder / f"said-{rank}").open("w", buffering=1) as words:
        sys.stdout = sys.stderr = words
        function(*arguments)


def start_two(folder: Path, function, *arguments) -> list[multiprocessing.Process]:
    port = free_port()
    return [start_child(be_one_of_two, rank, port, folder, function, *arguments) for rank in (0, 1)]


def run_two(folder: Path, function, *arguments) -> list[tuple[int, str]]:
    """Exit status of each, and what it said."""
    processes = start_two(folder, function, *arguments)
    for process in processes:
        process.join(60)
    return [(p.exitcode, (folder / f"said-{rank}").read_text()) for rank, p in enumerate(processes)]


# --- its parts ----------------------------------------------------------------------------------------------------


def normalise_a_share(folder: Path) -> None:
    """BatchNorm of this process's half: output, statistics, first and second derivatives."""
    with joined():
        torch.save(
            derivatives(normalise_globally(batch_norm())[0], parallel.share(8)), folder / f"{parallel.rank()}.pt"
        )


def batch_norm() -> nn.Module:
    torch.manual_seed(1)
    network = nn.Sequential(nn.BatchNorm2d(3)).double()
    nn.init.normal_(network[0].weight)
    return network


def derivatives(network: nn.Module, share: slice) -> dict[str, torch.Tensor]:
    """Of the mean over the batch of some function of the output, and of the squared norm of its gradient."""
    torch.manual_seed(0)
    images, weight = torch.randn(8, 3, 4, 4).double() * 3 + 5, torch.randn(8, 3, 4, 4).double()
    images, weight = images[share].requires_grad_(), weight[share]
    out = network(images)
    (first,) = torch.autograd.grad((out.tanh() * weight).sum(), images, create_graph=True)
    first.square().sum((1, 2, 3)).mean().backward()
    parallel.average_gradients(network)
    return {"out": out, "first": first, "second": network.weight.grad, **network.state_dict()}


def test_batchnorm_over_two_processes_is_batchnorm_over_the_batch_with_both_derivatives(tmp_path):
    assert [status for status, _ in run_two(tmp_path, normalise_a_share, tmp_path)] == [0, 0]
    whole = derivatives(batch_norm()[0], slice(None))
    parts = [torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1)]
    for name, expected in whole.items():
        together = torch.cat([part[name] for part in parts]) if name in ("out", "first") else parts[0][name]
        assert torch.allclose(together.double(), expected.double(), rtol=1e-5, atol=1e-6), name
        if name not in ("out", "first"):
            assert torch.equal(parts[0][name], parts[1][name]), name


def test_alone_nothing_is_changed():
    network = batch_norm()
    assert normalise_globally(network) is network
    assert type(network[0]) is nn.BatchNorm2d
    assert parallel.share(7) == slice(0, 7)
    values = torch.rand(3)
    assert parallel.mean(values) is values
    assert (parallel.world(), parallel.rank(), parallel.is_first()) == (1, 0, True)


def test_global_batchnorm_alone_and_in_evaluation_is_batchnorm():
    torch.manual_seed(0)
    images = torch.randn(6, 3, 4, 4)
    one, other = nn.BatchNorm2d(3), GlobalBatchNorm2d(3)
    for training in (True, False):
        assert torch.equal(one.train(training)(images), other.train(training)(images))
    assert one.state_dict().keys() == other.state_dict().keys()


def settle_apart(folder: Path) -> None:
    """The precision of this process, where bf16 is faster for the first one alone."""
    with joined():
        run.speed_of_bf16 = lambda device: 2.0 if parallel.is_first() else 0.5
        settled = run.settle_precision(GanConfig(out=str(folder / "run")), torch.device("cpu"))
        (folder / f"{parallel.rank()}.txt").write_text(settled.precision)


def test_all_processes_have_the_precision_of_the_first(tmp_path):
    assert [status for status, _ in run_two(tmp_path, settle_apart, tmp_path)] == [0, 0]
    assert [(tmp_path / f"{rank}.txt").read_text() for rank in (0, 1)] == ["bf16", "bf16"]


# --- training -----------------------------------------------------------------------------------------------------


def losses_of(run: Path) -> list[dict[str, float]]:
    """By tick. Of the critic's logits their difference: a loss of pairs leaves their level to rounding."""
    lines = map(json.loads, (run / "log.jsonl").read_text().splitlines())
    lead = ({"lead": line["D_real"] - line["D_fake"]} | line for line in lines)
    return [{k: line[k] for k in ("step", "images", "D_loss", "G_loss", "lead")} for line in lead]


@pytest.mark.parametrize(
    "recipe",
    [
        ["--preset", "paper"],
        ["--preset", "modern", "--critic-steps", "2"],
        ["--preset", "modern", "--augment", "always"],
        ["--loss", "relativistic", "--critic-norm", "batch", "--r1", "1", "--r2", "1", "--penalty-every", "2"],
    ],
    ids=["paper", "modern", "augmented", "penalised"],
)
def test_two_processes_have_the_losses_of_one(shades, tmp_path, recipe):
    options = [*recipe, *TOY, "--steps", "6", "--tick", "1", "--data", str(shades)]
    train_gan.cli([*options, "--out", str(tmp_path / "one")])
    two = run_two(tmp_path, train_gan.cli, [*options, "--out", str(tmp_path / "two")])
    assert [status for status, _ in two] == [0, 0]
    assert two[0][1].count("has its 6 steps") == 1
    assert two[1][1] == ""  # the first process alone speaks
    for one, other in zip(losses_of(tmp_path / "one"), losses_of(tmp_path / "two"), strict=True):
        print(one, other)
        assert other == pytest.approx(one, rel=1e-4, abs=1e-5)


def train_until_it_dies(argv: list[str], mortal: int, step: int) -> None:
    """A training of which one process is killed, without a word, before it begins a step."""
    original = torch.manual_seed

    def seed(number: int):
        if number == step and parallel.rank() == mortal:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(number)

    torch.manual_seed = seed
    train_gan.cli(argv)


@pytest.mark.parametrize("mortal", [0, 1])
def test_where_a_process_dies_the_others_say_so_and_the_same_command_goes_on(shades, tmp_path, mortal):
    options = ["--preset", "paper", *TOY, "--steps", "6", "--tick", "2", "--data", str(shades)]
    options += ["--out", str(tmp_path / "run")]
    statuses = run_two(tmp_path, train_until_it_dies, options, mortal, 4)
    assert statuses[mortal][0] == -signal.SIGKILL
    status, said = statuses[1 - mortal]
    assert status == 2
    assert "Traceback" not in said
    sentence = "Another process of this run stopped. The same command goes on from the last checkpoint"
    assert sentence in said.replace("\r", "\n").strip().splitlines()[-1]
    assert checkpoint.load(tmp_path / "run")["step"] == 2
    assert [status for status, _ in run_two(tmp_path, train_gan.cli, options)] == [0, 0]
    train_gan.cli([*options[:-1], str(tmp_path / "one")])
    assert [line["step"] for line in losses_of(tmp_path / "run")] == [2, 4, 6]
    for one, other in zip(losses_of(tmp_path / "one"), losses_of(tmp_path / "run"), strict=True):
        assert other == pytest.approx(one, rel=1e-4, abs=1e-5)


def test_a_process_that_is_told_to_stop_says_so(shades, tmp_path):
    options = [*TOY, "--steps", "100000", "--tick", "2", "--data", str(shades), "--out", str(tmp_path / "run")]
    processes = start_two(tmp_path, train_gan.cli, options)
    while not (tmp_path / "run" / checkpoint.NAME).exists():
        assert all(p.is_alive() for p in processes)
        time.sleep(0.01)
    for process in processes:
        process.terminate()
    for rank, process in enumerate(processes):
        process.join(30)
        assert process.exitcode == 2
        assert "Another process of this run stopped." in (tmp_path / f"said-{rank}").read_text()


def test_a_batch_that_cannot_be_shared_is_one_sentence(shades, tmp_path):
    options = [*TOY, "--batch", "15", "--data", str(shades), "--out", str(tmp_path / "run")]
    (first, said), (second, silence) = run_two(tmp_path, train_gan.cli, options)
    assert (first, second) == (2, 2)
    assert said.endswith("train_gan: --batch 15 cannot be shared equally by 2 processes.\n")
    assert silence == ""


def test_the_dcnn_is_trained_by_one_process(shades, tmp_path):
    ((status, said), _) = run_two(tmp_path, train_dcnn.cli, ["--data", str(shades), "--out", str(tmp_path / "run")])
    assert status == 2
    assert "train_dcnn trains in one process: start it with python, not with torchrun." in said


def see_different_things() -> None:
    main(ArgumentParser(prog="train"), lambda: parallel.check_alike(("same", parallel.rank()), "They differ."))


def test_processes_that_see_different_things_say_so(tmp_path):
    assert run_two(tmp_path, see_different_things) == [(2, "train: They differ.\n"), (2, "")]


def test_processes_that_cannot_meet_say_so(monkeypatch):
    for name, value in {"WORLD_SIZE": "2", "RANK": "0", "MASTER_ADDR": "127.0.0.1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("MASTER_PORT", raising=False)
    with pytest.raises(TrainingError, match=r"The processes of this run cannot meet: .*MASTER_PORT"), joined():
        pass
    assert not dist.is_initialized()
