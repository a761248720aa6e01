"""Sections 1.12 to 1.14 of the contract: results and helpers."""

from __future__ import annotations

import json
import math
from datetime import datetime
from pathlib import Path

import pytest
from crystallize.experiments.result_structs import (  # type: ignore[import-not-found]
    AggregateData,
    ExperimentMetrics,
    HypothesisResult,
    TreatmentMetrics,
)
from crystallize.experiments.run_results import ReplicateResult  # type: ignore[import-not-found]

from crystallize import Hypothesis, Result, Treatment, quick_experiment

from .making import experiment, note, producer


def some_result(root: Path, replicates: int = 2) -> Result:
    """Two conditions, one hypothesis, one artifact."""
    compared = Hypothesis(lambda baseline, treatment: {"p_value": 0.5}, metrics="value", name="h")
    hot = Treatment("hot", {"value": 9})
    return producer(root, treatments=[hot], hypotheses=[compared], replicates=replicates).run()


@pytest.mark.contract("1.12.1")
def test_a_result_is_made_of_four_parts() -> None:
    metrics = ExperimentMetrics(TreatmentMetrics({"m": [1]}), {})
    bare, whole = Result(metrics), Result(metrics, {"o": {"baseline": Path("o")}}, {"e": OSError()}, {"seeds": {}})

    assert (bare.metrics, bare.artifacts, bare.errors, bare.provenance) == (metrics, {}, {}, {})
    assert (list(whole.artifacts), list(whole.errors), whole.provenance) == (["o"], ["e"], {"seeds": {}})


@pytest.mark.contract("1.12.2")
def test_metrics_are_by_condition_with_what_hypotheses_say(tmp_path: Path) -> None:
    metrics = some_result(tmp_path).metrics

    assert metrics.baseline.metrics == {"value": [1, 1]}
    assert metrics.treatments["hot"].metrics == {"value": [9, 9]}
    assert metrics.hypotheses == [
        HypothesisResult("h", {"hot": {"p_value": 0.5}}, {"best": "hot", "ranked": [("hot", 0.5)]})
    ]
    assert metrics.hypotheses[0].get_for_treatment("hot") == {"p_value": 0.5}
    assert metrics.hypotheses[0].get_for_treatment("cold") is None


@pytest.mark.contract("1.12.4")
def test_artifacts_are_paths_of_the_first_replicate_by_condition(tmp_path: Path) -> None:
    paths = some_result(tmp_path).artifacts["o.txt"]

    places = {condition: path.relative_to(tmp_path).as_posix() for condition, path in paths.items()}
    assert places == {name: f"p/v0/replicate_0/{name}/WriteStep/o.txt" for name in ("baseline", "hot")}


@pytest.mark.contract("1.12.6")
def test_provenance_has_signature_replicates_seeds_and_changes(tmp_path: Path) -> None:
    provenance = some_result(tmp_path).provenance

    assert provenance["pipeline_signature"].startswith("WriteStep{")
    assert provenance["replicates"] == 2
    assert provenance["seeds"] == {"baseline": [0, 31337], "hot": [0, 31337]}
    [record] = provenance["ctx_changes"]["hot"][1]
    assert record["step"] == "WriteStep"
    assert record["ctx_changes"]["metrics"]["value"]["after"] == [9]


@pytest.mark.contract("1.12.8", "5.37")
def test_the_tree_has_its_title(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = some_result(tmp_path)
    for fmt in ("treatment > replicate > step", "replicate > step > action", "step > treatment > replicate > action"):
        result.print_tree(fmt)

    assert capsys.readouterr().out.count("Experiment Summary") == 3
    for wrong in ("treatment > epoch", "action > step"):
        with pytest.raises(ValueError, match="print_tree"):
            result.print_tree(wrong)


@pytest.mark.contract("1.12.9")
def test_a_result_as_a_dict_has_the_keys_of_0_27(tmp_path: Path) -> None:
    told = some_result(tmp_path).to_dict()

    assert {"timestamp", "metrics", "hypotheses", "artifacts", "errors", "provenance"} <= told.keys()
    assert datetime.fromisoformat(told["timestamp"]).utcoffset() is not None
    assert told["metrics"] == {"baseline": {"value": [1, 1]}, "treatments": {"hot": {"value": [9, 9]}}}
    assert told["hypotheses"][0]["name"] == "h"
    assert (told["artifacts"], told["errors"]) == (["o.txt"], {})


@pytest.mark.contract("1.12.10")
def test_a_result_as_json_is_a_text_or_a_file(tmp_path: Path) -> None:
    result = some_result(tmp_path)
    text = result.to_json(indent=None)

    assert text is not None and "\n" not in text
    assert result.to_json(tmp_path / "result.json") is None
    written = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    assert written["metrics"] == json.loads(text)["metrics"]
    odd = Result(ExperimentMetrics(TreatmentMetrics({"m": [{1, 2}, math.nan]}), {}))
    assert json.loads(str(odd.to_json()))


@pytest.mark.contract("1.12.13")
def test_what_a_replicate_and_all_of_them_gave_is_compared_by_value() -> None:
    one = ReplicateResult({"m": [1]}, 7, {"hot": {"m": [2]}}, {"hot": 7}, {}, {})
    data = AggregateData({"m": [1]}, {"hot": {"m": [2]}}, [7], {"hot": [7]}, {}, {})

    assert one == ReplicateResult({"m": [1]}, 7, {"hot": {"m": [2]}}, {"hot": 7}, {}, {})
    assert (one.baseline_seed, one.treatment_metrics, one.errors) == (7, {"hot": {"m": [2]}}, {})
    assert (data.baseline_metrics, data.baseline_seeds, data.treatment_seeds_agg) == ({"m": [1]}, [7], {"hot": [7]})


@pytest.mark.contract("1.14.3", "5.38", "5.39")
def test_quick_experiments_tell_each_call_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    quick_experiment(lambda config: config, {"test": 1}, replicates=2, verbose=True)

    said = capsys.readouterr().out.splitlines()
    assert said == ["Running test replicate 1/2...", "Running test replicate 2/2...", "Done!"]


@pytest.mark.contract("5.19", "1.6.6")
def test_a_missing_metric_of_a_hypothesis_is_in_the_errors_and_costs_nothing(tmp_path: Path) -> None:
    from crystallize import MissingMetricError

    compared = Hypothesis(lambda baseline, treatment: {}, metrics="absent", name="h")
    made = experiment(tmp_path, note(), treatments=[Treatment("hot", {"value": 9})], hypotheses=[compared])

    result = made.run()

    [error] = [each for each in result.errors.values() if isinstance(each, MissingMetricError)]
    assert error.metric == "absent" and "'absent'" in str(error)
    assert result.metrics.treatments["hot"].metrics == {"value": [9]}
    assert (tmp_path / "e/v0/hot/results.json").exists()
