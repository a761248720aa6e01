"""Results that are made when somebody looks: always what they would have been at the end of the run."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from crystallize import (
    Artifact,
    ArtifactPlugin,
    Experiment,
    FrozenContext,
    Pipeline,
    Result,
    Treatment,
    data_source,
    pipeline_step,
)
from crystallize.experiment.results.making import FEW_TRIALS
from crystallize.experiment.results.result import made_later
from crystallize.experiment.results.structs import ExperimentMetrics, TreatmentMetrics


@data_source
def nothing(ctx: FrozenContext) -> None:
    return None


@pipeline_step()
def write(data: Any, ctx: FrozenContext, *, out: Artifact, value: int = 0) -> Any:
    if value < 0:
        raise ValueError("below zero")
    out.write(str(value))
    return data, {"value": value}


def experiment(root: Path, **parts: Any) -> Experiment:
    out = Artifact("o.txt")
    steps = Pipeline([write(out=out)])
    return Experiment(nothing(), steps, [ArtifactPlugin(root_dir=root)], name="e", outputs=[out], **parts)


def is_made(result: Result) -> bool:
    return "metrics" in vars(result)


def in_all(result: Result) -> dict[str, Any]:
    """Every part of a result that a value can be compared of."""
    result._complete()
    parts = dict(vars(result))
    parts["_reasons"] = result.reasons
    parts["errors"] = {key: str(error) for key, error in result.errors.items()}
    parts["provenance"] = {**result.provenance, "ctx_changes": dict(result.provenance["ctx_changes"])}
    return parts


def with_value(value: int) -> Callable[[], Result]:
    return lambda: Result(ExperimentMetrics(TreatmentMetrics({"value": [value]}), {}))


def test_asking_whether_there_are_errors_makes_no_result(tmp_path: Path) -> None:
    experiment(tmp_path).run(strategy="resume")
    reused = experiment(tmp_path).run(strategy="resume")

    assert (reused.name, reused.run, reused.errors, reused.notices) == ("e", 2, {}, [])
    assert not is_made(reused)
    assert reused.reused == {"baseline": 1}
    assert is_made(reused)


def test_a_result_of_many_trials_is_made_at_once(tmp_path: Path) -> None:
    assert is_made(experiment(tmp_path, replicates=FEW_TRIALS + 1).run())


def test_a_result_looked_at_late_is_that_of_its_own_run(tmp_path: Path) -> None:
    treatments = [Treatment("wrong", {"value": -1}), Treatment("two", {"value": 2})]
    early = experiment(tmp_path, treatments=treatments).run(strategy="resume")
    told = in_all(early)
    late = experiment(tmp_path, treatments=treatments).run(strategy="resume")
    once = experiment(tmp_path, treatments=treatments).run(strategy="resume")
    at_once = in_all(once)
    experiment(tmp_path, treatments=[Treatment("two", {"value": 7})]).run(strategy="resume")
    (tmp_path / "e/v0/replicate_0/two/WriteStep/o.txt").unlink()

    assert late == early
    assert in_all(late) | {"run": 3} == at_once
    assert told["metrics"].treatments["two"].metrics == late.metrics.treatments["two"].metrics == {"value": [2]}
    assert late.ran == {"baseline": 0, "wrong": 1, "two": 0}


def test_reasons_and_provenance_name_what_ran_and_what_succeeded(tmp_path: Path) -> None:
    treatments = [Treatment("wrong", {"value": -1}), Treatment("two", {"value": 2})]
    experiment(tmp_path, replicates=2).run(strategy="resume")
    result = experiment(tmp_path, replicates=3, treatments=treatments).run(strategy="resume")

    assert list(result.reasons) == [
        "wrong_rep_0",
        "two_rep_0",
        "wrong_rep_1",
        "two_rep_1",
        "baseline_rep_2",
        "wrong_rep_2",
        "two_rep_2",
    ]
    assert result.reasons == dict.fromkeys(result.reasons, "first run")
    assert "baseline_rep_0" not in result.reasons
    assert json.loads(json.dumps(result.reasons)) == result.reasons
    assert pickle.loads(pickle.dumps(result)).reasons == result.reasons
    changes = result.provenance["ctx_changes"]
    assert {condition: list(changes[condition]) for condition in changes} == {"baseline": [0, 1, 2], "two": [0, 1, 2]}
    assert all(records for condition in changes for records in changes[condition].values())


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda result: pickle.loads(pickle.dumps(result))])
def test_a_copy_of_a_result_that_is_not_made_is_whole(tmp_path: Path, again: Callable[[Any], Any]) -> None:
    result = experiment(tmp_path).run()
    same = again(result)

    assert "_make" not in vars(same)
    assert in_all(same).keys() == in_all(result).keys()
    assert same == result
    assert same.ran == {"baseline": 1}


def test_printing_a_result_makes_it(tmp_path: Path) -> None:
    assert repr(experiment(tmp_path).run()) == "Result('e': baseline; 1 ran, 0 reused, 0 errors)"


def test_what_is_set_before_a_result_is_made_stays() -> None:
    result = made_later(with_value(1), name="e", errors={}, notices=[])
    result.artifacts = {"a": {"baseline": Path("a")}}
    result.errors["setup"] = ValueError("no")

    assert result.metrics.baseline.metrics == {"value": [1]}
    assert result.artifacts == {"a": {"baseline": Path("a")}}
    assert list(result.errors) == ["setup"]


def test_threads_that_look_at_the_same_time_see_the_same_parts() -> None:
    barrier = Barrier(2)

    def make() -> Result:
        barrier.wait(10)
        return with_value(1)()

    result = made_later(make, name="e", errors={}, notices=[])
    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(lambda _: result.metrics, range(2))

    assert one is other is result.metrics


def test_what_a_result_does_not_have_is_no_attribute() -> None:
    result = made_later(with_value(1), name="e", errors={}, notices=[])

    assert not hasattr(result, "_repr_png_")
    assert not is_made(result)
    with pytest.raises(AttributeError, match="'Result' object has no attribute 'metric'"):
        _ = result.metric  # type: ignore[attr-defined]


def test_what_readers_of_a_stream_do_to_its_metrics_leaves_the_result_alone(tmp_path: Path) -> None:
    stream = experiment(tmp_path).stream()
    trials = list(stream)
    trials[0].metrics["value"].append(9)

    assert stream.result.metrics.baseline.metrics == {"value": [0]}
