"""Which room may import which: the rooms' arrows, read off every file."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TORCHY = {"torch", "onnx", "onnxscript", "dcgan", "export.to_onnx"}
# The ground floor (latents, recipes, pictures, runtime) needs no torch, and everything may stand on it.
GROUND = {"export.latents", "export.recipes", "export.pictures"}
STANDING = {"export.films", "export.neighbours", "export.resave", "export.runtime", "export.verdict"}
PAGE = {"gradio", "starlette", "numpy", "PIL", "ui", *STANDING, *GROUND}
MAY_IMPORT = {
    "app.py": PAGE,
    "ui/*.py": PAGE,
    "export/latents.py": {"numpy"},
    "export/recipes.py": {"numpy", "export.latents"},
    "export/pictures.py": {"numpy", "PIL"},
    "export/sharing.py": {"numpy"},
    "export/outputs.py": set(),
    "export/runtime.py": {"numpy", "PIL", "onnxruntime", "export.outputs", "export.sharing", *GROUND},
    "export/neighbours.py": {"numpy", "PIL", "export.runtime", *GROUND},
    "export/generate.py": {"numpy", "export.runtime", *GROUND},
    "export/resave.py": {"numpy", "PIL"},
    "export/verdict.py": {"numpy", "export.resave", "export.runtime", "export.sharing", *GROUND},
    "export/judge.py": {"export.resave", "export.runtime", "export.verdict", *GROUND},
    "export/card.py": {"export.runtime"},
    "export/progress.py": {"numpy", "PIL"},
    "export/films.py": {"numpy", "PIL"},
    "export/add_neighbours.py": {"numpy", "PIL", "tqdm", "dcgan", "export"},
    "export/to_onnx.py": {
        "torch",
        "onnx",
        "onnxscript",
        "onnxruntime",
        "numpy",
        "dcgan",
        "export.runtime",
        "export.card",
        "export.graphs",
        "export.neighbours",
        "export.poolings",
        "export.progress",
        "export.products",
        "export.weights",
        *GROUND,
    },
    "export/graphs.py": {"torch", "numpy", "dcgan", "export.directions", "export.weights", *GROUND},
    "export/directions.py": {"torch", "dcgan"},
    "export/poolings.py": {"onnx"},
    "export/products.py": {"onnx"},
    "export/weights.py": {"torch", "onnx", "numpy", "dcgan"},
    "dcgan/config.py": set(),
    "dcgan/exported.py": {"torch", "numpy", "onnx", "dcgan", "export.runtime"},
    "dcgan/eyes.py": {"torch", "numpy", "dcgan", "export.runtime"},
    "dcgan/degrade.py": {"numpy", "torch", "PIL", "tqdm", "dcgan", "export.resave"},
    "dcgan/evaluate.py": {"numpy", "dcgan", "export.card", "export.runtime", *GROUND},
    "dcgan/unseen.py": {"dcgan", "export.runtime"},
    "dcgan/verdicts.py": {"numpy", "PIL", "dcgan", "export.resave", "export.runtime", "export.verdict"},
    "dcgan/train_dcnn.py": {"numpy", "torch", "tqdm", "dcgan", "export.resave"},
    "dcgan/players.py": {"torch", "numpy", "dcgan", "export.runtime", *GROUND},
    "dcgan/*.py": {"torch", "numpy", "PIL", "filelock", "pooch", "tqdm", "dcgan", *GROUND},
}


def imports(path: Path) -> set[str]:
    """Every module that a file imports, anywhere in it; `from package import module` counts as package.module."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            modules = {f"{node.module}.{alias.name}" for alias in node.names}
            is_package = (ROOT / node.module.replace(".", "/")).is_dir()
            found |= modules if is_package else {node.module}
    return {name for name in found if name.split(".")[0] not in sys.stdlib_module_names}


def files() -> list[Path]:
    return sorted(p for p in [ROOT / "app.py", *ROOT.glob("*/*.py")] if p.parent.name not in ("tests", "benchmarks"))


@pytest.mark.parametrize("path", files(), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_a_file_imports_only_what_its_room_may(path):
    name = path.relative_to(ROOT)
    allowed = (
        next(rooms for pattern, rooms in MAY_IMPORT.items() if name.match(pattern))
        if path.stem != "__init__"
        else set()
    )
    for module in imports(path):
        assert any(module == room or module.startswith(room + ".") for room in allowed), f"{name} imports {module}"


@pytest.mark.parametrize(
    "module",
    ["app", "export.runtime", "export.generate", "export.judge", "export.neighbours", "export.verdict", "dcgan.config"],
)
def test_torch_stays_out(module):
    code = f"import sys, {module}; print(sorted({{'torch', 'onnx', 'gradio'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ("['gradio']" if module == "app" else "[]")


def test_no_room_is_named_for_nothing():
    names = {path.stem for path in files()}
    assert not names & {"utils", "helpers", "common", "misc"}
