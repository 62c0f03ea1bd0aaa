"""The benchmark of remedies trains each once, each seed on pictures of its own, and prints what its rows say."""

import json
import sys

import numpy as np
import pytest
from processes import ROOT, one_thread  # noqa: F401 - a fixture

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def overfitting(monkeypatch, toy_pictures, tmp_path):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import overfitting

    toy = ["--data", str(toy_pictures), "--pictures", "40", "--steps", "120", "--batch", "8", "--width", "4"]
    given = [*toy, "--rows", str(tmp_path / "rows.jsonl")]

    def run(*more: str) -> list[dict]:
        monkeypatch.setattr(sys, "argv", ["overfitting", *more, *given])
        overfitting.main()
        return [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]

    return run


def test_each_training_is_a_row_made_once_and_a_line_of_the_table(overfitting, capsys):
    rows = overfitting("none", "early stopping", "--seeds", "0", "1")
    assert [(row["remedy"], row["seed"]) for row in rows] == [
        ("none", 0),
        ("early stopping", 0),
        ("none", 1),
        ("early stopping", 1),
    ]
    assert all(row["train"] > 0.6 for row in rows if row["remedy"] == "none")
    assert {row["step"] for row in rows if row["remedy"] == "none"} == {120}
    assert all(row["step"] < 120 for row in rows if row["remedy"] == "early stopping")
    assert overfitting("none", "early stopping", "--seeds", "0", "1", "--table") == rows
    capsys.readouterr()
    assert overfitting("none", "--seeds", "0", "1") == rows
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| none |")]
    gaps = [row["train"] - row["test"] for row in rows if row["remedy"] == "none"]
    assert f"{100 * np.mean(gaps):.2f} ± {100 * np.std(gaps, ddof=1):.2f}" in line
