"""Treatments with a datasource of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from crystallize import (
    Artifact,
    Experiment,
    ExperimentGraph,
    FrozenContext,
    Pipeline,
    Treatment,
    data_source,
    pipeline_step,
)

RAN: list[str] = []


@pytest.fixture(autouse=True)
def nothing_ran() -> None:
    RAN.clear()


@data_source
def number(ctx: FrozenContext, *, value: int = 1) -> int:
    RAN.append(f"number {value}")
    return value


@data_source(volatile=True)
def outside(ctx: FrozenContext) -> int:
    RAN.append(f"outside {ctx['condition']}")
    return 7


@pipeline_step()
def show(data: int, *, k: int = 0) -> Any:
    return data, {"data": data + k}


@pipeline_step()
def write(data: int, *, out: Artifact) -> int:
    out.write(str(100 * data))
    return data


def _number(path: Path) -> int:
    return int(path.read_text())


def made(*treatments: Treatment, name: str = "e", **settings: Any) -> Experiment:
    source = settings.pop("source", None) or number()
    return Experiment(source, Pipeline([show()]), name=name, treatments=treatments, **settings)


def producer() -> Experiment:
    out = Artifact("o.txt", loader=_number)
    return Experiment(number(value=3), Pipeline([write(out=out)]), name="up", outputs=[out], replicates=2)


@pytest.mark.parametrize("executor", ["serial", "thread", "async", "process"])
def test_a_condition_has_the_data_of_its_treatment(executor: str) -> None:
    result = made(Treatment("dolphin", {"k": 1}, datasource=number(value=50)), Treatment("t", {"k": 2})).run(
        executor=executor
    )

    assert result.errors == {}
    assert result.metrics.baseline.metrics == {"data": [1]}
    assert result.metrics.treatments["dolphin"].metrics == {"data": [51]}
    assert result.metrics.treatments["t"].metrics == {"data": [3]}


def test_another_datasource_runs_that_condition_alone_again() -> None:
    made(Treatment("dolphin", datasource=number(value=50)), Treatment("t", {"k": 2})).run()
    RAN.clear()

    result = made(Treatment("dolphin", datasource=number(value=60)), Treatment("t", {"k": 2})).run(strategy="resume")

    assert RAN == ["number 60"]
    assert result.ran == {"baseline": 0, "dolphin": 1, "t": 0}
    assert result.reasons == {"dolphin_rep_0": "param.number.value: 50 → 60"}


def test_a_treatment_may_read_another_experiment() -> None:
    upstream = producer()
    reader = made(Treatment("fed", datasource=upstream.outputs["o.txt"]), replicates=2)
    graph = ExperimentGraph(upstream, reader)

    results = graph.run()

    assert graph.edges() == {"up": [], "e": ["up"]}
    assert results["e"].metrics.treatments["fed"].metrics == {"data": [300, 300]}
    assert results["e"].metrics.baseline.metrics == {"data": [1, 1]}


def test_a_change_upstream_runs_only_the_condition_that_reads_it() -> None:
    upstream = producer()
    ExperimentGraph(upstream, made(Treatment("fed", datasource=upstream.outputs["o.txt"]))).run(replicates=1)
    changed = producer()
    changed.datasource = number(value=4)

    results = ExperimentGraph(changed, made(Treatment("fed", datasource=changed.outputs["o.txt"]))).run(
        replicates=1, strategy="resume"
    )

    assert results["e"].ran == {"baseline": 0, "fed": 1}
    assert results["e"].metrics.treatments["fed"].metrics == {"data": [400]}


def test_what_is_read_anew_each_run_is_not_read_for_a_condition_with_data_of_its_own() -> None:
    result = made(Treatment("own", datasource=number()), Treatment("t", {"k": 1}), source=outside()).run()

    assert RAN == ["outside baseline", "outside t", "number 1"]
    assert result.metrics.treatments["own"].metrics == {"data": [1]}


def test_a_treatment_of_outside_state_is_refused() -> None:
    with pytest.raises(ValueError, match="datasource of treatment 'x' is volatile; make it the datasource of an exp"):
        made(Treatment("x", datasource=outside())).run()


def test_a_treatment_that_is_only_given_to_a_graph_must_not_swap_every_datasource() -> None:
    upstream = producer()
    graph = ExperimentGraph(upstream, made(source=upstream.outputs["o.txt"]))

    with pytest.raises(ValueError, match="would replace the datasources of 2 experiments"):
        graph.run(treatments=[Treatment("x", datasource=number())])


def test_a_datasource_that_is_not_called_is_told_so() -> None:
    with pytest.raises(TypeError, match=r"is no datasource; is number\(\) meant"):
        Treatment("x", datasource=number)  # type: ignore[arg-type]
