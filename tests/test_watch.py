"""The best step, how diverse a batch is, and the alarms."""

import numpy as np
import pytest
import torch
from torch import nn

from dcgan.watch import Best, Patience, alarms, diversity

FINE = {"images": 10_000, "diversity": 0.9, "D_real": 1.0, "D_fake": -1.0}


def test_the_nearest_step_is_kept_and_survives_a_checkpoint():
    G = nn.Linear(2, 2)
    best = Best(G)
    assert best.state_dict() == {"step": 0, "distance": float("inf"), "network": {}}
    for step, distance in ((1, 5.0), (2, 3.0), (3, 4.0)):
        nn.init.constant_(G.weight, step)
        best.consider(G, step, distance)
    again = Best(nn.Linear(2, 2))
    again.load_state_dict(best.state_dict())
    assert (again.step, again.distance) == (2, 3.0)
    assert torch.equal(again.network.weight, torch.full((2, 2), 2.0))


def test_a_distance_that_is_no_number_is_never_the_best():
    best = Best(nn.Linear(2, 2))
    best.consider(nn.Linear(2, 2), 1, float("nan"))
    assert best.step == 0


def wait(losses: list[float], ticks: int) -> Patience:
    network, patience = nn.Linear(2, 2), Patience(nn.Linear(2, 2), ticks)
    for step, loss in enumerate(losses, 1):
        nn.init.constant_(network.weight, step)
        patience.consider(network, step, loss)
    return patience


def test_patience_ends_so_many_ticks_after_the_best_one_which_it_keeps():
    losses = [5.0, 3.0, 4.0, float("nan"), 3.0]
    assert [wait(losses[:n], 3).is_over() for n in range(6)] == [False] * 5 + [True]
    again = Patience(nn.Linear(2, 2), 3)
    again.load_state_dict(wait(losses, 3).state_dict())
    assert (again.step, again.loss, again.is_over()) == (2, 3.0, True)
    assert torch.equal(again.network.weight, torch.full((2, 2), 2.0))


def test_patience_begins_anew_with_each_better_tick():
    assert not wait([5.0, 6.0, 4.0, 6.0, 3.0, 6.0], 2).is_over()


def test_without_patience_nothing_is_kept_and_nothing_ends():
    patience = wait([1.0, 2.0, 3.0], 0)
    assert not patience.is_over()
    assert patience.state_dict()["network"] == {}


def test_equal_pictures_have_no_diversity_and_a_known_spread_has_its_standard_deviation():
    assert diversity(np.full((5, 4, 4, 3), 77, np.uint8), None) == 0
    two = np.stack([np.zeros((4, 4, 3)), np.full((4, 4, 3), 100)]).astype(np.uint8)
    assert diversity(two, None) == pytest.approx(50)


def test_diversity_is_within_the_classes():
    pixels = np.repeat(np.array([0, 0, 200, 200], np.uint8), 48).reshape(4, 4, 4, 3)
    assert diversity(pixels, np.array([0, 0, 1, 1])) == 0
    assert diversity(pixels, np.array([0, 1, 0, 1])) == pytest.approx(100)
    assert diversity(pixels[:1], np.array([0])) == 0


def test_a_healthy_game_and_a_young_one_raise_no_alarm():
    assert alarms(FINE, [FINE]) == []
    assert alarms(FINE | {"diversity": 0.02}, []) == []
    assert alarms(FINE | {"diversity": 0.2}, [FINE | {"diversity": 0.3}]) == []


def test_a_collapse_is_named_with_what_helps():
    (alarm,) = alarms(FINE | {"diversity": 0.3}, [FINE, FINE | {"diversity": 0.7}])
    assert "30%" in alarm
    assert "90%" in alarm
    assert "collapsing" in alarm
    assert "--r1" in alarm


def test_a_generator_that_never_becomes_diverse_is_named_too():
    assert "collapsing" in alarms(FINE | {"images": 100_000, "diversity": 0.1}, [FINE | {"diversity": 0.1}])[0]


def test_a_saturated_critic_is_named_with_what_helps():
    (alarm,) = alarms(FINE | {"D_real": 12.0, "D_fake": -9.0}, [FINE])
    assert "21 logits" in alarm
    assert "saturated" in alarm
    assert "--lr-d" in alarm


def test_a_critic_that_tells_nothing_is_named_too():
    (alarm,) = alarms(FINE | {"D_real": 0.203, "D_fake": 0.201}, [FINE])
    assert "stopped learning" in alarm
    assert "--lr-d" in alarm
