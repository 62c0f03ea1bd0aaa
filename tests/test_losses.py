"""Losses have known values: an undecided network pays for coins."""

import math

import pytest
import torch
from torch import tensor

from dcgan.losses import (
    DCNN_LOSSES,
    GAN_LOSSES,
    binary_cross_entropy,
    binary_mse,
    class_cross_entropy,
    class_mse,
    critic_cross_entropy,
    critic_hinge,
    critic_mse,
    critic_relativistic,
    distillation,
    generator_cross_entropy,
    generator_mse,
    generator_relativistic,
    gradient_penalties,
)

COIN = math.log(2)


def gradient(loss, *logits: torch.Tensor) -> list[torch.Tensor]:
    logits = [x.clone().requires_grad_() for x in logits]
    return torch.autograd.grad(loss(*logits), logits)


def test_an_undecided_discriminator_pays_two_coins():
    assert critic_cross_entropy(torch.zeros(5), torch.zeros(7)).item() == pytest.approx(2 * COIN)


def test_a_generator_judged_by_an_undecided_discriminator_pays_a_coin():
    assert generator_cross_entropy(torch.zeros(5)).item() == pytest.approx(COIN)


def test_cross_entropy_is_that_of_probabilities():
    real, fake = tensor([0.3, -1.2, 2.0]), tensor([-0.7, 0.1])
    by_definition = -real.sigmoid().log().mean() - (1 - fake.sigmoid()).log().mean()
    assert critic_cross_entropy(real, fake).item() == pytest.approx(by_definition.item(), rel=1e-5)
    assert generator_cross_entropy(fake).item() == pytest.approx(-fake.sigmoid().log().mean().item(), rel=1e-5)


def test_a_certain_and_wrong_network_pays_its_logit_and_no_infinity():
    assert critic_cross_entropy(tensor([-1000.0]), tensor([1000.0])).item() == 2000
    assert generator_cross_entropy(tensor([-1000.0])).item() == 1000


def test_a_certain_and_right_discriminator_pays_nothing():
    assert critic_cross_entropy(tensor([100.0]), tensor([-100.0])).item() == pytest.approx(0, abs=1e-6)
    assert critic_mse(torch.ones(3), torch.zeros(4)).item() == 0


def test_an_undecided_least_squares_discriminator_pays_a_half():
    half = torch.full((4,), 0.5)
    assert critic_mse(half, half).item() == 0.5
    assert generator_mse(half).item() == 0.25


def test_least_squares_pull_real_to_one_and_fake_to_zero():
    assert critic_mse(tensor([3.0]), tensor([-2.0])).item() == 8
    assert generator_mse(tensor([-2.0])).item() == 9
    assert generator_mse(tensor([1.0])).item() == 0


def test_the_hinge_asks_for_a_margin_of_one_and_no_more():
    assert critic_hinge(torch.zeros(3), torch.zeros(3)).item() == 2
    assert critic_hinge(tensor([1.0, 7.0]), tensor([-1.0, -3.0])).item() == 0
    assert critic_hinge(tensor([0.5]), tensor([-3.0])).item() == 0.5


def test_a_relativistic_game_is_about_the_difference_alone():
    real, fake = torch.randn(6), torch.randn(6)
    assert critic_relativistic(real, real).item() == pytest.approx(COIN, rel=1e-6)
    assert critic_relativistic(real + 9, fake + 9).item() == pytest.approx(critic_relativistic(real, fake).item())
    assert generator_relativistic(fake, real).item() == pytest.approx(critic_relativistic(fake, real).item())


def test_the_gradient_penalty_of_a_plane_is_its_squared_slope():
    slope = torch.randn(3, 4, 4)
    images = torch.randn(5, 3, 4, 4, requires_grad=True)
    others = torch.randn(2, 3, 4, 4, requires_grad=True)
    logits = ((images * slope).sum((1, 2, 3)) + 7).sum() + (others * 2 * slope).sum()
    penalty, four_times, none = gradient_penalties(logits, images, others, torch.randn(2, 3, 4, 4))
    assert penalty.item() == pytest.approx(slope.square().sum().item(), rel=1e-5)
    assert four_times.item() == pytest.approx(4 * penalty.item(), rel=1e-5)
    assert none == 0


def test_the_gradient_penalty_teaches_a_network_to_be_flatter():
    weight = torch.randn(8, requires_grad=True)
    images = torch.randn(5, 1, 2, 4, requires_grad=True)
    (penalty,) = gradient_penalties((images.flatten(1) @ weight).tanh().sum(), images)
    (by_weight,) = torch.autograd.grad(penalty, weight)
    flatter = (weight - 1e-3 * by_weight).detach()
    assert gradient_penalties((images.flatten(1) @ flatter).tanh().sum(), images)[0] < penalty


def play(name: str):
    """critic(real, fake), generator(fake) of a loss; where it is of pairs, against reals at 0.5."""
    loss = GAN_LOSSES[name]
    return loss.critic, (lambda f: loss.generator(f, torch.full_like(f, 0.5))) if loss.paired else loss.generator


@pytest.mark.parametrize("name", GAN_LOSSES)
def test_the_discriminator_raises_real_and_lowers_fake_and_the_generator_raises_fake(name):
    critic, generator = play(name)
    real, fake = gradient(critic, tensor([0.4, 0.6]), tensor([0.4, 0.6]))
    assert (real < 0).all()  # descent goes against the gradient
    assert (fake > 0).all()
    assert (gradient(generator, tensor([0.4, 0.6]))[0] < 0).all()


def test_the_generators_loss_does_not_saturate():
    hopeless, undecided = (
        gradient(generator_cross_entropy, tensor([-20.0]))[0],
        gradient(generator_cross_entropy, tensor([0.0]))[0],
    )
    assert hopeless.item() == pytest.approx(-1)
    assert undecided.item() == pytest.approx(-0.5)


@pytest.mark.parametrize("name", GAN_LOSSES)
def test_gan_losses_do_not_depend_on_the_size_or_order_of_a_batch(name):
    critic, generator = play(name)
    real, fake = torch.randn(6), torch.randn(6)
    order = torch.randperm(6)  # the same for both: a loss may be of pairs
    assert critic(real, fake).item() == pytest.approx(critic(real[order].repeat(3), fake[order].repeat(3)).item())
    assert generator(fake).item() == pytest.approx(generator(fake.repeat(2)).item(), rel=1e-5)


def test_an_undecided_classifier_pays_a_coin_or_a_quarter():
    truth = tensor([0.0, 1.0, 1.0])
    assert binary_cross_entropy(torch.zeros(3), truth).item() == pytest.approx(COIN)
    assert binary_mse(torch.zeros(3), truth).item() == 0.25


def test_binary_losses_of_a_certain_classifier():
    logits = tensor([-100.0, 100.0])
    assert binary_cross_entropy(logits, tensor([0.0, 1.0])).item() == pytest.approx(0, abs=1e-6)
    assert binary_mse(logits, tensor([0.0, 1.0])).item() == pytest.approx(0, abs=1e-6)
    assert binary_mse(logits, tensor([1.0, 0.0])).item() == pytest.approx(1)


@pytest.mark.parametrize("K", [2, 10])
def test_a_uniform_prediction_over_classes_pays_log_k_or_one_less_a_kth(K):
    labels = torch.arange(K)
    assert class_cross_entropy(torch.zeros(K, K), labels).item() == pytest.approx(math.log(K), rel=1e-5)
    assert class_mse(torch.zeros(K, K), labels).item() == pytest.approx(1 - 1 / K, rel=1e-5)


def test_a_perfect_class_prediction_pays_nothing_and_a_perfectly_wrong_one_two():
    logits = 100 * torch.eye(4)
    assert class_mse(logits, torch.arange(4)).item() == pytest.approx(0, abs=1e-6)
    assert class_mse(logits, torch.arange(4).roll(1)).item() == pytest.approx(2)
    assert class_cross_entropy(logits, torch.arange(4)).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("name", DCNN_LOSSES)
def test_classifier_losses_fall_along_their_gradient(name):
    real_loss, class_loss = DCNN_LOSSES[name]
    logits, truth = torch.tensor([0.3, -0.4, 0.1]), torch.tensor([0.0, 1.0, 1.0])
    (slope,) = gradient(lambda x: real_loss(x, truth), logits)
    assert real_loss(logits - 0.1 * slope, truth) < real_loss(logits, truth)
    assert torch.equal(slope > 0, truth == 0)
    scores, labels = torch.randn(3, 4, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 3, 1])
    (slope,) = gradient(lambda x: class_loss(x, labels), scores)
    assert class_loss(scores - 0.1 * slope, labels) < class_loss(scores, labels)
    assert (slope[range(3), labels] < 0).all()


@pytest.mark.parametrize("loss", [class_cross_entropy, class_mse])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_a_target_may_be_of_several_classes(loss, smoothing):
    logits, labels = torch.randn(5, 3, generator=torch.Generator().manual_seed(0)), tensor([0, 2, 1, 1, 0])
    whole = torch.eye(3)[labels]
    assert loss(logits, whole, smoothing).item() == pytest.approx(loss(logits, labels, smoothing).item(), rel=1e-6)
    half = torch.lerp(whole, whole.roll(1, 0), 0.5)
    best = (half * (1 - smoothing) + smoothing / 3).clamp(min=1e-9).log()
    assert loss(best, half, smoothing) < loss(best + 0.3 * logits, half, smoothing)


@pytest.mark.parametrize("loss", [class_cross_entropy, class_mse])
def test_smoothed_targets_are_right_only_for_who_is_not_certain(loss):
    label = tensor([0])

    def certain(share: float) -> float:
        return loss(
            tensor([[math.log(share), math.log((1 - share) / 2), math.log((1 - share) / 2)]]), label, 0.3
        ).item()

    assert min((certain(share), share) for share in (0.6, 0.7, 0.8, 0.9, 0.99))[1] == 0.8  # 1 - 0.3 + 0.3 / 3
    assert loss(torch.zeros(1, 3), label, 0.0) == loss(torch.zeros(1, 3), label)


def test_a_pupil_that_says_what_the_teacher_says_has_nothing_to_learn():
    teacher = tensor([[2.0, -1.0, 0.5], [0.0, 3.0, -2.0]])
    assert distillation(teacher + 7, teacher).item() == pytest.approx(0, abs=1e-6)  # logits have no zero
    assert distillation(-teacher, teacher).item() > 1
    pupil = torch.zeros(2, 3, requires_grad=True)
    distillation(pupil, teacher).backward()
    assert (pupil.grad.argmin(1) == teacher.argmax(1)).all()  # it is pulled to what the teacher believes
