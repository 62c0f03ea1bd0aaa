"""Training the classifier: fakes apart, classes from real pictures, everything alike for real and fake."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from drawing import dark_and_light, noise, save_all
from onnx import TensorProto, helper
from processes import one_thread  # noqa: F401 - a fixture

from dcgan import attribution, checkpoint, typical
from dcgan.config import PRESETS, DcnnConfig, GanConfig, TrainingError, from_saved
from dcgan.data import load
from dcgan.exported import learnt, unfold
from dcgan.lessons import Lessons, load_generators, make_fakes, some_of, split
from dcgan.losses import class_cross_entropy, distillation
from dcgan.models import Recogniser, make_dcnn
from dcgan.pixels import CPU, PixelDCNN, PixelGenerator, on_arrays, to_images
from dcgan.players import draw, torch_player
from dcgan.train_dcnn import (
    MOST_WHITENED,
    balanced,
    descend,
    learning_rate,
    make_optimizer,
    make_update,
    predict,
    resolve,
    size_of_weights,
    train_dcnn,
)
from dcgan.train_gan import train_gan
from export.graphs import MOST_MOVED
from export.latents import latents
from export.runtime import DCNN, Bundle
from export.to_onnx import export

pytestmark = pytest.mark.usefixtures("one_thread")
TOY = {"width": 4, "batch": 16, "steps": 4, "tick": 2, "image_size": 16, "device": "cpu", "precision": "fp32"}


@pytest.fixture(scope="module")
def shades(once) -> str:
    return str(once("shades/shades", dark_and_light))


@pytest.fixture(scope="module")
def gan(shades, once) -> str:
    toy = {"latent_dim": 4, **TOY | {"steps": 2}}
    return str(once("runs/shades-gan", lambda out: train_gan(GanConfig(data=shades, out=str(out), **toy))))


@pytest.fixture(scope="module")
def gan_bundle(gan, once) -> Path:
    """Its bundle, without a DCNN."""
    return once("bundles/gan", lambda out: export([Path(gan)], out))


@pytest.fixture(scope="module")
def judge(shades, gan, once) -> DcnnConfig:
    """A run against it."""
    c = DcnnConfig(data=shades, gan=(gan,), **TOY | {"width": 16, "steps": 20})
    run = once("runs/judge", lambda out: train_dcnn(dataclasses.replace(c, out=str(out))))
    return dataclasses.replace(c, out=str(run))


@pytest.fixture(scope="module")
def judge_bundle(judge, once) -> Path:
    return once("bundles/judge", lambda out: export([Path(judge.out)], out))


def log_of(c: DcnnConfig) -> list[dict]:
    return [json.loads(line) for line in (Path(c.out) / "log.jsonl").read_text().splitlines()]


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
    (generator, sha256), again = load_generators((gan, gan), c, CPU)
    assert again == (generator, sha256)
    state = checkpoint.load(gan)
    assert sha256 == state["sha256"]
    G, label = checkpoint.network_of(state), np.arange(5) % 2
    assert all(torch.equal(value, state["G_ema"][name]) for name, value in G.state_dict().items())
    (drawn,) = draw(generator, range(5), label)
    (expected,) = on_arrays(PixelGenerator(G))(latents(range(5), 4), label).values()
    assert np.array_equal(drawn, expected)


def test_the_generator_of_a_bundle_makes_the_same_fakes(shades, gan, gan_bundle, tmp_path):
    bundle = shutil.copytree(gan_bundle, tmp_path / "bundle")
    c = DcnnConfig(data=shades, out=str(tmp_path / "run"), gan=(str(bundle),), **TOY)
    train_dcnn(c)
    assert checkpoint.load(c.out)["data"]["fakes"] == [checkpoint.load(gan)["sha256"]]
    one, other = (
        make_fakes([load_generators((place,), resolve(c, load(c)), CPU)[0][0]], 30, "train") for place in (gan, bundle)
    )
    assert (one.int() - other.int()).abs().max() <= 1
    (bundle / "generator.onnx").write_bytes(b"no model")
    with pytest.raises(TrainingError, match=r"generator\.onnx"):
        train_dcnn(c)


def test_nothing_held_back_is_nothing_measured(shades, gan, tmp_path):
    c = DcnnConfig(data=shades, out=str(tmp_path / "run"), gan=(gan,), validation=0.0, **TOY)
    train_dcnn(c)
    assert [line["step"] for line in log_of(c)] == [2, 4]
    assert not {"class_accuracy", "real_accuracy"} & set(log_of(c)[-1])


def test_an_obvious_problem_is_learnt_in_a_few_steps(shades, gan, tmp_path):
    c = DcnnConfig(data=shades, out=str(tmp_path / "run"), gan=(gan,), **TOY | {"steps": 60, "tick": 20, "width": 8})
    train_dcnn(c)
    first, *_, last = log_of(c)
    assert last["class_loss"] < 0.6 * first["class_loss"]
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


# --- after the training -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(shades, gan, tmp_path_factory) -> DcnnConfig:
    c = DcnnConfig(data=shades, out=str(tmp_path_factory.mktemp("runs") / "dcnn"), gan=(gan,), **TOY)
    train_dcnn(c)
    return c


def test_calibration_is_folded_into_the_network_and_its_evidence(trained):
    state = checkpoint.load(trained.out)
    state["calibration"] |= {"slope": 0.5, "bias": -2.0}
    calibrated = checkpoint.network_of(state)
    plain = checkpoint.network_of(state | {"calibration": {}})
    images = torch.rand(5, 3, 16, 16) * 2 - 1
    with torch.no_grad():
        expected, classes = plain(images)
        found, same_classes = calibrated(images)
        evidence = calibrated.evidence(calibrated.features(images))
    torch.testing.assert_close(found, 0.5 * expected - 2)
    torch.testing.assert_close(evidence.mean((1, 2)), found)
    assert torch.equal(classes, same_classes)
    assert [p.shape for p in calibrated.parameters()] == [p.shape for p in plain.parameters()]


def test_a_finished_run_knows_how_far_to_trust_it(trained):
    state = checkpoint.load(trained.out)
    assert 0 < state["calibration"]["threshold"] < 1
    assert state["calibration"]["n"] == 6 * round(80 * trained.validation)  # real and fake: clean, degraded, passed on
    looks = 2 * state["config"].channels + 2 + 2 * trained.width
    shapes = {name: tuple(t.shape) for name, t in state["known"].items()}
    assert shapes.items() >= {"mean": (looks,), "precision": (looks, looks), "quantiles": (101,)}.items()
    traits = 2 * sum(stage.shape[1] for stage in checkpoint.network_of(state).stages(torch.zeros(1, 3, 16, 16)))
    assert shapes["oddity.inner.weight"] == (typical.WIDTH, traits)
    assert tuple(state["attribution"]["inner.weight"].shape) == (attribution.WIDTH, traits // 2, 1, 1)


@pytest.mark.parametrize("missing", [("attribution",), ("calibration", "attribution"), ("known",)])
def test_a_run_that_ended_before_something_was_learnt_learns_that_alone_when_asked_again(trained, tmp_path, missing):
    shutil.copytree(trained.out, tmp_path / "old")
    state = torch.load(tmp_path / "old" / checkpoint.NAME, weights_only=True)
    kept = {name: state[name] for name in ("network", "calibration", "known", "attribution") if name not in missing}
    torch.save({name: part for name, part in state.items() if name not in missing}, tmp_path / "old" / checkpoint.NAME)
    train_dcnn(dataclasses.replace(trained, out=str(tmp_path / "old")))
    again = checkpoint.load(tmp_path / "old")
    assert all(again[name].keys() == state[name].keys() for name in ("calibration", "known", "attribution"))
    for name, part in kept.items():
        torch.testing.assert_close(again[name], part, rtol=0, atol=0)


def test_pictures_of_other_things_are_told_from_known_ones(shades, gan, tmp_path):
    stripes = np.zeros((70, 16, 16, 3), np.uint8)
    stripes[:, ::4] = np.random.default_rng(0).integers(100, 256, (70, 1, 1, 3))
    save_all(stripes, tmp_path / "stripes")
    c = DcnnConfig(data=shades, out=str(tmp_path / "run"), gan=(gan,), unlike=(str(tmp_path / "stripes"),), **TOY)
    train_dcnn(c)
    state = checkpoint.load(c.out)
    assert state["data"]["unlike"] == ["70 of stripes"]
    judge = on_arrays(PixelDCNN(checkpoint.network_of(state), state["known"]))
    real = load(dataclasses.replace(c, data=shades)).images[:].permute(0, 2, 3, 1).numpy()
    assert judge(stripes)["typical"].max() < np.median(judge(real)["typical"])
    assert np.mean(judge(stripes)["typical"] < 0.01) > 0.9
    with pytest.raises(TrainingError, match=r"without --gan it judges nothing"):
        train_dcnn(dataclasses.replace(c, out=str(tmp_path / "other"), gan=()))
    with pytest.raises(ValueError, match=r"--data nowhere"):
        train_dcnn(dataclasses.replace(c, out=str(tmp_path / "other"), unlike=("nowhere",)))


def test_a_finished_run_started_again_stays_as_it_is(trained):
    before = (Path(trained.out) / checkpoint.NAME).read_bytes()
    train_dcnn(trained)
    assert (Path(trained.out) / checkpoint.NAME).read_bytes() == before


def test_a_run_stopped_before_its_conclusion_concludes_when_started_again(trained, tmp_path):
    shutil.copytree(trained.out, tmp_path / "run")
    path = tmp_path / "run" / checkpoint.NAME
    state = torch.load(path, weights_only=True)
    expected = {part: state[part] for part in ("calibration", "known")}
    torch.save({name: {} if name in expected else part for name, part in state.items()}, path)
    train_dcnn(dataclasses.replace(trained, out=str(tmp_path / "run")))
    found = torch.load(path, weights_only=True)
    assert found["calibration"] == expected["calibration"]
    assert all(torch.equal(found["known"][name], t) for name, t in expected["known"].items())


def test_further_generators_calibrate_and_one_that_is_named_again_counts_again(trained, gan, shades, tmp_path):
    stranger = str(tmp_path / "stranger")
    train_gan(GanConfig(data=shades, out=stranger, latent_dim=4, **TOY | {"steps": 2, "seed": 9}))
    before, biases = checkpoint.load(trained.out), set()
    for i, further in enumerate([(), (stranger,), (gan, stranger)]):
        c = dataclasses.replace(trained, out=str(tmp_path / f"run-{i}"), calibrate_on=further)
        train_dcnn(c)
        state = checkpoint.load(c.out)
        assert all(torch.equal(state["network"][name], value) for name, value in before["network"].items())
        assert state["calibration"]["n"] == before["calibration"]["n"]
        assert state["data"].get("calibrated_on", []) == [checkpoint.load(each)["sha256"] for each in further]
        assert state["data"]["fakes"] == before["data"]["fakes"]
        biases.add(state["calibration"]["bias"])
    assert len(biases) == 3
    assert before["calibration"]["bias"] in biases
    with pytest.raises(TrainingError, match=r"was begun with --calibrate-on"):
        train_dcnn(dataclasses.replace(c, calibrate_on=()))
    small = str(tmp_path / "small")
    train_gan(GanConfig(data=shades, out=small, latent_dim=4, **TOY | {"steps": 2, "image_size": 8}))
    with pytest.raises(TrainingError, match=r"--calibrate-on .*small draws pictures of 8 x 8"):
        train_dcnn(dataclasses.replace(c, out=str(tmp_path / "another"), calibrate_on=(small,)))
    with pytest.raises(TrainingError, match=r"--calibrate-on is for a DCNN that learns fakes"):
        train_dcnn(dataclasses.replace(c, out=str(tmp_path / "another"), gan=()))


def test_a_run_from_before_calibration_gets_one(trained, tmp_path):
    c = dataclasses.replace(trained, out=str(tmp_path / "run"), degrade=0.0)
    train_dcnn(c)
    path = tmp_path / "run" / checkpoint.NAME
    state = torch.load(path, weights_only=True)
    old = {name: part for name, part in state.items() if name not in ("calibration", "known")}
    old["config"] = {name: value for name, value in old["config"].items() if name not in ("degrade", "l1", "folds")}
    torch.save(old, path)
    assert checkpoint.network_of(checkpoint.load(path)) is not None
    with pytest.raises(TrainingError, match=r"was begun with --degrade 0.0, not 0.5"):
        train_dcnn(dataclasses.replace(c, degrade=-1.0))
    train_dcnn(c)
    assert torch.load(path, weights_only=True)["calibration"] == state["calibration"]


def test_early_stopping_ends_a_run_and_its_best_step_is_the_one_that_counts(shades, gan, tmp_path):
    c = DcnnConfig(data=shades, out=str(tmp_path / "run"), gan=(gan,), patience=2, lr=0.0, **TOY | {"steps": 40})
    train_dcnn(c)  # it learns nothing but the statistics of BatchNorm, whose figures soon get worse or stay alike
    lines, state = log_of(c), checkpoint.load(c.out)
    best = min(range(len(lines)), key=lambda i: lines[i]["validation_loss"])
    assert len(lines) < 20 or best >= 17
    assert state["best"]["step"] == lines[best]["step"]
    assert state["step"] == lines[-1]["step"] == lines[min(best + 2, len(lines) - 1)]["step"]
    kept = state["best"]["network"]
    network = checkpoint.network_of(state | {"calibration": {}})
    assert all(torch.equal(t, kept[name]) for name, t in network.state_dict().items())
    before = (tmp_path / "run" / checkpoint.NAME).read_bytes()
    train_dcnn(c)
    assert (tmp_path / "run" / checkpoint.NAME).read_bytes() == before


def test_a_penalty_on_absolute_weights_makes_them_smaller(shades, tmp_path):
    def sizes(l1: float) -> float:
        c = DcnnConfig(data=shades, out=str(tmp_path / f"run-{l1}"), l1=l1, **TOY | {"steps": 20, "tick": 20})
        train_dcnn(c)
        return size_of_weights(checkpoint.network_of(checkpoint.load(c.out))).item()

    assert sizes(0.1) < 0.9 * sizes(0.0)


def test_a_referee_sees_harms_and_a_judge_gets_used_to_them(shades):
    pictures = load(DcnnConfig(data=shades))
    assert resolve(DcnnConfig(gan=("a",)), pictures).degrade == 0.5
    assert resolve(DcnnConfig(), pictures).degrade == 0
    assert resolve(DcnnConfig(degrade=0.2), pictures).degrade == 0.2


# --- what makes a small network better ----------------------------------------------------------------------------


def test_an_averaged_network_is_the_one_that_counts(shades, gan, tmp_path):
    c = DcnnConfig(data=shades, out=str(tmp_path / "run"), gan=(gan,), ema=0.9, **TOY)
    train_dcnn(c)
    state = checkpoint.load(c.out)
    weight = "features.0.0.0.weight"
    assert not torch.equal(state["average"][weight], state["network"][weight])
    assert torch.equal(checkpoint.network_of(state).state_dict()[weight], state["average"][weight])
    plain = dataclasses.replace(c, out=str(tmp_path / "plain"), ema=0.0)
    train_dcnn(plain)
    assert torch.equal(checkpoint.load(plain.out)["network"][weight], state["network"][weight])  # it only looks on


def test_a_pupil_learns_what_its_teacher_says(shades, tmp_path):
    teacher = DcnnConfig(data=shades, out=str(tmp_path / "teacher"), **TOY | {"steps": 30, "width": 8, "tick": 30})
    train_dcnn(teacher)
    pupil = DcnnConfig(data=shades, out=str(tmp_path / "pupil"), teacher=teacher.out, smoothing=0.1, **TOY)
    train_dcnn(pupil)
    state = checkpoint.load(pupil.out)
    assert state["data"]["teacher"] == checkpoint.load(teacher.out)["sha256"]
    alone = dataclasses.replace(pupil, out=str(tmp_path / "alone"), teacher="")
    train_dcnn(alone)
    assert log_of(pupil)[-1]["class_loss"] != log_of(alone)[-1]["class_loss"]
    shutil.copytree(alone.out, teacher.out, dirs_exist_ok=True)
    with pytest.raises(TrainingError, match="weights named by --teacher have changed"):
        train_dcnn(pupil)
    with pytest.raises(TrainingError, match=r"--teacher .* has learnt other classes, or pictures of another size"):
        train_dcnn(dataclasses.replace(pupil, out=str(tmp_path / "large"), image_size=32))


def test_a_teacher_speaks_of_fakes_too_and_labels_of_real_pictures_alone(shades, gan, tmp_path):
    """Or what a pupil says of a generator's classes fades from one teacher to the next."""
    c = DcnnConfig(data=shades, gan=(gan,), out=str(tmp_path), channels=3, teacher_share=0.4, **TOY)
    lessons = Lessons(c, load(c), make_fakes([p for p, _ in load_generators(c.gan, c, CPU)], 50, "train"), CPU)
    pupil, teacher = make_dcnn(c, 2), make_dcnn(c, 2).eval()
    torch.manual_seed(0)
    images, label = lessons(1)
    said, wanted = pupil(images)[1], teacher(images)[1]
    assert 0 < c.real_batch < len(said)
    by_label = class_cross_entropy(said[: c.real_batch], label)
    update = make_update(pupil, make_optimizer(pupil, c, CPU), lessons, teacher, c)
    torch.manual_seed(0)
    expected = torch.lerp(by_label, distillation(said, wanted), 0.4)
    assert update(1)["class_loss"].item() == pytest.approx(expected.item(), rel=1e-4)


def test_a_run_may_begin_with_the_weights_of_another(shades, gan, tmp_path):
    first = DcnnConfig(data=shades, out=str(tmp_path / "first"), gan=(gan,), **TOY)
    train_dcnn(first)
    weights = checkpoint.load(first.out)["network"]
    second = dataclasses.replace(first, out=str(tmp_path / "second"), start=first.out, lr=0.0, weight_decay=0.0)
    train_dcnn(second)
    state = checkpoint.load(second.out)
    assert all(torch.equal(state["network"][name], t) for name, t in weights.items() if name.endswith("weight"))
    assert state["data"]["start"] == checkpoint.load(first.out)["sha256"]
    for changes in ({"width": 8}, {"blocks": 2}, {"gan": ()}, {"activation": "tanh"}):
        with pytest.raises(TrainingError, match=rf"--start {first.out} is of another form"):
            train_dcnn(dataclasses.replace(second, out=str(tmp_path / "third"), **changes))


def test_the_network_that_is_kept_may_be_a_mean_of_both_ends(shades, gan, tmp_path):
    first = DcnnConfig(data=shades, out=str(tmp_path / "first"), gan=(gan,), **TOY)
    train_dcnn(first)
    plain = dataclasses.replace(first, out=str(tmp_path / "plain"), start=first.out, lr=0.1)
    half = dataclasses.replace(plain, out=str(tmp_path / "half"), start_share=0.25)
    for c in (plain, half, half):  # and asked again, it is not moved again
        train_dcnn(c)
    begun, learnt_since, kept = (checkpoint.dcnn_of(checkpoint.load(c.out)).state_dict() for c in (first, plain, half))
    weight = "features.0.0.0.weight"
    assert (begun[weight] - learnt_since[weight]).abs().max() > 0.01
    for name, value in kept.items():
        if value.is_floating_point():
            torch.testing.assert_close(value, 0.25 * begun[name] + 0.75 * learnt_since[name])
    with pytest.raises(TrainingError, match=r"--start-share is 0.5; it needs --start, and with --gan held"):
        train_dcnn(dataclasses.replace(first, out=str(tmp_path / "none"), start_share=0.5))


@pytest.mark.parametrize("weights", ["fp32", "fp16"])
def test_a_bundle_is_read_back_and_unfolded(judge, judge_bundle, tmp_path, weights):
    bundle = Bundle(judge_bundle)
    if weights == "fp16":
        export([Path(judge.out)], tmp_path / "bundle", weights=weights)
        bundle = Bundle(tmp_path / "bundle")
    found = learnt(bundle.folder)
    assert (found.classes, found.sha256) == (("dark", "light"), checkpoint.load(judge.out)["sha256"])
    pictures = load(judge)
    pixels = pictures.images[:50].permute(0, 2, 3, 1).expand(-1, -1, -1, 3).contiguous().numpy()
    expected = bundle.dcnn(pixels)
    call = on_arrays(PixelDCNN(found.network), CPU)
    for name in ("real", "classes", "features"):
        np.testing.assert_allclose(call(pixels)[name], expected[name], 1e-3, 1e-4)
    unfold(found.network, to_images(pictures.images))
    for name in ("real", "classes", "features"):
        np.testing.assert_allclose(call(pixels)[name], expected[name], 1e-3, 1e-4)
    norm = found.network.features[0][0][1]
    outputs = []
    norm.register_forward_pre_hook(lambda norm, inputs: outputs.append(inputs[0]))
    predict(found.network, pictures.images)
    seen = torch.cat(outputs).transpose(0, 1).flatten(1)
    assert torch.allclose(norm.running_mean, seen.mean(1), atol=1e-4)
    assert torch.allclose(norm.running_var, seen.var(1), rtol=1e-2)


def test_a_run_may_begin_with_a_bundle_and_have_it_as_a_teacher(judge, judge_bundle, gan_bundle, tmp_path):
    bundle = str(judge_bundle)
    second = dataclasses.replace(judge, out=str(tmp_path / "second"), start=bundle, teacher=bundle, lr=0.0)
    train_dcnn(second)
    state, sha256 = checkpoint.load(second.out), checkpoint.load(judge.out)["sha256"]
    assert (state["data"]["start"], state["data"]["teacher"]) == (sha256, sha256)
    images = load(judge).images[:50]
    before, after = (predict(learnt(place).network, images)[1].softmax(1) for place in (bundle, second.out))
    assert (before - after).abs().max() < 0.05  # statistics are of other batches, weights the same
    with pytest.raises(TrainingError, match=rf"--start {bundle} is of another form"):
        train_dcnn(dataclasses.replace(second, out=str(tmp_path / "third"), width=8))
    with pytest.raises(TrainingError, match=r"There is no model at .*dcnn.onnx"):
        train_dcnn(dataclasses.replace(second, out=str(tmp_path / "fourth"), start=str(gan_bundle)))


# --- recognisers --------------------------------------------------------------------------------------------------


def make_recogniser(out: Path, shades: str, **changes) -> None:
    toy = TOY | {"steps": 24, "tick": 24, "width": 16, "channels": 3, "lr": 0.03} | changes
    train_dcnn(DcnnConfig(**PRESETS["fast"] | toy, preset="fast", data=shades, out=str(out)))


@pytest.fixture(scope="module")
def recogniser(shades, once) -> str:
    return str(once("runs/recogniser", lambda out: make_recogniser(out, shades)))


@pytest.fixture(scope="module")
def residual(shades, once) -> str:
    """A recogniser with residual blocks."""
    return str(once("runs/residual", lambda out: make_recogniser(out, shades, blocks=1)))


@pytest.fixture(scope="module")
def resnet(shades, once) -> str:
    return str(once("runs/resnet", lambda out: make_recogniser(out, shades, architecture="resnet", width=8, blocks=1)))


def test_a_recogniser_learns_the_classes_and_keeps_its_first_layer(recogniser, shades):
    state = checkpoint.load(recogniser)
    c, network = state["config"], checkpoint.network_of(state)
    assert isinstance(network, Recogniser)
    assert log_of(c)[-1]["class_accuracy"] > 0.9
    as_begun = make_dcnn(c, 2)
    training, _ = split(load(c), c)
    as_begun.whiten(to_images(training[some_of(len(training), MOST_WHITENED)].images))
    torch.testing.assert_close(network.whitening.weight, as_begun.whitening.weight)
    norm = network.features[1][0][2]
    assert torch.equal(norm.weight, torch.ones(16))
    assert norm.bias.abs().max() > 0


def test_shifts_learn_faster_and_decay_as_slowly():
    c = DcnnConfig(**PRESETS["fast"] | TOY, channels=3)
    network = make_dcnn(c, 2)
    optimizer = make_optimizer(network, c, CPU)
    others, shifts = optimizer.param_groups
    descend(network(torch.rand(2, 3, 16, 16))[1].sum(), optimizer, 0.01)
    assert (others["lr"], shifts["lr"]) == (0.01, 0.64)
    assert shifts["lr"] * shifts["weight_decay"] == pytest.approx(others["lr"] * others["weight_decay"])
    learnt = [p for p in network.parameters() if p.requires_grad]
    assert sum(map(len, (group["params"] for group in optimizer.param_groups))) == len(learnt)


def as_it_runs(model: DCNN, folder: Path) -> list[str]:
    """The kinds of the operations that onnxruntime makes of a file."""
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(folder / "as it runs.onnx")
    options.log_severity_level = 3
    ort.InferenceSession(str(model.path), options, providers=["CPUExecutionProvider"])
    return [node.op_type for node in onnx.load(options.optimized_model_filepath).graph.node]


def test_a_recogniser_is_exported_alone_as_it_is_asked_beside_a_dcnn(residual, shades, tmp_path):
    export([Path(residual)], tmp_path / "bundle")
    referee, network = Bundle(tmp_path / "bundle").referee, checkpoint.network_of(checkpoint.load(residual))
    pictures = load(checkpoint.load(residual)["config"]).images[:50]
    said = referee(pictures.permute(0, 2, 3, 1).contiguous().numpy())
    with torch.no_grad():
        seen, classes = network.seen(to_images(pictures)), network.recognise(to_images(pictures)).softmax(1)
    np.testing.assert_allclose(said["features"], seen, 1e-3, 1e-4)
    np.testing.assert_allclose(said["classes"], classes, atol=1e-4)
    convolutions = [node for node in onnx.load(referee.path).graph.node if node.op_type == "Conv"]
    assert len(convolutions) == 1 + 3 * 2  # once, for both sides together


@pytest.mark.parametrize(("kind", "weights"), [("recogniser", "fp32"), ("residual", "fp16"), ("resnet", "fp32")])
def test_a_recogniser_tells_the_classes_in_a_dcnns_place(kind, shades, gan, tmp_path, weights, request):
    recogniser = request.getfixturevalue(kind)
    c = DcnnConfig(data=shades, gan=(gan,), out=str(tmp_path / "dcnn"), channels=3, **TOY)
    train_dcnn(c)
    alone = torch_player(checkpoint.load(c.out))
    c = dataclasses.replace(c, recogniser=recogniser)
    train_dcnn(c)  # a run that is done is given one
    state, own = checkpoint.load(c.out), checkpoint.load(recogniser)
    assert state["step"] == c.steps
    assert state["recogniser"]["sha256"] == own["sha256"]
    pixels = load(c).images[:50].permute(0, 2, 3, 1).contiguous().numpy()
    before, after, told = alone.call(pixels), torch_player(state).call(pixels), torch_player(own).call(pixels)
    np.testing.assert_array_equal(before["real"], after["real"])
    judged = torch_player(state).judge(pixels)
    assert set(after) - set(judged) == {"classes"}
    for name in judged:
        np.testing.assert_array_equal(judged[name], after[name])
    by_recogniser = torch_player(state).recognise(pixels)["classes"]
    assert np.array_equal(by_recogniser.argmax(1), told["classes"].argmax(1))
    assert (told["classes"].argmax(1) == after["classes"].argmax(1)).mean() > 0.9
    assert not np.allclose(before["classes"], after["classes"], atol=0.01)

    export([Path(c.out)], tmp_path / "bundle", weights=weights)
    model = Bundle(tmp_path / "bundle").dcnn
    exported = model(pixels)
    for name in ("real", "features"):
        np.testing.assert_allclose(exported[name], after[name], atol=1e-3)
    np.testing.assert_allclose(exported["classes"], after["classes"], atol=1e-4 if weights == "fp32" else 0.05)
    gelus = {"recogniser": 5, "residual": 7, "resnet": 7}[kind]
    assert as_it_runs(model, tmp_path).count("Gelu") == gelus  # each at once, not in five steps
    poolings = [node for node in onnx.load(model.path).graph.node if node.op_type == "MaxPool"]
    kernels = [{each.name: helper.get_attribute_value(each) for each in node.attribute} for node in poolings]
    in_two_steps = [[2, 1], [1, 2]]  # so that no runtime moves a GELU before one
    of_recogniser = in_two_steps * {"recogniser": 2, "residual": 2, "resnet": 1}[kind]
    assert [kernel["kernel_shape"] for kernel in kernels] == [[2, 2], *of_recogniser]
    facts = model.facts["recogniser"]
    assert facts["checkpoint_sha256"] == own["sha256"]
    assert facts["parameters"] == sum(p.numel() for p in checkpoint.network_of(own).parameters())
    card = (tmp_path / "bundle" / "README.md").read_text()
    assert (
        f"The part of `dcnn.onnx` that tells the classes best, of {facts['parameters']:,} weights, learnt for" in card
    )
    assert f"| `dcnn.onnx`: classes | {own['sha256'][:12]} |" in card

    again = dataclasses.replace(c, out=str(tmp_path / "again"), recogniser=str(tmp_path / "bundle"))
    again = dataclasses.replace(again, start=str(tmp_path / "bundle"), teacher=str(tmp_path / "bundle"), lr=0.0)
    train_dcnn(again)  # and a bundle hands it on
    classes = torch_player(checkpoint.load(again.out)).call(pixels)["classes"]
    assert np.array_equal(classes.argmax(1), exported["classes"].argmax(1))


def test_a_recogniser_and_a_dcnn_tell_classes_as_surely_as_they_know_them_together(recogniser, shades, gan):
    c = DcnnConfig(data=shades, gan=(gan,), channels=3, recogniser=recogniser, **TOY)
    record, pictures, network = learnt(recogniser).recogniser, load(c), make_dcnn(c, 2)
    vague = record | {"network": {n: v / 8 if n == "class_head.weight" else v for n, v in record["network"].items()}}
    found = balanced(vague, network, pictures, c)
    held_back = split(pictures, c)[1]
    images, labels = to_images(held_back.images), held_back.labels
    says = [checkpoint.recogniser_of(r).recognise(images) for r in (vague, found)]
    before, after = (class_cross_entropy(logits, labels) for logits in says)
    assert after < 0.7 * before
    assert 0 < found["share"] <= 1
    own = predict(network, held_back.images)[1]
    together = class_cross_entropy(says[1] + found["share"] * own, labels)
    assert together <= min(class_cross_entropy(says[1] + share * own, labels) for share in (0.05, 0.5, 1.0)) + 1e-6
    unmeasured = vague | {"config": vague["config"] | {"validation": 0.0}}
    assert balanced(unmeasured, network, pictures, c) == unmeasured | {"share": 0.5}


def test_a_recogniser_may_be_a_mean_of_both_ends_too(recogniser, shades, tmp_path):
    c = checkpoint.load(recogniser)["config"]
    more = dataclasses.replace(c, out=str(tmp_path), start=recogniser, start_share=0.5, steps=2, tick=2, lr=0.1)
    for _ in range(2):  # and asked again, it is not moved again
        train_dcnn(more)
    kept, begun = (checkpoint.dcnn_of(checkpoint.load(run)).class_head.weight for run in (more.out, recogniser))
    plain = dataclasses.replace(more, out=str(tmp_path / "plain"), start_share=0.0)
    train_dcnn(plain)
    since = checkpoint.dcnn_of(checkpoint.load(plain.out)).class_head.weight
    torch.testing.assert_close(kept, 0.5 * begun + 0.5 * since)
    assert (begun - since).abs().max() > 1e-4


def test_what_is_no_recogniser_or_of_other_pictures_is_a_sentence(recogniser, shades, gan, tmp_path):
    c = DcnnConfig(data=shades, gan=(gan,), out=str(tmp_path / "dcnn"), channels=3, **TOY)
    train_dcnn(c)
    with pytest.raises(TrainingError, match=r"--recogniser .*dcnn has none in it. Train one with --preset fast"):
        train_dcnn(dataclasses.replace(c, out=str(tmp_path / "other"), recogniser=c.out))
    darker = dark_and_light(tmp_path / "darker", each=36)
    with pytest.raises(TrainingError, match=r"--recogniser .* has learnt from other pictures"):
        train_dcnn(dataclasses.replace(c, data=str(darker), out=str(tmp_path / "other"), recogniser=recogniser))
    for changes, sentence in (
        ({"recogniser": recogniser, "gan": ()}, "--recogniser is .*; that is for a DCNN that learns fakes"),
        ({"architecture": "recogniser"}, "--architecture is recogniser; that learns classes alone"),
        ({"architecture": "resnet"}, "--architecture is resnet; that learns classes alone"),
        ({"augment": "turns"}, "--augment is turns; that is for real pictures alone"),
        ({"augment": "mix"}, "--augment is mix; that is for real pictures alone"),
    ):
        with pytest.raises(TrainingError, match=sentence):
            train_dcnn(dataclasses.replace(c, out=str(tmp_path / "other"), **changes))


# --- 8 bits -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "weights"), [("recogniser", "fp32"), ("residual", "fp16"), ("resnet", "fp32")])
def test_a_run_that_is_done_may_compute_in_8_bits(kind, shades, gan, tmp_path, monkeypatch, weights, request):
    recogniser = request.getfixturevalue(kind)
    for name in ("real", "classes", "typical"):
        monkeypatch.setitem(MOST_MOVED, name, 0.5)  # so few weights do not make up for each other's rounding
    c = DcnnConfig(data=shades, gan=(gan,), out=str(tmp_path / "dcnn"), channels=3, recogniser=recogniser, **TOY)
    train_dcnn(c)
    before = checkpoint.load(c.out)
    assert "spans" not in before
    c = dataclasses.replace(c, bits=8)
    train_dcnn(c)
    state = checkpoint.load(c.out)
    train_dcnn(c)  # once is enough
    assert checkpoint.load(c.out)["sha256"] == state["sha256"]
    assert state["step"] == c.steps
    layers = {"network": 2 * (1 + c.blocks), "recogniser": {"recogniser": 4, "residual": 6, "resnet": 6}[kind]}
    assert {name: len(spans) for name, spans in state["spans"].items()} == {
        "network": layers["network"] + c.blocks + 1,  # the sums and what comes first are rounded, too
        "recogniser": 2 * layers["recogniser"] + {"recogniser": 0, "residual": 2, "resnet": 1}[kind],
    }
    pixels = load(c).images[:50].permute(0, 2, 3, 1).contiguous().numpy()
    plain, rounded = torch_player(before).call(pixels), torch_player(state).call(pixels)
    back = dataclasses.replace(c, out=str(tmp_path / "back"), bits=32)
    shutil.copytree(c.out, back.out)
    train_dcnn(back)  # and back again
    assert "spans" not in checkpoint.load(back.out)
    np.testing.assert_array_equal(torch_player(checkpoint.load(back.out)).call(pixels)["real"], plain["real"])
    assert 0 < np.abs(plain["features"] - rounded["features"]).max() < 0.1 * plain["features"].max()

    export([Path(c.out)], tmp_path / "bundle", weights=weights)
    model = Bundle(tmp_path / "bundle").dcnn
    exported = model(pixels)
    assert np.abs(exported["features"] - rounded["features"]).max() < 0.02 * rounded["features"].max()
    assert np.abs(exported["real"] - rounded["real"]).max() < 0.05
    stored = [tensor.data_type for tensor in onnx.load(model.path).graph.initializer]
    assert stored.count(TensorProto.INT8) == sum(layers.values())
    kinds = as_it_runs(model, tmp_path)
    assert kinds.count("QLinearConv") == sum(layers.values())  # whole numbers are multiplied, no floats
    assert "computes in 8 bits" in (tmp_path / "bundle" / "README.md").read_text()

    again = dataclasses.replace(c, out=str(tmp_path / "again"), bits=32, lr=0.0)
    again = dataclasses.replace(again, start=str(tmp_path / "bundle"), recogniser=str(tmp_path / "bundle"))
    train_dcnn(again)  # and a bundle hands on what it has learnt
    begun, found = (learnt(place).network.state_dict() for place in (tmp_path / "bundle", again.out))
    for name in [name for name, weight in begun.items() if weight.ndim == 4]:
        torch.testing.assert_close(found[name], begun[name])


def test_a_new_recogniser_is_measured_anew(recogniser, shades, gan, tmp_path):
    c = DcnnConfig(data=shades, gan=(gan,), out=str(tmp_path / "dcnn"), channels=3, bits=8, **TOY)
    train_dcnn(c)
    assert set(checkpoint.load(c.out)["spans"]) == {"network"}
    train_dcnn(dataclasses.replace(c, recogniser=recogniser))
    assert set(checkpoint.load(c.out)["spans"]) == {"network", "recogniser"}


def test_older_runs_have_no_blocks_and_relus():
    state = {"width": 4, "image_size": 16, "channels": 1}
    c = from_saved(DcnnConfig, state | {"out": "run"})
    assert (c.blocks, c.activation) == (0, "relu")
    assert DcnnConfig().blocks == 1
