from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

from crystallize.experiment.reports.data import to_json, to_xml
from crystallize.experiment.results.result import Result
from crystallize.experiment.results.structs import ExperimentMetrics, HypothesisResult, TreatmentMetrics

RESULT = Result(
    ExperimentMetrics(
        TreatmentMetrics({"loss": [1.0, float("nan")]}),
        {"high": TreatmentMetrics({"loss": [2]})},
        [HypothesisResult("helps", {"high": {"p": 0.5}}, {"best": "high", "ranked": [("high", 0.5)]})],
    ),
    artifacts={"a & b.txt": {"baseline": Path("data/x")}},
    errors={"high_rep_1": ValueError("<odd>\x00")},
    name="train",
)


def test_xml_has_the_elements_that_readers_of_0_27_know() -> None:
    top = ElementTree.fromstring(to_xml({"train": RESULT}))

    assert top.tag == "CrystallizeSummary"
    assert [(v.get("condition"), v.text) for v in top.iterfind("Experiment[@name='train']/Metrics/Metric/Value")] == [
        ("baseline", "[1.0, NaN]"),
        ("high", "[2]"),
    ]
    assert [each.get("best") for each in top.iterfind("Experiment/Hypotheses/Hypothesis")] == ["high"]
    assert [p.text for p in top.iterfind("Experiment/Artifacts/Artifact[@name='a & b.txt']/Path")] == ["data/x"]
    assert [error.text for error in top.iterfind("Experiment/Errors/Error")] == ["<odd>"]


def test_json_can_be_read_by_anybody() -> None:
    shown = json.loads(to_json({"train": RESULT}))

    assert shown["train"]["metrics"]["treatments"]["high"] == {"loss": [2]}
    assert shown["train"]["errors"] == {"high_rep_1": "<odd>\x00"}
