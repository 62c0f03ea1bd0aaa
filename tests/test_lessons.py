"""What a DCNN learns from: every generator's fakes alike, real and fake degraded alike, the same at each resumption."""

import dataclasses

import numpy as np
import pytest
import torch
from drawing import dark_and_light
from processes import one_thread  # noqa: F401 - a fixture

from dcgan.config import DcnnConfig, TrainingError
from dcgan.data import Pictures, load
from dcgan.lessons import Lessons, make_fakes, split
from dcgan.models import Generator, HourglassGenerator
from dcgan.pixels import PixelGenerator, on_arrays
from dcgan.players import Player, share_out
from dcgan.train_gan import FIRST_SEED, draw

pytestmark = pytest.mark.usefixtures("one_thread")
CPU = torch.device("cpu")


def generator(channels: int = 3, classes: int = 0) -> Generator:
    torch.manual_seed(0)
    return Generator(16, 4, 2, channels, classes).requires_grad_(False)


def drawer(G: torch.nn.Module) -> Player:
    """The generator as lessons know it."""
    return Player(on_arrays(PixelGenerator(G)), 16, G.channels, ["a"] * G.classes, G.latent_dim)


# --- fakes --------------------------------------------------------------------------------------------------------


def test_fakes_of_training_choices_and_tests_never_share_a_seed():
    ranges = sorted((first, part) for part, first in FIRST_SEED.items())
    assert [part for _, part in ranges] == ["train", "validation", "best", "test"]
    ends = [first for first, _ in ranges[1:]] + [2**32]
    for (first, _), end in zip(ranges, ends, strict=True):
        assert end - first >= 10_000_000  # more than any set of pictures asks for
    assert ranges[0][0] > 10**9  # nor do people type them


def test_fakes_are_the_pictures_of_their_seeds():
    G = generator(classes=3)
    fakes = make_fakes([drawer(G)], 7, "validation")
    seeds = np.arange(7) + FIRST_SEED["validation"]
    assert (fakes.dtype, fakes.shape) == (torch.uint8, (7, 3, 16, 16))
    assert np.array_equal(fakes.permute(0, 2, 3, 1).numpy(), draw(G, seeds, 3, CPU))
    assert not torch.equal(fakes, make_fakes([drawer(G)], 7, "train"))


def test_a_generator_that_is_there_twice_draws_other_seeds_each_time():
    twice, other = drawer(generator()), drawer(generator())
    fakes = make_fakes([twice, other, twice], 9, "train")
    seeds = np.arange(6) + FIRST_SEED["train"]
    of_twice = torch.cat([fakes[:3], fakes[6:]]).permute(0, 2, 3, 1).numpy()
    assert np.array_equal(of_twice, make_fakes([twice], 6, "train").permute(0, 2, 3, 1).numpy())
    assert np.array_equal(of_twice, draw(generator(), seeds, 0, CPU))


def test_every_generator_makes_as_many_fakes_and_of_its_own_channels():
    one, other = generator(channels=1), generator(channels=1)
    torch.nn.init.zeros_(other.layers[-2].weight)  # it draws nothing but grey
    fakes = make_fakes([drawer(one), drawer(other)], 10, "train")
    assert fakes.shape == (10, 1, 16, 16)
    assert ((fakes == 128).all((1, 2, 3))).tolist() == [False] * 5 + [True] * 5


def test_more_fakes_than_are_drawn_at_once_are_all_different():
    fakes = make_fakes([drawer(generator())], 1100, "train")
    assert len(torch.unique(fakes.flatten(1), dim=0)) == 1100


def test_generators_of_any_architecture_and_number_share_the_fakes_evenly():
    torch.manual_seed(0)
    kinds = [
        Generator(16, 4, 2, 3),
        Generator(16, 9, 4, 3, classes=3),
        HourglassGenerator(16, 1, 3),
        HourglassGenerator(16, 2, 3, classes=2),
    ]
    many = [G.requires_grad_(False) for G in kinds * 3]
    fakes = make_fakes([drawer(G) for G in many], 50, "train")
    assert fakes.shape == (50, 3, 16, 16)
    assert share_out(50, 12) == [5, 5] + [4] * 10
    own = draw(many[1].eval(), np.arange(5) + FIRST_SEED["train"], 3, CPU)
    assert np.array_equal(fakes[5:10].permute(0, 2, 3, 1).numpy(), own)


def test_fewer_fakes_than_generators_are_no_trouble():
    assert len(make_fakes([drawer(generator())] * 3, 2, "validation")) == 2


# --- parts of the pictures ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shades(tmp_path_factory) -> Pictures:
    return load(DcnnConfig(data=str(dark_and_light(tmp_path_factory.mktemp("shades") / "shades", each=41))))


def rows(pictures: Pictures) -> set[bytes]:
    return {image.numpy().tobytes() for image in pictures.images}


def test_every_picture_is_left_out_by_one_fold_and_learnt_by_the_others(shades):
    parts = [split(shades, DcnnConfig(folds=5, fold=fold)) for fold in range(1, 6)]
    for training, held_back in parts:
        assert len(held_back) in (16, 17)
        assert rows(training) | rows(held_back) == rows(shades)
        assert not rows(training) & rows(held_back)
        assert {label.item() for label in held_back.labels} == {0, 1}
    assert sum(len(held_back) for _, held_back in parts) == len(shades)
    assert set.union(*(rows(held_back) for _, held_back in parts)) == rows(shades)


def test_more_folds_than_pictures_are_a_sentence(shades):
    with pytest.raises(TrainingError, match="--folds 100: there are but 82 pictures"):
        split(shades, DcnnConfig(folds=100, fold=1))


# --- batches ------------------------------------------------------------------------------------------------------


def lesson(lessons: Lessons, step: int) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(step)  # as a training does
    return lessons(step)


def make_lessons(shades: Pictures, fakes: torch.Tensor | None = None, **values) -> Lessons:
    given = {"image_size": 16, "batch": 200, "steps": 50, "gan": ("a",) if fakes is not None else ()}
    return Lessons(DcnnConfig(**given | values), shades, fakes, CPU)


def test_a_lesson_depends_on_its_number_alone(shades):
    fakes = torch.randint(0, 256, (30, 3, 16, 16), dtype=torch.uint8)
    one, other = (make_lessons(shades, fakes, degrade=0.5) for _ in range(2))
    for step in (1, 2):
        lesson(one, step)
    for a, b in zip(lesson(one, 3), lesson(other, 3), strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(lesson(one, 3)[0], lesson(one, 4)[0])


def test_labels_are_those_of_the_pictures_however_many_are_degraded(shades):
    for share in (0.0, 0.5, 1.0):
        images, label = lesson(make_lessons(shades, degrade=share), 1)
        assert torch.equal(label, (images.mean((1, 2, 3)) > 0).long())  # dark, light
        assert len(label) == 200


def test_labels_of_mixed_pictures_are_shares(shades):
    images, label = lesson(make_lessons(shades, degrade=0.0, augment="mix"), 1)
    torch.testing.assert_close(label.sum(1), torch.ones(200))
    torch.testing.assert_close(label[:, 1], (images > 0).float().mean((1, 2, 3)))  # light
    assert 20 < ((label[:, 1] > 0) & (label[:, 1] < 1)).sum() < 90  # half of the half that meets the other class


def test_the_same_share_of_real_and_fake_is_degraded(shades):
    flat = Pictures(torch.full((20, 3, 16, 16), 255, dtype=torch.uint8), None, (), {})
    flat.images[:, :, 5:11, 3:9] = 0
    lessons = make_lessons(flat, flat.images.clone(), degrade=0.3, augment="none", batch=2000)
    images, _ = lesson(lessons, 1)
    changed = (images != images.new_tensor([-1.0, 1.0])[:, None, None, None, None]).all(0).flatten(1).any(1)
    for half in changed.split(1000):
        assert half.float().mean() == pytest.approx(0.3, abs=0.05)


def test_without_degradation_nothing_but_augmentation_happens(shades):
    images, _ = lesson(make_lessons(shades, degrade=0.0, augment="none"), 1)
    known = {image.tobytes() for image in (shades.images.float() / 127.5 - 1).numpy()}
    assert all(image.contiguous().numpy().tobytes() in known for image in images)


def test_no_more_pictures_are_re_encoded_than_the_steps_can_need(shades):
    lessons = make_lessons(shades, shades.images, degrade=0.5, batch=8, steps=3)
    assert [len(pool) for pool in lessons.real] == [len(shades), 6]
    assert [len(pool) for pool in lessons.fake] == [len(shades), 6]
    assert len(make_lessons(dataclasses.replace(shades, labels=None), degrade=1.0).real[1]) == len(shades)
