"""Real processes for the tests: whole commands, and functions in children that may be killed."""

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[1]
ONE_THREAD = {"OMP_NUM_THREADS": "1"}  # the same arithmetic in every process


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Toy networks gain nothing from a second thread, and wait for it where the machine is busy."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def start_module(name: str, *arguments: object, **options) -> subprocess.Popen:
    """`python -m name arguments`, started in the project's folder."""
    command = [sys.executable, "-m", name, *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=ROOT, env=os.environ | ONE_THREAD, **pipes | options)


def run_module(name: str, *arguments: object, **options) -> subprocess.CompletedProcess:
    """The same, run to its end."""
    with start_module(name, *arguments, **options) as process:
        out, err = process.communicate(timeout=120)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def start_child(function, *arguments) -> multiprocessing.Process:
    """A function of an importable module in a process of its own, forked from one that has imported torch already."""
    forks = multiprocessing.get_context("forkserver")
    forks.set_forkserver_preload(["dcgan.train_gan", "dcgan.train_dcnn", "torch._dynamo"])  # the last: by optimisers
    child = forks.Process(target=function, args=arguments, daemon=True)
    # The fork server starts with the first child and keeps this environment; who is killed leaves tqdm's lock behind.
    quiet = {"PYTHONWARNINGS": "ignore:resource_tracker:UserWarning"}
    with pytest.MonkeyPatch.context() as environment:
        for name, value in (ONE_THREAD | quiet).items():
            environment.setenv(name, value)
        child.start()
    return child
