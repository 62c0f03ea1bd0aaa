"""The game's step: who learns from what, how often, and that each preset is a game both can play."""

import pytest
import torch

from dcgan.config import PRESETS, GanConfig, presets_of
from dcgan.game import WATCH_EVERY, Game

CPU = torch.device("cpu")
TOY = {
    "image_size": 8,
    "channels": 1,
    "width": 2,
    "latent_dim": 3,
    "batch": 6,
    "device": "cpu",
    "precision": "fp32",
    "out": "run",
}


class Counted:
    """Pictures, and how often they were asked for."""

    def __init__(self, shade: float = 0.0):
        self.times, self.shade = 0, shade

    def __call__(self, number: int):
        self.times += 1
        return torch.rand(6, 1, 8, 8) * 0.1 + self.shade, torch.arange(6) % 2


def game(**knobs) -> Game:
    torch.manual_seed(0)
    return Game(GanConfig(**TOY | knobs), 2, CPU, Counted(0.5), Counted(-0.5))


def weights(network) -> torch.Tensor:
    return torch.cat([p.detach().flatten().clone() for p in network.parameters()])


@pytest.mark.parametrize("preset", presets_of(GanConfig))
def test_each_preset_moves_both_players_and_the_average(preset):
    g = game(**PRESETS[preset] | {"batch": 6})
    before = {name: weights(getattr(g, name)) for name in ("G", "D", "G_ema")}
    losses = g.step(1)
    assert {"D_loss", "G_loss", "D_real", "D_fake"} == set(losses)
    assert not any(loss.requires_grad for loss in losses.values())
    for name, then in before.items():
        assert not torch.equal(then, weights(getattr(g, name))), name
    assert all(p.requires_grad for p in g.D.parameters())


def test_each_update_of_the_critic_has_pictures_of_its_own():
    g = game(critic_steps=3)
    g.step(1)
    assert g.real.times == 3
    assert g.c.real_batch == 18


def test_the_penalty_is_paid_now_and_then_and_weighs_as_much_more(monkeypatch):
    import dcgan.game as module

    paid = []
    original = module.gradient_penalties
    monkeypatch.setattr(module, "gradient_penalties", lambda *a: paid.append(1) or original(*a))
    g = game(r1=1.0, r2=1.0, penalty_every=4)
    for step in range(1, 9):
        g.step(step)
    assert len(paid) == 2  # at steps 1 and 5
    paid.clear()
    g = game(r1=1.0, r2=0.0, penalty_every=1)
    g.step(1)
    assert len(paid) == 1


def test_the_penalty_passes_a_compiled_critic_by():
    def compiled(*inputs):
        raise AssertionError("a compiled network has no second derivatives")

    g = game(r1=1.0, r2=1.0, penalty_every=2)
    g.D._compiled_call_impl = compiled
    real, label = g.real(0)
    g.teach_critic(real, g.generate(label), label, pays=True)
    with pytest.raises(AssertionError, match="second derivatives"):
        g.teach_critic(real, g.generate(label), label, pays=False)


@pytest.mark.parametrize("norm", ["none", "batch"])
def test_real_pictures_and_fakes_are_judged_as_each_alone_is(norm):
    g = game(critic_norm=norm, augment="none")
    (real, label), fake = g.real(0), torch.rand(6, 1, 8, 8)
    together = g.judge_both(real, fake, label)
    for logits, images in zip(together, (real, fake), strict=True):
        assert torch.allclose(logits, g.judge(images, label), atol=1e-6)


def test_a_heavy_penalty_holds_the_critic_flat():
    def spread(weight: float) -> float:
        g = game(r1=weight, r2=weight, penalty_every=1, lr_d=5e-3, lr_g=0.0, augment="none")
        for step in range(1, 41):
            losses = g.step(step)
        return (losses["D_real"] - losses["D_fake"]).item()

    assert spread(100.0) < 0.5 * spread(0.0)


def test_augmentation_grows_where_held_back_pictures_fare_like_fakes():
    g = game(augment="adaptive", lr_d=5e-3, lr_g=0.0)
    for step in range(1, 6 * WATCH_EVERY + 1):
        g.step(step)
    assert g.unseen.times == 6  # it looks once every WATCH_EVERY steps
    assert g.augment.p > 0
    assert game(augment="always").augment.p == 1
    assert "augment" in g.parts


def test_the_critics_gradient_is_not_kept_by_the_generators_turn():
    g = game(augment="none", r1=0.0, r2=0.0)
    real, label = g.real(0)
    fake = g.generate(label)
    g.D_opt.zero_grad()
    g.teach_generator(real, fake, label)
    assert all(p.grad is None for p in g.D.parameters())
    assert all(p.grad is not None for p in g.G.parameters())


def test_step_sizes_go_down_in_a_straight_line_over_the_last_share_of_the_steps():
    g = game(steps=10, decay=0.4, lr_g=1.0, lr_d=2.0)
    sizes = []
    for step in range(1, 11):
        g.pace(step)
        sizes.append(g.G_opt.param_groups[0]["lr"])
    assert sizes == pytest.approx([1.0] * 7 + [0.75, 0.5, 0.25])
    assert g.D_opt.param_groups[0]["lr"] == pytest.approx(0.5)


def test_without_decay_the_step_sizes_stay():
    g = game(steps=10, decay=0.0, lr_g=1.0)
    g.pace(10)
    assert g.G_opt.param_groups[0]["lr"] == 1.0
