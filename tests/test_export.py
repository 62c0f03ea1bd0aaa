"""A file appears only when it computes what the network computes, and says what it is."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from conftest import CALIBRATION, toy_pixels
from drawing import noise
from torch.nn.utils.parametrize import is_parametrized

from dcgan import checkpoint
from dcgan.config import GanConfig
from dcgan.folding import plain
from dcgan.models import make_gan
from dcgan.pixels import PixelDCNN, PixelGenerator
from export import graphs, to_onnx
from export.latents import latents
from export.pictures import read_picture
from export.runtime import Bundle
from export.weights import rounded

CHANGED = {"batch": 16, "latent_dim": 8, "width": 8}  # in the toy run, of what the preset has
FILES = ("generator.onnx", "critic.onnx", "dcnn.onnx")
FIGURE = {"of": "generator", "metric": "m", "value": 0.5, "n": 1, "on": "", "command": ""}


@pytest.fixture(scope="module")
def half_bundle(gan_run, dcnn_run, once) -> Path:
    """The toy bundle with weights of 16 bits."""
    argv = [str(gan_run), str(dcnn_run), "--weights", "fp16"]
    return once("half/shapes", lambda out: to_onnx.main([*argv, "--out", str(out)]))


@pytest.fixture(scope="module")
def second_bundle(toy_bundle, gan_run, dcnn_run, once) -> Path:
    """The toy bundle exported again, into a folder where an earlier export has left a referee, and a person a file."""

    def make(out: Path) -> None:
        shutil.copytree(toy_bundle, out)
        shutil.copy(out / "dcnn.onnx", out / "referee.onnx")
        manifest = json.loads((out / "manifest.json").read_text())
        manifest["sha256"]["referee.onnx"] = manifest["sha256"]["dcnn.onnx"]
        (out / "manifest.json").write_text(json.dumps(manifest))
        (out / "notes.txt").write_text("a person's own file stays")
        to_onnx.main([str(gan_run), str(dcnn_run), "--out", str(out)])

    return once(f"second/{toy_bundle.name}", make)


@pytest.fixture(scope="module")
def measured_run(gan_run, tmp_path_factory) -> Path:
    """The GAN's run, with figures and without pictures."""
    run = shutil.copytree(gan_run, tmp_path_factory.mktemp("measured") / "run")
    shutil.rmtree(run / "pictures")
    (run / "metrics.json").write_text(json.dumps([FIGURE | {"checkpoint": checkpoint.load(run)["sha256"]}]))
    return run


@pytest.fixture(scope="module")
def better_bundle(toy_bundle, toy_pictures, measured_run, once) -> Path:
    """The toy bundle after that run was exported into it, with examples; its DCNN was kept."""

    def make(out: Path) -> None:
        shutil.copytree(toy_bundle, out)
        examples = ["--examples", str(toy_pictures / "test" / "disc")]
        to_onnx.main([str(measured_run), *examples, "--keep", "dcnn.onnx", "--out", str(out)])

    return once(f"better/{toy_bundle.name}", make)


@pytest.fixture(scope="module")
def models(toy_bundle: Path) -> dict[str, onnx.ModelProto]:
    return {name: onnx.load(toy_bundle / name) for name in FILES}


def test_a_bundle_has_its_files_and_a_manifest_that_vouches_for_them(toy_bundle: Path):
    manifest = json.loads((toy_bundle / "manifest.json").read_text())
    assert set(manifest["sha256"]) == {*FILES, "README.md", "metrics.json", "samples.png", "progress.webp"}
    for name, sha256 in manifest["sha256"].items():
        assert hashlib.sha256((toy_bundle / name).read_bytes()).hexdigest() == sha256
    assert sorted(p.name for p in toy_bundle.iterdir()) == sorted([*manifest["sha256"], "manifest.json"])


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_old_enough_for_old_runtimes(models, name):
    model = models[name]
    assert model.ir_version == 8
    assert [(o.domain, o.version) for o in model.opset_import] == [("", 18)]


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_whole_small_and_clean(models, toy_bundle, name):
    content = (toy_bundle / name).read_bytes()
    assert len(content) < 10_000_000
    onnx.checker.check_model(models[name], full_check=True)
    inferred = onnx.shape_inference.infer_shapes(models[name], check_type=True, strict_mode=True)
    assert len(inferred.graph.output) == len(models[name].graph.output)
    assert not any(node.op_type == "BatchNormalization" for node in models[name].graph.node)
    for place in (os.getcwd(), os.path.expanduser("~"), "site-packages", ".py"):
        assert place.encode() not in content


def described(values) -> dict[str, tuple]:
    kinds = {onnx.TensorProto.FLOAT: "float32", onnx.TensorProto.UINT8: "uint8", onnx.TensorProto.INT64: "int64"}
    return {
        value.name: (
            kinds[value.type.tensor_type.elem_type],
            *((d.dim_param or d.dim_value) for d in value.type.tensor_type.shape.dim),
        )
        for value in values
    }


def test_the_generator_takes_latents_and_labels_and_gives_pixels(models, gan_run):
    c = checkpoint.load(gan_run)["config"]
    graph = models["generator.onnx"].graph
    assert described(graph.input) == {"latents": ("float32", "batch", c.latent_dim), "label": ("int64", "batch")}
    assert described(graph.output) == {"pixels": ("uint8", "batch", c.image_size, c.image_size, 3)}


def test_the_classifiers_take_pixels_of_any_size(models, dcnn_run):
    classes = checkpoint.load(dcnn_run)["data"]["classes"]
    dtype, batch, height, width, channels = described(models["dcnn.onnx"].graph.input)["pixels"]
    assert (dtype, batch, channels) == ("uint8", "batch", 3)
    assert isinstance(height, str)
    assert isinstance(width, str)
    outputs = described(models["dcnn.onnx"].graph.output)
    assert outputs["real"] == ("float32", "batch")
    assert outputs["classes"] == ("float32", "batch", len(classes))
    assert outputs["evidence"][:2] == ("float32", "batch")
    assert outputs["features"][:2] == ("float32", "batch")
    assert described(models["critic.onnx"].graph.output) == {"score": ("float32", "batch")}


def test_the_facts_say_what_made_the_file(models, gan_run):
    facts = json.loads(next(p.value for p in models["generator.onnx"].metadata_props if p.key == "facts"))
    state = checkpoint.load(gan_run)
    assert facts["kind"] == "generator"
    assert facts["checkpoint_sha256"] == state["sha256"]
    assert facts["step"] == state["step"]
    assert facts["classes"] == state["data"]["classes"]
    assert facts["data"]["licence"] == "CC0-1.0"
    assert facts["version"] == graphs.VERSION
    assert facts["metrics"] == {}  # until the run is evaluated
    assert "philox" in facts["seeds"]["recipe"]
    assert facts["settings"] == {"preset": state["config"].preset, "precision": "fp32", **CHANGED}


def test_the_pictures_of_the_training_travel_along(toy_bundle, gan_run):
    facts = json.loads((toy_bundle / "manifest.json").read_text())["progress"]
    drawn = [int(path.stem.removeprefix("step-")) for path in sorted((gan_run / "pictures").iterdir())]
    assert facts["steps"] == drawn == [6, 12]
    assert (facts["file"], facts["seeds"], facts["quality"]) == ("progress.webp", [1, 64], 100)
    assert "(progress.webp)" in (toy_bundle / "README.md").read_text()
    first = read_picture(toy_bundle / "progress.webp")
    grid = read_picture(gan_run / "pictures" / "step-000006.png")
    scale = len(first) // len(grid)
    assert scale > 1
    assert np.array_equal(first[::scale, ::scale], grid)


def test_exporting_twice_gives_the_same_bytes(toy_bundle, second_bundle):
    for name in (*FILES, "samples.png", "README.md", "manifest.json"):
        assert (second_bundle / name).read_bytes() == (toy_bundle / name).read_bytes(), name


def test_a_second_export_removes_what_it_no_longer_makes(toy_bundle, second_bundle):
    names = {path.name for path in second_bundle.iterdir()}
    assert "referee.onnx" not in names
    assert names == {path.name for path in toy_bundle.iterdir()} | {"notes.txt"}


def test_a_tampered_network_is_refused_and_nothing_is_written(toy_bundle, gan_run, tmp_path):
    graph = graphs.graphs_of(checkpoint.load(gan_run))["generator.onnx"]
    model = onnx.load(toy_bundle / "generator.onnx")
    to_onnx.compare(model.SerializeToString(), graph, "generator.onnx")
    weights = max(model.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    values = np.frombuffer(weights.raw_data, np.float32).copy()
    values *= 300  # a generator after four steps is grey: a small change would stay below one level
    weights.raw_data = values.tobytes()
    with pytest.raises(to_onnx.ExportError, match="does not compute what the network computes"):
        to_onnx.compare(model.SerializeToString(), graph, "generator.onnx")

    class Other(torch.nn.Module):  # differs from itself: what is exported is not what is compared
        def __init__(self, module):
            super().__init__()
            self.module = module

        def forward(self, latents, label=None):
            pixels = self.module(latents, label)
            return pixels if torch.compiler.is_exporting() else pixels // 2

    crooked = graphs.Graph(Other(graph.module), graph.example, graph.outputs, graph.dynamic, graph.facts)
    with pytest.raises(to_onnx.ExportError, match="Nothing was written"):
        to_onnx.write_graph(crooked, tmp_path / "generator.onnx")
    assert list(tmp_path.iterdir()) == []


def test_files_agree_as_far_as_32_bits_can():
    expected = np.array([20, -10, 1e-3], np.float32)  # evidence: the small one is what remains of large terms
    assert to_onnx.agrees(expected + np.float32([1e-4, -1e-4, 5e-5]), expected)
    assert not to_onnx.agrees(expected + np.float32([0, 0, 1e-3]), expected)
    probability = np.float32([0.001, 0.9])
    assert not to_onnx.agrees(probability + np.float32([5e-5, 0]), probability)


@pytest.mark.parametrize(
    ("architecture", "size", "classes", "channels", "halves"),
    [
        ("dcgan", 12, 0, 3, False),
        ("dcgan", 28, 3, 1, True),
        ("hourglass", 12, 3, 3, True),
        ("hourglass", 32, 0, 1, False),
    ],
)
def test_every_architecture_exports(architecture, size, classes, channels, halves, tmp_path):
    state = untrained(classes, architecture=architecture, image_size=size, channels=channels)
    for name, graph in graphs.graphs_of(state).items():
        to_onnx.write_graph(graphs.halve(graph, name) if halves else graph, tmp_path / name)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["critic.onnx", "generator.onnx"]


def untrained(classes: int = 0, **knobs) -> dict:
    """The checkpoint of a GAN that has not learnt anything."""
    torch.manual_seed(1)
    c = GanConfig(**({"width": 2, "latent_dim": 5, "steps": 1, "image_size": 12, "channels": 1} | knobs))
    G, D = make_gan(c, classes)
    c = GanConfig(**(vars(c) | {"latent_dim": G.latent_dim}))
    state = {"config": c, "step": 1, "sha256": "0", "made": {}, "G_ema": G.state_dict(), "D": D.state_dict()}
    return state | {"data": {"classes": ["a", "b", "c"][:classes], "sha256": "0"}}


def test_a_critic_whose_weights_are_computed_is_exported_with_plain_ones():
    state = untrained(critic_norm="spectral")
    D = make_gan(state["config"], 0)[1]
    D.load_state_dict(state["D"])
    images = torch.randn(3, 1, 12, 12)
    with torch.no_grad():
        before = D.eval()(images)
        assert torch.equal(plain(D.train())(images), before)  # and looking at the weights has not changed them
    module = graphs.graphs_of(state)["critic.onnx"].module
    assert not any(is_parametrized(part) for part in module.modules())


def test_the_best_generator_is_the_one_that_is_exported():
    state = untrained()
    best = {name: 2 * value for name, value in state["G_ema"].items()}
    state |= {"step": 9, "G_best": {"network": best, "step": 7, "distance": 0.5}}
    graph = graphs.graphs_of(state)["generator.onnx"]
    assert graph.facts["best"] == {"step": 7, "distance": 0.5}
    assert graph.facts["step"] == 9
    assert graph.facts["images"] == 7 * state["config"].batch  # those it was shown until then
    exported = graph.module.network.state_dict()
    assert all(torch.equal(exported[name], value) for name, value in best.items())
    state["G_best"] = {"network": {}, "distance": None}  # none was kept yet
    graph = graphs.graphs_of(state)["generator.onnx"]
    assert torch.equal(graph.module.network.layers[0].weight, state["G_ema"]["layers.0.weight"])
    assert "best" not in graph.facts


# --- typical ------------------------------------------------------------------------------------------------------

# What onnxruntime's WebGPU backend computes itself, of what these graphs need; anything else would visit the CPU.
ON_A_GPU = {
    *("Abs", "Add", "And", "AveragePool", "Cast", "Clip", "Concat", "Conv", "Div", "Equal", "Gemm", "Less", "Log"),
    *("MatMul", "Max", "MaxPool", "Min", "Mul", "Pow", "Range", "ReduceMean"),
    *("ReduceMin", "ReduceSum", "Relu", "Reshape", "Shape", "Sigmoid", "Slice", "Softmax", "Sqrt"),
    *("Squeeze", "Sub", "Transpose", "Unsqueeze", "Where"),
}


def test_a_file_says_how_typical_a_picture_is_as_torch_does(toy_pictures, careful_run, careful_bundle):
    model = onnx.load(careful_bundle / "dcnn.onnx")
    assert (model.ir_version, model.opset_import[0].version) == (8, 18)
    assert described(model.graph.output)["typical"] == ("float32", "batch")
    assert {node.op_type for node in model.graph.node} <= ON_A_GPU

    unseen = toy_pixels(toy_pictures, "test")
    graph = graphs.graphs_of(checkpoint.load(careful_run))["dcnn.onnx"]
    with torch.no_grad():
        expected = graph.module(torch.from_numpy(unseen))["typical"].numpy()
    dcnn = Bundle(careful_bundle).dcnn
    found = dcnn(unseen)["typical"]
    assert len(np.unique(found)) > 30
    assert np.abs(found - expected).max() < 1e-3
    assert dcnn(noise(8))["typical"].max() < np.median(found)


def test_the_facts_tell_the_limits_that_training_has_measured(careful_bundle):
    facts = Bundle(careful_bundle).dcnn.facts
    assert "typical" in facts["outputs"]
    for name in graphs.TRUSTED:
        assert facts[name] == CALIBRATION[name]
    assert facts["atypical_below"] == graphs.ATYPICAL_BELOW


def test_a_checkpoint_that_has_measured_nothing_tells_no_limits(dcnn_run):
    state = checkpoint.load(dcnn_run)
    for part in ("known", "calibration"):
        state.pop(part, None)
    graph = graphs.graphs_of(state)["dcnn.onnx"]
    assert "typical" not in graph.outputs
    assert not {*graphs.TRUSTED, "atypical_below"} & set(graph.facts)


# --- weights of 16 bits --------------------------------------------------------------------------------------------


def test_half_weights_make_smaller_files_that_any_runtime_reads(toy_bundle, half_bundle):
    for name in FILES:
        model = onnx.load(half_bundle / name)
        kept = [t for t in model.graph.initializer if t.data_type == onnx.TensorProto.FLOAT and np.prod(t.dims) >= 256]
        statistics = [t.name for t in kept if t.name.startswith("typicality.")]  # not weights: they stay as they are
        assert [t.name for t in kept if len(t.dims) > 1 and t.name not in statistics] == []
        assert (model.ir_version, model.opset_import[0].version) == (8, 18)
        assert (half_bundle / name).stat().st_size < 0.9 * (toy_bundle / name).stat().st_size
    small, large = Bundle(half_bundle), Bundle(toy_bundle)
    pixels, expected = (bundle.generator.draw(range(64)).astype(int) for bundle in (small, large))
    assert np.abs(pixels - expected).max() <= 2
    verdicts, expected = (bundle.dcnn(expected.astype(np.uint8)) for bundle in (small, large))
    assert np.abs(verdicts["real"] - expected["real"]).max() < 0.01
    assert np.abs(verdicts["classes"] - expected["classes"]).max() < 0.01
    assert small.generator.facts["weights"]["stored"] == "float16"
    assert small.generator.facts["weights"]["moved"]["pixels"] <= 2
    assert large.generator.facts["weights"] == {"stored": "float32"}


def test_the_arithmetic_of_half_weights_has_32_bits(gan_run, half_bundle):
    graph = graphs.halve(graphs.graphs_of(checkpoint.load(gan_run))["critic.onnx"], "critic.onnx")
    with torch.no_grad():
        expected = graph.module(**graph.example(7, 1)).numpy()
    session = ort.InferenceSession(half_bundle / "critic.onnx", providers=["CPUExecutionProvider"])
    found = session.run(["score"], {key: value.numpy() for key, value in graph.example(7, 1).items()})[0]
    assert np.allclose(found, expected, 1e-4, 1e-6)  # in 16 bits it would be 1e-3 off
    weights = [p for p in graph.module.parameters() if p.ndim > 1]
    assert all(torch.equal(weight, weight.half().float()) for weight in weights)


def test_a_generator_begins_with_a_matrix_product_and_draws_the_same_alone_and_among_others(toy_bundle, half_bundle):
    for bundle in (toy_bundle, half_bundle):
        nodes = [node.op_type for node in onnx.load(bundle / "generator.onnx").graph.node]
        assert nodes.index("MatMul") < nodes.index("ConvTranspose")
        assert "Unsqueeze" not in nodes
        draw = Bundle(bundle).generator.draw
        assert np.array_equal(draw(range(40)), np.concatenate([draw([seed]) for seed in range(40)]))


def test_folding_a_batchnorm_changes_nothing(dcnn_run):
    graph = graphs.graphs_of(checkpoint.load(dcnn_run))["dcnn.onnx"]
    light = rounded(graph.module)
    assert not any(isinstance(part, torch.nn.BatchNorm2d) for part in light.modules())
    assert any(isinstance(part, torch.nn.BatchNorm2d) for part in graph.module.modules())
    with torch.no_grad():
        before, after = (module(**graph.example(5, 0))["features"] for module in (graph.module, light))
    assert torch.allclose(before, after, rtol=0.01, atol=0.001)


def test_weights_that_16_bits_cannot_hold_are_refused(gan_run, tmp_path):
    graph = graphs.graphs_of(checkpoint.load(gan_run))["generator.onnx"]
    with torch.no_grad():
        graph.module.network.layers[0].weight.mul_(1e6)  # beyond 65504, the largest
    with pytest.raises(to_onnx.ExportError, match="--weights fp32"):
        graphs.halve(graph, "generator.onnx")


def test_the_file_draws_what_the_network_draws(toy_bundle, gan_run):
    state = checkpoint.load(gan_run)
    c, K = state["config"], len(state["data"]["classes"])
    G = make_gan(c, K)[0]
    G.load_state_dict(state["G_ema"])
    z, label = latents(range(50, 63), c.latent_dim), np.arange(13) % K
    with torch.no_grad():
        expected = PixelGenerator(G).eval()(torch.from_numpy(z), torch.from_numpy(label)).numpy()
    session = ort.InferenceSession(toy_bundle / "generator.onnx", providers=["CPUExecutionProvider"])
    found = session.run(["pixels"], {"latents": z, "label": label})[0]
    assert np.abs(found.astype(int) - expected.astype(int)).max() <= 1


def test_a_picture_of_the_networks_size_is_judged_as_it_was_trained_on(toy_bundle, dcnn_run):
    from dcgan.pixels import to_images

    network = checkpoint.network_of(checkpoint.load(dcnn_run))
    size, channels = network.image_size, network.channels
    levels = torch.randint(0, 256, (5, channels, size, size), dtype=torch.uint8)
    with torch.no_grad():
        real, classes = network(to_images(levels))  # the very tensor that training makes of a picture
    pixels = levels.permute(0, 2, 3, 1).expand(-1, -1, -1, 3).numpy()
    session = ort.InferenceSession(toy_bundle / "dcnn.onnx", providers=["CPUExecutionProvider"])
    found = dict(zip(("real", "classes"), session.run(["real", "classes"], {"pixels": pixels}), strict=True))
    assert np.allclose(found["real"], real.sigmoid().numpy(), 1e-4, 1e-6)
    assert np.allclose(found["classes"], classes.softmax(1).numpy(), 1e-4, 1e-6)
    assert isinstance(PixelDCNN(network), torch.nn.Module)


def refused(capsys, *argv: str) -> str:
    with pytest.raises(SystemExit) as stop:
        to_onnx.main([str(a) for a in argv])
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert "Traceback" not in said
    return said


def test_a_missing_run_is_a_sentence(tmp_path, capsys):
    assert "There is no checkpoint at" in refused(capsys, tmp_path / "nothing", "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_same_part_twice_is_a_sentence(gan_run, tmp_path, capsys):
    assert "which an earlier run made already" in refused(capsys, gan_run, gan_run, "--out", tmp_path / "out")


def test_runs_of_different_pictures_make_no_bundle(gan_run, dcnn_run, tmp_path, capsys):
    state = torch.load(dcnn_run / "checkpoint.pt", weights_only=True)
    state["data"]["sha256"] = "of other pictures"
    (tmp_path / "other").mkdir()
    torch.save(state, tmp_path / "other" / "checkpoint.pt")
    said = refused(capsys, gan_run, tmp_path / "other", "--out", tmp_path / "out")
    assert "different pictures" in said
    assert not (tmp_path / "out").exists()


def test_an_out_that_is_a_file_is_a_sentence(gan_run, tmp_path, capsys):
    (tmp_path / "out").write_text("in the way")
    assert "cannot be written" in refused(capsys, gan_run, "--out", tmp_path / "out")


def test_a_file_above_the_limit_is_refused(gan_run, half_bundle, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(to_onnx, "MOST_BYTES", 1000)
    assert "--weights fp16" in refused(capsys, gan_run, "--out", tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())
    with pytest.raises(to_onnx.ExportError, match=r"would have .* smaller --width") as caught:
        to_onnx.check(onnx.load(half_bundle / "generator.onnx"), "generator.onnx")
    assert "--weights" not in str(caught.value)


def test_a_better_generator_keeps_the_model_that_it_is_measured_by(toy_bundle, better_bundle, gan_run, capsys):
    assert (better_bundle / "dcnn.onnx").read_bytes() == (toy_bundle / "dcnn.onnx").read_bytes()
    assert "`dcnn.onnx`" in (better_bundle / "README.md").read_text()
    assert json.loads((better_bundle / "manifest.json").read_text())["sha256"]["dcnn.onnx"]
    assert "there is no" in refused(capsys, gan_run, "--out", better_bundle, "--keep", "referee.onnx")
    assert "makes it anew" in refused(capsys, gan_run, "--out", better_bundle, "--keep", "critic.onnx")


def test_a_generator_that_is_kept_keeps_its_samples_and_its_progress(toy_bundle, careful_run, tmp_path):
    out = shutil.copytree(toy_bundle, tmp_path / toy_bundle.name)
    to_onnx.main([str(careful_run), "--keep", "generator.onnx", "critic.onnx", "--out", str(out)])
    for name in ("generator.onnx", "samples.png", "progress.webp"):
        assert (out / name).read_bytes() == (toy_bundle / name).read_bytes()
    before, after = (json.loads((folder / "manifest.json").read_text()) for folder in (toy_bundle, out))
    assert after["progress"] == before["progress"]
    assert {"samples.png", "progress.webp"} <= set(after["sha256"])
    card = (out / "README.md").read_text()
    assert "(samples.png)" in card
    assert "(progress.webp)" in card
    for name in ("samples.png", "progress.webp"):
        (out / name).unlink()
    to_onnx.main([str(careful_run), "--keep", "generator.onnx", "--out", str(out)])
    assert (out / "samples.png").read_bytes() == (toy_bundle / "samples.png").read_bytes()  # drawn again
    assert "progress" not in json.loads((out / "manifest.json").read_text())


def test_the_card_tells_what_a_dcnn_was_shown_as_unlike_all_that_it_knows(careful_run, tmp_path):
    run = shutil.copytree(careful_run, tmp_path / "run")
    state = torch.load(run / checkpoint.NAME, weights_only=True)
    state["data"]["unlike"] = ["70 of stripes", "90 of spots"]
    torch.save(state, run / checkpoint.NAME)
    to_onnx.main([str(run), "--out", str(tmp_path / "out")])
    card = (tmp_path / "out" / "README.md").read_text()
    assert "It was shown as unlike all that it knows: 70 of stripes, 90 of spots." in card


def test_a_dcnn_that_has_not_met_the_generator_beside_it_is_noticed(toy_bundle, gan_run, dcnn_run, tmp_path, capsys):
    own, later = shutil.copytree(toy_bundle, tmp_path / "own"), shutil.copytree(gan_run, tmp_path / "later")
    to_onnx.main([str(dcnn_run), "--out", str(own), "--keep", "generator.onnx"])
    sha256 = checkpoint.load(gan_run)["sha256"]
    assert Bundle(own).dcnn.facts["learnt_from"] == [sha256] == [Bundle(own).generator.facts["checkpoint_sha256"]]
    assert capsys.readouterr().err == ""
    assert "has not learnt from" not in (own / "README.md").read_text()
    state = torch.load(later / "checkpoint.pt", weights_only=True)
    torch.save(state | {"step": state["step"] + 1}, later / "checkpoint.pt")
    to_onnx.main([str(later), "--out", str(own), "--keep", "dcnn.onnx", "--without", "critic.onnx"])
    assert "dcnn.onnx has not learnt from the generator.onnx beside it" in capsys.readouterr().err
    assert "has not learnt from the `generator.onnx` beside it" in (own / "README.md").read_text()


def test_a_model_can_be_left_out(gan_run, tmp_path, capsys):
    to_onnx.main([str(gan_run), "--without", "critic.onnx", "--out", str(tmp_path)])
    assert sorted(path.name for path in tmp_path.glob("*.onnx")) == ["generator.onnx"]
    assert "critic.onnx" not in (tmp_path / "README.md").read_text() + (tmp_path / "manifest.json").read_text()
    assert not Bundle(tmp_path).has("critic")


def test_without_onnx_one_sentence_says_what_to_install():
    code = "import runpy, sys; sys.modules['onnx'] = None; runpy.run_module('export.to_onnx', run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr == "Export needs onnx. Install it with: pip install -r requirements-train.txt\n"


def test_a_run_without_pictures_exports_without_progress(better_bundle):
    assert not (better_bundle / "progress.webp").exists()  # nor is that of the earlier export still there
    assert "progress" not in json.loads((better_bundle / "manifest.json").read_text())
    assert "progress" not in (better_bundle / "README.md").read_text()


def test_the_figures_of_a_run_travel_along(better_bundle, measured_run):
    figures = json.loads((better_bundle / "metrics.json").read_text())
    assert figures == [FIGURE | {"checkpoint": checkpoint.load(measured_run)["sha256"]}]
    assert Bundle(better_bundle).generator.facts["metrics"] == {"m": 0.5}


def test_figures_of_an_earlier_checkpoint_are_left_out(measured_run, capsys):
    sha256 = checkpoint.load(measured_run)["sha256"]
    assert to_onnx.read_metrics(measured_run, sha256) == [FIGURE | {"checkpoint": sha256}]
    assert capsys.readouterr().err == ""
    assert to_onnx.read_metrics(measured_run, "of a later checkpoint") == []
    assert "is of an earlier checkpoint and left out" in capsys.readouterr().err


def test_examples_travel_losslessly_and_are_vouched_for(better_bundle, toy_pictures):
    folder = toy_pictures / "test" / "disc"
    shipped = sorted((better_bundle / "examples").iterdir())
    assert [path.name for path in shipped] == sorted(path.name for path in folder.iterdir())
    assert all(np.array_equal(read_picture(path), read_picture(folder / path.name)) for path in shipped)
    assert f"examples/{shipped[0].name}" in json.loads((better_bundle / "manifest.json").read_text())["sha256"]


def test_an_example_that_is_no_picture_is_a_sentence_before_anything_is_exported(gan_run, tmp_path, capsys):
    (tmp_path / "examples").mkdir()
    (tmp_path / "examples" / "text.png").write_text("not a picture")
    said = refused(capsys, gan_run, "--examples", tmp_path / "examples", "--out", tmp_path / "b")
    assert "text.png is not a picture" in said
    assert "does not exist" in refused(capsys, gan_run, "--examples", tmp_path / "none", "--out", tmp_path / "b")
    assert not (tmp_path / "b").exists()
