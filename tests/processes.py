"""Real processes for the tests: whole commands, and functions in children that may be killed."""

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
ONE_THREAD = {"OMP_NUM_THREADS": "1"}  # the same arithmetic in every process


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
    forks.set_forkserver_preload(["dcgan.train_gan", "dcgan.train_dcnn"])
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ.update(ONE_THREAD)  # the fork server starts with the first child and keeps this environment
    try:
        child = forks.Process(target=function, args=arguments, daemon=True)
        child.start()
    finally:
        if before is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = before
    return child
