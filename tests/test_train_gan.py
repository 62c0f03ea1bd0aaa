"""Training the GAN: what is filled in from the pictures, the averaged generator, and a game that moves both players."""

import copy
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from drawing import dark_and_light, noise, save_all
from PIL import Image
from processes import one_thread  # noqa: F401 - a fixture

from dcgan import checkpoint, eyes
from dcgan import train_gan as train_gan_module
from dcgan.averages import average, weight_in_average
from dcgan.config import GanConfig
from dcgan.data import load
from dcgan.losses import GAN_LOSSES
from dcgan.models import Generator, make_gan
from dcgan.train_gan import GRID_SEEDS, cli, draw, resolve, train_gan

pytestmark = pytest.mark.usefixtures("one_thread")
CPU = torch.device("cpu")
TOY = {"width": 4, "latent_dim": 4, "batch": 16, "steps": 4, "tick": 2, "device": "cpu", "precision": "fp32"}


@pytest.fixture(scope="module")
def shades(tmp_path_factory) -> str:
    return str(dark_and_light(tmp_path_factory.mktemp("shades") / "shades"))


def test_what_is_automatic_is_filled_in_from_the_pictures(shades, tmp_path):
    c = resolve(GanConfig(), load(GanConfig(data=shades)))
    assert (c.image_size, c.channels, c.latent_dim, c.conditional) == (16, 3, 100, True)
    assert not resolve(GanConfig(conditional=False), load(GanConfig(data=shades))).conditional
    classless = GanConfig(data=str(save_all(noise(64, channels=1), tmp_path / "a")), architecture="hourglass")
    c = resolve(classless, load(classless))
    assert (c.channels, c.latent_dim, c.conditional) == (1, 256, False)


def test_the_average_is_exponential_and_takes_batchnorms_statistics_along():
    torch.manual_seed(0)
    G, G_ema = Generator(8, 4, 2), Generator(8, 4, 2)
    G(torch.randn(9, 4))  # moves the statistics
    before = copy.deepcopy(G_ema.state_dict())
    average(G_ema, G, torch.tensor(weight_in_average(0.9, step=10**6)))
    for name, now in G.state_dict().items():
        expected = 0.9 * before[name] + 0.1 * now if now.is_floating_point() else now
        assert torch.allclose(G_ema.state_dict()[name], expected, atol=1e-6), name
    assert any("running_var" in name for name in before)


def test_the_average_of_a_young_run_forgets_its_beginning_soon():
    G, G_ema = Generator(8, 4, 2), Generator(8, 4, 2)
    for step in range(1, 200):
        average(G_ema, G, torch.tensor(weight_in_average(0.9999, step)))
    for mean, now in zip(G_ema.parameters(), G.parameters(), strict=True):
        assert torch.allclose(mean, now, atol=1e-4)


def test_a_seed_draws_the_same_picture_in_any_batch():
    torch.manual_seed(0)
    G = Generator(16, 8, 4, 3, classes=3)
    G(torch.randn(9, 8), torch.arange(9) % 3)
    together = draw(G, np.array([7, 8, 2**32 - 1]), 3, CPU)
    for picture, seed in zip(together, (7, 8, 2**32 - 1), strict=True):
        assert np.abs(draw(G, np.array([seed]), 3, CPU)[0].astype(int) - picture).max() <= 1


@pytest.mark.parametrize("loss", GAN_LOSSES)
@pytest.mark.parametrize("architecture", ["dcgan", "hourglass"])
def test_a_step_moves_both_players_and_the_average(shades, tmp_path, loss, architecture):
    values = {"loss": loss, "architecture": architecture, "steps": 2, "width": 1 if architecture == "hourglass" else 4}
    c = GanConfig(data=shades, out=str(tmp_path / "run"), **TOY | values)
    train_gan(c)
    state = checkpoint.load(c.out, GanConfig)
    torch.manual_seed(c.seed)
    G, D = make_gan(state["config"], 2)
    for name, network in (("G", G), ("D", D), ("G_ema", G)):
        still = [key for key, p in network.named_parameters() if torch.equal(p, state[name][key])]
        # A game of differences has no use for a common offset of all logits, nor has a hinge within its margins.
        assert set(still) <= ({"head.bias"} if loss in ("relativistic", "hinge") and name == "D" else set())
    line = json.loads((Path(c.out) / "log.jsonl").read_text())
    losses = {"D_loss", "G_loss", "D_real", "D_fake"}
    assert losses | {"step", "images", "diversity", "augment", "images_per_second"} == set(line)


def test_the_sheet_shows_the_averaged_generator_a_class_a_column(shades, tmp_path):
    c = GanConfig(data=shades, out=str(tmp_path / "run"), **TOY)
    train_gan(c)
    state = checkpoint.load(c.out)
    G_ema = make_gan(state["config"], 2)[0]
    G_ema.load_state_dict(state["G_ema"])
    with Image.open(Path(c.out) / "pictures" / "step-000004.png") as file:
        shown = np.asarray(file)
    assert shown.shape == (8 * 16, 8 * 16, 3)
    pixels = draw(G_ema, GRID_SEEDS, 2, CPU)
    assert np.abs(shown[:16, 16:32].astype(int) - pixels[1]).max() <= 1


def test_a_gan_learns_what_is_obvious(shades, tmp_path):
    c = GanConfig(data=shades, out=str(tmp_path / "run"), **TOY | {"steps": 150, "tick": 150, "width": 8, "lr_g": 2e-3})
    train_gan(c)
    state = checkpoint.load(c.out)
    G = make_gan(state["config"], 2)[0]
    G.load_state_dict(state["G_ema"])
    means = draw(G, np.arange(200), 2, CPU).mean((1, 2, 3))
    assert means[1::2].mean() - means[0::2].mean() > 60  # class 1 is light, class 0 dark


def test_the_best_step_by_held_back_pictures_is_kept_and_exported(shades, tmp_path, monkeypatch):
    distances = iter([3.0, 1.0, 2.0])
    monkeypatch.setattr(train_gan_module, "distance_to", lambda *_: lambda G: next(distances))
    c = GanConfig(data=shades, out=str(tmp_path / "run"), **TOY | {"steps": 6})
    train_gan(c)
    state = checkpoint.load(c.out)
    assert (state["G_best"]["step"], state["G_best"]["distance"]) == (4, 1.0)
    assert checkpoint.generator_state(state) is state["G_best"]["network"]
    assert [json.loads(line)["distance"] for line in (Path(c.out) / "log.jsonl").open()] == [3.0, 1.0, 2.0]
    key = "layers.0.weight"
    assert not torch.equal(state["G_best"]["network"][key], state["G_ema"][key])


def test_without_eyes_that_see_a_training_ends_before_it_begins(shades, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(train_gan_module, "FEWEST_HELD_BACK", 1)
    monkeypatch.setattr(eyes, "MODELS", tmp_path / "models")
    (tmp_path / "models" / "cifar10").mkdir(parents=True)
    for content, says in ((None, "Fetch that file of this repository again."), (b"torn", "Export it again.")):
        if content:
            (tmp_path / "models" / "cifar10" / "referee.onnx").write_bytes(content)
        with pytest.raises(SystemExit) as stop:
            cli(["--data", shades, "--out", str(tmp_path / "run"), "--device", "cpu"])
        said = capsys.readouterr().err.splitlines()[-1]
        assert stop.value.code == 2
        assert said.endswith(says)
        assert "--referee" not in said  # which this command has not
    assert not (tmp_path / "run").exists()


def test_with_few_pictures_held_back_the_last_step_is_kept_and_said_to_be(shades, tmp_path, capsys):
    c = GanConfig(data=shades, out=str(tmp_path / "run"), **TOY)
    train_gan(c)
    state = checkpoint.load(c.out)
    assert checkpoint.generator_state(state) is state["G_ema"]
    assert "too few to choose the best step by" in capsys.readouterr().out
