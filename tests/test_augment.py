"""Augmentation: nothing at p 0, differentiable, within bounds, the same kind of change for every picture; p follows."""

import pytest
import torch

from dcgan.augment import MOST, PACE, Augment, colour, cut_out, happens, overfitting, translate


def pictures(n: int = 64) -> torch.Tensor:
    return torch.rand(n, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1


ALWAYS, NEVER = 1.0, 0.0


@pytest.mark.parametrize("change", [colour, translate, cut_out])
def test_at_p_0_nothing_changes_and_at_p_1_nearly_everything(change):
    torch.manual_seed(0)
    images = pictures()
    assert torch.allclose(change(images, NEVER), images, atol=1e-6)
    changed = (change(images, ALWAYS) - images).abs().amax((1, 2, 3)) > 0.01
    assert changed.float().mean() > 0.9


@pytest.mark.parametrize("change", [colour, translate, cut_out])
def test_the_gradient_reaches_the_pictures(change):
    torch.manual_seed(0)
    images = pictures(8).requires_grad_()
    change(images, ALWAYS).square().sum().backward()
    assert (images.grad.abs().amax((1, 2, 3)) > 0).all()


def test_p_is_the_share_of_pictures_that_are_changed():
    torch.manual_seed(0)
    assert happens(0.3, torch.zeros(20_000, 1, 1, 1)).float().mean().item() == pytest.approx(0.3, abs=0.02)


def test_a_translation_moves_by_up_to_an_eighth_and_lets_black_in():
    torch.manual_seed(0)
    images = torch.full((500, 1, 16, 16), -1.0)
    images[:, :, 8, 8] = 1.0
    moved = translate(images, ALWAYS)
    places = (moved == 1).nonzero()[:, 2:]
    assert len(places) == 500
    assert places.min().item() == 6
    assert places.max().item() == 10
    white = translate(torch.ones(100, 1, 16, 16), ALWAYS)
    assert set(white.unique().tolist()) == {-1.0, 1.0}


def test_a_cut_out_square_has_at_most_half_a_side():
    torch.manual_seed(0)
    holes = (cut_out(torch.ones(200, 1, 16, 16), ALWAYS) == 0).squeeze(1)
    assert holes.any(2).sum(1).max() <= 9
    assert holes.any(1).sum(1).max() <= 9
    assert holes.flatten(1).any(1).all()


def test_the_critic_that_overfits_sees_more_changes_and_never_too_many():
    augment = Augment()
    augment.follow(torch.tensor(0.9), PACE // 10)
    assert augment.p == pytest.approx(0.1)
    augment.follow(torch.tensor(0.1), PACE // 20)
    assert augment.p == pytest.approx(0.05)
    augment.follow(torch.tensor(0.1), PACE)
    assert augment.p == 0
    augment.follow(torch.tensor(0.9), 10 * PACE)
    assert augment.p == pytest.approx(MOST)
    again = Augment()
    again.load_state_dict(augment.state_dict())
    assert again.p == augment.p


def test_while_p_is_0_the_pictures_pass_untouched():
    images = pictures()
    assert Augment()(images) is images
    assert not torch.equal(Augment(1.0)(images), images)


def test_overfitting_is_0_where_unseen_pictures_fare_like_known_ones_and_1_where_they_fare_like_fakes():
    known, fake = torch.tensor(3.0), torch.tensor(-1.0)
    assert overfitting(known, known, fake) == 0
    assert overfitting(known, fake, fake) == 1
    assert overfitting(known, torch.tensor(1.0), fake) == 0.5
    assert overfitting(fake, known, known) == 0  # a critic that is wrong has learnt nothing by heart
