"""Knobs: the command line is derived from the dataclasses, and no run starts with values that it cannot have."""

import dataclasses

import pytest
from processes import run_module

from dcgan.config import (
    PRESETS,
    DcnnConfig,
    GanConfig,
    RunConfig,
    TrainingError,
    check,
    from_args,
    from_saved,
    image_size_factors,
    image_sizes_near,
    image_sizes_up_to,
    make_parser,
    presets_of,
)

KINDS = [GanConfig, DcnnConfig]


def parse(kind: type, line: str) -> RunConfig:
    return from_args(kind, make_parser(kind, "prog", "what it does").parse_args(["--out", "run", *line.split()]))


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_is_an_option_with_help(kind):
    actions = {action.dest: action for action in make_parser(kind, "prog", "")._actions}
    for field in dataclasses.fields(kind):
        assert "--" + field.name.replace("_", "-") in actions[field.name].option_strings
        assert len(actions[field.name].help) > 5
    assert set(actions) == {field.name for field in dataclasses.fields(kind)} | {"help"}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_typed_is_the_default(kind):
    assert parse(kind, "") == dataclasses.replace(kind(), out="run")


@pytest.mark.parametrize(
    ("kind", "line", "values"),
    [
        (GanConfig, "--lr-g 0.001 --width 8", {"lr_g": 0.001, "width": 8}),
        (GanConfig, "--no-conditional --tensorboard", {"conditional": False, "tensorboard": True}),
        (GanConfig, "--channels 1 --precision bf16", {"channels": 1, "precision": "bf16"}),
        (GanConfig, "--architecture hourglass --loss mse", {"architecture": "hourglass", "loss": "mse"}),
        (GanConfig, "--data-dir /somewhere --data cifar10", {"data_dir": "/somewhere", "data": "cifar10"}),
        (DcnnConfig, "--gan runs/a runs/b", {"gan": ("runs/a", "runs/b")}),
        (DcnnConfig, "--dropout 0 --steps 7", {"dropout": 0.0, "steps": 7}),
    ],
)
def test_what_is_typed_wins(kind, line, values):
    c = parse(kind, line)
    assert {name: getattr(c, name) for name in values} == values
    assert all(type(getattr(c, name)) is type(value) for name, value in values.items())


def test_the_papers_preset_has_the_papers_values():
    c = parse(GanConfig, "--preset paper")
    assert (c.batch, c.lr_g, c.lr_d, c.beta1, c.beta2) == (128, 2e-4, 2e-4, 0.5, 0.999)
    assert (c.loss, c.latent_dim) == ("cross-entropy", 100)


def test_the_default_is_modern_and_old_checkpoints_stay_what_they_were():
    assert parse(GanConfig, "") == parse(GanConfig, "--preset modern")
    assert parse(GanConfig, "--preset paper").critic_norm == "batch"
    old = from_saved(GanConfig, {"preset": "paper", "out": "run", "width": 7})
    assert old == parse(GanConfig, "--preset paper --width 7")


def test_a_run_from_before_a_knob_keeps_what_it_had():
    assert from_saved(DcnnConfig, {"out": "run"}).degrade == 0
    assert from_saved(DcnnConfig, {"out": "run", "degrade": 0.3}).degrade == 0.3
    assert parse(DcnnConfig, "").degrade == -1  # as fits the run


def test_the_help_tells_what_a_preset_has_instead():
    help = make_parser(GanConfig, "prog", "").format_help()
    assert "paper: cross-entropy" in " ".join(help.split()).replace("cross- entropy", "cross-entropy")


def test_knobs_given_beside_a_preset_win(monkeypatch):
    monkeypatch.setitem(PRESETS, "paper", PRESETS["paper"] | {"batch": 77})
    c = parse(GanConfig, "--preset paper --lr-d 0.5")
    assert (c.lr_d, c.lr_g, c.batch) == (0.5, 2e-4, 77)
    assert parse(GanConfig, "--batch 9").batch == 9


def test_presets_name_only_knobs_that_there_are():
    of_kind = {kind: presets_of(kind) for kind in KINDS}
    assert sorted(PRESETS) == sorted(name for presets in of_kind.values() for name in presets)
    for kind, presets in of_kind.items():
        names = {field.name for field in dataclasses.fields(kind)}
        assert all(set(preset) <= names for preset in presets.values())


def test_a_trainers_help_tells_of_its_own_presets_alone():
    for kind, other in ((GanConfig, "fast:"), (DcnnConfig, "paper:")):
        assert other not in make_parser(kind, "prog", "").format_help()


@pytest.mark.parametrize("kind", KINDS)
def test_what_may_change_between_a_run_and_its_resumption_are_knobs(kind):
    assert set(kind.may_change) <= {field.name for field in dataclasses.fields(kind)}


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        (GanConfig, "--loss wasserstein"),
        (GanConfig, "--channels 2"),
        (GanConfig, "--batch many"),
        (GanConfig, "--no-such-knob 1"),
        (DcnnConfig, "--gan"),
        (DcnnConfig, "--latent-dim 3"),
    ],
)
def test_a_wrong_choice_is_refused_by_name(kind, line, capsys):
    with pytest.raises(SystemExit) as stop:
        parse(kind, line)
    assert stop.value.code == 2
    assert line.split()[0] in capsys.readouterr().err


def test_the_folder_of_a_run_must_be_given(capsys):
    with pytest.raises(SystemExit) as stop:
        make_parser(GanConfig, "prog", "").parse_args([])
    assert stop.value.code == 2
    assert "--out" in capsys.readouterr().err


@pytest.mark.parametrize("trainer", ["train_gan", "train_dcnn"])
def test_help_is_shown_with_defaults(trainer):
    done = run_module(f"dcgan.{trainer}", "--help")
    assert done.returncode == 0
    assert f"usage: python -m dcgan.{trainer} " in done.stdout
    assert "(default: fashion-mnist)" in done.stdout
    assert "--image-size" in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("kind", "values", "words"),
    [
        (GanConfig, {"batch": 0}, "--batch is 0; it must be at least 1"),
        (GanConfig, {"steps": -1}, "--steps is -1; it must be at least 1"),
        (GanConfig, {"tick": 0}, "--tick is 0; it must be at least 1"),
        (GanConfig, {"width": 0}, "--width is 0; it must be at least 1"),
        (GanConfig, {"latent_dim": 0}, "--latent-dim is 0; it must be at least 1"),
        (GanConfig, {"validation": 1.0}, "--validation is 1.0; it is a share, from 0 to below 1"),
        (GanConfig, {"validation": float("nan")}, "--validation is nan"),
        (GanConfig, {"image_size": 30}, "--image-size 30 cannot be built.*such as 28, 32"),
        (GanConfig, {"image_size": -8}, "--image-size -8 cannot be built"),
        (GanConfig, {"lr_g": -1.0}, "--lr-g is -1.0; it must be 0 or more"),
        (GanConfig, {"lr_d": float("nan")}, "--lr-d is nan; it must be 0 or more"),
        (GanConfig, {"lr_d": float("inf")}, "--lr-d is inf; it must be 0 or more"),
        (GanConfig, {"beta1": 1.0}, "--beta1 is 1.0; it is a share, from 0 to below 1"),
        (GanConfig, {"beta2": -0.1}, "--beta2 is -0.1; it is a share, from 0 to below 1"),
        (GanConfig, {"ema": 1.5}, "--ema is 1.5; it is a share, from 0 to below 1"),
        (GanConfig, {"seed": -1}, "--seed is -1; seeds go from 0 to 4294967295"),
        (GanConfig, {"seed": 2**64}, "--seed is 18446744073709551616; seeds go"),
        (DcnnConfig, {"lr": -1.0}, "--lr is -1.0; it must be 0 or more"),
        (DcnnConfig, {"l1": -1.0}, "--l1 is -1.0; it must be 0 or more"),
        (DcnnConfig, {"degrade": 1.5}, "--degrade is 1.5; it is a share, from 0 to 1"),
        (DcnnConfig, {"degrade": -0.5}, "--degrade is -0.5; it is a share, from 0 to 1"),
        (DcnnConfig, {"patience": -1}, "--patience is -1; it must be 0 or more"),
        (DcnnConfig, {"patience": 3, "validation": 0.0}, "--validation is 0.0; --patience watches held-back pictures"),
        (
            DcnnConfig,
            {"calibrate_on": ("a",), "validation": 0.0},
            "--validation is 0.0; --calibrate-on needs held-back pictures",
        ),
        (DcnnConfig, {"folds": 1}, "--folds is 1; it must be 2 or more"),
        (DcnnConfig, {"folds": 3, "fold": 4}, "--fold is 4; it counts from 1 to --folds"),
        (DcnnConfig, {"fold": 1}, "--fold is 1; it counts from 1 to --folds"),
        (DcnnConfig, {"dropout": 1.0}, "--dropout is 1.0; it is a share, from 0 to below 1"),
        (DcnnConfig, {"weight_decay": -1.0}, "--weight-decay is -1.0; it must be 0 or more"),
        (DcnnConfig, {"batch": 1, "gan": ("a",)}, "--batch is 1; with --gan it must be at least 2"),
        (DcnnConfig, {"out": ""}, "--out is empty; it names the folder of the run"),
    ],
)
def test_a_value_that_no_run_can_have_is_a_sentence(kind, values, words):
    with pytest.raises(TrainingError, match=words):
        check(kind(**{"out": "run"} | values))


@pytest.mark.parametrize("kind", KINDS)
def test_the_defaults_and_the_limits_are_accepted(kind):
    check(kind(out="run"))
    alone = {"augment": "none"} if kind is GanConfig else {}  # adaptive augmentation needs held-back pictures
    check(kind(out="run", batch=1, steps=1, tick=1, width=1, validation=0.0, image_size=8, seed=2**32 - 1, **alone))


def test_sizes_are_four_to_seven_doubled():
    assert image_size_factors(8) == (4, 1)
    assert image_size_factors(28) == (7, 2)
    assert image_size_factors(32) == (4, 3)
    assert image_size_factors(48) == (6, 3)
    assert image_size_factors(96) == (6, 4)
    built = [size for size in range(1, 130) if _can_be_built(size)]
    assert built == image_sizes_up_to(129)
    assert built == [8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112, 128]


def _can_be_built(size: int) -> bool:
    try:
        base, doublings = image_size_factors(size)
    except TrainingError:
        return False
    assert base << doublings == size
    return True


def test_the_sizes_named_are_the_nearest():
    assert image_sizes_near(30) == [28, 32]
    assert image_sizes_near(100) == [96, 112]
    assert image_sizes_near(65) == [56, 64]
    assert image_sizes_near(1) == [8]
    assert image_sizes_up_to(7) == [8]


def test_a_configuration_cannot_be_changed_by_accident():
    with pytest.raises(dataclasses.FrozenInstanceError):
        GanConfig().batch = 3
