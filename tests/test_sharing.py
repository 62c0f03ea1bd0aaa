"""Runs share the cores: one is spread over all of them, many are done together."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pytest

from export import sharing
from export.runtime import Generator
from export.sharing import Turns


@pytest.fixture
def two_cores(monkeypatch) -> None:
    """A machine of two cores, on the first of which the caller runs."""
    monkeypatch.setattr(sharing, "cores", lambda: frozenset({0, 1}))
    monkeypatch.setattr(sharing, "current_core", lambda: 0)
    monkeypatch.setattr(sharing, "settle", lambda core: setattr(here, "core", core))
    sharing.helpers.cache_clear()
    yield
    sharing.helpers.cache_clear()


here = threading.local()


def test_the_shares_of_a_batch_are_done_here_and_on_the_other_core(two_cores):
    meet = threading.Barrier(2, timeout=20)  # passed by two at once, or not at all

    def work(share: int) -> tuple[int, int | None]:
        meet.wait()
        return share, getattr(here, "core", None)

    made = sharing.on_all_cores(work, range(6))
    assert [share for share, _ in made] == list(range(6))
    assert {core for _, core in made} == {None, 1}  # and not on the caller's core


@pytest.mark.parametrize(
    ("n", "share"), [(0, 1), (1, 1), (2, 1), (3, 2), (6, 3), (16, 8), (17, 5), (24, 6), (100, 8), (256, 8)]
)
def test_both_cores_have_as_much_to_do(two_cores, n, share):
    assert sharing.share_of(n) == share
    assert share <= sharing.SHARE


def test_shares_do_not_wait_for_a_core_that_is_busy_with_others(two_cores):
    free = threading.Event()
    busy = sharing.helpers()[1].submit(free.wait, 20)
    try:
        assert sharing.on_all_cores(lambda share: (share, getattr(here, "core", None)), range(3)) == [
            (0, None),
            (1, None),
            (2, None),
        ]
    finally:
        free.set()
    assert busy.result()


def test_what_goes_wrong_with_a_share_is_told_wherever_it_was_done(two_cores):
    meet = threading.Barrier(2, timeout=20)

    def work(share: int) -> int:
        meet.wait()
        if getattr(here, "core", None) == 1:
            raise RuntimeError("no")
        return share

    with pytest.raises(RuntimeError, match="no"):
        sharing.on_all_cores(work, range(2))


def test_callers_share_the_cores_and_get_what_is_theirs(two_cores):
    def ask(caller: int) -> list[tuple[int, int]]:
        return sharing.on_all_cores(lambda share: (caller, share), range(50))

    with ThreadPoolExecutor(8) as callers:
        answers = list(callers.map(ask, range(40)))
    assert answers == [[(caller, share) for share in range(50)] for caller in range(40)]


class Slow:
    """A run that gives each row doubled, and waits until it may go on; `sizes` and `widths` of each run so far."""

    def __init__(self):
        self.sizes: list[int] = []
        self.widths: list[int] = []
        self.go_on = threading.Semaphore(0)

    def __call__(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        self.sizes.append(len(inputs["x"]))
        self.widths.append(inputs["x"].shape[1])
        assert self.go_on.acquire(timeout=20)
        if (inputs["x"] < 0).any():
            raise RuntimeError("below zero")
        return {"y": 2 * inputs["x"]}


def rows(*values: float, wide: int = 1) -> dict[str, np.ndarray]:
    return {"x": np.repeat(np.array(values, np.float32)[:, None], wide, 1)}


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.001)


@pytest.fixture
def busy() -> Iterator[tuple[Slow, Turns, Callable[..., Future]]]:
    """A slow run that is under way, of one row; its turns, of four rows at most; and how to ask for further runs."""
    slow = Slow()
    turns = Turns(slow, 4)
    with ThreadPoolExecutor(12) as askers:

        def ask(*values: float, wide: int = 1) -> Future:
            there = len(turns.waiting)
            asked = askers.submit(turns, rows(*values, wide=wide))
            until(lambda: len(turns.waiting) > there)
            return asked

        first = askers.submit(turns, rows(1.0))
        until(lambda: slow.sizes == [1])
        yield slow, turns, ask
        slow.go_on.release(100)
        assert first.result(20)["y"].tolist() == [[2]]
        assert (turns.busy, turns.waiting) == (False, [])


def test_who_waits_is_served_together(busy):
    slow, _, ask = busy
    asked = [ask(3.0), ask(4.0, 5.0), ask(6.0)]
    slow.go_on.release(2)
    assert [each.result(20)["y"].ravel().tolist() for each in asked] == [[6], [8, 10], [12]]
    assert slow.sizes == [1, 4]


def test_one_run_serves_no_more_rows_than_it_may(busy):
    slow, _, ask = busy
    asked = [ask(*np.full(n, i)) for i, n in enumerate((3, 2, 1, 5))]  # who asks for more than that has them alone
    slow.go_on.release(4)
    assert [each.result(20)["y"][0, 0] for each in asked] == [0, 2, 4, 6]
    assert slow.sizes == [1, 4, 2, 5]


def test_what_is_of_another_form_has_its_own_run(busy):
    slow, _, ask = busy
    asked = [ask(3.0), ask(4.0, wide=2), ask(5.0)]
    slow.go_on.release(3)
    assert [each.result(20)["y"].tolist() for each in asked] == [[[6]], [[8, 8]], [[10]]]
    assert slow.sizes == [1, 2, 1]


def test_who_came_first_is_served_first(busy):
    slow, _, ask = busy
    asked = [ask(3.0, wide=wide) for wide in (5, 2, 4, 3)]
    slow.go_on.release(5)
    assert [len(each.result(20)["y"][0]) for each in asked] == slow.widths[1:] == [5, 2, 4, 3]


def test_what_goes_wrong_together_is_told_to_each_and_harms_nobody_else(busy):
    slow, turns, ask = busy
    asked = [ask(3.0), ask(-1.0)]
    slow.go_on.release(3)
    for each in asked:
        with pytest.raises(RuntimeError, match="below zero"):
            each.result(20)
    assert turns(rows(7.0))["y"].tolist() == [[14]]


def test_who_is_interrupted_takes_nobody_along(busy):
    slow, turns, ask = busy
    asked, run = [ask(3.0), ask(4.0)], turns.run

    def interrupted(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        turns.run = run
        raise KeyboardInterrupt

    turns.run = interrupted
    slow.go_on.release(2)
    with pytest.raises(KeyboardInterrupt):
        asked[0].result(20)
    assert asked[1].result(20)["y"].tolist() == [[8]]


def test_who_gives_up_waiting_is_in_nobodys_way(busy, monkeypatch):
    slow, turns, ask = busy

    def give_up(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(turns.changed, "wait_for", give_up)
        with pytest.raises(KeyboardInterrupt):
            turns(rows(3.0))
    asked = ask(4.0)
    slow.go_on.release(2)
    assert asked.result(20)["y"].tolist() == [[8]]


def test_nobody_gets_what_is_anothers():
    turns = Turns(lambda inputs: {"y": inputs["x"] + 1}, 8)

    def ask(caller: int) -> None:
        for i in range(60):
            own = [1000 * caller + i] * (1 + i % 5)
            assert turns(rows(*own))["y"].ravel().tolist() == [each + 1 for each in own]

    with ThreadPoolExecutor(8) as callers:
        list(callers.map(ask, range(24)))
    assert (turns.busy, turns.waiting) == (False, [])


def test_what_many_draw_at_once_is_what_each_of_them_draws_alone(toy_bundle):
    G, runs = Generator(toy_bundle), []
    expected = G.draw(range(96))
    run, G.turns.most = G.turns.run, 64

    def slowly(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        runs.append(len(inputs["latents"]))
        time.sleep(0.01)
        return run(inputs)

    G.turns.run = slowly
    with ThreadPoolExecutor(8) as callers:
        drawn = np.concatenate(list(callers.map(lambda i: G.draw(range(3 * i, 3 * i + 3)), range(32))))
    assert np.array_equal(drawn, expected)
    assert sum(runs) == 96
    assert len(runs) < 32
    assert np.array_equal(G.draw(range(96)), expected)
    assert runs[-2:] == [48, 48]  # and one who asks for many does not have them in one
