"""Replicates under resume: mixed counts, more of them, and failures of some."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import pytest

from crystallize import (
    Artifact,
    ArtifactPlugin,
    Experiment,
    ExperimentGraph,
    ExperimentInput,
    FrozenContext,
    Hypothesis,
    Pipeline,
    PipelineStep,
    ReplicateMismatchError,
    Treatment,
    data_source,
    pipeline_step,
    verifier,
)
from crystallize.plan.job import Job


class Count(PipelineStep):
    """Counts its calls; writes its replicate and records what it reads."""

    def __init__(self, output: str | None = None, fail_at: int | None = None) -> None:
        self.calls = 0
        self.output = output
        self.fail_at = fail_at

    def __call__(self, data: Any, ctx: FrozenContext) -> Any:
        self.calls += 1
        replicate = ctx["replicate"]
        if replicate == self.fail_at:
            raise ValueError(f"replicate {replicate} is unlucky")
        if self.output is not None:
            ctx.artifacts.add(self.output, str(replicate).encode())
        seen = data["up"] if isinstance(data, dict) else None
        ctx.metrics.add("seen", seen.decode() if isinstance(seen, bytes) else [each.decode() for each in seen or []])
        ctx.metrics.add("replicate", replicate)
        return data

    @property
    def params(self) -> dict[str, Any]:
        return {}


@data_source
def nothing(ctx: FrozenContext) -> None:
    return None


def pair(root: Path, up: int | None, down: int | None, *, gather: bool = False) -> tuple[ExperimentGraph, Count, Count]:
    step_a, step_b = Count("x.txt"), Count()
    plugin = ArtifactPlugin(root_dir=str(root))
    out = Artifact("x.txt")
    exp_a = Experiment(nothing(), Pipeline([step_a]), [plugin], name="a", outputs=[out], replicates=up)
    source = ExperimentInput(up=out.gather() if gather else out)
    exp_b = Experiment(source, Pipeline([step_b]), [plugin], name="b", replicates=down)
    return ExperimentGraph(exp_a, exp_b), step_a, step_b


@pytest.mark.contract("6.9")
def test_mixed_replicates_resume(tmp_path: Path) -> None:
    graph1, *_ = pair(tmp_path, 1, 10)
    first = graph1.run()
    graph2, step_a2, step_b2 = pair(tmp_path, 1, 10)

    second = graph2.run(strategy="resume")

    assert step_a2.calls == 0
    assert step_b2.calls == 0
    assert second == first
    assert second["b"].metrics.baseline.metrics["seen"] == ["0"] * 10


@pytest.mark.contract("6.9")
def test_one_to_one_replicates_are_paired(tmp_path: Path) -> None:
    results = pair(tmp_path, 3, None)[0].run()

    assert results["b"].metrics.baseline.metrics["seen"] == ["0", "1", "2"]


def test_gathering_reads_all_replicates_in_order_whatever_their_count(tmp_path: Path) -> None:
    results = pair(tmp_path, 4, None, gather=True)[0].run()

    assert results["b"].metrics.baseline.metrics["seen"] == [["0", "1", "2", "3"]]


@pytest.mark.contract("6.15", "1.3.24")
def test_a_mismatch_names_each_alias_and_count_before_anything_runs(tmp_path: Path) -> None:
    graph, step_a, _ = pair(tmp_path, 2, 3)

    with pytest.raises(ReplicateMismatchError, match=r"'b' has 3 replicates and reads up=2"):
        graph.run()
    assert step_a.calls == 0


@pytest.mark.contract("6.6", "2.5.3")
def test_added_replicates_run_only_the_new_ones(tmp_path: Path) -> None:
    pair(tmp_path, 2, None)[0].run(strategy="resume")
    graph, step_a, step_b = pair(tmp_path, 4, None)

    results = graph.run(strategy="resume")

    assert (step_a.calls, step_b.calls) == (2, 2)
    assert results["b"].metrics.baseline.metrics["seen"] == ["0", "1", "2", "3"]
    assert results["b"].provenance["replicates"] == 4


@pytest.mark.contract("1.9.14")
def test_asking_for_replicates_counts_for_all_nodes(tmp_path: Path) -> None:
    results = pair(tmp_path, 1, None)[0].run(replicates=3)

    assert results["a"].metrics.baseline.metrics["replicate"] == [0, 1, 2]
    assert results["b"].metrics.baseline.metrics["replicate"] == [0, 1, 2]


def lone(root: Path, *, fail_at: int | None, replicates: int = 10) -> tuple[Experiment, Count]:
    step = Count("x.txt", fail_at=fail_at)
    plugins = [ArtifactPlugin(root_dir=str(root))]
    return Experiment(nothing(), Pipeline([step]), plugins, name="lone", replicates=replicates), step


class Fixable(Count):
    """A step whose luck is no part of its identity: it depends on a file outside its fields."""

    def __init__(self, switch: Path) -> None:
        super().__init__()
        self.switch = str(switch.name)

    def __call__(self, data: Any, ctx: FrozenContext) -> Any:
        self.calls += 1
        if ctx["replicate"] == 8 and not Path(self.switch).exists():
            raise ValueError("unlucky")
        return data, {"replicate": ctx["replicate"]}


@pytest.mark.contract("6.4", "6.7", "2.5.3")
def test_only_the_failed_replicate_runs_again(tmp_path: Path) -> None:
    def make() -> tuple[Experiment, Fixable]:
        step = Fixable(tmp_path / "luck")
        plugins = [ArtifactPlugin(root_dir=str(tmp_path))]
        return Experiment(nothing(), Pipeline([step]), plugins, name="f", replicates=10), step

    experiment, _ = make()
    first = experiment.run(strategy="resume")
    marker_over_a_failure = (tmp_path / "f/v0/baseline/.crystallize_complete").exists()
    (tmp_path / "luck").touch()
    experiment, step = make()

    second = experiment.run(strategy="resume")

    assert list(first.errors) == ["baseline_rep_8"]
    assert first.metrics.baseline.metrics["replicate"] == [0, 1, 2, 3, 4, 5, 6, 7, 9]
    assert not marker_over_a_failure
    assert step.calls == 1
    assert second.metrics.baseline.metrics["replicate"] == list(range(10))
    assert (tmp_path / "f/v0/baseline/.crystallize_complete").exists()


@pytest.mark.contract("7.1.6")
def test_fewer_replicates_in_the_definition_disappear_from_the_view_and_come_back_unrun(tmp_path: Path) -> None:
    lone(tmp_path, fail_at=None, replicates=3)[0].run(strategy="resume")
    lone(tmp_path, fail_at=None, replicates=2)[0].run(strategy="resume")
    gone = not (tmp_path / "lone/v0/replicate_2").exists()
    experiment, step = lone(tmp_path, fail_at=None, replicates=3)

    experiment.run(strategy="resume")

    assert gone
    assert step.calls == 0
    assert (tmp_path / "lone/v0/replicate_2/baseline/Count/x.txt").read_text() == "2"


def test_fewer_replicates_by_selection_stay_in_the_view(tmp_path: Path) -> None:
    lone(tmp_path, fail_at=None, replicates=3)[0].run(strategy="resume")

    result = lone(tmp_path, fail_at=None, replicates=3)[0].run(strategy="resume", replicates=1)

    assert result.metrics.baseline.metrics["replicate"] == [0]
    assert (tmp_path / "lone/v0/replicate_2/baseline/Count/x.txt").exists()


METRICS = {
    "int": 1,
    "float": 0.1,
    "nan": float("nan"),
    "bool": True,
    "str": "s",
    "none": None,
    "list": [1, "2", None],
}


@pipeline_step()
def typed(data: Any, ctx: FrozenContext) -> Any:
    import numpy as np

    ctx.metrics.add("scalar", np.float32(0.5))
    return data, METRICS


def test_metrics_keep_their_types_when_they_are_reused(tmp_path: Path) -> None:
    def run() -> dict[str, list[Any]]:
        plugins = [ArtifactPlugin(root_dir=str(tmp_path))]
        return (
            Experiment(nothing(), Pipeline([typed()]), plugins, name="t")
            .run(strategy="resume")
            .metrics.baseline.metrics
        )

    first, second = run(), run()

    assert {k: [type(v) for v in values] for k, values in first.items()} == {
        k: [type(v) for v in values] for k, values in second.items()
    }
    assert repr(first) == repr(second)


@verifier
def larger(baseline: Any, treatment: Any) -> dict[str, Any]:
    return {"p_value": 0.01 if treatment["replicate"] > baseline["replicate"] else 0.5}


@verifier
def broken(baseline: Any, treatment: Any) -> dict[str, Any]:
    raise RuntimeError("cannot tell")


def with_hypothesis(root: Path, check: Any) -> tuple[Experiment, Count]:
    step = Count()
    experiment = Experiment(
        nothing(),
        Pipeline([step]),
        [ArtifactPlugin(root_dir=str(root))],
        name="h",
        treatments=[Treatment("t", {"k": 1})],
        hypotheses=[Hypothesis(verifier=check, metrics="replicate", name="bigger")],
    )
    return experiment, step


def test_an_edited_verifier_re_runs_no_step_and_counts(tmp_path: Path) -> None:
    first = with_hypothesis(tmp_path, larger())[0].run(strategy="resume")
    experiment, step = with_hypothesis(tmp_path, lambda baseline, treatment: {"p_value": 0.2})

    second = experiment.run(strategy="resume")

    assert step.calls == 0
    assert first.get_hypothesis("bigger").results == {"t": {"p_value": 0.5}}  # type: ignore[union-attr]
    assert second.get_hypothesis("bigger").results == {"t": {"p_value": 0.2}}  # type: ignore[union-attr]


@pytest.mark.contract("7.2.5", "1.7.16")
def test_a_failing_verifier_is_reported_and_costs_nothing(tmp_path: Path) -> None:
    result = with_hypothesis(tmp_path, broken())[0].run(strategy="resume")

    assert (tmp_path / "h/v0/t/.crystallize_complete").exists()
    assert "cannot tell" in str(result.errors["hypothesis_bigger_t"])
    assert with_hypothesis(tmp_path, broken())[0].run(strategy="resume").ran == {"baseline": 0, "t": 0}


@pytest.mark.contract("3.2.5")
def test_a_consumer_run_alone_reads_what_its_producer_recorded_last(tmp_path: Path) -> None:
    graph, *_ = pair(tmp_path, 1, None)
    graph.run()
    alone, _, step_b = pair(tmp_path, 1, None)
    fresh, _, fresh_step = pair(tmp_path / "elsewhere", 1, None)

    reused = alone.experiments["b"].run(strategy="resume")
    missing = fresh.experiments["b"].run(strategy="resume")

    assert step_b.calls == 0
    assert reused.metrics.baseline.metrics["seen"] == ["0"]
    assert isinstance(missing.errors["baseline_rep_0"], FileNotFoundError)
    assert "no recorded trial" in str(missing.errors["baseline_rep_0"])
    assert fresh_step.calls == 0


@pytest.mark.contract("1.7.21")
def test_a_datasource_built_before_the_producer_ran_yields_its_path(tmp_path: Path) -> None:
    step = Count("x.txt")
    plugins = [ArtifactPlugin(root_dir=str(tmp_path))]
    producer = Experiment(nothing(), Pipeline([step]), plugins, name="p", replicates=2)
    seen: list[Path] = []

    class Read(Count):
        def __call__(self, data: Any, ctx: FrozenContext) -> Any:
            seen.append(data["up"])
            return data, {"text": data["up"].read_text()}

    consumer = Experiment(ExperimentInput(x=nothing()), Pipeline([Read()]), plugins, name="c")
    consumer.datasource = ExperimentInput(up=producer.artifact_datasource(step="Count", name="x.txt"))

    results = ExperimentGraph(producer, consumer).run()

    assert results["c"].metrics.baseline.metrics["text"] == ["0", "1"]
    assert all(isinstance(path, Path) and path.name == "x.txt" for path in seen)


def test_a_wrong_step_name_lists_what_exists(tmp_path: Path) -> None:
    plugins = [ArtifactPlugin(root_dir=str(tmp_path))]
    producer = Experiment(nothing(), Pipeline([Count("x.txt")]), plugins, name="p")
    source = ExperimentInput(up=producer.artifact_datasource(step="Cuont", name="x.txt"))
    consumer = Experiment(source, Pipeline([Count()]), plugins, name="c")

    result = ExperimentGraph(producer, consumer).run()["c"]

    assert "Count/x.txt" in str(result.errors["baseline_rep_0"])


def test_a_marker_never_stands_over_what_is_blocked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    out = Artifact("out.txt")

    def graph(*, broken: bool) -> ExperimentGraph:
        @pipeline_step()
        def write(data: Any, ctx: FrozenContext, *, out: Artifact, factor: int = 1, broken: bool = False) -> Any:
            if broken and factor == 2:
                raise ValueError("broken")
            out.write(str(factor).encode())
            return data

        upstream = Experiment(
            constant(),
            Pipeline([write(out=out, broken=broken)]),
            name="up",
            outputs=[out],
            treatments=[Treatment("double", {"factor": 2})],
        )
        return ExperimentGraph(upstream, Experiment(ExperimentInput(out=out), Pipeline([keep()]), name="down"))

    graph(broken=False).run(strategy="resume")
    markers = [tmp_path / f"data/down/v0/{condition}/.crystallize_complete" for condition in ("baseline", "double")]
    before = [marker.exists() for marker in markers]
    graph(broken=True).run(strategy="resume")
    broken = [marker.exists() for marker in markers]
    again = graph(broken=False).run(strategy="resume")

    assert before == [True, True]
    assert broken == [True, False]
    assert [marker.exists() for marker in markers] == [True, True]
    assert again["down"].ran == {"baseline": 0, "double": 0}


@data_source
def constant(ctx: FrozenContext) -> int:
    return 1


@pipeline_step()
def keep(data: Any, ctx: FrozenContext) -> Any:
    return data


@pytest.mark.parametrize("strategy", ["rerun", "resume"])
def test_what_a_run_was_made_of_is_gone_when_it_ends_without_the_collector_of_cycles(
    tmp_path: Path, strategy: str
) -> None:
    graph, _, _ = pair(tmp_path, 2, 2)
    graph.run(strategy="rerun")
    gc.collect()
    of_others = {id(each) for each in gc.get_objects() if isinstance(each, Job)}
    gc.disable()
    try:
        graph.run(strategy=strategy)
        left = [each for each in gc.get_objects() if isinstance(each, Job) and id(each) not in of_others]
    finally:
        gc.enable()

    assert left == []
