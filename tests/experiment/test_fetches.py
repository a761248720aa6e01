"""Volatile datasources: what was fetched decides whether a trial is reused, and a trial cannot tell who fetched."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crystallize import (
    Artifact,
    ArtifactPlugin,
    DataSource,
    Experiment,
    ExperimentGraph,
    ExperimentInput,
    FrozenContext,
    ParallelExecution,
    Pipeline,
    PipelineStep,
    Result,
    SeedPlugin,
    Treatment,
    data_source,
    pipeline_step,
)

OUTSIDE: dict[str, Any] = {}
"""The state that sources ask for; what stands here is no part of any key."""
FETCHED: list[str] = []
"""For whom a source was asked, in order."""


@pytest.fixture(autouse=True)
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    (tmp_path / "crystallize.toml").touch()
    monkeypatch.chdir(tmp_path)
    FETCHED.clear()
    OUTSIDE.clear()
    OUTSIDE["rows"] = [1, 2, 3]
    yield OUTSIDE


class Rows(DataSource):
    """Gives the rows of its trial, or those of everybody."""

    volatile = True

    def fetch(self, ctx: FrozenContext) -> Any:
        where = f"{ctx['condition']}/{ctx['replicate']}"
        FETCHED.append(where)
        found = OUTSIDE.get(where, OUTSIDE["rows"])
        return found(ctx) if callable(found) else found


@data_source(volatile=True)
def shared_rows() -> Any:
    FETCHED.append("")
    return OUTSIDE["rows"]


@data_source(volatile=True)
async def later_rows(ctx: FrozenContext) -> Any:
    await asyncio.sleep(0)
    return OUTSIDE["rows"]


@data_source
def steady() -> int:
    return 7


@pipeline_step()
def look(data: Any, factor: int = 1) -> Any:
    return data, {"seen": repr(data), "factor": factor}


def experiment(source: Any = None, *steps: Any, **more: Any) -> Experiment:
    plugins = [ArtifactPlugin(root_dir="data"), *more.pop("plugins", [])]
    return Experiment(
        datasource=source or Rows(), pipeline=Pipeline([*steps, look()]), plugins=plugins, name="report", **more
    )


def run(made: Experiment) -> Result:
    return made.run(strategy="resume")


def ran(result: Result) -> list[str]:
    return list(result.reasons)


def test_a_trial_is_reused_as_long_as_the_contents_are_equal(outside: dict[str, Any]) -> None:
    first = run(experiment())
    second = run(experiment())
    outside["rows"] = [4]
    third = run(experiment())

    assert [ran(result) for result in (first, second, third)] == [["baseline_rep_0"], [], ["baseline_rep_0"]]
    assert [result.fetched for result in (first, second, third)] == [1, 1, 1]
    assert third.metrics.baseline.metrics["seen"] == ["[4]"]
    assert third.reasons["baseline_rep_0"] == "input.data: other contents"


def test_earlier_contents_reuse_the_earlier_result(outside: dict[str, Any]) -> None:
    for rows in ([1], [2]):
        outside["rows"] = rows
        run(experiment())
    outside["rows"] = [1]

    assert ran(run(experiment())) == []


def test_only_the_trial_whose_contents_differ_runs(outside: dict[str, Any]) -> None:
    treatments = [Treatment("double", {"factor": 2})]
    run(experiment(treatments=treatments, replicates=3))
    outside["double/1"] = [9]

    result = run(experiment(treatments=treatments, replicates=3))

    assert ran(result) == ["double_rep_1"]
    assert result.fetched == 6
    assert "Rows: in 5 of 6 fetches the contents are those of run 1" in result.notices


def test_a_source_that_looks_at_no_context_is_asked_once_for_all_conditions() -> None:
    treatments = [Treatment("double", {"factor": 2}), Treatment("triple", {"factor": 3})]

    result = run(experiment(shared_rows(), treatments=treatments, replicates=2))

    assert len(FETCHED) == result.fetched == 2
    assert result.metrics.treatments["triple"].metrics["seen"] == ["[1, 2, 3]"] * 2


def test_equal_contents_are_told_and_changed_ones_not(outside: dict[str, Any]) -> None:
    run(experiment())

    assert "Rows: the contents are those of run 1" in run(experiment()).notices
    outside["rows"] = []
    assert not any("Rows" in notice for notice in run(experiment()).notices)


def test_among_several_inputs_only_the_volatile_one_is_fetched(outside: dict[str, Any]) -> None:
    def made() -> Experiment:
        return experiment(ExperimentInput(rows=Rows(), steady=steady()))

    first, second = run(made()), run(made())
    outside["rows"] = [5]

    assert first.metrics.baseline.metrics["seen"] == ["{'rows': [1, 2, 3], 'steady': 7}"]
    assert ran(second) == []
    assert run(made()).reasons == {"baseline_rep_0": "input.rows: other contents"}


def test_a_coroutine_is_awaited() -> None:
    result = run(experiment(later_rows()))

    assert result.metrics.baseline.metrics["seen"] == ["[1, 2, 3]"]
    assert ran(run(experiment(later_rows()))) == []


def test_trials_in_threads_read_what_was_fetched_for_them(outside: dict[str, Any]) -> None:
    outside |= {f"baseline/{replicate}": [replicate] for replicate in range(8)}

    result = run(experiment(replicates=8, plugins=[ParallelExecution(max_workers=4)]))

    assert result.metrics.baseline.metrics["seen"] == [f"[{replicate}]" for replicate in range(8)]
    assert ran(run(experiment(replicates=8, plugins=[ParallelExecution(max_workers=4)]))) == []


def test_a_treatment_reaches_the_fetch_and_counts_as_read(outside: dict[str, Any]) -> None:
    outside["rows"] = lambda ctx: ctx.get("query", "all")

    result = run(experiment(treatments=[Treatment("some", {"query": "some"}), Treatment("odd", {"qurey": 1})]))

    assert result.metrics.baseline.metrics["seen"] == ["'all'"]
    assert result.metrics.treatments["some"].metrics["seen"] == ["'some'"]
    assert [notice for notice in result.notices if "nothing reads" in notice] == ["odd sets qurey, which nothing reads"]


def test_what_a_source_adds_and_records_is_done_once_in_the_trial(outside: dict[str, Any]) -> None:
    def rows(ctx: FrozenContext) -> int:
        ctx.add("origin", "outside")
        ctx.record("rows", 3, tags={"of": "table"})
        return 1

    @pipeline_step()
    def tell(data: int, origin: str) -> Any:
        return data, {"origin": origin}

    outside["rows"] = rows
    metrics = run(experiment(None, tell())).metrics.baseline.metrics

    assert (metrics["origin"], metrics["rows"]) == (["outside"], [3])


@pytest.mark.parametrize("draw", ["random.random()", "ctx.rng.random()"])
def test_random_numbers_go_on_where_the_fetch_left_them(outside: dict[str, Any], draw: str) -> None:
    def numbers(ctx: FrozenContext) -> float:
        return float(eval(draw, {"random": random, "ctx": ctx}))

    class Once(DataSource):
        def fetch(self, ctx: FrozenContext) -> float:
            return numbers(ctx)

    @pipeline_step()
    def more(data: float, ctx: FrozenContext) -> Any:
        return data, {"next": numbers(ctx)}

    outside["rows"] = numbers
    plain = experiment(Once(), more(), plugins=[SeedPlugin(seed=3)]).run()
    fetched = [run(experiment(None, more(), plugins=[SeedPlugin(seed=3)])) for _ in range(2)]

    assert [each.metrics.baseline.metrics for each in fetched] == [plain.metrics.baseline.metrics] * 2
    assert ran(fetched[1]) == []


def test_a_source_reads_an_artifact_of_another_experiment(outside: dict[str, Any]) -> None:
    output = Artifact("query.txt", loader=Path.read_text, writer=str.encode)

    class Ask(DataSource):
        volatile = True

        def __init__(self) -> None:
            self.query = output

        def fetch(self, ctx: FrozenContext) -> Any:
            return [self.query.fetch(ctx), outside["rows"]]

    class Write(PipelineStep):
        def __init__(self, text: str) -> None:
            self.text = text

        params: dict[str, Any] = {}  # noqa: RUF012

        def __call__(self, data: Any, ctx: FrozenContext) -> Any:
            ctx.artifacts.add("query.txt", self.text)
            return data

    def graph(text: str) -> ExperimentGraph:
        plugins = [ArtifactPlugin(root_dir="data")]
        maker = Experiment(
            datasource=steady(), pipeline=Pipeline([Write(text)]), plugins=plugins, name="maker", outputs=[output]
        )
        return ExperimentGraph.from_experiments([maker, experiment(Ask())])

    first = graph("all").run(strategy="resume")
    again = graph("all").run(strategy="resume")
    other = graph("some").run(strategy="resume")

    assert first["report"].metrics.baseline.metrics["seen"] == ["['all', [1, 2, 3]]"]
    assert ran(again["report"]) == []
    assert other["report"].metrics.baseline.metrics["seen"] == ["['some', [1, 2, 3]]"]


def test_what_cannot_be_pickled_is_told_by_the_name_of_its_source(outside: dict[str, Any]) -> None:
    outside["rows"] = lambda ctx: (row for row in [1])

    error = run(experiment()).errors["baseline_rep_0"]

    assert str(error).startswith("volatile datasource 'Rows': what it gives cannot be pickled (TypeError:")
    assert "generator" in str(error)


def test_an_artifact_is_written_in_a_step_and_not_in_a_fetch(outside: dict[str, Any]) -> None:
    outside["rows"] = lambda ctx: ctx.artifacts.add("raw.txt", "1")

    error = run(experiment()).errors["baseline_rep_0"]

    assert "writes an artifact" in str(error)


def test_what_the_user_s_source_raises_fails_the_trial_as_it_is(outside: dict[str, Any]) -> None:
    class NoNetwork(Exception):
        pass

    def fail(ctx: FrozenContext) -> None:
        raise NoNetwork("down")

    run(experiment(replicates=2))
    outside["baseline/1"] = fail

    result = run(experiment(replicates=2))

    assert isinstance(result.errors["baseline_rep_1"], NoNetwork)
    assert (result.ran, result.reused) == ({"baseline": 1}, {"baseline": 1})
    assert not Path("data/report/v0/baseline/.crystallize_complete").exists()


def test_an_order_that_changes_by_itself_is_told(outside: dict[str, Any]) -> None:
    outside["rows"] = {"a": 1, "b": 2}
    run(experiment())
    outside["rows"] = {"b": 2, "a": 1}

    result = run(experiment())

    assert ran(result) == ["baseline_rep_0"]
    assert "Rows: its contents are as before, and not their order; give it an order of its own" in result.notices


class Stamped:
    """An instance that pickles differently each time."""

    count = 0

    def __reduce__(self) -> Any:
        Stamped.count += 1
        return Stamped, (), {"count": Stamped.count}


def test_bytes_that_differ_each_time_are_told(outside: dict[str, Any]) -> None:
    outside["rows"] = lambda ctx: Stamped()
    run(experiment())

    assert any(notice.startswith("Rows: its bytes differ each time") for notice in run(experiment()).notices)


def test_a_file_that_the_source_wrote_and_names_counts_by_its_contents(outside: dict[str, Any]) -> None:
    def download(ctx: FrozenContext) -> Path:
        path = Path("raw.bin")
        path.write_text(outside["contents"], encoding="utf-8")
        return path

    outside |= {"rows": download, "contents": "old"}
    run(experiment())

    again = ran(run(experiment()))
    outside["contents"] = "new"

    assert (again, ran(run(experiment()))) == ([], ["baseline_rep_0"])


def test_the_code_of_the_source_counts_by_what_it_fetches() -> None:
    class Other(DataSource):
        volatile = True

        def fetch(self, ctx: FrozenContext) -> Any:
            return [1, 2, *OUTSIDE["rows"][2:]]

    run(experiment())

    assert ran(run(experiment(Other()))) == []


def test_hooks_of_trials_are_not_called_around_a_fetch() -> None:
    from crystallize import BasePlugin

    called: list[str] = []

    class Hooks(BasePlugin):
        affects_results = False

        def before_run(self, experiment: Any) -> None:
            called.append("before_run")

        def before_replicate(self, experiment: Any, ctx: FrozenContext) -> None:
            called.append("before_replicate")

        def after_run(self, experiment: Any, result: Any) -> None:
            called.append("after_run")

    run(experiment(plugins=[Hooks()]))
    first, called[:] = list(called), []
    run(experiment(plugins=[Hooks()]))

    assert (first, called) == (["before_run", "before_replicate", "after_run"], [])


def test_a_cacheable_step_serves_conditions_that_were_given_the_same() -> None:
    calls: list[int] = []

    @pipeline_step(cacheable=True)
    def prepare(data: Any) -> Any:
        calls.append(1)
        return data

    treatments = [Treatment("double", {"factor": 2})]

    run(experiment(shared_rows(), prepare(), treatments=treatments))

    assert len(calls) == 1


def test_a_progress_callback_hears_of_the_experiment_and_not_of_its_fetches() -> None:
    told: list[tuple[str, str]] = []

    async def tell(status: str, name: str) -> None:
        told.append((status, name))

    graph = ExperimentGraph.from_experiments([experiment()])
    for _ in range(2):
        asyncio.run(graph.arun(strategy="resume", progress_callback=tell))

    assert told == [("running", "report"), ("completed", "report"), ("completed", "report")]


def test_two_experiments_with_the_same_source_see_the_same_state(outside: dict[str, Any]) -> None:
    count = iter(range(100))
    outside["rows"] = lambda ctx: next(count)
    one = experiment()
    other = Experiment(
        datasource=ExperimentInput(rows=Rows()), pipeline=Pipeline([look()]), plugins=[*one.plugins], name="other"
    )
    graph = ExperimentGraph()
    for each in (one, other):
        graph.add_experiment(each)

    results = graph.run(strategy="resume")

    assert results["report"].metrics.baseline.metrics["seen"] == ["0"]
    assert results["other"].metrics.baseline.metrics["seen"] == ["{'rows': 0}"]
    assert (results["report"].fetched, results["other"].fetched) == (1, 0)
