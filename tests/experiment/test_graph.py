"""Graphs beyond the guides: size, shape, names, and what they show of themselves."""

from __future__ import annotations

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
    GraphError,
    Pipeline,
    Treatment,
    data_source,
    pipeline_step,
)

ORDER: list[str] = []


@data_source
def one(ctx: FrozenContext) -> dict[str, bytes]:
    return {}


@pipeline_step()
def add(data: dict[str, bytes], *, out: Artifact, name: str = "") -> Any:
    ORDER.append(name)
    out.write(str(1 + sum(int(value) for value in data.values())))
    return data, {"sum": 1 + sum(int(value) for value in data.values())}


def graph(root: Path, edges: dict[str, list[str]]) -> ExperimentGraph:
    """Experiments that add one to the sum of what they read."""
    made: dict[str, Artifact] = {}
    built = ExperimentGraph()
    for name, upstream in edges.items():
        made[name] = Artifact(f"{name}.txt")
        source: Any = ExperimentInput(**{up: made[up] for up in upstream}) if upstream else one()
        pipeline = Pipeline([add(out=made[name], name=name)])
        plugins = [ArtifactPlugin(root_dir=root)]
        built.add_experiment(Experiment(source, pipeline, plugins, name=name, outputs=[made[name]]))
    return built


@pytest.mark.contract("1.9.3", "1.9.9")
def test_a_diamond_runs_each_node_once_after_what_it_reads(tmp_path: Path) -> None:
    ORDER.clear()
    edges = {"top": [], "left": ["top"], "right": ["top"], "bottom": ["left", "right"]}

    results = graph(tmp_path, edges).run()

    assert results["bottom"].metrics.baseline.metrics == {"sum": [5]}
    assert sorted(ORDER) == ["bottom", "left", "right", "top"]
    assert ORDER[0] == "top" and ORDER[-1] == "bottom"


def test_a_chain_of_a_thousand_runs_and_is_reused(tmp_path: Path) -> None:
    edges = {f"n{i}": [f"n{i - 1}"] if i else [] for i in range(1000)}

    first = graph(tmp_path, edges).run(strategy="resume")
    second = graph(tmp_path, edges).run(strategy="resume")

    assert first["n999"].metrics.baseline.metrics == {"sum": [1000]}
    assert sum(result.ran["baseline"] for result in second.values()) == 0


def test_a_fan_of_a_thousand_runs_and_is_reused(tmp_path: Path) -> None:
    edges = {"top": []} | {f"n{i}": ["top"] for i in range(1000)}

    first = graph(tmp_path, edges).run(strategy="resume")
    second = graph(tmp_path, edges).run(strategy="resume")

    assert {first[f"n{i}"].metrics.baseline.metrics["sum"][0] for i in range(1000)} == {2}
    assert sum(result.ran["baseline"] for result in second.values()) == 0


@pytest.mark.parametrize("what", ["x", None, Experiment])
def test_what_is_no_experiment_is_refused_with_the_remedy(what: Any) -> None:
    with pytest.raises(TypeError, match=r"is no experiment; give Experiment objects"):
        ExperimentGraph.from_experiments([what])


def test_names_that_differ_by_case_only_are_refused(tmp_path: Path) -> None:
    with pytest.raises(GraphError, match="'Top' and 'top' differ by case only"):
        graph(tmp_path, {"Top": [], "top": []})
    with pytest.raises(ValueError, match="differ by case only"):
        Experiment(one(), None, name="e", treatments=[Treatment("High", {"a": 1}), Treatment("high", {"a": 1})])


@pytest.mark.parametrize("name", ["../out", "a/b", "a\\b", "", ".", " a", "a#b"])
def test_names_that_could_leave_the_root_are_refused(name: str) -> None:
    with pytest.raises(ValueError):
        Experiment(one(), None, name=name)
    with pytest.raises(ValueError):
        Artifact(name)
    with pytest.raises(ValueError):
        Treatment(name, {})


@pytest.mark.contract("1.7.11")
@pytest.mark.parametrize("strategy", ["auto", "Resume", "", "skip"])
def test_any_other_strategy_is_a_value_error(tmp_path: Path, strategy: str) -> None:
    built = graph(tmp_path, {"a": []})

    with pytest.raises(ValueError, match="use 'resume' or 'rerun'"):
        built.run(strategy=strategy)
    with pytest.raises(ValueError, match="use 'resume' or 'rerun'"):
        built.experiments["a"].run(strategy=strategy)


@pytest.mark.contract("1.9.5")
def test_a_graph_is_named_after_the_one_experiment_that_nothing_reads(tmp_path: Path) -> None:
    assert graph(tmp_path, {"a": [], "b": ["a"]}).name == "b"
    assert graph(tmp_path, {"a": [], "b": []}).name == "ExperimentGraph"


def test_a_graph_shows_its_edges_in_a_notebook(tmp_path: Path) -> None:
    html = graph(tmp_path, {"a": [], "b": ["a"]})._repr_html_()

    assert "<b>b</b> ← a" in html


def test_two_roots_are_two_stores(tmp_path: Path) -> None:
    graph(tmp_path / "x", {"a": []}).run(strategy="resume")

    result = graph(tmp_path / "y", {"a": []}).run(strategy="resume")

    assert result["a"].ran == {"baseline": 1}
    assert (tmp_path / "x/.crystallize").is_dir() and (tmp_path / "y/.crystallize").is_dir()


def test_a_plan_may_span_roots(tmp_path: Path) -> None:
    def build() -> ExperimentGraph:
        out, end = Artifact("o.txt"), Artifact("e.txt")
        here, there = [ArtifactPlugin(root_dir=tmp_path / "here")], [ArtifactPlugin(root_dir=tmp_path / "there")]
        a = Experiment(one(), Pipeline([add(out=out, name="a")]), here, name="a", outputs=[out])
        b = Experiment(ExperimentInput(a=out), Pipeline([add(out=end, name="b")]), there, name="b", outputs=[end])
        return ExperimentGraph(a, b)

    first, second = build().run(strategy="resume"), build().run(strategy="resume")

    assert first["b"].metrics.baseline.metrics == {"sum": [2]}
    assert (second["a"].reused, second["b"].reused) == ({"baseline": 1}, {"baseline": 1})
