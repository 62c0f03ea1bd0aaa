"""A verdict that says how sure it is, and a command line that judges folders."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from conftest import CALIBRATION, toy_pixels
from drawing import noise, save_all, scene
from PIL import Image

from export import judge as command
from export.pictures import PictureError
from export.resave import HARDEST, MOST_SIDE, RESAVINGS, harden, resave
from export.runtime import DCNN, Bundle, Limits, Verdict
from export.sharing import cores
from export.verdict import (
    FAKE,
    IN_HAND,
    REAL,
    SPARE_WORKERS,
    UNLIKE,
    UNSURE,
    Judgement,
    Resaving,
    as_json,
    judge,
    judge_files,
    judge_harder,
    known,
    listed,
    why,
)

MODELS = Path(__file__).resolve().parent.parent / "models"
CLOTHES = {"data": {"name": "Fashion-MNIST"}, "classes": ["coat", "shoe", "bag"]}
BLACK = np.zeros((1, 1, 3), np.uint8)


@pytest.fixture(scope="module")
def bundle(careful_bundle: Path) -> Bundle:
    return Bundle(careful_bundle)


@pytest.fixture(scope="module")
def plain(toy_bundle: Path) -> Bundle:
    return Bundle(toy_bundle)


def judged(real: float, *resaved: float, typical: float | None = None, **limits) -> Judgement:
    """A judgement on a picture of this probability whose re-savings have those."""
    resavings = tuple(Resaving(name, BLACK, p) for name, p in zip(RESAVINGS, resaved, strict=False))
    return Judgement(Verdict(real, None, None, typical), resavings, Limits(**limits))


# --- what is answered ---------------------------------------------------------------------------------------------


def test_an_answer_that_all_re_savings_share_is_given():
    assert judged(0.9, 0.8, 0.7, 0.6).answer == REAL
    assert judged(0.1, 0.2, 0.3, 0.4).answer == FAKE


def test_the_threshold_belongs_to_real():
    assert judged(0.5, 0.5).answer == REAL
    assert judged(0.7, 0.75, threshold=0.7).answer == REAL
    assert judged(0.69, 0.6, threshold=0.7).answer == FAKE


def test_one_re_saving_with_another_answer_makes_it_unsure():
    judgement = judged(0.999, 0.999, 0.49, 0.99)
    assert (judgement.answer, judgement.flips, judgement.in_band) == (UNSURE, ["JPEG 50"], False)
    assert "after JPEG 50 it would be called fake" in why(judgement, CLOTHES)


def test_a_re_saving_that_has_another_answer_by_a_hair_changes_nothing():
    assert judged(0.999, 0.3, resaved_band=(0.3, 0.7)).answer == REAL
    assert judged(0.999, 0.29, resaved_band=(0.3, 0.7)).answer == UNSURE
    assert judged(0.001, 0.69, resaved_band=(0.3, 0.7)).answer == FAKE
    assert judged(0.001, 0.71, resaved_band=(0.3, 0.7)).flips == ["JPEG 75"]


def test_what_a_re_saving_says_is_told_also_where_it_does_not_count():
    leaning = why(judged(0.1, 0.2, 0.6, 0.69, resaved_band=(0.3, 0.7)), CLOTHES)
    assert leaning.startswith("After JPEG 50 and WebP 80 it would be called real, but not surely enough")
    assert why(judged(0.1, 0.2, 0.3), CLOTHES) == "Saved again, it gets the same answer: JPEG 75 and JPEG 50."


def test_a_probability_in_the_band_is_unsure_whatever_the_re_savings_say():
    for real in (0.4, 0.5, 0.6):
        judgement = judged(real, real, unsure_band=(0.4, 0.6))
        assert (judgement.answer, judgement.flips) == (UNSURE, [])
    assert "between 40% and 60%" in why(judgement, CLOTHES)
    assert judged(0.39, 0.39, unsure_band=(0.4, 0.6)).answer == FAKE
    assert judged(0.61, 0.61, unsure_band=(0.4, 0.6)).answer == REAL


def test_what_is_unlike_anything_known_is_not_judged_however_sure_the_network_is():
    judgement = judged(0.999, 0.1, typical=0.009, atypical_below=0.01)
    assert judgement.answer == UNLIKE
    assert why(judgement, CLOTHES).startswith(
        "This model knows only pictures like those of Fashion-MNIST (coat, shoe and bag)."
    )
    assert judged(0.999, typical=0.01, atypical_below=0.01).answer == REAL
    assert judged(0.999, typical=0.0).answer == REAL  # where nobody has measured a limit, none is made up


def test_who_knows_classes_alone_gives_no_answer():
    judgement = Judgement(Verdict(None, None, {"disc": 1.0}), (), Limits())
    assert judgement.answer is None
    assert why(judgement, CLOTHES) is None
    assert as_json(judgement, CLOTHES)["unsure"] is False


# --- how a picture is judged --------------------------------------------------------------------------------------


def test_the_limits_are_those_of_the_file(bundle, plain):
    bands = {name: tuple(CALIBRATION[name]) for name in ("unsure_band", "resaved_band")}
    assert bundle.dcnn.limits == Limits(CALIBRATION["threshold"], **bands, atypical_below=0.01)
    assert Limits() == Limits(threshold=0.5, unsure_band=None, resaved_band=None, atypical_below=None)


def test_a_file_without_typical_or_limits_works_as_before(toy_pictures):
    dcnn = DCNN(MODELS / "fashion-mnist")
    if "typical" in dcnn.facts["outputs"]:
        pytest.skip("the shipped DCNN says how typical a picture is")
    judgement = judge(dcnn, toy_pixels(toy_pictures, "test")[0])
    assert judgement.verdict.typical is None
    assert judgement.answer in (REAL, FAKE, UNSURE)
    assert dcnn.limits == Limits()


def test_a_picture_is_judged_with_each_of_its_re_savings(bundle, toy_pictures):
    picture = toy_pixels(toy_pictures, "test")[5]
    judgement = judge(bundle.dcnn, picture)
    alone = bundle.dcnn.judge(picture)
    assert judgement.verdict.real == alone.real
    assert judgement.verdict.typical == alone.typical
    assert 0 <= alone.typical <= 1
    assert [each.name for each in judgement.resavings] == list(RESAVINGS)
    for each, pixels in zip(judgement.resavings, resave(picture), strict=True):
        assert np.array_equal(each.pixels, pixels)
        assert each.real == bundle.dcnn.judge(pixels).real


def test_noise_is_unlike_all_that_the_toy_knows(bundle):
    judgement = judge(bundle.dcnn, noise(1)[0])
    assert judgement.verdict.typical == 0
    assert judgement.answer == UNLIKE


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (333, 123), (700, 700)])
def test_a_picture_of_any_shape_is_judged_as_the_runtime_judges_it(bundle, shape):
    picture = scene(*shape)
    judgement = judge(bundle.dcnn, picture)
    assert judgement.verdict.real == pytest.approx(bundle.dcnn.judge(picture).real, abs=1e-6)
    assert judgement.resavings[0].pixels.shape == (min(*shape, MOST_SIDE),) * 2 + (3,)


def test_a_picture_is_judged_ever_harder(bundle, toy_pictures):
    picture = toy_pixels(toy_pictures, "test")[9]
    steps = judge_harder(bundle.dcnn, picture)
    assert len(steps) == 1 + HARDEST
    assert steps[0].hardship is None
    for step, pixels in zip(steps, harden(picture), strict=True):
        alone = bundle.dcnn.judge(pixels)
        assert np.array_equal(step.pixels, pixels)
        assert (step.judgement.verdict.real, step.judgement.verdict.typical) == (alone.real, alone.typical)


def test_names_are_listed_as_people_list_them():
    assert [listed(list("abc")[:n]) for n in (1, 2, 3)] == ["a", "a and b", "a, b and c"]


def test_what_is_known_is_named_with_some_of_its_classes():
    said = [known({"data": {"name": "X"}, "classes": list("abcdefgh")[:n]}) for n in (0, 1, 4, 8)]
    assert said == ["X", "X (a)", "X (a, b, c and d)", "X (a, b, c and 5 more)"]


def test_what_is_no_picture_is_refused(bundle):
    with pytest.raises(PictureError):
        judge(bundle.dcnn, b"not a picture")


def test_many_files_are_judged_as_each_alone_in_their_order(bundle, tmp_path):
    folder = save_all(noise(IN_HAND, 16), tmp_path / "some")
    save_all(noise(IN_HAND, 20, seed=1), tmp_path / "others")
    (folder / "0003.png").write_text("not a picture")
    files = [str(path) for path in sorted(tmp_path.rglob("*.png"))]
    found = list(judge_files(bundle.dcnn, iter(files)))
    assert [file for file, _ in found] == files
    refusals = [file for file, outcome in found if isinstance(outcome, PictureError)]
    assert refusals == [str(folder / "0003.png")]
    for file, outcome in found[::9]:
        alone = judge(bundle.dcnn, file)
        assert as_json(outcome, bundle.dcnn.facts) == as_json(alone, bundle.dcnn.facts)


def test_files_are_read_only_a_little_ahead(bundle, tmp_path):
    folder, taken = save_all(noise(1), tmp_path / "one"), []

    def endless():
        while True:
            taken.append(1)
            yield str(folder / "0000.png")

    judgements = judge_files(bundle.dcnn, endless())
    next(judgements)
    assert len(taken) <= 2 * max(IN_HAND, len(cores()) + SPARE_WORKERS)
    judgements.close()


# --- the command line ---------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path, toy_pictures) -> Path:
    """Pictures at several depths, one of which cannot be read, and a file that is no picture by its name."""
    save_all(toy_pixels(toy_pictures, "test")[:3], tmp_path / "in" / "deep")
    save_all(noise(2), tmp_path / "in")
    (tmp_path / "in" / "broken.PNG").write_text("not a picture")
    (tmp_path / "in" / "notes.txt").write_text("of no interest")
    return tmp_path / "in"


def test_a_folder_becomes_a_table(careful_bundle, folder, tmp_path, capsys):
    assert command.main([str(careful_bundle), str(folder), "--out", str(tmp_path / "v.csv")]) == 1
    assert "6 pictures ->" in capsys.readouterr().err
    with (tmp_path / "v.csv").open(newline="") as file:
        rows = {Path(row["file"]).relative_to(folder).as_posix(): row for row in csv.DictReader(file)}
    assert list(rows) == ["0000.png", "0001.png", "broken.PNG", "deep/0000.png", "deep/0001.png", "deep/0002.png"]
    broken = rows.pop("broken.PNG")
    assert "broken.PNG is not a picture" in broken["error"]
    assert broken["verdict"] == broken["probability"] == ""
    dcnn = Bundle(careful_bundle).dcnn
    for name, row in rows.items():
        judgement = judge(dcnn, folder / name)
        assert (row["verdict"], row["class"], row["error"]) == (judgement.answer, judgement.verdict.label, "")
        assert row["unsure"] == ("yes" if judgement.unsure else "no")
        numbers = [judgement.verdict.real, judgement.verdict.typical, *(each.real for each in judgement.resavings)]
        assert [float(row[key]) for key in ("probability", "typical", *RESAVINGS)] == pytest.approx(numbers, 1e-4)


def test_a_folder_becomes_json_with_everything(careful_bundle, folder, tmp_path):
    assert command.main([str(careful_bundle), str(folder), "--out", str(tmp_path / "v.json")]) == 1
    objects = json.loads((tmp_path / "v.json").read_text())
    assert len(objects) == 6
    assert {"file", "error"} == set(objects[2])
    dcnn = Bundle(careful_bundle).dcnn
    said = as_json(judge(dcnn, folder / "0000.png"), dcnn.facts)
    assert objects[0] == {"file": str(folder / "0000.png")} | json.loads(json.dumps(said))


def test_readable_pictures_alone_end_well(careful_bundle, folder, tmp_path, capsys):
    (folder / "broken.PNG").unlink()
    assert command.main([str(careful_bundle), str(folder), "--out", str(tmp_path / "v.csv")]) == 0
    assert command.main([str(careful_bundle), str(folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert sum("unlike" in line for line in lines) == 2  # the noise


def test_an_interrupted_file_is_whole_json(careful_bundle, folder, tmp_path):
    def interrupted():
        yield from list(judge_files(Bundle(careful_bundle).dcnn, [str(folder / "0000.png")]))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        command.write_file(interrupted(), tmp_path / "v.json", CLOTHES)
    assert len(json.loads((tmp_path / "v.json").read_text())) == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--out", "table.xls"], "name it table.csv or table.json"),
        (["--out", "no/such/folder/v.csv"], "cannot be written"),
        ([], "There is no picture in"),
    ],
)
def test_what_cannot_be_done_is_a_sentence(careful_bundle, folder, tmp_path, capsys, monkeypatch, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    place = folder if arguments else tmp_path / "empty"
    with pytest.raises(SystemExit) as stop:
        command.main([str(careful_bundle), str(place), *arguments])
    assert stop.value.code == 2
    assert sentence in capsys.readouterr().err


def test_a_link_that_leads_back_is_not_followed(careful_bundle, folder):
    (folder / "deep" / "back").symlink_to(folder, target_is_directory=True)
    assert len(list(command.files_of([str(folder)]))) == 6


def test_a_referee_tells_classes_and_leaves_the_rest_out():
    referee = DCNN(MODELS / "fashion-mnist" / "referee.onnx")
    judgement = judge(referee, noise(1)[0])
    assert (judgement.answer, judgement.resavings) == (None, ())
    row = command.as_row("a.png", judgement)
    assert row["class"] in referee.classes
    assert {row[name] for name in ("verdict", "probability", "typical")} == {None}
    assert "unsure" not in row


def test_a_bar_is_drawn_for_people_alone(capsys, monkeypatch):
    assert list(command.watched(iter(range(3)), 3)) == [0, 1, 2]
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    list(command.watched(iter(range(3)), 3))
    assert "1 of 3 pictures" in capsys.readouterr().err


def test_a_jpeg_with_a_turn_is_judged_upright(bundle, tmp_path):
    picture = Image.fromarray(scene(20, 20))
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    picture.rotate(180).save(tmp_path / "turned.png", exif=exif)
    assert judge(bundle.dcnn, tmp_path / "turned.png").verdict.real == judge(bundle.dcnn, scene(20, 20)).verdict.real
