"""Runs the examples as a reader would, each in a copy of its own."""

import csv
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean

import nbformat
import pytest
from nbclient import NotebookClient

from crystallize import ExperimentGraph, Result

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    """A copy of the example that the test names in its `example` mark; the test runs inside it."""
    folder: Path = tmp_path / request.param
    shutil.copytree(EXAMPLES / request.param, folder, ignore=shutil.ignore_patterns("data", "__pycache__"))
    monkeypatch.chdir(folder)
    return folder


def example(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("copied", [name], indirect=True)


def resumed(*paths: str) -> dict[str, Result]:
    return ExperimentGraph.from_yaml(list(paths)).run(strategy="resume")


def executed(results: Mapping[str, Result]) -> dict[str, int]:
    """Experiment → number of trials that ran, those with none left out."""
    counts = {name: sum(result.ran.values()) for name, result in results.items()}
    return {name: count for name, count in counts.items() if count}


def failures(results: Mapping[str, Result]) -> list[str]:
    return [f"{name} {key}: {error}" for name, result in results.items() for key, error in result.errors.items()]


@example("tutorial")
def test_the_tutorial_gives_six_and_a_second_run_executes_nothing(copied: Path) -> None:
    first = resumed("experiments/consumer/config.yaml")
    second = resumed("experiments/consumer/config.yaml")

    assert failures(first) == []
    assert first["consumer"].metrics.baseline.metrics == {"total_from_producer": [6]}
    assert (copied / "data/producer/v0/replicate_0/baseline/Produce_SummaryStep/summary.json").is_file()
    assert executed(first) == {"producer": 1, "consumer": 1}
    assert executed(second) == {}
    assert second == first


@example("tutorial_python")
def test_the_script_executes_nothing_in_a_second_process(copied: Path) -> None:
    first, second = (run_python("graph.py", folder=copied).splitlines() for _ in range(2))

    assert first[1] == "consumer: {'total_from_producer': [6]}, 1 executed, 0 reused"
    assert second[1] == "consumer: {'total_from_producer': [6]}, 0 executed, 1 reused"


@example("tutorial_notebook")
def test_the_notebook_runs_only_the_edited_cell_again(copied: Path) -> None:
    notebook = nbformat.reads((copied / "graph.ipynb").read_text("utf-8"), as_version=4)  # type: ignore[no-untyped-call]
    cells = {cell["id"]: cell for cell in notebook.cells}
    assert all(not cell.get("outputs") for cell in notebook.cells), "the notebook is kept without outputs"

    shown = [run_notebook(notebook, copied), run_notebook(notebook, copied)]
    cells["consumer-code"]["source"] = cells["consumer-code"]["source"].replace('["total"]', '["total"] * 7')
    shown.append(run_notebook(notebook, copied))

    assert shown == [("1 ran, 0 reused", "[6]"), ("0 ran, 1 reused", "[6]"), ("1 ran, 0 reused", "[42]")]


@example("cancer")
def test_a_changed_treatment_of_the_cancer_graph_runs_its_ten_trials_and_its_report(copied: Path) -> None:
    config = copied / "experiments/train/config.yaml"

    first, second = resumed("experiments"), resumed("experiments")
    config.write_text(config.read_text("utf-8").replace("threshold: 0.3", "threshold: 0.2"), encoding="utf-8")
    third = resumed("experiments")

    assert failures(first) == []
    assert executed(first) == {"clean": 1, "features": 1, "train": 40, "report": 4}
    assert executed(second) == {}
    assert executed(third) == {"train": 10, "report": 1}
    assert third["train"].ran["cautious"] == 10


@example("cancer")
def test_the_cancer_graph_learns_and_its_hypotheses_rank_the_treatments(copied: Path) -> None:
    results = resumed("experiments")

    accuracy = results["train"].metrics.baseline.metrics["accuracy"]
    missed = results["train"].get_hypothesis("missed cancers")
    assert missed is not None
    assert len(set(accuracy)) > 5, "the seeds make no difference"
    assert fmean(accuracy) > 0.95
    assert results["clean"].metrics.baseline.metrics == {"dropped": [16], "samples": [683], "malignant": [239]}
    assert missed.ranking["best"] == "cautious"
    assert missed.results["cautious"]["p_value"] < 0.05 < missed.results["patient"]["p_value"]
    assert results["report"].metrics.baseline.metrics["mean_accuracy"] == [pytest.approx(fmean(accuracy))]


@example("cancer")
def test_a_changed_table_is_seen_though_only_declared(copied: Path) -> None:
    table = copied / "table/breast_cancer.csv"

    resumed("experiments/clean")
    table.write_text("".join(table.read_text("utf-8").splitlines(keepends=True)[:-1]), encoding="utf-8")
    again = resumed("experiments/clean")

    assert executed(again) == {"clean": 1}
    assert again["clean"].metrics.baseline.metrics["samples"] == [682]


def test_the_table_agrees_with_the_published_counts_and_means() -> None:
    with (EXAMPLES / "cancer/table/breast_cancer.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    classes = [row.pop("class") for row in rows]
    means = {name: round(fmean(int(row[name]) for row in rows if row[name] != "?"), 3) for name in rows[0]}

    assert (len(rows), classes.count("2"), classes.count("4")) == (699, 458, 241)
    assert sum("?" in row.values() for row in rows) == 16
    assert means == {
        "clump_thickness": 4.418,
        "cell_size": 3.134,
        "cell_shape": 3.207,
        "adhesion": 2.807,
        "epithelial_size": 3.216,
        "bare_nuclei": 3.545,
        "chromatin": 3.438,
        "nucleoli": 2.867,
        "mitoses": 1.589,
    }


def test_the_demo_runs_reuses_and_explains(tmp_path: Path) -> None:
    printed = run_python(str(EXAMPLES / "demo.py"), str(tmp_path / "demo"), folder=tmp_path)

    assert "ran 46, reused 0" in printed
    assert "ran 0, reused 46" in printed
    assert "ran 11, reused 35" in printed
    assert "0.3 → 0.2" in printed


def run_python(*arguments: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=os.environ | {"COLUMNS": "120"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def run_notebook(notebook: nbformat.NotebookNode, folder: Path) -> tuple[str, str]:
    """What the last two cells show after all have been executed in a new kernel: the result, and its metric."""
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(folder)}}).execute()
    result, metrics = (cell["outputs"][-1]["data"]["text/plain"] for cell in notebook.cells[-2:])
    return ", ".join(result.split("; ")[1].split(", ")[:2]), metrics.split(": ")[1].rstrip("}")
