"""The graph of the guide on caching: what resume skips, and what it must not skip."""

from __future__ import annotations

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
    GraphError,
    Pipeline,
    PipelineStep,
    Result,
    SeedPlugin,
    Treatment,
    UnknownNameError,
    data_source,
    pipeline_step,
)


class DummySource(DataSource):
    def fetch(self, ctx: FrozenContext) -> int:
        return 0


class CountStep(PipelineStep):
    """Counts its calls in itself, writes an artifact and a metric."""

    cacheable = False

    def __init__(self, name: str = "x.txt", value: Any = 1) -> None:
        self.calls = 0
        self.name = name
        self.value = value

    def __call__(self, data: Any, ctx: FrozenContext) -> Any:
        self.calls += 1
        ctx.artifacts.add(self.name, str(self.value).encode())
        ctx.metrics.add("val", self.value)
        return data

    @property
    def params(self) -> dict[str, Any]:
        return {}


class ReadStep(PipelineStep):
    """Records what it is given."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, data: Any, ctx: FrozenContext) -> Any:
        self.calls += 1
        ctx.metrics.add("read", data if isinstance(data, list) else data.decode())
        return data

    @property
    def params(self) -> dict[str, Any]:
        return {}


def two(tmp_path: Path, *, value: Any = 1, plugin: ArtifactPlugin | None = None, **settings: Any) -> tuple[Any, ...]:
    step_a, step_b = CountStep(value=value), ReadStep()
    plugin = plugin or ArtifactPlugin(root_dir=str(tmp_path / "arts"))
    out = Artifact("x.txt")
    exp_a = Experiment(
        datasource=DummySource(),
        pipeline=Pipeline([step_a]),
        plugins=[plugin],
        name="a",
        outputs=[out],
        **settings.get("a", {}),
    )
    exp_b = Experiment(datasource=out, pipeline=Pipeline([step_b]), plugins=[plugin], name="b", **settings.get("b", {}))
    return ExperimentGraph.from_experiments([exp_a, exp_b]), step_a, step_b


@pytest.mark.contract("6.8", "2.5.2")
def test_graph_resume_skips_experiments(tmp_path: Path) -> None:
    graph1, step_a1, step_b1 = two(tmp_path)
    first = graph1.run()
    graph2, step_a2, step_b2 = two(tmp_path)

    res = graph2.run(strategy="resume")

    assert (step_a1.calls, step_b1.calls) == (1, 1)
    assert step_a2.calls == 0
    assert step_b2.calls == 0
    assert res == first
    assert res["a"].reused == {"baseline": 1}


def test_the_same_objects_run_twice_though_a_step_counts_in_itself(tmp_path: Path) -> None:
    graph, step_a, step_b = two(tmp_path)
    graph.run(strategy="resume")

    graph.run(strategy="resume")
    graph.run(strategy="resume")

    assert (step_a.calls, step_b.calls) == (1, 1)


def test_an_instance_that_the_user_changes_between_runs_counts(tmp_path: Path) -> None:
    graph, step_a, step_b = two(tmp_path)
    graph.run(strategy="resume")

    step_a.value = 2
    result = graph.run(strategy="resume")

    assert (step_a.calls, step_b.calls) == (2, 2)
    assert result["b"].metrics.baseline.metrics == {"read": ["2"]}


def test_rerun_executes_everything_and_says_what_resume_would_have_reused(tmp_path: Path) -> None:
    two(tmp_path)[0].run()
    graph, step_a, step_b = two(tmp_path)

    result = graph.run()

    assert (step_a.calls, step_b.calls) == (1, 1)
    assert [n for n in result["a"].notices if "resume would have reused 2 of 2 trials" in n]


@pytest.mark.contract("6.3", "2.5.4")
def test_a_changed_upstream_value_re_runs_the_consumer(tmp_path: Path) -> None:
    two(tmp_path)[0].run()
    graph, step_a, step_b = two(tmp_path, value=5)

    result = graph.run(strategy="resume")

    assert (step_a.calls, step_b.calls) == (1, 1)
    assert result["b"].metrics.baseline.metrics == {"read": ["5"]}


def test_going_back_to_an_earlier_value_reuses_the_earlier_results_and_shows_them(tmp_path: Path) -> None:
    for value in (1, 2):
        two(tmp_path, value=value)[0].run(strategy="resume")
    graph, step_a, step_b = two(tmp_path, value=1)

    result = graph.run(strategy="resume")

    assert (step_a.calls, step_b.calls) == (0, 0)
    assert result["b"].metrics.baseline.metrics == {"read": ["1"]}
    assert (tmp_path / "arts/a/v0/replicate_0/baseline/CountStep/x.txt").read_text() == "1"


def test_an_upstream_re_run_with_equal_bytes_re_runs_nothing_below(tmp_path: Path) -> None:
    two(tmp_path)[0].run()
    graph, step_a, step_b = two(tmp_path)
    graph.experiments["a"].initial_ctx = {"unused": 1}

    graph.run(strategy="resume")

    assert (step_a.calls, step_b.calls) == (1, 0)


def test_a_removed_marker_runs_the_condition_again(tmp_path: Path) -> None:
    two(tmp_path)[0].run()
    marker = tmp_path / "arts/a/v0/baseline/.crystallize_complete"
    marker.unlink()
    graph, step_a, step_b = two(tmp_path)

    result = graph.run(strategy="resume")

    assert (step_a.calls, step_b.calls) == (1, 0)
    assert result["a"].reasons == {"baseline_rep_0": "completion marker removed"}
    assert marker.exists()
    graph.run(strategy="resume")
    assert step_a.calls == 1


def test_a_removed_experiment_folder_runs_it_again(tmp_path: Path) -> None:
    import shutil

    two(tmp_path)[0].run()
    shutil.rmtree(tmp_path / "arts" / "a")
    graph, step_a, step_b = two(tmp_path)

    graph.run(strategy="resume")

    assert (step_a.calls, step_b.calls) == (1, 0)


@pytest.mark.contract("5.10")
def test_a_deleted_artifact_is_restored_without_running_anything(tmp_path: Path) -> None:
    two(tmp_path)[0].run()
    artifact = tmp_path / "arts/a/v0/replicate_0/baseline/CountStep/x.txt"
    artifact.unlink()
    graph, step_a, step_b = two(tmp_path)

    result = graph.run(strategy="resume")

    assert (step_a.calls, step_b.calls) == (0, 0)
    assert artifact.read_text() == "1"
    assert [notice for notice in result["a"].notices if "restored" in notice]


def test_a_damaged_artifact_is_neither_read_nor_kept(tmp_path: Path) -> None:
    two(tmp_path)[0].run()
    artifact = tmp_path / "arts/a/v0/replicate_0/baseline/CountStep/x.txt"
    artifact.write_text("9")
    graph, _step_a, _step_b = two(tmp_path, b={"treatments": [Treatment("new", {"k": 1})]})

    result = graph.run(strategy="resume")

    assert result["b"].metrics.treatments["new"].metrics == {"read": ["1"]}
    assert artifact.read_text() == "1"


@pytest.mark.contract("2.1.2", "2.1.3", "2.1.5", "2.1.6")
def test_the_view_has_the_files_of_the_contract(tmp_path: Path) -> None:
    two(tmp_path)[0].run()

    files = {
        path.relative_to(tmp_path / "arts").as_posix() for path in (tmp_path / "arts").rglob("*") if path.is_file()
    }

    assert {file for file in files if file.startswith("a/")} == {
        "a/v0/_manifest.json",
        "a/v0/metadata.json",
        "a/v0/baseline/.crystallize_complete",
        "a/v0/baseline/results.json",
        "a/v0/replicate_0/baseline/CountStep/x.txt",
    }
    assert (tmp_path / "arts/a/v0/baseline/results.json").read_text() == '{"metrics": {"val": [1]}}'
    assert (tmp_path / "arts/a/v0/_manifest.json").read_text() == '{"x.txt": "CountStep"}'


class Breaks(Exception):
    pass


@pipeline_step()
def breaking(data: Any, *, out: Artifact, fail: bool = True) -> Any:
    if fail:
        raise Breaks("no luck")
    out.write(b"1")
    return data


@pipeline_step()
def passing(data: Any) -> Any:
    return data


def failing_graph(root: Path) -> ExperimentGraph:
    plugins = [ArtifactPlugin(root_dir=str(root))]
    out_a, out_b = Artifact("a.txt"), Artifact("b.txt")
    a = Experiment(DummySource(), Pipeline([breaking(out=out_a)]), plugins, name="a", outputs=[out_a])
    b = Experiment(
        ExperimentInput(a=out_a),
        Pipeline([passing(), breaking(out=out_b, fail=False)]),
        plugins,
        name="b",
        outputs=[out_b],
    )
    c = Experiment(ExperimentInput(b=out_b), Pipeline([passing()]), plugins, name="c")
    other = Experiment(DummySource(), Pipeline([passing()]), plugins, name="other")
    graph = ExperimentGraph()
    for experiment in (a, b, c, other):
        graph.add_experiment(experiment)
    return graph


@pytest.mark.contract("1.9.15")
def test_a_failing_experiment_blocks_only_its_descendants(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    results = failing_graph(tmp_path).run(strategy="resume")

    assert "Breaks" in results["a"].errors["baseline_rep_0"].traceback_str  # type: ignore[attr-defined]
    for name in ("b", "c"):
        assert isinstance(results[name].errors["baseline_rep_0"], FileNotFoundError)
        assert "a/baseline/0" in str(results[name].errors["baseline_rep_0"])
    assert results["other"].errors == {}
    assert not (tmp_path / "a/v0/baseline/.crystallize_complete").exists()
    assert (tmp_path / "other/v0/baseline/.crystallize_complete").exists()
    assert len([line for line in caplog.messages if "no luck" in line and "\n" not in line]) == 1


@pytest.mark.contract("6.4", "7.1.5")
def test_errors_are_never_hidden_by_a_second_run(tmp_path: Path) -> None:
    failing_graph(tmp_path).run(strategy="resume")

    results = failing_graph(tmp_path).run(strategy="resume")

    assert results["a"].errors and results["b"].errors
    assert results["other"].reused == {"baseline": 1}


@pytest.mark.contract("7.1.14")
def test_cycles_unknown_producers_and_duplicates_are_refused(tmp_path: Path) -> None:
    one, two_ = Artifact("1"), Artifact("2")
    a = Experiment(ExperimentInput(x=two_), Pipeline([passing()]), name="a", outputs=[one])
    b = Experiment(ExperimentInput(x=one), Pipeline([passing()]), name="b", outputs=[two_])
    with pytest.raises(ValueError, match=r"contains cycles: a → b → a|contains cycles: b → a → b"):
        ExperimentGraph.from_experiments([a, b])
    with pytest.raises(ValueError, match=r"reads artifact '1'.*not in the graph"):
        ExperimentGraph.from_experiments([b])
    lone = Experiment(DummySource(), Pipeline([passing()]), name="lone")
    other = Experiment(DummySource(), Pipeline([passing()]), name="other")
    with pytest.raises(ValueError, match="Unused experiments"):
        ExperimentGraph.from_experiments([lone, other])
    with pytest.raises(ValueError, match="two experiments are called 'lone'"):
        ExperimentGraph(lone, Experiment(DummySource(), Pipeline([passing()]), name="lone"))
    with pytest.raises(GraphError, match="no name"):
        ExperimentGraph(Experiment(DummySource(), Pipeline([passing()])))
    shared = Artifact("s")
    c = Experiment(DummySource(), Pipeline([passing()]), name="c", outputs=[shared])
    d = Experiment(DummySource(), Pipeline([passing()]), name="d", outputs=[shared])
    with pytest.raises(ValueError, match="multiple experiments"):
        ExperimentGraph.from_experiments([c, d])


@pytest.mark.contract("1.9.11")
def test_an_empty_graph_gives_no_results() -> None:
    assert ExperimentGraph().run() == {}


@pipeline_step()
def write_lr(data: Any, ctx: FrozenContext, *, out: Artifact, lr: float = 0.1) -> Any:
    out.write(f"{ctx['condition']}:{lr}")
    return data


@pipeline_step()
def read_text(data: Any, ctx: FrozenContext, *, factor: int = 1) -> Any:
    return data, {"seen": data["up"].decode(), "factor": factor}


def treated(root: Path, up: list[Treatment], down: list[Treatment]) -> ExperimentGraph:
    plugins = [ArtifactPlugin(root_dir=str(root))]
    out = Artifact("o.txt")
    producer = Experiment(DummySource(), Pipeline([write_lr(out=out)]), plugins, name="p", outputs=[out], treatments=up)
    consumer = Experiment(ExperimentInput(up=out), Pipeline([read_text()]), plugins, name="c", treatments=down)
    return ExperimentGraph(producer, consumer)


@pytest.mark.contract("6.11", "1.9.13")
def test_treatments_flow_down_by_name_without_their_payload(tmp_path: Path) -> None:
    graph = treated(tmp_path, [Treatment("high", {"lr": 0.5})], [])

    results = graph.run()

    assert results["c"].metrics.treatments["high"].metrics == {"seen": ["high:0.5"], "factor": [1]}
    assert results["c"].metrics.baseline.metrics["seen"] == ["baseline:0.1"]


@pytest.mark.contract("6.11")
def test_a_treatment_of_the_consumer_alone_reads_the_producers_baseline(tmp_path: Path) -> None:
    results = treated(tmp_path, [], [Treatment("big", {"factor": 9})]).run()

    assert results["c"].metrics.treatments["big"].metrics == {"seen": ["baseline:0.1"], "factor": [9]}
    assert list(results["p"].metrics.treatments) == []


def test_both_own_definitions_of_a_name_are_applied_each_on_its_node(tmp_path: Path) -> None:
    results = treated(tmp_path, [Treatment("t", {"lr": 2.0})], [Treatment("t", {"factor": 3})]).run()

    assert results["c"].metrics.treatments["t"].metrics == {"seen": ["t:2.0"], "factor": [3]}


@pytest.mark.contract("7.1.12", "1.9.13")
def test_a_baseline_payload_is_never_inherited(tmp_path: Path) -> None:
    results = treated(tmp_path, [Treatment("baseline", {"lr": 7.0, "factor": 7})], []).run()

    assert results["c"].metrics.baseline.metrics == {"seen": ["baseline:7.0"], "factor": [1]}


@pytest.mark.contract("6.11", "1.9.12")
def test_names_select_conditions_and_unknown_ones_are_refused_before_anything_runs(tmp_path: Path) -> None:
    graph = treated(tmp_path, [Treatment("high", {"lr": 0.5}), Treatment("low", {"lr": 0.01})], [])

    results = graph.run(treatments=["high"])

    assert list(results["c"].metrics.treatments) == ["high"]
    with pytest.raises(UnknownNameError, match=r"no treatment 'hihg'.*nearest: high"):
        graph.run(treatments=["hihg"])


@pytest.mark.contract("6.11", "1.9.12")
def test_treatment_objects_are_given_to_every_node_own_ones_winning(tmp_path: Path) -> None:
    graph = treated(tmp_path, [], [Treatment("t", {"factor": 9})])

    results = graph.run(treatments=[Treatment("t", {"lr": 3.0, "factor": 7})])

    assert results["c"].metrics.treatments["t"].metrics == {"seen": ["t:3.0"], "factor": [9]}


@pytest.mark.contract("7.1.6", "2.2.1")
def test_what_a_selection_leaves_out_stays_and_what_the_definition_lost_disappears(tmp_path: Path) -> None:
    both = [Treatment("high", {"lr": 0.5}), Treatment("low", {"lr": 0.01})]
    treated(tmp_path, both, []).run(strategy="resume")

    treated(tmp_path, both, []).run(strategy="resume", treatments=["high"])
    stays = (tmp_path / "p/v0/low/.crystallize_complete").exists()
    treated(tmp_path, both[:1], []).run(strategy="resume")

    assert stays
    assert not (tmp_path / "p/v0/low").exists()
    assert not (tmp_path / "p/v0/replicate_0/low").exists()
    assert (tmp_path / "p/v0/high/.crystallize_complete").exists()


@pytest.mark.contract("6.2")
def test_editing_one_treatment_re_runs_its_condition_only(tmp_path: Path) -> None:
    treated(tmp_path, [Treatment("high", {"lr": 0.5}), Treatment("low", {"lr": 0.01})], []).run(strategy="resume")

    results = treated(tmp_path, [Treatment("high", {"lr": 0.6}), Treatment("low", {"lr": 0.01})], []).run(
        strategy="resume"
    )

    assert results["p"].ran == {"baseline": 0, "high": 1, "low": 0}
    assert results["c"].ran == {"baseline": 0, "high": 1, "low": 0}
    assert results["p"].reasons == {"high_rep_0": "context.lr: 0.5 → 0.6"}


def test_a_payload_key_that_nothing_reads_is_reported_with_the_nearest(tmp_path: Path) -> None:
    results = treated(tmp_path, [Treatment("high", {"lrr": 0.5})], []).run()

    assert "high sets lrr, which nothing reads; nearest: lr" in results["p"].notices


@data_source
def rows(ctx: FrozenContext) -> list[int]:
    return [1, 2]


def test_an_upstream_of_add_dependency_is_waited_for_and_counts_as_a_whole(tmp_path: Path) -> None:
    plugins = [ArtifactPlugin(root_dir=str(tmp_path))]

    def graph(value: int) -> tuple[ExperimentGraph, ReadStep]:
        reader = ReadStep()
        a = Experiment(DummySource(), Pipeline([CountStep(value=value)]), plugins, name="a")
        b = Experiment(rows(), Pipeline([reader]), plugins, name="b")
        made = ExperimentGraph()
        made.add_experiment(a)
        made.add_experiment(b)
        made.add_dependency(b, a)
        return made, reader

    graph(1)[0].run(strategy="resume")
    same, same_reader = graph(1)
    same.run(strategy="resume")
    other, other_reader = graph(2)
    other.run(strategy="resume")

    assert (same_reader.calls, other_reader.calls) == (0, 1)


@pytest.mark.contract("1.9.10")
async def test_progress_is_told_running_then_completed(tmp_path: Path) -> None:
    told: list[tuple[str, str]] = []

    async def tell(status: str, name: str) -> None:
        told.append((status, name))

    await two(tmp_path)[0].arun(strategy="resume", progress_callback=tell)
    first, told[:] = list(told), []
    await two(tmp_path)[0].arun(strategy="resume", progress_callback=tell)

    assert first == [("running", "a"), ("completed", "a"), ("running", "b"), ("completed", "b")]
    assert told == [("completed", "a"), ("completed", "b")]


@pytest.mark.contract("5.20")
async def test_run_inside_a_running_loop_names_arun(tmp_path: Path) -> None:
    graph, *_ = two(tmp_path)

    with pytest.raises(RuntimeError, match=r"already running.*arun"):
        graph.run()


@pytest.mark.contract("1.9.9")
def test_results_given_out_earlier_never_change(tmp_path: Path) -> None:
    graph, step_a, _ = two(tmp_path)
    first = graph.run()
    before: dict[str, Result] = dict(first)
    step_a.value = 3

    second = graph.run()

    assert first == before
    assert first is not second
    assert first["a"].metrics.baseline.metrics == {"val": [1]}


@pytest.mark.contract("6.25", "7.1.11", "1.10.4")
def test_seeds_are_the_same_in_every_run_and_part_of_the_key(tmp_path: Path) -> None:
    def run(seed: int | None) -> Result:
        plugins = [ArtifactPlugin(root_dir=str(tmp_path)), SeedPlugin(seed=seed)]
        experiment = Experiment(DummySource(), Pipeline([passing()]), plugins, name="s", replicates=2)
        return experiment.run(strategy="resume")

    first, again, other = run(None), run(None), run(5)

    assert first.provenance["seeds"] == {"baseline": [0, 31337]}
    assert again.ran == {"baseline": 0}
    assert other.ran == {"baseline": 2}
    assert other.provenance["seeds"] == {"baseline": [5, 31342]}
