"""How runs of a graph share a machine: each is spread over all cores, and those that wait for their turn become one.

A run is a call on arrays by name, whose first axes are as long as each other: pictures, or what pictures are made of.
"""

import contextlib
import ctypes
import functools
import os
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

SHARE = 8  # pictures, at most, that a core takes at a time: more would take as long each, and leave others waiting
C_LIBRARY = ctypes.CDLL(None) if sys.platform == "linux" else None  # knows what Python's `os` does not: where one is

T, R = TypeVar("T"), TypeVar("R")
Arrays = dict[str, np.ndarray]


@functools.cache
def cores() -> frozenset[int]:
    """The CPU cores that this process may use: in a container fewer than the host has."""
    return frozenset(os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1))


def current_core() -> int:
    """The core that the calling thread runs on, where the system tells; else one of them."""
    return C_LIBRARY.sched_getcpu() if C_LIBRARY else min(cores())


@functools.cache
def helpers() -> dict[int, ThreadPoolExecutor]:
    """A thread for each core, which stays there, for all models and all callers; by the core's number.

    Linux wakes threads where their waker runs. After a pause, a batch's shares would begin on one core, and wait for
    each other for longer than they take.
    """
    return {core: ThreadPoolExecutor(1, f"runtime-{core}", settle, (core,)) for core in sorted(cores())}


def settle(core: int) -> None:
    """Keeps the calling thread on a core."""
    with contextlib.suppress(AttributeError, OSError):  # not on Linux, or a sandbox forbids it: then it is but slower
        os.sched_setaffinity(0, {core})


def on_all_cores(work: Callable[[T], R], things: Sequence[T]) -> list[R]:
    """What the work makes of each thing, done here and, where there are several, on the other cores too."""
    left, made = enumerate(things), {}

    def take() -> None:
        for i, thing in left:  # which the threads empty together
            made[i] = work(thing)

    here = current_core()
    elsewhere = [helper for core, helper in helpers().items() if core != here]
    asked = [helper.submit(take) for helper in elsewhere[: len(things) - 1]]
    take()
    for each in asked:
        if not each.cancel():  # it has begun
            each.result()
    return [made[i] for i in range(len(things))]


def spread(run: Callable[[Arrays], Arrays], inputs: Arrays) -> Arrays:
    """A run, done by all cores."""
    return joined(on_all_cores(run, pieces(inputs, share_of(length(inputs)))))


def share_of(n: int) -> int:
    """How many of n pictures a core takes at a time: at most SHARE, and so few that all cores have as much to do."""
    shares = -(-n // SHARE)
    shares = -(-shares // len(cores())) * len(cores())
    return -(-n // shares) if n else 1


def length(arrays: Arrays) -> int:
    return len(next(iter(arrays.values())))


def pieces(inputs: Arrays, most: int) -> list[Arrays]:
    """Inputs, at most so many of their rows at a time, and about as many each time; of no rows, one piece."""
    n = max(length(inputs), 1)
    size = -(-n // -(-n // most))
    starts = range(0, n, size)
    return [{name: array[start : start + size] for name, array in inputs.items()} for start in starts]


def joined(parts: Sequence[Arrays]) -> Arrays:
    """Pieces, put together again."""
    if len(parts) == 1:
        return parts[0]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


class Request:
    """What somebody wants to be run, and later what came of it."""

    def __init__(self, inputs: Arrays):
        self.inputs, self.rows = inputs, length(inputs)
        self.form = {name: (array.shape[1:], array.dtype) for name, array in inputs.items()}
        self.outputs: Arrays | None = None
        self.error: Exception | None = None

    @property
    def is_over(self) -> bool:
        return self.outputs is not None or self.error is not None

    def result(self) -> Arrays:
        if self.error is not None:
            raise self.error
        return self.outputs


class Turns:
    """Lets one run be under way at a time; those who wait meanwhile, with inputs of the same form, are served by one.

    Who came first is served first. Left to themselves, threads that run at once keep the last of them waiting for up to
    four times as long, and answer hardly more in all (benchmarks/callers.py).
    """

    def __init__(self, run: Callable[[Arrays], Arrays], most: int):
        """most: rows of a run that serves several."""
        self.run, self.most, self.busy = run, most, False
        self.waiting: list[Request] = []
        self.changed = threading.Condition()

    def __call__(self, inputs: Arrays) -> Arrays:
        """The outputs of a run. Raises what the run raises, also where it was one with others."""
        request = Request(inputs)
        with self.changed:
            self.waiting.append(request)
            try:
                self.changed.wait_for(lambda: request.is_over or self.may_begin(request))
            except BaseException:  # who is interrupted is no longer in the way of those who came later
                self.waiting = [each for each in self.waiting if each is not request]
                self.changed.notify_all()
                raise
            if request.is_over:
                return request.result()
            self.busy, served = True, self.take_with(request)
        try:
            hand_out(self.run(joined([each.inputs for each in served])), served)
        except Exception as error:
            for each in served:
                each.error = error
        finally:
            with self.changed:
                # Where the run was interrupted, the others wait for another one.
                self.waiting = [each for each in served if each is not request and not each.is_over] + self.waiting
                self.busy = False
                self.changed.notify_all()
        return request.result()

    def may_begin(self, request: Request) -> bool:
        """Whether nothing is under way and nobody has waited longer."""
        return not self.busy and self.waiting[:1] == [request]

    def take_with(self, request: Request) -> list[Request]:
        """It, and of those who wait with it as many as fit into a run, the longest waiting first."""
        served, rows = [request], request.rows
        for each in self.waiting:
            if each is not request and each.form == request.form and rows + each.rows <= self.most:
                served.append(each)
                rows += each.rows
        self.waiting = [each for each in self.waiting if each not in served]
        return served


def hand_out(outputs: Arrays, served: Sequence[Request]) -> None:
    """To each what came of its rows."""
    start = 0
    for each in served:
        each.outputs = {name: array[start : start + each.rows] for name, array in outputs.items()}
        start += each.rows
