"""The JSON: every field is documented, every documented field is there, and any parser can read it."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest

from crystallize.cli import schema
from crystallize.cli.audit import audit_document
from crystallize.experiment.reports.candidates import Candidate
from crystallize.experiment.reports.difference import Difference
from crystallize.experiment.reports.explanation import Explanation
from crystallize.experiment.reports.status import ExperimentStatus, Status
from crystallize.experiment.results.audit import Audit
from crystallize.experiment.results.result import Result
from crystallize.experiment.results.structs import ExperimentMetrics, HypothesisResult, TreatmentMetrics
from crystallize.history.history import GroupRow, JobRow, RunRow
from crystallize.history.stats import Stats

DOCUMENT = Path(__file__).parents[2] / "docs/reference/json.md"
JOB = JobRow("train/baseline/0", "train", "ran", "first run", b"\x01" * 32, 3, 0.5)
GROUP = GroupRow("train", ran=1, reused=2, failed=3, blocked=4, seconds=5.0, seconds_saved=6.0)
RUN = RunRow(7, 1.5e9, ("train",), "resume", "cli", "ok", 2.0)
STATUS = Status(
    folder=Path("data/.crystallize"),
    bytes=9,
    records=1,
    blobs=2,
    blob_bytes=3,
    orphans=0,
    orphan_bytes=0,
    pinned=0,
    experiments=(ExperimentStatus(name="train", trials=1, results=1, seconds=0.5, bytes=3, needed_bytes=3),),
)
EXPLANATION = Explanation("train", "run", "why", (Difference("param.lr", "1", "2"),), ("note",), {"baseline": [0]})


def documented(heading: str) -> list[str]:
    """The fields of the table below a heading."""
    text = DOCUMENT.read_text(encoding="utf-8")
    _, found, below = text.partition(f"\n{heading}\n")
    assert found, heading
    table = re.split(r"^#", below, maxsplit=1, flags=re.MULTILINE)[0]
    return re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)


def run_document() -> dict[str, Any]:
    return schema.run_document(
        "run",
        run=7,
        strategy="resume",
        jobs=[JOB],
        groups={"train": GROUP},
        seconds=1.0,
        explanations=[EXPLANATION],
    )


@pytest.mark.parametrize(
    ("heading", "made"),
    [
        ("## What a run did, or would do", run_document()),
        ("### `jobs`", schema.job_entry(JOB)),
        ("### `experiments`", schema.experiment_entry(GROUP)),
        ("### `explanations`", schema.explanation_entry(EXPLANATION)),
        ("## `run --detach`", schema.detached_document(7, 4711, Path("data/.crystallize/runs/7.log"))),
        ("## `history`", schema.history_document([])),
        ("### `candidates`", schema.candidate_entry(Candidate(RUN, {"first run": 2}))),
        ("## `audit`", audit_document(Audit(trials=(), reusable=0, others=0, interrupted=False), [])),
        ("### `runs`", schema.run_entry(RUN, [GROUP])),
        ("## `stats`", schema.stats_document([], Stats((), (), ()))),
        ("### `experiments` of `stats`", schema.worth_entry(GROUP)),
        ("## `store status`", schema.status_document(STATUS)),
        ("### `experiments` of `store status`", schema.stored_entry(STATUS.experiments[0])),
        (
            "## `show` with an experiment",
            schema.experiment_document("train", version=0, metrics={}, artifacts={}, runs=[]),
        ),
    ],
)
def test_the_fields_are_those_of_the_reference_in_its_order(heading: str, made: dict[str, Any]) -> None:
    assert list(made) == documented(heading)


def test_the_changes_of_an_explanation_are_documented() -> None:
    [change] = schema.explanation_entry(EXPLANATION)["changes"]

    [row] = [row for row in DOCUMENT.read_text(encoding="utf-8").splitlines() if row.startswith("| `changes`")]
    assert all(f"`{field}`" in row for field in change)


def test_every_document_says_its_version_first() -> None:
    documents = [
        run_document(),
        schema.history_document([]),
        schema.experiment_document("a", version=0, metrics={}, artifacts={}, runs=[]),
    ]

    assert [next(iter(each.items())) for each in documents] == [("schema", 1)] * 3


def test_the_counts_are_the_sums_over_the_experiments() -> None:
    other = GroupRow("report", ran=10, reused=20, failed=30, blocked=40, seconds_saved=0.5)

    made = schema.run_document(
        "show", run=1, strategy="resume", jobs=[], groups={"train": GROUP, "report": other}, seconds=0.0
    )

    assert [made[key] for key in ("ran", "reused", "failed", "blocked")] == [11, 22, 33, 44]
    assert made["seconds_saved"] == 6.5


def test_results_become_strict_json() -> None:
    result = Result(ExperimentMetrics(TreatmentMetrics({"loss": [math.nan, math.inf, -math.inf, 1, None, True]}), {}))
    result.artifacts = {"model.bin": {"baseline": Path("data/model.bin")}}
    result.errors = {"baseline_rep_0": ValueError("bad")}
    result.metrics.hypotheses.append(
        HypothesisResult("h", {"a": {"p": math.nan}}, {"best": None, "ranked": [("a", 1.0)]})
    )

    entry = json.loads(json.dumps(schema.experiment_entry(GROUP, result), allow_nan=False))

    assert entry["metrics"] == {"baseline": {"loss": ["NaN", "Infinity", "-Infinity", 1, None, True]}}
    assert entry["artifacts"] == {"model.bin": {"baseline": str(Path("data/model.bin"))}}
    assert entry["errors"] == {"baseline_rep_0": "ValueError: bad"}
    assert entry["hypotheses"] == [
        {"name": "h", "results": {"a": {"p": "NaN"}}, "ranking": {"best": None, "ranked": [["a", 1.0]]}}
    ]
