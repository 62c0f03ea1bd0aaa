"""The notebooks, each run from top to bottom at toy size: from a folder of pictures to a bundle, and the article."""

import ast
import json
import os
import re
import sys
import zipfile
from pathlib import Path

import nbclient
import nbformat
import pytest
from conftest import ROOT

from export.runtime import Bundle

TRAIN, ARTICLE = (ROOT / "notebooks" / name for name in ("train.ipynb", "article.ipynb"))
TOY_TRAIN = 'PICTURES, STEPS, DCNN_STEPS, OPTIONS = {!r}, 4, 4, "--width 8 --batch 16 --tick 2 --device cpu"'
TOY_ARTICLE = """
PICTURES, STEPS, DCNN_STEPS, SHORT, SOME = {!r}, 4, 4, 4, 48
GAN = DCNN = "--width 4 --batch 8 --tick 2 --device cpu"
"""
CHINESE, ENGLISH = re.compile("[\u4e00-\u9fff]{2}"), re.compile("[a-z]{3}")

both = pytest.mark.parametrize("path", [TRAIN, ARTICLE], ids=lambda path: path.stem)


def cells(notebook: nbformat.NotebookNode, kind: str) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == kind]


@pytest.fixture
def run_through(toy_pictures, tmp_path, monkeypatch):
    """A call that executes a notebook with toy settings, in an empty folder, and gives all its outputs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # so the project is there already, and nothing is fetched
    for folder in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR"):  # nothing is left in a person's own
        monkeypatch.setenv(folder, str(tmp_path / folder))

    def run(path: Path, toy: str) -> list[nbformat.NotebookNode]:
        notebook = nbformat.read(path, as_version=4)
        settings = next(i for i, cell in enumerate(notebook.cells) if "parameters" in cell.metadata.get("tags", []))
        notebook.cells.insert(settings + 1, nbformat.v4.new_code_cell(toy.format(str(toy_pictures))))
        nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
        return [output for cell in cells(notebook, "code") for output in cell.outputs]

    return run


def pictures_in(outputs: list[nbformat.NotebookNode]) -> int:
    return sum("image/png" in output.get("data", {}) for output in outputs)


def said_in(outputs: list[nbformat.NotebookNode]) -> str:
    return "".join(output.text for output in outputs if output.output_type == "stream")


@both
def test_it_is_kept_without_outputs(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in cells(notebook, "code"):
        assert cell.outputs == []
        assert cell.execution_count is None
    assert json.loads(path.read_text(encoding="utf-8"))["metadata"]["accelerator"] == "GPU"  # what Colab gives it


@both
def test_it_calls_and_defines_nothing(path):
    defining = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda
    for cell in cells(nbformat.read(path, as_version=4), "code"):
        tree = ast.parse(re.sub(r"^( *)[!%].*", r"\1pass", cell.source, flags=re.MULTILINE))
        assert not [node for node in ast.walk(tree) if isinstance(node, defining)], cell.source


def test_the_article_is_told_in_both_languages():
    for cell in cells(nbformat.read(ARTICLE, as_version=4), "markdown"):
        assert ENGLISH.search(cell.source), cell.source
        assert CHINESE.search(cell.source), cell.source


def test_it_goes_from_a_folder_of_pictures_to_a_bundle(run_through, tmp_path):
    outputs = run_through(TRAIN, TOY_TRAIN)
    assert pictures_in(outputs) == 5  # real pictures, three grids, drawn pictures
    said = said_in(outputs)
    assert "shapes 128 pictures; classes: cross, disc" in said
    assert "real_or_fake_balanced_accuracy" in said
    assert "by CPUExecutionProvider" in said
    assert "drawn: " in said
    bundle = Bundle(tmp_path / "models" / "mine")
    assert {"generator.onnx", "dcnn.onnx", "progress.webp", "README.md"} <= set(bundle.manifest["sha256"])
    assert {"generator", "dcnn"} == {row["of"] for row in json.loads((bundle.folder / "metrics.json").read_text())}
    assert "mine/manifest.json" in zipfile.ZipFile(tmp_path / "mine.zip").namelist()


def test_the_article_is_walked_through(run_through, tmp_path):
    outputs = run_through(ARTICLE, TOY_ARTICLE)  # whose cells assert that what is computed twice agrees
    assert pictures_in(outputs) == 17
    said = said_in(outputs)
    for sentence in (
        "Slopes by hand and by torch agree.",
        "The formula and torch with the kernel flipped agree",
        "maximum and mean agree with torch's",
        "by hand, by torch and by losses.py they agree",
        "undecided: 1.3863",
        "By hand and by metrics.py the same, on 11 real pictures and as many fakes",
        "real_or_fake_auc_held_out",
        "standard deviation",
        "| all but the smaller network |",
    ):
        assert sentence in said
    tables = [output["data"]["text/markdown"] for output in outputs if "text/markdown" in output.get("data", {})]
    assert [table.splitlines()[0].split(" | ")[0] for table in tables] == [
        "| logit",
        "| game",
        "| figure",
        "| activation",
        "| width",
    ]
    assert {"generator", "dcnn"} <= {path.stem for path in (tmp_path / "models" / "article").glob("*.onnx")}
