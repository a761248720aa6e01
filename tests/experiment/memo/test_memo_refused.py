"""Step memos: what would not come back as it was is not kept, and the run says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from crystallize import (
    Artifact,
    FrozenContext,
    PipelineStep,
    pipeline_step,
)

from ..memoising import RAN, fit, hits, metrics, prepare, ran, run, step


@pytest.fixture(autouse=True)
def _nothing_ran() -> None:
    RAN.clear()


class Handle:
    def __init__(self) -> None:
        self.lock = __import__("threading").Lock()


def gives_a_lock(data: Any) -> Any:
    return Handle()


def gives_a_lambda(data: Any) -> Any:
    return lambda: data


def gives_a_scratch_path(data: Any, model: Artifact) -> Any:
    path = model.path()
    path.write_text("x")
    return path


def gives_a_scratch_text(data: Any, model: Artifact) -> Any:
    path = model.path()
    path.write_text("x")
    return {"deep": [str(path)]}


def gives_its_context(data: Any, ctx: FrozenContext) -> Any:
    return ctx


def gives_its_generator(data: Any, ctx: FrozenContext) -> Any:
    return ctx.rng


def looks_at_artifacts(data: Any, ctx: FrozenContext) -> Any:
    return len(ctx.artifacts)


@pytest.mark.parametrize(
    "fn", [gives_a_lock, gives_a_lambda, gives_its_context, gives_its_generator, looks_at_artifacts]
)
def test_what_would_not_come_back_as_it_was_is_not_kept_and_said_once(tmp_path: Path, fn: Any) -> None:
    made = step(fn)
    result = run(tmp_path, [made], replicates=3)

    assert result.memo_hits == 0
    [notice] = result.notices
    assert type(made).__name__ in notice and "is not kept" in notice


@pytest.mark.parametrize("fn", [gives_a_scratch_path, gives_a_scratch_text])
def test_a_path_of_the_trial_itself_is_not_kept(tmp_path: Path, fn: Any) -> None:
    made = pipeline_step(cacheable=True)(fn)(model=Artifact("model"))
    result = run(tmp_path, [made], replicates=2)

    assert result.memo_hits == 0
    assert any("path" in notice for notice in result.notices)


def test_data_that_cannot_be_told_apart_is_said_and_the_step_runs(tmp_path: Path) -> None:
    def count(data: Any) -> Any:
        RAN.append("count")
        return 1, {"n": 1}

    result = run(tmp_path, [pipeline_step(gives_a_lock)(), step(count)], replicates=2)

    assert (ran(), metrics(result)) == (["count", "count"], {"baseline": {"n": [1, 1]}})
    assert any("a lock" in notice for notice in result.notices)


def test_a_value_of_the_context_that_cannot_be_told_apart_concerns_only_who_reads_it(tmp_path: Path) -> None:
    def ask(data: Any, ctx: FrozenContext) -> Any:
        return data, {"set": "lr" in ctx}

    result = run(tmp_path, [prepare(), step(ask)], {"odd": {"lr": Handle()}}, replicates=2)

    assert ran() == ["prepare"]
    assert [hits(result, "odd", replicate) for replicate in (0, 1)] == [[True, False], [True, False]]
    assert any("lr" in notice for notice in result.notices)


def test_a_volatile_step_is_never_kept(tmp_path: Path) -> None:
    def ask(data: Any) -> Any:
        RAN.append("ask")
        return data

    result = run(tmp_path, [step(ask, volatile=True)], replicates=2)

    assert (ran(), result.memo_hits) == (["ask", "ask"], 0)


class Learner(PipelineStep):
    """Leaves what it learned in itself, for the next step."""

    cacheable = True
    params: dict[str, Any] = {}  # noqa: RUF012

    def __init__(self) -> None:
        self.model: Any = None
        self.calls = 0

    def __call__(self, data: Any, ctx: FrozenContext) -> Any:
        self.calls += 1
        self.model = list(data)
        return data


class Counting(Learner):
    def __call__(self, data: Any, ctx: FrozenContext) -> Any:
        self.calls += 1
        return data


def test_a_step_that_changes_its_own_fields_is_not_kept(tmp_path: Path) -> None:
    learner = Learner()
    result = run(tmp_path, [learner], replicates=3)

    assert (learner.calls, result.memo_hits) == (3, 0)
    assert any("self.model" in notice for notice in result.notices)


def test_a_step_that_counts_in_itself_is_kept(tmp_path: Path) -> None:
    counting = Counting()
    first = run(tmp_path, [counting], replicates=3)
    second = run(tmp_path, [counting, fit()], replicates=3)

    assert (counting.calls, first.memo_hits, second.memo_hits) == (1, 2, 3)


class SetUp(Learner):
    """Takes a field from what it finds at set-up."""

    def setup(self, ctx: FrozenContext) -> None:
        self.model = RAN[:]

    def __call__(self, data: Any, ctx: FrozenContext) -> Any:
        return data, {"seen": len(self.model)}


def test_what_setup_leaves_in_a_step_counts(tmp_path: Path) -> None:
    first = run(tmp_path, [SetUp()], replicates=2)
    RAN.append("changed")
    second = run(tmp_path, [SetUp(), prepare()], replicates=2)

    assert (metrics(first), metrics(second)) == ({"baseline": {"seen": [0, 0]}}, {"baseline": {"seen": [1, 1]}})
