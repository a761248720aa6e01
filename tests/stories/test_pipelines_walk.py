"""The platform's acceptance walk (contract `valohai.md`, section 6), as far as it is about pipelines, step by step."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.stories.pipelining import Pipelines

PROJECT = {
    "valohai.yaml": f"""
        - step:
            name: preprocess-dataset
            image: python:3.11
            command: {sys.executable} prep.py {{parameters}}
            parameters:
              - {{name: rows, type: integer, default: 3}}
        - step:
            name: train-model
            image: python:3.11
            command: {sys.executable} train.py {{parameters}}
            parameters:
              - {{name: lr, type: float, default: 0.1}}
            inputs:
              - name: dataset
        - task:
            name: sweep
            step: preprocess-dataset
            type: grid-search
            reuse-children: true
            parameters:
              - {{name: rows, style: multiple, rules: {{items: [7, 8]}}}}
        - pipeline:
            name: model-training
            reuse-executions: true
            parameters:
              - {{name: rows, targets: [preprocess.parameter.rows], default: 3}}
            nodes:
              - {{name: preprocess, type: execution, step: preprocess-dataset}}
              - {{name: train, type: execution, step: train-model}}
            edges:
              - [preprocess.output.*.csv, train.input.dataset]
        - pipeline:
            name: sweeping
            nodes:
              - {{name: sweep, type: task, task: sweep}}
        """,
    "prep.py": """
        import os, sys
        rows = int(sys.argv[1].partition("=")[2])
        with open(os.path.join(os.environ["VH_OUTPUTS_DIR"], "data.csv"), "w") as file:
            file.writelines(f"{row}\\n" for row in range(rows))
        """,
    "train.py": """
        import json, os, sys
        data = open(os.path.join(os.environ["VH_INPUTS_DIR"], "dataset", "data.csv")).read().split()
        for step in range(3):
            print(json.dumps({"step": step, "loss": 1 / (step + 1), "rows": len(data)}))
        folder = os.path.join(os.environ["VH_OUTPUTS_DIR"], "models")
        os.makedirs(folder)
        with open(os.path.join(folder, "model.txt"), "w") as file:
            file.write(f"{len(data)} rows, {sys.argv[1]}")
        with open(os.path.join(folder, "model.txt.metadata.json"), "w") as file:
            json.dump({"valohai.alias": "latest-model"}, file)
        """,
}


class Walk(Pipelines):
    def run_pipeline(self, *arguments: str, code: int = 0) -> list[tuple[str, str, int | None]]:
        """Node, what became of it, and the execution that it has."""
        jobs = self.document("pipeline", "run", "model-training", *arguments, code=code)["jobs"]
        return [(job["node"], job["state"], job["execution"]) for job in jobs]

    def executions(self) -> list[tuple[int, str, str]]:
        """Number, step and status, oldest first."""
        rows: list[dict[str, Any]] = self.shown("execution", "list")["executions"]
        return [(row["execution"], row["step"], row["status"]) for row in reversed(rows)]


@pytest.fixture
def walk(tmp_path: Path) -> Walk:
    return Walk(tmp_path, PROJECT)


def test_the_walk_gives_what_the_platform_gives(walk: Walk, tmp_path: Path) -> None:
    both_reused = [("preprocess", "reused", 1), ("train", "reused", 2)]

    assert "no errors" in walk.command("lint").stdout, "row 7"
    assert walk.run_pipeline() == [("preprocess", "ran", 1), ("train", "ran", 2)], "row 8"
    assert walk.executions() == [(1, "preprocess-dataset", "complete"), (2, "train-model", "complete")], "row 10"

    shown = walk.shown("execution", "show", "2")
    assert shown["parameters"] == {"lr": 0.1}, "row 11"
    assert shown["inputs"]["dataset"][0].startswith("datum://")
    assert set(walk.shown("execution", "metadata", "2")["latest"]) == {"loss", "rows", "step"}
    assert len(walk.shown("execution", "metadata", "2")["points"]) == 3

    assert walk.run_pipeline() == both_reused, "row 12"
    assert len(walk.executions()) == 2
    os.utime(tmp_path / "prep.py")
    assert walk.run_pipeline() == both_reused, "row 13: touched"
    assert walk.run_pipeline("--rows", "3") == both_reused, "row 14: the default, typed"
    assert walk.run_pipeline("--rows", "5") == [("preprocess", "ran", 3), ("train", "ran", 4)], "row 15"

    first = walk.shown("history")["runs"][-1]["run"]
    from_first = walk.run_pipeline("--reuse-from", f"{first}:prep*", "--train.lr", "0.5")
    assert from_first == [("preprocess", "reused", 1), ("train", "ran", 5)], "row 16"
    from_last = walk.run_pipeline("--reuse-from", "latest:preprocess", "--train.lr", "0.7")
    assert from_last == [("preprocess", "reused", 1), ("train", "ran", 6)], "row 17: a mimic of a mimic"
    said = walk.command("pipeline", "run", "model-training", "--reuse-from", "99:prep*", "--runtime", "local", code=2)
    assert "99" in said.stderr and len(walk.executions()) == 6, "row 18"

    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    walk.command("execution", "outputs", "2", "--download", str(outside))
    assert (outside / "models" / "model.txt").read_text() == "3 rows, --lr=0.1", "row 20"
    [output] = walk.shown("execution", "outputs", "6")["outputs"]
    assert (output["name"], output["aliases"]) == ("models/model.txt", ["latest-model"]), "row 21"

    datum = walk.shown("execution", "outputs", "1")["outputs"][0]["datum"]
    done = walk.document("step", "run", "train-model", "--dataset", f"datum://{datum}")
    assert [(job["state"], job["execution"]) for job in done["jobs"]] == [("ran", 7)], "row 22: runs all the same"


def test_the_walk_goes_on_with_edits_and_errors(walk: Walk) -> None:
    walk.run_pipeline()

    walk.edit("train.py", "rows, ", "rows; ")
    assert walk.run_pipeline() == [("preprocess", "ran", 3), ("train", "ran", 4)], "row 23: any byte of the tree"

    walk.edit("prep.py", "import os, sys", "import os, sys; sys.exit(1)")
    assert walk.run_pipeline(code=1) == [("preprocess", "failed", 5), ("train", "blocked", None)], "row 24"
    walk.edit("prep.py", "; sys.exit(1)", " ")
    assert walk.run_pipeline() == [("preprocess", "ran", 6), ("train", "ran", 7)], "nothing was kept of it"

    assert "forgot 3 results" in walk.command("store", "forget", "model-training:train").stdout
    assert walk.run_pipeline() == [("preprocess", "reused", 6), ("train", "ran", 8)], "row 26: its outputs are gone"


def test_the_walk_ends_with_a_task_whose_children_are_reused(walk: Walk) -> None:
    def children() -> list[tuple[str, int]]:
        jobs = walk.document("pipeline", "run", "sweeping")["jobs"]
        return [(job["state"], job["execution"]) for job in jobs]

    assert children() == [("ran", 1), ("ran", 2)], "row 27"
    assert children() == [("reused", 1), ("reused", 2)]
    assert len(walk.executions()) == 2
