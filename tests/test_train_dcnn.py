"""Training the classifier: fakes apart, classes from real pictures, everything alike for real and fake."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from drawing import dark_and_light, noise, save_all
from processes import one_thread  # noqa: F401 - a fixture

from dcgan import checkpoint
from dcgan.config import DcnnConfig, GanConfig, TrainingError
from dcgan.data import load
from dcgan.models import Generator, make_dcnn
from dcgan.train_dcnn import (
    FIRST_SEED,
    augment,
    learning_rate,
    load_generators,
    make_fakes,
    predict,
    resolve,
    train_dcnn,
)
from dcgan.train_gan import draw, train_gan

pytestmark = pytest.mark.usefixtures("one_thread")
CPU = torch.device("cpu")
TOY = {"width": 4, "batch": 16, "steps": 4, "tick": 2, "image_size": 16, "device": "cpu"}


@pytest.fixture(scope="module")
def shades(tmp_path_factory) -> str:
    return str(dark_and_light(tmp_path_factory.mktemp("shades") / "shades"))


@pytest.fixture(scope="module")
def gan(shades, tmp_path_factory) -> str:
    out = str(tmp_path_factory.mktemp("runs") / "gan")
    train_gan(GanConfig(data=shades, out=out, latent_dim=4, **TOY | {"steps": 2}))
    return out


def log_of(c: DcnnConfig) -> list[dict]:
    return [json.loads(line) for line in (Path(c.out) / "log.jsonl").read_text().splitlines()]


def generator(channels: int = 3, classes: int = 0) -> Generator:
    torch.manual_seed(0)
    return Generator(16, 4, 2, channels, classes).requires_grad_(False)


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
    fakes = make_fakes([G], 7, "validation", CPU)
    seeds = np.arange(7) + FIRST_SEED["validation"]
    assert (fakes.dtype, fakes.shape) == (torch.uint8, (7, 3, 16, 16))
    assert np.array_equal(fakes.permute(0, 2, 3, 1).numpy(), draw(G, seeds, 3, CPU))
    assert not torch.equal(fakes, make_fakes([G], 7, "train", CPU))


def test_every_generator_makes_as_many_fakes_and_of_its_own_channels():
    one, other = generator(channels=1), generator(channels=1)
    torch.nn.init.zeros_(other.layers[-2].weight)  # it draws nothing but grey
    fakes = make_fakes([one, other], 10, "train", CPU)
    assert fakes.shape == (10, 1, 16, 16)
    assert ((fakes == 128).all((1, 2, 3))).tolist() == [False] * 5 + [True] * 5


def test_more_fakes_than_are_drawn_at_once_are_all_different():
    fakes = make_fakes([generator()], 1100, "train", CPU)
    assert len(torch.unique(fakes.flatten(1), dim=0)) == 1100


# --- augmentation -------------------------------------------------------------------------------------------------


def test_augmentation_keeps_shapes_and_types():
    for shape in ((1, 1, 8, 8), (5, 3, 28, 28)):
        images = torch.rand(shape)
        assert augment(images).shape == shape
        assert augment(images).dtype == images.dtype


def test_augmentation_mirrors_half_and_shifts_by_up_to_two_pixels_all_alike():
    torch.manual_seed(0)
    picture = torch.rand(1, 3, 12, 12)
    out = augment(picture.expand(4000, -1, -1, -1).contiguous())
    counts = torch.zeros(2, 2, 5, 5)  # first or second half of the batch (real or fake), mirrored, rows, columns
    for mirrored in (0, 1):
        padded = torch.nn.functional.pad(picture.flip(3) if mirrored else picture, (2, 2, 2, 2), mode="replicate")
        for y in range(5):
            for x in range(5):
                same = (out == padded[:, :, y : y + 12, x : x + 12]).all((1, 2, 3))
                counts[0, mirrored, y, x], counts[1, mirrored, y, x] = same[:2000].sum(), same[2000:].sum()
    assert counts.sum() == 4000  # nothing else happens to a picture
    for half in counts:
        assert half[1].sum() / 2000 == pytest.approx(0.5, abs=0.05)
        assert half.min() > 15  # each of the 50 ways: 40 expected
        assert half.max() < 70


def test_augmentation_keeps_the_values_of_a_picture():
    images = torch.rand(50, 1, 9, 9)
    for before, after in zip(images, augment(images), strict=True):
        assert set(after.flatten().tolist()) <= set(before.flatten().tolist())


# --- schedule -----------------------------------------------------------------------------------------------------


def test_the_step_size_warms_up_peaks_and_ends_at_zero():
    c = DcnnConfig(steps=1000, lr=0.3)
    rates = [learning_rate(c, step) for step in range(1, 1001)]
    assert rates[0] == pytest.approx(0.3 / 50)
    assert max(rates) == rates[49] == 0.3
    assert rates[:50] == sorted(rates[:50])
    assert rates[49:] == sorted(rates[49:], reverse=True)
    assert rates[-1] == pytest.approx(0, abs=1e-9)
    assert learning_rate(c, 525) == pytest.approx(0.15)


@pytest.mark.parametrize("steps", [1, 2, 3, 19, 21])
def test_short_schedules_have_step_sizes_too(steps):
    c = DcnnConfig(steps=steps, lr=1.0)
    rates = [learning_rate(c, step) for step in range(1, steps + 1)]
    assert max(rates) == 1
    assert all(0 <= rate <= 1 for rate in rates)


# --- what is learnt -----------------------------------------------------------------------------------------------


def test_with_neither_classes_nor_generators_there_is_nothing_to_learn(tmp_path):
    folder = save_all(noise(64), tmp_path / "pictures")
    with pytest.raises(TrainingError, match="nothing to learn: the pictures have no classes, and no --gan"):
        train_dcnn(DcnnConfig(data=str(folder), out=str(tmp_path / "run"), **TOY))
    assert not (tmp_path / "run").exists()


def test_without_generators_it_learns_classes_alone(shades, tmp_path):
    c = DcnnConfig(data=shades, out=str(tmp_path / "run"), **TOY)
    train_dcnn(c)
    state = checkpoint.load(c.out, DcnnConfig)
    assert not [name for name in state["network"] if name.startswith("real_head")]
    assert [name for name in state["network"] if name.startswith("class_head")]
    assert state["data"]["fakes"] == []
    assert {"class_loss", "class_accuracy"} <= set(log_of(c)[0])
    assert not {"real_loss", "real_accuracy"} & set(log_of(c)[0])


def test_without_classes_it_learns_reality_alone(gan, tmp_path):
    folder = save_all(noise(64), tmp_path / "pictures")
    c = DcnnConfig(data=str(folder), out=str(tmp_path / "run"), gan=(gan,), **TOY)
    train_dcnn(c)
    state = checkpoint.load(c.out, DcnnConfig)
    assert not [name for name in state["network"] if name.startswith("class_head")]
    assert {"real_loss", "real_accuracy"} <= set(log_of(c)[0])
    assert "class_loss" not in log_of(c)[0]


def test_it_remembers_the_generators_by_their_checkpoints(shades, gan, tmp_path):
    c = DcnnConfig(data=shades, out=str(tmp_path / "run"), gan=(gan,), **TOY)
    train_dcnn(c)
    assert checkpoint.load(c.out)["data"]["fakes"] == [checkpoint.load(gan)["sha256"]]
    train_gan(GanConfig(data=shades, out=str(tmp_path / "gan"), latent_dim=4, seed=5, **TOY | {"steps": 2}))
    with pytest.raises(TrainingError, match=r"was begun with --gan"):
        train_dcnn(DcnnConfig(**vars(c) | {"gan": (str(tmp_path / "gan"),)}))


def test_a_generator_that_was_trained_on_is_noticed(shades, tmp_path):
    made = GanConfig(data=shades, out=str(tmp_path / "gan"), latent_dim=4, **TOY | {"steps": 2})
    train_gan(made)
    c = DcnnConfig(data=shades, out=str(tmp_path / "run"), gan=(made.out,), **TOY)
    train_dcnn(c)
    train_gan(GanConfig(**vars(made) | {"steps": 4}))
    with pytest.raises(TrainingError, match=r"generators named by --gan have changed"):
        train_dcnn(c)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"image_size": 32}, r"draws pictures of 16 x 16 in colour; 32 x 32 in colour is needed"),
        ({"channels": 1}, r"draws pictures of 16 x 16 in colour; 16 x 16 in grey is needed"),
    ],
)
def test_a_generator_of_other_pictures_is_a_sentence(shades, gan, tmp_path, values, words):
    with pytest.raises(TrainingError, match=words):
        train_dcnn(DcnnConfig(**{"data": shades, "out": str(tmp_path / "run"), "gan": (gan,)} | TOY | values))


def test_a_generator_that_is_not_there_is_a_sentence(shades, tmp_path):
    with pytest.raises(TrainingError, match="There is no checkpoint at"):
        train_dcnn(DcnnConfig(data=shades, out=str(tmp_path / "run"), gan=(str(tmp_path / "none"),), **TOY))


def test_the_averaged_generator_makes_the_fakes(gan):
    c = DcnnConfig(image_size=16, channels=3)
    ((G, sha256),) = load_generators((gan,), c)
    state = checkpoint.load(gan)
    assert sha256 == state["sha256"]
    assert all(torch.equal(value, state["G_ema"][name]) for name, value in G.state_dict().items())
    assert not any(p.requires_grad for p in G.parameters())


def test_nothing_held_back_is_nothing_measured(shades, gan, tmp_path):
    c = DcnnConfig(data=shades, out=str(tmp_path / "run"), gan=(gan,), validation=0.0, **TOY)
    train_dcnn(c)
    assert [line["step"] for line in log_of(c)] == [2, 4]
    assert not {"class_accuracy", "real_accuracy"} & set(log_of(c)[-1])


def test_an_obvious_problem_is_learnt_in_a_few_steps(shades, gan, tmp_path):
    c = DcnnConfig(data=shades, out=str(tmp_path / "run"), gan=(gan,), **TOY | {"steps": 60, "tick": 20, "width": 8})
    train_dcnn(c)
    first, *_, last = log_of(c)
    assert last["class_loss"] < 0.5 * first["class_loss"]
    assert last["real_loss"] < first["real_loss"]
    assert last["class_accuracy"] == 1
    assert last["real_accuracy"] >= 0.9


def test_prediction_is_in_evaluation_mode_and_leaves_training_mode_on(shades):
    pictures = load(DcnnConfig(data=shades))
    c = resolve(DcnnConfig(gan=("a",), width=4), pictures)
    network = make_dcnn(c, 2)
    alone = predict(network, pictures.images[:1])
    together = predict(network, pictures.images)
    assert network.training
    assert torch.allclose(alone[0], together[0][:1], atol=1e-5)
    assert torch.allclose(alone[1], together[1][:1], atol=1e-5)
