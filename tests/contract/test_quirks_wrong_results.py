"""Section 7.1 of the contract: where 0.27 gave wrong results silently, ours are right."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from crystallize.plugins import load_metrics

from crystallize import (
    Artifact,
    ArtifactPlugin,
    AsyncExecution,
    Experiment,
    ExperimentGraph,
    ExperimentInput,
    FrozenContext,
    GraphError,
    ParallelExecution,
    Pipeline,
    PipelineStep,
    SerialExecution,
    Treatment,
    pipeline_step,
)

from .making import calls, experiment, note, nothing, producer, read


@pipeline_step(cacheable=True)
def summary(data: Any) -> dict[str, Any]:
    return {"k": 5, "label": "abc"}


@pytest.mark.contract("7.1.3")
def test_a_mapping_that_is_data_never_becomes_metrics_replayed_or_not(tmp_path: Path) -> None:
    first = experiment(tmp_path, summary(), replicates=2).run()
    result = experiment(tmp_path, summary(), note(), replicates=2).run(strategy="resume")

    assert (first.memo_hits, result.memo_hits) == (1, 2)
    assert first.metrics.baseline.metrics == {}
    assert result.metrics.baseline.metrics == {"value": [1, 1]}


class FailsOnce(PipelineStep):
    """Fails in the given replicate for as long as the file ``go`` is not there."""

    params: dict[str, Any] = {}  # noqa: RUF012

    def __init__(self, replicate: int) -> None:
        self.replicate = replicate

    def __call__(self, data: Any, ctx: FrozenContext) -> Any:
        if ctx["replicate"] == self.replicate and not Path("go").exists():
            raise ValueError("no luck")
        return data, {"replicate": ctx["replicate"]}


@pytest.mark.contract("6.4", "7.1.5", "2.1.4")
def test_a_run_with_errors_is_never_complete_and_tells_them_every_time(tmp_path: Path) -> None:
    def run() -> Any:
        return experiment(tmp_path, FailsOnce(1), replicates=3).run(strategy="resume")

    first, second = run(), run()
    marked = (tmp_path / "e/v0/baseline/.crystallize_complete").exists()
    Path("go").touch()
    third = run()

    assert [list(result.errors) for result in (first, second, third)] == [["baseline_rep_1"], ["baseline_rep_1"], []]
    assert not marked
    assert third.ran == {"baseline": 1}
    assert third.metrics.baseline.metrics == {"replicate": [0, 1, 2]}


@pytest.mark.contract("7.1.6", "2.2.1")
def test_a_smaller_rerun_leaves_nothing_of_the_larger_one_behind(tmp_path: Path) -> None:
    both = [Treatment("high", {"value": 9}), Treatment("low", {"value": 0})]
    producer(tmp_path, replicates=3, treatments=both).run()

    producer(tmp_path, replicates=2, treatments=both[:1]).run()

    assert sorted(path.name for path in (tmp_path / "p/v0").iterdir()) == [
        "_manifest.json",
        "baseline",
        "high",
        "metadata.json",
        "replicate_0",
        "replicate_1",
    ]
    assert not list(tmp_path.glob("p/v0/*/low"))
    assert json.loads((tmp_path / "p/v0/metadata.json").read_text())["replicates"] == 2


@pytest.mark.contract("7.1.7", "2.2.2")
def test_a_new_version_of_a_partial_resume_holds_what_was_reused_as_well(tmp_path: Path) -> None:
    def graph(*treatments: Treatment) -> ExperimentGraph:
        out = Artifact("o.txt")
        plugins = [ArtifactPlugin(root_dir=tmp_path, versioned=True)]
        steps = producer(tmp_path).pipeline.steps[0].factory(out=out)
        upstream = Experiment(
            nothing(), Pipeline([steps]), plugins, name="p", outputs=[out], treatments=list(treatments)
        )
        return ExperimentGraph(upstream, experiment(tmp_path, read(), name="c", source=ExperimentInput(up=out)))

    graph().run(strategy="resume")

    results = graph(Treatment("high", {"value": 9})).run(strategy="resume")

    assert results["p"].ran == {"baseline": 0, "high": 1}
    assert results["c"].metrics.baseline.metrics == {"up": ["baseline:1"]}
    assert results["p"].artifacts["o.txt"] == {
        condition: tmp_path / f"p/v1/replicate_0/{condition}/WriteStep/o.txt" for condition in ("baseline", "high")
    }
    assert all(path.exists() for path in results["p"].artifacts["o.txt"].values())


EXECUTIONS = [SerialExecution(), ParallelExecution(max_workers=2), AsyncExecution()]


@pytest.mark.contract("7.1.8")
@pytest.mark.parametrize("execution", EXECUTIONS, ids=["serial", "thread", "async"])
def test_a_partial_resume_counts_every_replicate_once(tmp_path: Path, execution: Any) -> None:
    def run(*treatments: Treatment) -> Any:
        made = experiment(tmp_path, FailsOnce(9), replicates=3, plugins=[execution], treatments=treatments)
        return made.run(strategy="resume")

    run()
    result = run(Treatment("t", {"k": 1}))

    assert result.ran == {"baseline": 0, "t": 3}
    assert dict(result.metrics.conditions()) == {"baseline": {"replicate": [0, 1, 2]}, "t": {"replicate": [0, 1, 2]}}
    assert load_metrics(tmp_path / "e")[1] == {"replicate": [0, 1, 2]}


@pytest.mark.contract("7.1.11")
@pytest.mark.parametrize("execution", EXECUTIONS, ids=["serial", "thread", "async"])
def test_what_is_drawn_is_the_same_for_every_object_and_executor(tmp_path: Path, execution: Any) -> None:
    @pipeline_step()
    def draw(data: Any, ctx: FrozenContext) -> Any:
        return data, {"drawn": float(ctx.rng.random())}

    one = experiment(tmp_path / "one", draw(), replicates=3).run()
    other = experiment(tmp_path / "other", draw(), replicates=3, plugins=[execution]).run()

    assert other.metrics == one.metrics
    assert len(set(one.metrics.baseline.metrics["drawn"])) == 3


@pipeline_step()
def first(data: Any, ctx: FrozenContext) -> Any:
    ctx.artifacts.add("x.txt", b"first")
    return data


@pipeline_step()
def second(data: Any, ctx: FrozenContext) -> Any:
    ctx.artifacts.add("x.txt", b"second")
    return data


@pytest.mark.contract("7.1.13")
def test_of_two_steps_that_write_one_artifact_everybody_takes_the_last(tmp_path: Path) -> None:
    out = Artifact("x.txt")
    upstream = experiment(tmp_path, first(), second(), name="p", outputs=[out])
    reader = experiment(tmp_path, read(), name="c", source=ExperimentInput(up=out))

    results = ExperimentGraph(upstream, reader).run()

    assert results["c"].metrics.baseline.metrics == {"up": ["second"]}
    assert results["p"].artifacts["x.txt"]["baseline"].read_text() == "second"
    assert json.loads((tmp_path / "p/v0/_manifest.json").read_text()) == {"x.txt": "SecondStep"}


@pytest.mark.contract("7.1.14")
def test_two_experiments_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(GraphError, match="two experiments are called 'e'"):
        ExperimentGraph.from_experiments([experiment(tmp_path, note()), experiment(tmp_path, note(value=2))])
    assert calls() == []


@pytest.mark.contract("7.1.15")
def test_an_artifact_object_never_remembers_what_its_producer_wrote_before(tmp_path: Path) -> None:
    upstream = producer(tmp_path, replicates=2)
    reader = experiment(tmp_path, read(), name="c", source=ExperimentInput(up=upstream.outputs["o.txt"]))
    graph = ExperimentGraph(upstream, reader)
    seen = []

    for count, value in ((2, 1), (3, 2), (1, 3)):
        upstream.replicates, upstream.initial_ctx = count, {"value": value}
        seen.append(graph.run(strategy="resume")["c"].metrics.baseline.metrics["up"])

    assert seen == [["baseline:1"] * 2, ["baseline:2"] * 3, ["baseline:3"]]


@pytest.mark.contract("7.1.15")
def test_the_count_of_a_reader_is_its_own_in_every_run(tmp_path: Path) -> None:
    upstream = producer(tmp_path, replicates=1)
    reader = experiment(tmp_path, note(), name="c", source=upstream.outputs["o.txt"], replicates=5)
    graph = ExperimentGraph(upstream, reader)

    counts = [graph.run()["c"].provenance["replicates"] for _ in range(2)]

    assert counts == [5, 5]
