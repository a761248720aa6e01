import json
import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from crystallize.experiment.results.result import Result
from crystallize.experiment.results.structs import ExperimentMetrics, HypothesisResult, TreatmentMetrics
from crystallize.experiment.results.summary import describe, summarise

ODD = [math.nan, "text", None, True, [1, 2], {"a": {1}}, np.float64(2.5), np.array([1.0, math.nan]), Fraction(1, 3)]


ACTIONS = ["reads", "writes", "metric"]


def result_of(baseline: dict[str, list[Any]], **treatments: dict[str, list[Any]]) -> Result:
    conditions = {name: TreatmentMetrics(metrics) for name, metrics in treatments.items()}
    return Result(ExperimentMetrics(TreatmentMetrics(baseline), conditions, []))


@pytest.mark.contract("1.12.12")
def test_metrics_are_compared_by_value_with_odd_values_too() -> None:
    first, second = (TreatmentMetrics({"m": [*ODD[:-2], np.array([1.0, math.nan])]}) for _ in range(2))

    assert first == second
    assert first != TreatmentMetrics({"m": [*ODD[:-2], np.array([1.0, 2.0])]})
    assert first != TreatmentMetrics({"n": first.metrics["m"]})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([1], [2]),
        ([1], [1, 2]),
        ([math.nan], [1.0]),
        ([[1]], [(1,)]),
        ([np.array([1])], [np.array([1, 2])]),
        (["a"], ["b"]),
        ([None], [0]),
        ([pd.DataFrame({"a": [1]})], [pd.DataFrame({"a": [2]})]),
    ],
)
def test_different_metrics_are_not_equal(one: list[Any], other: list[Any]) -> None:
    assert TreatmentMetrics({"m": one}) != TreatmentMetrics({"m": other})
    assert TreatmentMetrics({"m": one}) == TreatmentMetrics({"m": list(one)})


@pytest.mark.contract("1.12.12", "2.5.1")
def test_a_reused_result_equals_the_fresh_one() -> None:
    fresh, reused = result_of({"m": [math.nan]}, high={"m": [1]}), result_of({"m": [float("nan")]}, high={"m": [1]})
    fresh.errors, reused.errors = {"k": KeyError("a")}, {"k": KeyError("a")}
    fresh.ran, reused.reused = {"baseline": 1}, {"baseline": 1}

    assert fresh == reused
    reused.errors = {"k": KeyError("b")}
    assert fresh != reused


@pytest.mark.contract("1.12.7")
def test_artifacts_and_hypotheses_are_found_by_name() -> None:
    said = HypothesisResult("h", {"high": {"p_value": 0.1}}, {"best": "high", "ranked": [("high", 0.1)]})
    result = result_of({})
    result.metrics.hypotheses.append(said)
    result.artifacts = {"x.txt": {"baseline": Path("x.txt")}}

    assert {"baseline": Path("x.txt")} == result.get_artifact("x.txt")
    assert result.get_hypothesis("h") is said
    assert said.get_for_treatment("high") == {"p_value": 0.1}
    assert (
        result.get_artifact("y"),
        result.get_hypothesis("y"),
        said.get_for_treatment("y"),
    ) == (None, None, None)


def test_odd_metrics_can_be_exported(tmp_path: Path) -> None:
    result = result_of({"odd": ODD}, high={"n": [1]})
    result.errors = {"high_rep_0": ValueError("ü")}
    result.provenance = {"seeds": {"baseline": [np.int64(1)]}}

    result.to_json(tmp_path / "result.json")

    saved = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    assert {"timestamp", "metrics", "hypotheses", "artifacts", "errors", "provenance"} <= set(saved)
    assert saved["metrics"]["treatments"]["high"] == {"n": [1]}
    assert saved["errors"] == {"high_rep_0": "ü"}
    assert saved["provenance"] == {"seeds": {"baseline": [1]}}
    assert "high_rep_0" in (result.to_json() or "")


@pytest.mark.contract("1.12.11")
def test_parquet_holds_values_and_means(tmp_path: Path) -> None:
    result_of({"m": [1, 2.0]}, high={"m": [np.float64(3.0)]}).to_parquet(tmp_path / "t.parquet")

    frame = pd.read_parquet(tmp_path / "t.parquet")

    assert list(frame.columns) == ["condition", "metric", "values", "mean"]
    assert [(row.condition, list(row["values"]), row["mean"]) for _, row in frame.iterrows()] == [
        ("baseline", [1.0, 2.0], 1.5),
        ("high", [3.0], 3.0),
    ]


@pytest.mark.contract("1.12.11")
def test_parquet_of_odd_metrics_holds_texts(tmp_path: Path) -> None:
    result_of({"m": [1], "odd": ODD}).to_parquet(tmp_path / "t.parquet")

    frame = pd.read_parquet(tmp_path / "t.parquet")

    assert list(frame["values"][0]) == ["1"]
    assert frame["values"][1][1] == '"text"'
    assert frame["mean"][0] == 1.0
    assert math.isnan(frame["mean"][1])


@pytest.mark.contract("1.12.3")
def test_hypotheses_make_a_frame_with_a_row_per_group() -> None:
    metrics = result_of({}).metrics
    metrics.hypotheses.append(HypothesisResult("one", {"high": {"p_value": 0.1}}, {}))
    metrics.hypotheses.append(HypothesisResult("two", {"high": [{"p_value": 0.2}, {"p_value": 0.3}]}, {}))

    frame = metrics.to_df()

    assert list(frame[["condition", "hypothesis", "p_value"]].itertuples(index=False, name=None)) == [
        ("high", "one", 0.1),
        ("high", "two", 0.2),
        ("high", "two", 0.3),
    ]


@pytest.mark.contract("1.12.11", "5.33")
def test_tables_without_pandas_say_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)

    with pytest.raises(ImportError, match="pandas is required"):
        result_of({}).to_parquet(tmp_path / "t")
    with pytest.raises(ImportError, match="pandas is required"):
        result_of({}).metrics.to_df()


@pytest.fixture
def traced() -> Result:
    changes = {
        "reads": {"k": "[red]"},
        "wrote": {"w": {"before": None, "after": 1}},
        "metrics": {"m": {"before": [], "after": [2]}},
    }
    records = [
        {"step": "QuietStep", "ctx_changes": {"wrote": {}, "metrics": {}}},
        {"step": "LoudStep", "ctx_changes": changes},
    ]
    result = result_of({})
    result.provenance = {"ctx_changes": {"baseline": {0: records, 1: records}, "high": {0: records}}}
    return result


@pytest.mark.contract("1.12.8")
def test_the_tree_shows_steps_that_changed_something(traced: Result, capsys: pytest.CaptureFixture[str]) -> None:
    traced.print_tree()

    lines = [line.strip(" ├└─│") for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == "Experiment Summary"
    assert (lines[1:]) == [
        "baseline",
        "replicate 0",
        "LoudStep",
        "replicate 1",
        "LoudStep",
        "high",
        "replicate 0",
        "LoudStep",
    ]


@pytest.mark.parametrize(
    ("fmt", "expected"),
    [
        ("step", ["LoudStep"]),
        ("step > treatment", ["LoudStep", "baseline", "high"]),
        (
            "replicate>step>action",
            ["replicate 0", "LoudStep", *ACTIONS, "replicate 1", "LoudStep", *ACTIONS],
        ),
    ],
)
def test_the_tree_may_leave_levels_out(
    fmt: str, expected: list[str], traced: Result, capsys: pytest.CaptureFixture[str]
) -> None:
    traced.print_tree(fmt)

    lines = [line.strip(" ├└─│") for line in capsys.readouterr().out.splitlines()[1:]]
    assert expected == [line.split()[0] if line.startswith(tuple(ACTIONS)) else line for line in lines]


@pytest.mark.contract("1.12.8")
def test_actions_are_shown_as_they_are(traced: Result, capsys: pytest.CaptureFixture[str]) -> None:
    traced.print_tree("step > action")

    out = capsys.readouterr().out
    assert "reads k = '[red]'" in out
    assert "writes w: None -> 1" in out
    assert "metric m: [] -> [2]" in out


@pytest.mark.contract("1.12.8")
@pytest.mark.parametrize("fmt", ["", "steps", "action > step", "treatment > nothing"])
def test_a_wrong_format_of_the_tree_is_refused(fmt: str, traced: Result) -> None:
    with pytest.raises(ValueError, match="print_tree"):
        traced.print_tree(fmt)


def test_html_shows_conditions_metrics_counts_and_errors() -> None:
    result = result_of({"acc": [0.5, 0.7]}, high={"acc": [0.25], "<b>": ["x"]})
    result.name, result.ran, result.reused = "train", {"baseline": 1, "high": 0}, {"high": 1}
    result.errors = {"baseline_rep_2": ValueError("<broken>")}
    result.notices = ["one notice"]

    html = result._repr_html_()

    assert "<td>baseline</td><td>0.6 ± 0.14 (n = 2)</td><td></td><td>1</td><td>0</td>" in html
    assert "<td>high</td><td>0.25</td><td>x</td><td>0</td><td>1</td>" in html
    assert "&lt;broken&gt;" in html
    assert "one notice" in html
    assert "<b><" not in html


def test_repr_fits_on_a_line() -> None:
    result = result_of({"m": [1]}, high={})
    result.name, result.ran, result.reused = "train", {"baseline": 2}, {"high": 3}

    assert repr(result) == "Result('train': baseline, high; 2 ran, 3 reused, 0 errors)"


def test_samples_are_described_in_a_few_characters() -> None:
    samples: list[list[Any]] = [[6], [1 / 3], ["a", "b"], [1, 2]]

    assert [describe(values) for values in samples] == ["6", "0.3333", "2 values", "1.5 ± 0.71 (n = 2)"]
    assert (summarise([1, np.float64(2)]).mean, summarise([1, 2]).n) == (1.5, 2)  # type: ignore[union-attr]
    assert summarise([]) is None
    assert len(describe(["x" * 100])) == 40
    assert describe([math.nan, 1]) == "nan ± nan (n = 2)"
