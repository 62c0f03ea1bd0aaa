"""The code that the page offers is right: it draws what the models draw, and takes seeds for what they are."""

import ast
import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from export.runtime import Bundle
from ui.usage import javascript_of, snippets

LATENTS = json.loads((Path(__file__).parent / "data" / "latents.json").read_text())["latents"]
needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")


def test_a_bundle_is_run_by_its_own_name_classes_and_sizes(page_bundle):
    code = snippets(Bundle(page_bundle))
    assert list(code) == ["Python", "JavaScript", "shell"]
    assert 'Bundle("models/shapes")' in code["Python"]
    assert 'draw([1, 2, 3], "cross")' in code["Python"]
    assert "Neighbours" in code["Python"]
    assert "LATENT_DIM = 8, CLASSES = 2;" in code["JavaScript"]
    assert code["shell"].startswith("python -m export.generate models/shapes")
    ast.parse(code["Python"])


def test_what_a_bundle_has_not_is_not_offered(mixed_models):
    plain, torn = (snippets(Bundle(mixed_models / name)) for name in ("plain", "tampered"))
    assert "dcnn" not in plain["Python"]
    assert "CLASSES = 0;" in plain["JavaScript"]
    assert list(torn) == ["Python", "shell"]
    assert snippets(Bundle(mixed_models / "referee")) == {}


def test_the_python_runs(page_bundle, toy_pictures, tmp_path, monkeypatch):
    (tmp_path / "models").mkdir()
    shutil.copytree(page_bundle, tmp_path / "models" / "shapes")
    shutil.copy(toy_pictures / "train" / "disc" / "000.png", tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(snippets(Bundle("models/shapes"))["Python"], names)
    assert names["pixels"].shape == (3, 16, 16, 3)
    assert names["found"].percentile == 0


@needs_node
def test_a_seed_has_the_same_latents_in_javascript(tmp_path):
    code = javascript_of({"latent_dim": 8, "classes": []})
    code = re.sub(r"import \* as ort.*", "const ort = {};", code)
    (tmp_path / "draw.mjs").write_text(code)
    asked = f"const seeds = {json.dumps(list(LATENTS))};"
    answer = "console.log(JSON.stringify(seeds.map((seed) => [...latents(Number(seed), 8)])));"
    (tmp_path / "ask.mjs").write_text(f'import {{ latents }} from "./draw.mjs";\n{asked}\n{answer}\n')
    done = subprocess.run(["node", "ask.mjs"], cwd=tmp_path, capture_output=True, text=True, check=True)
    np.testing.assert_allclose(json.loads(done.stdout), list(LATENTS.values()), rtol=1e-6, atol=1e-6)
