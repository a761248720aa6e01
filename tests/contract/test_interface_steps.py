"""Sections 1.4 and 1.6 of the contract: what pipelines tell, and what hypotheses are given."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from crystallize import (
    FrozenContext,
    Pipeline,
    Treatment,
    hypothesis,
    inject_from_ctx,
    pipeline,
    pipeline_step,
    standalone_context,
    verifier,
)

from .making import experiment, note


@pipeline_step()
def twice(data: int, ctx: FrozenContext) -> Any:
    """Doubles, and leaves a trace of it."""
    ctx.add("seen", data)
    return 2 * data, {"doubled": 2 * data}


@pipeline_step(cacheable=True)
def slow(data: Any) -> Any:
    """What a memo stands in for, once it is known."""
    return data, {"slow": 1}


@verifier
def compare(baseline: Any, treatment: Any) -> dict[str, Any]:
    return {"samples": [dict(baseline), dict(treatment)], "p_value": 0.5}


@pytest.mark.contract("1.4.18")
def test_a_pipeline_has_at_least_one_step() -> None:
    step = twice()

    assert pipeline(step).steps == Pipeline([step]).steps == [step]
    with pytest.raises(ValueError, match="no steps"):
        Pipeline([])


@pytest.mark.contract("1.4.21", "1.4.27")
def test_provenance_is_that_of_the_last_run_with_the_keys_of_0_27() -> None:
    made = Pipeline([twice()])
    made.run(1, standalone_context())
    data, told = made.run(5, standalone_context(), return_provenance=True, verbose=True)

    assert data == 10
    assert told == made.get_provenance()
    [record] = told
    assert set(record) == {"step", "params", "step_hash", "input_hash", "output_hash", "cache_hit", "ctx_changes"}
    assert (record["step"], record["params"], record["cache_hit"]) == ("TwiceStep", {}, False)
    assert record["ctx_changes"] == {
        "reads": {},
        "wrote": {"seen": {"before": None, "after": 5}},
        "metrics": {"doubled": {"before": (), "after": (10,)}},
    }


@pytest.mark.contract("1.4.27")
def test_reads_are_in_the_provenance_of_verbose_runs_only() -> None:
    made = Pipeline([twice()])
    made.run(1, standalone_context())

    assert "reads" not in made.get_provenance()[0]["ctx_changes"]


@pytest.mark.contract("1.4.26")
def test_replayed_calls_of_steps_are_counted_in_the_result(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "crystallize"):
        result = experiment(tmp_path, slow(), note(), treatments=[Treatment("hot", {"value": 9})]).run()

    assert result.memo_hits == 1
    assert "%" not in caplog.text


@pytest.mark.contract("1.6.3", "1.6.4")
def test_verifiers_are_given_metrics_over_the_replicates(tmp_path: Path) -> None:
    @hypothesis(verifier=compare(), metrics="value")
    def by_chance(result: Any) -> float:
        return float(result["p_value"])

    made = experiment(
        tmp_path, note(), treatments=[Treatment("hot", {"value": 9})], hypotheses=[by_chance], replicates=2
    )

    said = made.run().get_hypothesis("by_chance")

    assert said is not None
    assert said.results["hot"]["samples"] == [{"value": [1, 1]}, {"value": [9, 9]}]
    assert said.ranking == {"best": "hot", "ranked": [("hot", 0.5)]}
    assert hypothesis(verifier=compare(), name="named")(lambda result: 0.0).name == "named"


@pytest.mark.contract("5.5", "1.4.16")
def test_what_nothing_injects_is_told_with_parameter_and_function() -> None:
    @inject_from_ctx
    def greet(name: str, ctx: FrozenContext) -> str:
        return name

    assert greet(ctx=standalone_context({"name": "Ada"})) == "Ada"
    with pytest.raises(TypeError, match=r"greet: parameter 'name'"):
        greet(ctx=standalone_context())
