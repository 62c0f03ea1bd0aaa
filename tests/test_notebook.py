"""notebooks/train.ipynb: from a folder of pictures to a bundle, run from top to bottom at toy size."""

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

PATH = ROOT / "notebooks" / "train.ipynb"
TOY = 'PICTURES, STEPS, DCNN_STEPS, OPTIONS = {!r}, 4, 4, "--width 8 --batch 16 --tick 2 --device cpu"'


@pytest.fixture(scope="module")
def notebook() -> nbformat.NotebookNode:
    return nbformat.read(PATH, as_version=4)


def codes(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_it_is_kept_without_outputs(notebook):
    nbformat.validate(notebook)
    for cell in codes(notebook):
        assert cell.outputs == []
        assert cell.execution_count is None
    assert json.loads(PATH.read_text(encoding="utf-8"))["metadata"]["accelerator"] == "GPU"  # what Colab gives it


def test_it_calls_and_defines_nothing(notebook):
    defining = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda
    for cell in codes(notebook):
        tree = ast.parse(re.sub(r"^( *)[!%].*", r"\1pass", cell.source, flags=re.MULTILINE))
        assert not [node for node in ast.walk(tree) if isinstance(node, defining)], cell.source


def test_it_goes_from_a_folder_of_pictures_to_a_bundle(notebook, toy_pictures, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # so the project is there already, and nothing is fetched
    for folder in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR"):  # nothing is left in a person's own
        monkeypatch.setenv(folder, str(tmp_path / folder))
    notebook = notebook.copy()
    settings = next(i for i, cell in enumerate(notebook.cells) if "parameters" in cell.metadata.get("tags", []))
    notebook.cells.insert(settings + 1, nbformat.v4.new_code_cell(TOY.format(str(toy_pictures))))
    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    outputs = [output for cell in codes(notebook) for output in cell.outputs]
    shown = [output for output in outputs if "image/png" in output.get("data", {})]
    assert len(shown) == 5  # real pictures, three grids, drawn pictures
    said = "".join(output.text for output in outputs if output.output_type == "stream")
    assert "shapes 128 pictures; classes: cross, disc" in said
    assert "real_or_fake_balanced_accuracy" in said
    assert "by CPUExecutionProvider" in said
    assert "drawn: " in said
    bundle = Bundle(tmp_path / "models" / "mine")
    assert {"generator.onnx", "dcnn.onnx", "progress.webp", "README.md"} <= set(bundle.manifest["sha256"])
    assert {"generator", "dcnn"} == {row["of"] for row in json.loads((bundle.folder / "metrics.json").read_text())}
    assert "mine/manifest.json" in zipfile.ZipFile(tmp_path / "mine.zip").namelist()
