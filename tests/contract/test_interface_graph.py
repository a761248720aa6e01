"""Section 1.9 of the contract: graphs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from crystallize import Artifact, Experiment, ExperimentGraph, ExperimentInput, GraphError, Pipeline, pipeline_step

from .making import experiment, note, nothing, producer, read, write


@pipeline_step()
def copy(data: Any, *, out: Artifact) -> Any:
    """Writes what it reads."""
    out.write(data)
    return data


def between(root: Path, name: str, source: Artifact) -> Experiment:
    """Reads one artifact and writes another."""
    out = Artifact("o.txt")
    return experiment(root, copy(out=out), name=name, source=source, outputs=[out])


@pytest.mark.contract("1.9.1")
def test_a_graph_of_experiments_is_made_in_two_ways(tmp_path: Path) -> None:
    first = producer(tmp_path)
    second = between(tmp_path, "second", first.outputs["o.txt"])

    made = [ExperimentGraph(first, second), ExperimentGraph.from_experiments([first, second])]

    assert [graph.edges() for graph in made] == [{"p": [], "second": ["p"]}] * 2
    assert [graph.name for graph in made] == ["second"] * 2
    assert ExperimentGraph(first, name="named").name == "named"


@pytest.mark.contract("1.9.2", "1.9.8", "5.16")
def test_an_experiment_without_a_name_is_refused(tmp_path: Path) -> None:
    unnamed = Experiment(nothing(), Pipeline([note()]))
    named = experiment(tmp_path, note())
    graph = ExperimentGraph()

    for act in (
        lambda: ExperimentGraph(unnamed),
        lambda: graph.add_experiment(unnamed),
        lambda: graph.add_dependency(named, unnamed),
        lambda: graph.add_dependency(named, named),
    ):
        with pytest.raises(ValueError, match=r"no name|not in the graph"):
            act()


@pytest.mark.contract("1.9.8")
def test_a_dependency_lets_one_wait_for_another(tmp_path: Path) -> None:
    graph = ExperimentGraph()
    late, early = experiment(tmp_path, note(), name="late"), producer(tmp_path, name="early")
    for each in (late, early):
        graph.add_experiment(each)
    graph.add_dependency(late, early)

    assert graph.order() == ["early", "late"]
    assert list(graph.run()) == ["early", "late"]


@pytest.mark.contract("1.9.4", "5.16", "5.31")
def test_an_artifact_has_one_producer(tmp_path: Path) -> None:
    shared = Artifact("o.txt")
    both = [experiment(tmp_path, write(out=shared), name=name, outputs=[shared]) for name in ("a", "b")]
    reader = experiment(tmp_path, read(), name="reader", source=ExperimentInput(up=Artifact("lost.txt")))

    with pytest.raises(GraphError, match=r"'o\.txt' is an output of multiple experiments: a, b"):
        ExperimentGraph(*both)
    with pytest.raises(GraphError, match=r"'reader' reads artifact 'lost\.txt' that no experiment writes"):
        ExperimentGraph(reader)


@pytest.mark.contract("1.9.4", "1.9.11", "5.16", "5.29")
def test_cycles_are_told_with_their_names(tmp_path: Path) -> None:
    first = producer(tmp_path, name="first")
    second = between(tmp_path, "second", first.outputs["o.txt"])
    graph = ExperimentGraph(first, second)
    graph.add_dependency(first, second)

    for act in (graph.run, graph.order):
        with pytest.raises(ValueError, match=r"contains cycles: .*first.*second"):
            act()


@pytest.mark.contract("1.9.4", "5.16", "5.30")
def test_experiments_that_nothing_connects_are_told_by_name(tmp_path: Path) -> None:
    first = producer(tmp_path, name="first")
    second = between(tmp_path, "second", first.outputs["o.txt"])

    with pytest.raises(ValueError, match="Unused experiments detected: lone, other"):
        ExperimentGraph(first, second, producer(tmp_path, name="lone"), producer(tmp_path, name="other"))


@pytest.mark.contract("5.16")
def test_two_experiments_of_one_name_are_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="two experiments are called 'p'"):
        ExperimentGraph(producer(tmp_path), producer(tmp_path))


@pytest.mark.contract("5.18", "1.7.10")
def test_hypotheses_without_treatments_are_a_value_error(tmp_path: Path) -> None:
    from crystallize import Hypothesis

    compared = Hypothesis(lambda baseline, treatment: {"p_value": 1.0}, name="h")
    alone = experiment(tmp_path, note(), hypotheses=[compared])

    with pytest.raises(ValueError, match="no treatments"):
        alone.run()
    with pytest.raises(ValueError, match="no treatments"):
        ExperimentGraph(alone).run()
