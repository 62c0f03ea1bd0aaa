"""The runtime alone: seeds, verdicts, refusals, command lines."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from drawing import noise
from PIL import Image

from export import generate, judge
from export.latents import SeedError
from export.pictures import PictureError, png_bytes, read_picture, read_recipe
from export.recipes import Recipe, parse_recipe
from export.runtime import DCNN, Bundle, Critic, Generator, LabelError, ModelError, find_bundles

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def bundle(toy_bundle: Path) -> Bundle:
    return Bundle(toy_bundle)


@pytest.fixture
def copy(toy_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(toy_bundle, tmp_path / "copy"))


def test_two_lines_generate_and_judge(bundle):
    pixels = bundle.generator.draw([1, 2, 3], bundle.generator.classes[1])
    verdict = bundle.dcnn.judge(pixels[0])
    assert pixels.shape == (3, bundle.generator.image_size, bundle.generator.image_size, 3)
    assert pixels.dtype == np.uint8
    assert 0 <= verdict.real <= 1
    assert list(verdict.classes.values()) == sorted(verdict.classes.values(), reverse=True)
    assert sum(verdict.classes.values()) == pytest.approx(1, abs=1e-5)
    assert verdict.label == next(iter(verdict.classes))


def test_a_seed_draws_the_same_picture_in_any_batch(bundle):
    alone = bundle.generator.draw([7])[0]
    for seeds in ([7, 8], list(range(70)), [900, 7]):
        assert np.array_equal(bundle.generator.draw(seeds)[seeds.index(7)], alone)


def test_seeds_that_are_none_are_a_sentence_in_python_too(bundle):
    for seeds in ([-1], [2**32], ["abc"], 1.5):
        with pytest.raises(SeedError, match="A seed is a whole number"):
            bundle.generator.draw(seeds)
    assert len(bundle.generator.draw([])) == 0
    assert np.array_equal(bundle.generator.draw(5, 1), bundle.generator.draw([5], 1))


def test_a_seed_without_a_class_draws_its_own(bundle):
    K = len(bundle.generator.classes)
    assert np.array_equal(bundle.generator.draw([K + 1]), bundle.generator.draw([K + 1], 1))


def test_truncation_draws_towards_one_picture(bundle):
    pixels = bundle.generator.draw([4, 6, 8], 0, truncation=0)
    assert np.array_equal(pixels[0], pixels[1])
    assert np.array_equal(bundle.generator.draw([4], 0, truncation=1), bundle.generator.draw([4], 0))


def test_a_picture_is_drawn_again_from_its_own_file(bundle):
    for recipe in bundle.generator.recipes([3, 8], truncation=0.7):
        saved = png_bytes(bundle.generator.follow([recipe])[0], recipe.as_dict())
        again = bundle.generator.follow([parse_recipe(read_recipe(saved))])[0]
        assert np.array_equal(again, read_picture(saved))


def test_a_recipe_without_a_class_draws_its_seeds_own(bundle):
    K = len(bundle.generator.classes)
    assert np.array_equal(bundle.generator.follow([Recipe(seed=K + 1)]), bundle.generator.draw([K + 1], 1))
    with pytest.raises(LabelError, match="There is no class 'Dragon'"):
        bundle.generator.follow([Recipe(seed=1, label="Dragon")])


def test_who_wants_the_probability_alone_gets_the_same_one(careful_bundle):
    dcnn = DCNN(careful_bundle)
    pixels = noise(20, 30)
    assert np.array_equal(dcnn.reals(pixels), dcnn(pixels)["real"])
    assert [output.name for output in dcnn.session_of_real.get_outputs()] == ["real"]


def test_evidence_adds_up_to_the_verdict(bundle):
    verdict = bundle.dcnn.judge(bundle.generator.draw([5])[0])
    assert 1 / (1 + np.exp(-verdict.evidence.mean())) == pytest.approx(verdict.real, abs=1e-5)


def test_a_label_is_found_by_name_in_any_case_or_by_number(bundle):
    name = bundle.generator.classes[1]
    assert bundle.generator.label_index(name.upper()) == bundle.generator.label_index(1) == 1
    assert bundle.generator.label_index(" 1 ") == 1
    for wrong in ("no such class", len(bundle.generator.classes), -1, ""):
        with pytest.raises(LabelError, match="there are"):
            bundle.generator.label_index(wrong)


def test_the_critic_scores_a_picture(bundle):
    pixels = bundle.generator.draw([1, 2])
    assert bundle.critic(pixels, bundle.generator.labels([1, 2])).shape == (2,)


def test_what_runs_is_reported(bundle):
    bundle.generator.draw([1])
    assert bundle.generator.provider == "CPUExecutionProvider"
    assert 0 < bundle.generator.seconds < 10
    assert len(bundle.generator.sha256) == 64


def test_no_error_line_is_printed_on_a_machine_without_a_gpu(toy_bundle):
    code = f"from export.runtime import Bundle; print(Bundle({str(toy_bundle)!r}).generator.draw([1]).shape)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout.startswith("(1, ")


# --- refusals -----------------------------------------------------------------------------------------------------


def test_a_missing_model_is_refused(copy):
    (copy / "dcnn.onnx").unlink()
    with pytest.raises(ModelError, match=r"There is no model at .*dcnn\.onnx"):
        DCNN(copy)


def test_a_truncated_model_is_refused(copy):
    content = (copy / "generator.onnx").read_bytes()
    (copy / "generator.onnx").write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelError, match="sha256 differs"):
        Generator(copy)
    (copy / "manifest.json").unlink()
    with pytest.raises(ModelError, match="is not a model that onnxruntime can read"):
        Generator(copy)


def test_an_altered_model_is_refused(copy):
    model = onnx.load(copy / "dcnn.onnx")
    model.graph.initializer[0].name += ""
    model.doc_string = "altered"
    onnx.save(model, copy / "dcnn.onnx")
    with pytest.raises(ModelError, match=r"sha256 differs from manifest\.json"):
        DCNN(copy)


def test_a_foreign_model_is_refused(copy, tmp_path):
    model = onnx.load(copy / "dcnn.onnx")
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "foreign.onnx")
    with pytest.raises(ModelError, match="no facts about itself"):
        DCNN(tmp_path / "foreign.onnx")


def test_a_model_of_another_kind_is_refused(toy_bundle):
    with pytest.raises(ModelError, match="of kind 'critic'; a dcnn is needed"):
        DCNN(toy_bundle / "critic.onnx")
    with pytest.raises(ModelError, match="of kind 'generator'; a critic is needed"):
        Critic(toy_bundle / "generator.onnx")


def test_a_damaged_manifest_is_refused(copy):
    (copy / "manifest.json").write_text("{")
    with pytest.raises(ModelError, match=r"manifest\.json is damaged"):
        Bundle(copy)


def test_a_damaged_bundle_leaves_the_others_in_place(copy, tmp_path):
    shutil.copytree(copy, tmp_path / "damaged")
    for manifest in ("{", "[]", "{}"):
        (tmp_path / "damaged" / "manifest.json").write_text(manifest)
        with pytest.warns(UserWarning, match="is damaged"):
            assert [bundle.name for bundle in find_bundles(tmp_path)] == ["copy"]


def test_bundles_come_by_name_or_in_the_order_that_their_author_gives(copy, tmp_path):
    for name in ("beta", "alpha", "gamma"):
        shutil.copytree(copy, tmp_path / name)

    def names() -> list[str]:
        return [bundle.name for bundle in find_bundles(tmp_path)]

    assert names() == ["alpha", "beta", "copy", "gamma"]
    (tmp_path / "order.txt").write_text("gamma\r\nnot made yet\n\n  beta \ngamma\n", encoding="utf-8-sig")
    assert names() == ["gamma", "beta", "alpha", "copy"]
    (tmp_path / "order.txt").write_bytes(b"\xff\xfe")
    assert names() == ["alpha", "beta", "copy", "gamma"]


def test_a_folder_without_a_bundle_is_refused(tmp_path):
    with pytest.raises(ModelError, match="is not a bundle"):
        Bundle(tmp_path)
    with pytest.raises(ModelError, match="There is no bundle in"):
        find_bundles(tmp_path)


# --- command lines ------------------------------------------------------------------------------------------------


def refused(capsys, main, *argv) -> str:
    with pytest.raises(SystemExit) as stop:
        main([str(a) for a in argv])
    said = capsys.readouterr().err
    assert stop.value.code == 2
    assert "Traceback" not in said
    return said.strip().splitlines()[-1]


def test_generate_draws_a_sheet(toy_bundle, tmp_path, capsys):
    generate.main([str(toy_bundle), "--seeds", "1-9", "--out", str(tmp_path / "sheet.png")])
    assert capsys.readouterr().out.startswith("9 pictures -> ")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width == sheet.height
        assert [r["seed"] for r in json.loads(sheet.text["recipe"])["pictures"]] == list(range(1, 10))


def test_generate_draws_single_pictures_losslessly(toy_bundle, bundle, tmp_path):
    generate.main([str(toy_bundle), "--seeds", "4,7", "--label", "1", "--out", str(tmp_path / "some")])
    assert sorted(p.name for p in (tmp_path / "some").iterdir()) == ["seed-4.png", "seed-7.png"]
    with Image.open(tmp_path / "some" / "seed-7.png") as picture:
        assert np.array_equal(np.asarray(picture.convert("RGB")), bundle.generator.draw([7], 1)[0])
        recipe = json.loads(picture.text["recipe"])
    model, label = bundle.generator.sha256, bundle.generator.classes[1]
    assert recipe == {"format": 1, "model": model, "seed": 7, "label": label, "truncation": 1.0}


def test_generate_truncates(toy_bundle, bundle, tmp_path):
    generate.main([str(toy_bundle), "--seeds", "4", "--truncation", "0.5", "--out", str(tmp_path / "some")])
    found = read_picture(tmp_path / "some" / "seed-4.png")
    assert np.array_equal(found, bundle.generator.draw([4], truncation=0.5)[0])
    assert not np.array_equal(found, bundle.generator.draw([4])[0])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--seeds", "abc"], "A seed is a whole number"),
        (["--seeds=-1"], "A seed is a whole number"),
        (["--seeds", str(2**40)], "A seed is a whole number"),
        (["--seeds", "1-10000"], "At most 1024 pictures"),
        (["--seeds", "9-3"], "runs backwards"),
        (["--truncation", "1.5"], "Truncation is a number from 0 to 1"),
        (["--truncation", "much"], "Truncation is a number from 0 to 1"),
        (["--label", "Dragon"], "There is no class 'Dragon'"),
    ],
)
def test_generate_refuses_with_a_sentence(toy_bundle, tmp_path, capsys, options, sentence):
    assert sentence in refused(capsys, generate.main, toy_bundle, "--out", tmp_path / "s.png", *options)
    assert not (tmp_path / "s.png").exists()


def test_a_sheet_is_a_png(toy_bundle, tmp_path, capsys):
    assert "a sheet is a PNG" in refused(capsys, generate.main, toy_bundle, "--out", tmp_path / "sheet.jpg")
    assert list(tmp_path.iterdir()) == []


def test_generate_without_a_model_is_a_sentence(tmp_path, capsys):
    assert "There is no model" in refused(capsys, generate.main, tmp_path / "none", "--out", tmp_path / "s.png")


def test_generate_into_a_place_that_cannot_be_written_is_a_sentence(toy_bundle, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert "cannot be written" in refused(capsys, generate.main, toy_bundle, "--out", tmp_path / "file" / "s.png")


def test_judge_prints_a_table(toy_bundle, tmp_path, capsys):
    generate.main([str(toy_bundle), "--seeds", "1-3", "--out", str(tmp_path)])
    capsys.readouterr()
    files = [str(p) for p in sorted(tmp_path.iterdir())]
    assert judge.main([str(toy_bundle), *files]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert all("% real" in line for line in lines)


def test_judge_prints_json(toy_bundle, bundle, tmp_path, capsys):
    generate.main([str(toy_bundle), "--seeds", "3", "--out", str(tmp_path)])
    capsys.readouterr()
    assert judge.main([str(toy_bundle), str(tmp_path / "seed-3.png"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)[0]
    verdict = bundle.dcnn.judge(bundle.generator.draw([3])[0])
    assert found["real"] == pytest.approx(verdict.real, abs=1e-6)
    assert found["label"] == verdict.label
    assert np.allclose(found["evidence"], verdict.evidence, atol=1e-4)


def test_judge_names_what_it_cannot_read_and_goes_on(toy_bundle, tmp_path, capsys):
    (tmp_path / "text.png").write_text("not a picture")
    Image.new("RGB", (1, 1)).save(tmp_path / "one.png")
    files = [str(tmp_path / name) for name in ("text.png", "missing.png", "one.png", "")]
    assert judge.main([str(toy_bundle), *files]) == 1
    said = capsys.readouterr()
    assert "text.png is not a picture" in said.err
    assert "There is no picture at" in said.err
    assert "one.png" in said.out


def test_judge_needs_a_model(tmp_path, capsys):
    assert "There is no model" in refused(capsys, judge.main, tmp_path, "x.png")


def test_a_picture_of_any_shape_is_judged(bundle):
    rng = np.random.default_rng(0)
    for shape in ((1, 1), (3, 200), (333, 123), (28, 28)):
        verdict = bundle.dcnn.judge(rng.integers(0, 256, (*shape, 3), dtype=np.uint8))
        assert np.isfinite(verdict.real)
    with pytest.raises(PictureError):
        bundle.dcnn.judge(b"not a picture")
