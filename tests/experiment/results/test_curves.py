"""Curves: values with steps and tags, from the context into records, results, files and frames, and JSON and back."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crystallize import Experiment, FrozenContext, Pipeline, Result, Treatment, ValidationError, pipeline_step
from crystallize import data_source as source_of
from crystallize.experiment.results.saved_metrics import load_metrics
from crystallize.experiment.results.structs import ExperimentMetrics, HypothesisResult, TreatmentMetrics


@source_of
def nothing(ctx: FrozenContext) -> None:
    return None


@pipeline_step(cacheable=True)
def train(data: Any, ctx: FrozenContext, *, fail_at: int = -1) -> Any:
    if ctx["replicate"] == fail_at:
        raise ValueError("as told")
    for epoch in range(3):
        ctx.metrics.add("loss", 1.0 / (epoch + 1), {"split": "val"}, step=epoch)
    ctx.record("size", 5)
    return data


def made(**params: Any) -> Experiment:
    return Experiment(
        nothing(), Pipeline([train(**params)]), name="e", replicates=2, treatments=[Treatment("t", {"k": 1})]
    )


LOSSES = [1.0, 0.5, 1.0 / 3]


@pytest.mark.parametrize("executor", ["serial", "process"])
def test_steps_and_tags_are_in_results_fresh_and_reused(executor: str) -> None:
    for _ in range(2):
        result = made().run(strategy="resume", executor=executor)

        baseline = result.metrics.baseline
        assert baseline.metrics == {"loss": LOSSES * 2, "size": [5, 5]}
        assert baseline.steps("loss") == [0, 1, 2, 0, 1, 2]
        assert baseline.tags["loss"][4] == {"split": "val", "step": 1}
        assert baseline.steps("size") == [None, None]
        assert baseline.replicates_of("loss") == [0, 0, 0, 1, 1, 1]


def test_steps_and_tags_are_replayed_by_memos() -> None:
    made().run()
    result = made().run(replicates=3, strategy="resume")

    assert result.metrics.baseline.steps("loss") == [0, 1, 2] * 3


def test_saved_results_have_tags_beside_metrics_that_read_as_ever() -> None:
    made().run()

    saved = json.loads(Path("data/e/v0/baseline/results.json").read_text(encoding="utf-8"))
    assert saved["tags"] == {"loss": [{"split": "val", "step": step} for step in (0, 1, 2, 0, 1, 2)]}
    assert load_metrics("data/e")[1] == {"loss": LOSSES * 2, "size": [5, 5]}


def test_a_frame_has_a_row_for_each_value() -> None:
    frame = made(fail_at=0).run(treatments=[]).to_df()

    losses = frame[frame.metric == "loss"]
    assert list(losses.columns) == ["condition", "replicate", "metric", "value", "split", "step"]
    assert losses.value.tolist() == LOSSES
    assert losses.step.tolist() == [0, 1, 2]
    assert set(losses.replicate) == {1}
    assert frame[frame.metric == "size"].replicate.tolist() == [1]


def test_a_step_is_a_tag_and_wins_over_one_that_is_given() -> None:
    from crystallize import standalone_context

    ctx = standalone_context()
    ctx.record("m", 1, {"step": 1, "a": 2}, step=5)

    assert ctx.metrics.get_tags("m") == ({"step": 5, "a": 2},)


def test_a_result_survives_json_and_back(tmp_path: Path) -> None:
    result = made(fail_at=1).run()
    result.to_json(tmp_path / "result.json")

    back = Result.from_json(tmp_path / "result.json")

    assert back.metrics == result.metrics
    assert back.metrics.baseline.tags == result.metrics.baseline.tags
    assert back.artifacts == result.artifacts
    assert {key: str(error) for key, error in back.errors.items()} == {
        key: str(error) for key, error in result.errors.items()
    }
    assert back.to_df().equals(result.to_df())
    assert dict(back.provenance["ctx_changes"])["t"].keys() == {0}
    assert _timeless(back) == _timeless(result)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
NAMES = st.text("abcdef_", min_size=1, max_size=4)
METRICS = st.dictionaries(NAMES, st.lists(VALUES, min_size=1, max_size=3), max_size=3)
ERRORS = st.sampled_from([ValueError("no"), KeyError("k"), OSError("disk"), ZeroDivisionError("by zero")])


@st.composite
def results(draw: st.DrawFn) -> Result:
    def part() -> TreatmentMetrics:
        metrics = draw(METRICS)
        return TreatmentMetrics(metrics, {name: [{"step": i} for i, _ in enumerate(v)] for name, v in metrics.items()})

    names = draw(st.lists(NAMES, unique=True, max_size=2))
    said = [HypothesisResult("h", {"t": {"p": draw(st.floats())}}, {"best": None, "ranked": [("t", 0.5)]})]
    return Result(
        ExperimentMetrics(part(), {name: part() for name in names}, said),
        artifacts={"o.txt": {"baseline": Path("/data/o.txt")}},
        errors=draw(st.dictionaries(st.just("baseline_rep_0"), ERRORS)),
        provenance={"seeds": {"baseline": [1]}},
        name="e",
    )


@given(results())
def test_every_result_survives_json_and_back(result: Result) -> None:
    back = Result.from_json(str(result.to_json()))

    assert back == result
    assert back.metrics.baseline.tags == result.metrics.baseline.tags
    assert _timeless(back) == _timeless(result)


@pytest.mark.parametrize("text", ["{}", "[]", '{"metrics": 3}', '{"metrics": {"baseline": {}, "treatments": {}}}'])
def test_what_is_no_result_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="no result that to_dict or to_json gave"):
        Result.from_json(text)


def test_a_result_of_crystallize_0_27_can_be_read() -> None:
    told = {
        "timestamp": "2025-01-01T00:00:00+00:00",
        "metrics": {"baseline": {"m": [1, 2]}, "treatments": {"t": {"m": [3, math.inf]}}},
        "hypotheses": [{"name": "h", "results": {"t": {"p_value": 0.1}}, "ranking": {"best": "t", "ranked": []}}],
        "artifacts": ["o.txt"],
        "errors": {"t_rep_0": "no"},
        "provenance": {"replicates": 2},
    }

    result = Result.from_dict(told)

    assert result.metrics.treatments["t"].metrics == {"m": [3, math.inf]}
    assert result.get_hypothesis("h") is not None
    assert str(result.errors["t_rep_0"]) == "no"


def _timeless(result: Result) -> str:
    return json.dumps({key: value for key, value in result.to_dict().items() if key != "timestamp"})
