"""Hypotheses compare treatments with the baseline, so there must be treatments: by whatever way they run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from crystallize import (
    Artifact,
    ArtifactPlugin,
    DefinitionError,
    Experiment,
    ExperimentGraph,
    ExperimentInput,
    Hypothesis,
    Pipeline,
    Treatment,
    data_source,
    pipeline_step,
)

HIGH = Treatment("high", {"value": 2})
TOLD = "'e' has hypotheses but no treatments to compare with the baseline; add a treatment"


@data_source
def one() -> int:
    return 1


@pipeline_step()
def measure(data: Any, ctx: Any, *, value: int = 1) -> Any:
    ctx.artifacts.add("o.txt", str(value))
    return data, {"value": value}


def experiment(root: Path, name: str = "e", *, claims: bool = True, **settings: Any) -> Experiment:
    hypotheses = [Hypothesis(lambda baseline, treatment: {"p_value": 0.5}, name="claim")] if claims else []
    source = settings.pop("datasource", one())
    plugins = [ArtifactPlugin(root_dir=root)]
    return Experiment(source, Pipeline([measure()]), plugins, name=name, hypotheses=hypotheses, **settings)


@pytest.mark.contract("1.7.10")
@pytest.mark.parametrize("treatments", [[], [Treatment("baseline", {"value": 3})]], ids=["none", "baseline"])
@pytest.mark.parametrize("in_graph", [False, True], ids=["experiment", "graph"])
def test_hypotheses_without_treatments_are_refused_before_anything_is_written(
    tmp_path: Path, treatments: list[Treatment], in_graph: bool
) -> None:
    made = experiment(tmp_path / "data", treatments=treatments)

    with pytest.raises(DefinitionError, match=TOLD):
        (ExperimentGraph(made) if in_graph else made).run()
    assert list(tmp_path.iterdir()) == []


def test_hypotheses_and_treatments_of_one_run_count(tmp_path: Path) -> None:
    made = experiment(tmp_path, treatments=[HIGH])

    with pytest.raises(ValueError, match=TOLD):
        made.run(treatments=[])
    assert made.run(treatments=[], hypotheses=[]).errors == {}
    assert experiment(tmp_path).run(treatments=[HIGH]).get_hypothesis("claim") is not None


def pair(root: Path, **settings: Any) -> tuple[Experiment, Experiment]:
    out = Artifact("o.txt")
    upstream = experiment(root, "up", claims=False, outputs=[out], treatments=[HIGH])
    return upstream, experiment(root, datasource=ExperimentInput(up=out), **settings)


@pytest.mark.contract("1.7.10")
def test_inherited_treatments_are_treatments_to_compare(tmp_path: Path) -> None:
    upstream, made = pair(tmp_path)

    result = ExperimentGraph(upstream, made).run()["e"]
    alone = made.run()

    assert result.errors == alone.errors == {}
    assert [list(each.metrics.hypotheses[0].results) for each in (result, alone)] == [["high"], ["high"]]


def test_a_selection_may_leave_out_what_one_of_the_experiments_compares(tmp_path: Path) -> None:
    own = experiment(tmp_path, treatments=[Treatment("low", {"value": 0})])
    other = experiment(tmp_path, "other", claims=False, treatments=[HIGH])
    graph = ExperimentGraph()
    graph.add_experiment(own)
    graph.add_experiment(other)

    results = [graph.run(treatments=[name])["e"] for name in ("high", "baseline")]

    assert [result.errors for result in results] == [{}, {}]
    assert [result.metrics.hypotheses[0].results for result in results] == [{}, {}]
