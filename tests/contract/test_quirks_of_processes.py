"""Section 7 of the contract, what 0.27 got wrong in worker processes."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from crystallize import (
    Artifact,
    ExperimentGraph,
    ExperimentInput,
    FrozenContext,
    ParallelExecution,
    PipelineExecutionError,
    Result,
    Treatment,
    pipeline_step,
)

from .making import experiment, note, read, write


def in_processes(root: Path, *steps: Any, **settings: Any) -> Result:
    plugins = [ParallelExecution(max_workers=2, executor_type="process")]
    return experiment(root, *steps, plugins=plugins, **settings).run(strategy="resume")


@pytest.mark.contract("7.1.8")
def test_a_partial_resume_in_processes_counts_every_replicate_once(tmp_path: Path) -> None:
    in_processes(tmp_path, note(), replicates=3)

    result = in_processes(tmp_path, note(), replicates=3, treatments=[Treatment("t", {"k": 1})])

    assert result.ran == {"baseline": 0, "t": 3}
    assert dict(result.metrics.conditions()) == {"baseline": {"value": [1, 1, 1]}, "t": {"value": [1, 1, 1]}}


class Unlucky(Exception):
    """Of the user's own, with more than a text."""

    def __init__(self, replicate: int, why: str) -> None:
        super().__init__(f"{why} in {replicate}")
        self.replicate = replicate


@pytest.mark.contract("7.2.1")
def test_a_step_that_fails_in_a_process_costs_its_trial_alone_and_is_told_whole(tmp_path: Path) -> None:
    @pipeline_step()
    def fail(data: Any, ctx: FrozenContext) -> Any:
        if ctx["replicate"] == 1:
            raise Unlucky(1, "no luck")
        return data, {"replicate": ctx["replicate"]}

    result = in_processes(tmp_path, fail(), replicates=3)

    [(trial, error)] = result.errors.items()
    assert trial == "baseline_rep_1"
    assert isinstance(error, PipelineExecutionError)
    assert "no luck in 1" in str(error) and "Unlucky" in str(error)
    assert result.metrics.baseline.metrics == {"replicate": [0, 2]}


@pytest.mark.contract("7.2.2", "7.2.3")
def test_what_processes_write_is_read_by_others(tmp_path: Path) -> None:
    plugins = [ParallelExecution(max_workers=2, executor_type="process")]
    out = Artifact("o.txt")
    upstream = experiment(tmp_path, write(out=out), name="p", outputs=[out], replicates=2, plugins=plugins)
    reader = experiment(tmp_path, read(), name="c", source=ExperimentInput(up=out), plugins=plugins)

    results = ExperimentGraph(upstream, reader).run()

    assert results["c"].errors == {}
    assert results["c"].metrics.baseline.metrics == {"up": ["baseline:1", "baseline:1"]}
    assert json.loads((tmp_path / "p/v0/_manifest.json").read_text()) == {"o.txt": "WriteStep"}


@pytest.mark.contract("7.2.4")
def test_a_definition_that_no_pickle_holds_runs_in_processes(tmp_path: Path) -> None:
    lock = threading.Lock()

    @pipeline_step()
    def held(data: Any) -> Any:
        with lock:
            return data, {"held": True}

    result = in_processes(tmp_path, held(), replicates=2)

    assert result.errors == {}
    assert result.metrics.baseline.metrics == {"held": [True, True]}


@pytest.mark.contract("7.2.4")
def test_a_result_that_no_pickle_holds_is_told_with_step_and_metric(tmp_path: Path) -> None:
    result = in_processes(tmp_path, note(value=threading.Lock()), replicates=2)

    assert sorted(result.errors) == ["baseline_rep_0", "baseline_rep_1"]
    assert all("NoteStep: metric 'value' holds a lock" in str(error) for error in result.errors.values())
