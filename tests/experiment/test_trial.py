"""Trials: seeds, generators, hooks, contexts, and what a failing one tells."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crystallize import (
    Artifact,
    ArtifactPlugin,
    AsyncExecution,
    BasePlugin,
    Experiment,
    ExperimentGraph,
    ExperimentInput,
    FrozenContext,
    ParallelExecution,
    Pipeline,
    PipelineStep,
    Result,
    Treatment,
    data_source,
    pipeline_step,
)


@data_source
def nothing(ctx: FrozenContext) -> None:
    return None


@pipeline_step()
def draw_own(data: Any, ctx: FrozenContext) -> Any:
    return data, {"drawn": float(ctx.rng.random())}


@pipeline_step()
def draw_global(data: Any, ctx: FrozenContext) -> Any:
    import numpy as np

    return data, {"drawn": random.random(), "numpy": float(np.random.random())}


def run(root: Path, step: Any, *plugins: Any, name: str = "e", **settings: Any) -> Result:
    given = [ArtifactPlugin(root_dir=root), *plugins]
    return Experiment(nothing(), Pipeline([step]), given, name=name, replicates=4, **settings).run(strategy="resume")


@pytest.mark.parametrize("execution", [ParallelExecution(max_workers=3), AsyncExecution()], ids=["thread", "async"])
def test_own_generators_give_the_same_numbers_under_every_executor(tmp_path: Path, execution: Any) -> None:
    serial = run(tmp_path / "a", draw_own())
    parallel = run(tmp_path / "b", draw_own(), execution)

    assert parallel.metrics == serial.metrics
    assert parallel.notices == []
    assert run(tmp_path / "b", draw_own(), execution).ran == {"baseline": 0}


def test_global_generators_are_seeded_and_reproducible_one_by_one(tmp_path: Path) -> None:
    first, second = run(tmp_path / "a", draw_global()), run(tmp_path / "b", draw_global())

    assert first.metrics == second.metrics
    assert len(set(first.metrics.baseline.metrics["numpy"])) == 4


@pytest.mark.contract("7.1.11")
def test_a_global_generator_beside_other_trials_is_shown_marked_and_never_reused(tmp_path: Path) -> None:
    first = run(tmp_path, draw_global(), ParallelExecution(max_workers=2))
    second = run(tmp_path, draw_global(), ParallelExecution(max_workers=2))

    assert len(first.metrics.baseline.metrics["drawn"]) == 4
    notice = " ".join(first.notices)
    assert "not reproducible" in notice and "Draw_GlobalStep" in notice and "ctx.rng" in notice
    assert second.ran == {"baseline": 4}


class Diary(BasePlugin):
    """Writes down which hook was called."""

    affects_results = False

    def __init__(self) -> None:
        self.lines: list[str] = []

    def before_run(self, experiment: Any) -> None:
        self.lines.append("before_run")

    def before_replicate(self, experiment: Any, ctx: FrozenContext) -> None:
        self.lines.append(f"before_replicate {ctx['replicate']} {ctx['condition']} {'k' in ctx}")

    def before_step(self, experiment: Any, step: Any) -> None:
        self.lines.append("before_step")

    def after_step(self, experiment: Any, step: Any, data: Any, ctx: FrozenContext) -> None:
        self.lines.append("after_step")

    def after_run(self, experiment: Any, result: Any) -> None:
        self.lines.append(f"after_run {(experiment.artifact_root / 'e/v0/baseline/results.json').exists()}")


class Prepared(PipelineStep):
    """Puts a key into the context of all trials."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines

    def setup(self, ctx: FrozenContext) -> None:
        self._lines.append("setup")
        ctx.add("model", "loaded")

    def teardown(self, ctx: FrozenContext) -> None:
        self._lines.append("teardown")

    def __call__(self, data: Any, ctx: FrozenContext) -> Any:
        return data, {"model": ctx["model"]}

    @property
    def params(self) -> dict[str, Any]:
        return {}


@pytest.mark.contract("1.7.13", "1.7.17")
def test_hooks_are_called_in_the_order_of_the_contract_and_not_for_reused_trials(tmp_path: Path) -> None:
    diary = Diary()
    plugins = [ArtifactPlugin(root_dir=tmp_path), diary]
    step = Prepared(diary.lines)
    treatments = [Treatment("t", {"k": 1})]
    experiment = Experiment(nothing(), Pipeline([step]), plugins, name="e", treatments=treatments)

    experiment.run(strategy="resume")
    first, diary.lines[:] = list(diary.lines), []
    experiment.run(strategy="resume")

    assert first == [
        "before_run",
        "setup",
        "before_replicate 0 baseline False",
        "before_step",
        "after_step",
        "before_replicate 0 t True",
        "before_step",
        "after_step",
        "teardown",
        "after_run True",
    ]
    assert diary.lines == []


def test_a_plugin_that_takes_part_counts_and_one_that_only_watches_does_not(tmp_path: Path) -> None:
    class Adds(BasePlugin):
        def __init__(self, value: int) -> None:
            self.value = value

        def before_replicate(self, experiment: Any, ctx: FrozenContext) -> None:
            ctx.metrics.add("added", self.value)

    run(tmp_path, draw_own(), Adds(1))

    assert run(tmp_path, draw_own(), Adds(1)).ran == {"baseline": 0}
    assert run(tmp_path, draw_own(), Adds(2)).ran == {"baseline": 4}
    assert run(tmp_path, draw_own(), Adds(2), Diary()).ran == {"baseline": 0}


@pytest.mark.contract("1.7.16")
def test_what_before_run_raises_aborts_a_run_and_is_raised(tmp_path: Path) -> None:
    class Refuses(BasePlugin):
        affects_results = False

        def before_run(self, experiment: Any) -> None:
            raise PermissionError("no licence")

    with pytest.raises(PermissionError, match="no licence"):
        run(tmp_path, draw_own(), Refuses())


@pytest.mark.contract("1.7.16")
def test_what_after_run_raises_is_raised_when_everything_is_saved(tmp_path: Path) -> None:
    class Trips(BasePlugin):
        affects_results = False

        def after_run(self, experiment: Any, result: Any) -> None:
            raise RuntimeError("tripped")

    with pytest.raises(RuntimeError, match="tripped"):
        run(tmp_path, draw_own(), Trips())

    assert (tmp_path / "e/v0/baseline/.crystallize_complete").exists()
    assert run(tmp_path, draw_own()).ran == {"baseline": 0}


@pipeline_step()
def needs_dict(data: Any) -> Any:
    return data["up"]["total"]


@pipeline_step()
def write_json(data: Any, *, out: Artifact) -> Any:
    out.write('{"total": 1}')
    return data


def test_bytes_for_want_of_a_loader_are_explained_once(tmp_path: Path) -> None:
    out = Artifact("o.json")
    plugins = [ArtifactPlugin(root_dir=tmp_path)]
    producer = Experiment(nothing(), Pipeline([write_json(out=out)]), plugins, name="p", outputs=[out])
    consumer = Experiment(ExperimentInput(up=out), Pipeline([needs_dict()]), plugins, name="c")

    error = ExperimentGraph(producer, consumer).run()["c"].errors["baseline_rep_0"]

    text = error.traceback_str  # type: ignore[attr-defined]
    assert text.count("came as bytes, for want of a loader") == 1
    assert "needs_dict" in text


@pipeline_step()
async def waits(data: Any) -> Any:
    import asyncio

    await asyncio.sleep(0)
    return data, {"done": True}


@pytest.mark.contract("1.4.1")
def test_steps_may_be_coroutines(tmp_path: Path) -> None:
    assert run(tmp_path, waits()).metrics.baseline.metrics == {"done": [True] * 4}


def opaque() -> Iterator[int]:
    yield 1


@pipeline_step()
def takes(data: Any, *, handle: Any = None) -> Any:
    return data, {"m": 1}


def test_a_value_that_cannot_be_told_apart_runs_every_time_and_says_which_and_what_to_do(tmp_path: Path) -> None:
    run(tmp_path, takes(handle=opaque()))

    again = run(tmp_path, takes(handle=opaque()))

    assert again.ran == {"baseline": 4}
    reason = again.reasons["baseline_rep_0"]
    assert "param.takes.handle" in reason and "a generator; pass the function that makes it" in reason


def test_a_declared_file_that_changes_re_runs_and_an_ignored_one_does_not(tmp_path: Path) -> None:
    folder = tmp_path / "inputs"
    folder.mkdir()
    (folder / "a.csv").write_text("1")
    (folder / "b.log").write_text("1")
    settings: dict[str, Any] = {"reads": ["inputs"], "ignore": ["*.log"]}
    run(tmp_path, takes(), **settings)

    (folder / "b.log").write_text("2")
    ignored = run(tmp_path, takes(), **settings)
    (folder / "a.csv").write_text("2")
    changed = run(tmp_path, takes(), **settings)

    assert ignored.ran == {"baseline": 0}
    assert changed.ran == {"baseline": 4}
    assert "file." in changed.reasons["baseline_rep_0"]


def test_an_environment_variable_that_the_code_reads_counts_and_is_never_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @pipeline_step()
    def reads_variable(data: Any) -> Any:
        import os

        return data, {"m": len(os.environ["STORY_DIR"])}

    monkeypatch.setenv("STORY_DIR", "one")
    run(tmp_path, reads_variable())
    monkeypatch.setenv("STORY_DIR", "three")

    changed = run(tmp_path, reads_variable())

    assert changed.metrics.baseline.metrics == {"m": [5] * 4}
    assert "envvar.STORY_DIR" in changed.reasons["baseline_rep_0"]
    assert "three" not in changed.reasons["baseline_rep_0"]
