"""A store written long ago opens, lists, explains, verifies, exports and serves, on every supported Python."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
VERSIONS = sorted(path.name for path in HERE.glob("v*"))
TRIALS = 6


@pytest.fixture(params=VERSIONS)
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The project with a copy of the frozen store, and nothing of its results."""
    folder = tmp_path / "project"
    shutil.copytree(HERE / "project", folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(HERE / request.param, folder / "data/.crystallize")
    return folder


def told(project: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, str(HERE / "command.py"), *arguments], cwd=project, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "damaged" not in done.stderr
    return done.stdout


def test_it_is_listed(project: Path) -> None:
    runs = json.loads(told(project, "history", "--format", "json"))["runs"]
    held = json.loads(told(project, "store", "status", "--format", "json"))

    assert [(run["run"], run["ran"], run["reused"]) for run in runs] == [(2, TRIALS, 0), (1, TRIALS, 0)]
    assert {each["name"]: each["results"] for each in held["experiments"]} == {"train": 8, "report": 4}


def test_it_explains(project: Path) -> None:
    project.joinpath("experiments/train/steps.py").write_text(
        (HERE / "project/experiments/train/steps.py").read_text(encoding="utf-8").replace("FACTOR = 2", "FACTOR = 3"),
        encoding="utf-8",
    )

    text = told(project, "explain", "train")

    assert "code of steps.FACTOR changed" in text
    assert "-FACTOR = 2" in text and "+FACTOR = 3" in text


def test_it_is_whole(project: Path) -> None:
    assert told(project, "store", "verify").endswith("everything is as it was written\n")


def test_it_serves_where_the_environment_is_the_same(project: Path) -> None:
    summary = told(project, "run", "--restore")
    earlier = told(project, "run", "--restore", "--set", "train.steps.fit.rate=0.25")
    results = json.loads((project / "data/train/v0/strong/results.json").read_text(encoding="utf-8"))

    assert f"ran 0, reused {TRIALS}, failed 0" in summary
    assert f"ran 0, reused {TRIALS}, failed 0" in earlier
    assert results == {"metrics": {"score": [4.5, 4.5]}}
    assert (project / "data/train/v0/replicate_1/baseline/FitStep/weights.bin").read_bytes() == b"weights " * 2500


def test_it_is_exported_and_serves_elsewhere(project: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(HERE / "project", other, ignore=shutil.ignore_patterns("__pycache__"))

    told(project, "store", "export", "train", "-o", str(tmp_path / "train.crystals"))
    told(other, "store", "import", str(tmp_path / "train.crystals"))

    assert "ran 0, reused 4, failed 0" in told(other, "run", "train")


def test_opening_it_for_reading_changes_no_byte_of_it(project: Path) -> None:
    store = project / "data/.crystallize"
    before = {path: path.read_bytes() for path in store.rglob("*") if path.is_file()}

    told(project, "store", "status")
    told(project, "stats")
    told(project, "run", "--dry-run")

    assert {path: path.read_bytes() for path in store.rglob("*") if path.is_file()} == before
