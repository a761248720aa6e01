"""What an experiment gave: metrics by condition, artifacts, errors, hypotheses, and where all of it came from.

Plain data, made by the runner and compared by value; a reused result equals the one it came from. How results
are printed and exported is in `result_tree.py`, `result_table.py` and `result_html.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from crystallize.errors import message_of
from crystallize.experiment.objects.constants import BASELINE_CONDITION
from crystallize.experiment.objects.values import is_same
from crystallize.store.codecs import plain

Samples = dict[str, list[Any]]
"""Metric → its values, over the replicates that succeeded, in order."""


class ByValue:
    """A dataclass that is compared field by field, so that NaN and arrays compare as people expect."""

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return all(
            is_same(getattr(self, part.name), getattr(other, part.name))
            for part in fields(self)  # type: ignore[arg-type]
            if part.compare
        )


@dataclass(eq=False)
class TreatmentMetrics(ByValue):
    """The metrics of one condition."""

    metrics: Samples


@dataclass(eq=False)
class HypothesisResult(ByValue):
    """What a hypothesis says."""

    name: str
    results: dict[str, Any]
    """Treatment → what the verifier said; a list of it for several groups of metrics."""
    ranking: dict[str, Any]
    """``best``: a treatment or None; ``ranked``: (treatment, score), best first."""

    def get_for_treatment(self, name: str) -> Any:
        """What the verifier said of a treatment, or None."""
        return self.results.get(name)


@dataclass(eq=False)
class ExperimentMetrics(ByValue):
    """The metrics of all conditions, and what the hypotheses say of them."""

    baseline: TreatmentMetrics
    treatments: dict[str, TreatmentMetrics]
    hypotheses: list[HypothesisResult] = field(default_factory=list)

    def conditions(self) -> Iterator[tuple[str, Samples]]:
        """Condition and metrics, the baseline first."""
        yield BASELINE_CONDITION, self.baseline.metrics
        for name, treatment in self.treatments.items():
            yield name, treatment.metrics

    def to_df(self) -> Any:
        """A pandas frame of the hypotheses: condition, hypothesis, and what the verifier said, a column per key.

        Raises ImportError without pandas.
        """
        from crystallize.experiment.results.result_table import hypotheses_frame

        return hypotheses_frame((each.name, each.results) for each in self.hypotheses)


@dataclass(eq=False)
class ReplicateResult(ByValue):
    """What one replicate gave, in all conditions."""

    baseline_metrics: Samples | None
    baseline_seed: int | None
    treatment_metrics: dict[str, Samples]
    treatment_seeds: dict[str, int | None]
    errors: dict[str, BaseException]
    provenance: dict[str, list[Mapping[str, Any]]]


@dataclass(eq=False)
class AggregateData(ByValue):
    """What all replicates gave, by condition."""

    baseline_metrics: Samples
    treatment_metrics_dict: dict[str, Samples]
    baseline_seeds: list[int]
    treatment_seeds_agg: dict[str, list[int]]
    provenance_runs: dict[str, dict[int, list[Mapping[str, Any]]]]
    errors: dict[str, BaseException]


class Result:
    """What a run of an experiment gave.

    Attributes
    ----------
    metrics : by condition, with the hypotheses.
    artifacts : file name → condition → path of the first replicate's file.
    errors : ``<condition>_rep_<replicate>`` → the exception, with its text as `traceback_str`.
    provenance : ``pipeline_signature``, ``replicates``, ``seeds`` and ``ctx_changes`` (condition → replicate
    →
        one record per step).
    name : of the experiment.
    run : number of the run, in the history of the experiment's results.
    pinned : number of the run whose trials were taken as they are, when they were pinned.
    reused, ran : condition → number of replicates.
    memo_hits : how many calls of cacheable steps were replayed from memos, in the trials that ran.
    fetched : how often outside state was fetched for trials.
    reasons : ``<condition>_rep_<replicate>`` → why it ran.
    notices : what the user should know, a sentence each.

    Two results are equal when their metrics, artifacts and errors are; how they came about does not count.
    """

    def __init__(
        self,
        metrics: ExperimentMetrics,
        artifacts: dict[str, dict[str, Path]] | None = None,
        errors: dict[str, BaseException] | None = None,
        provenance: Mapping[str, Any] | None = None,
        *,
        name: str = "",
    ) -> None:
        self.metrics = metrics
        self.artifacts = artifacts or {}
        self.errors = errors or {}
        self.provenance: Mapping[str, Any] = {} if provenance is None else provenance
        self.name = name
        self.run = 0
        self.pinned: int | None = None
        self.reused: dict[str, int] = {}
        self.ran: dict[str, int] = {}
        self.memo_hits = 0
        self.fetched = 0
        self.reasons: dict[str, str] = {}
        self.notices: list[str] = []

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Result):
            return NotImplemented
        mine = (self.metrics, self.artifacts, self.errors)
        return is_same(mine, (other.metrics, other.artifacts, other.errors))

    def get_artifact(self, name: str) -> dict[str, Path] | None:
        """Condition → path of the artifact with this file name, or None."""
        return self.artifacts.get(name)

    def get_hypothesis(self, name: str) -> HypothesisResult | None:
        """What the hypothesis of this name says, or None."""
        return next((each for each in self.metrics.hypotheses if each.name == name), None)

    def print_tree(self, fmt: str = "treatment > replicate > step") -> None:
        """Print what the steps read and wrote as a tree.

        `fmt` orders the levels: ``treatment``, ``replicate``, ``step`` and, only as the last one, ``action``.
        Any may be left out. Raises ValueError for anything else.
        """
        from crystallize.experiment.results.result_tree import print_tree

        print_tree(self.provenance.get("ctx_changes", {}), fmt)

    def to_dict(self) -> dict[str, Any]:
        """The result as values that JSON can show, with the time of the call."""
        from datetime import UTC, datetime

        shown = {
            "timestamp": datetime.now(UTC).isoformat(),
            "metrics": {
                "baseline": self.metrics.baseline.metrics,
                "treatments": {name: each.metrics for name, each in self.metrics.treatments.items()},
            },
            "hypotheses": [
                {"name": each.name, "results": each.results, "ranking": each.ranking}
                for each in self.metrics.hypotheses
            ],
            "artifacts": list(self.artifacts),
            "errors": {key: message_of(error) for key, error in self.errors.items()},
            "provenance": self.provenance,
        }
        return {key: plain(value) for key, value in shown.items()}

    def to_json(self, path: Path | str | None = None, indent: int | None = 2) -> str | None:
        """The result as JSON; written to `path` instead, when one is given."""
        import json

        text = json.dumps(self.to_dict(), indent=indent, ensure_ascii=False)
        if path is None:
            return text
        Path(path).write_text(text, encoding="utf-8")
        return None

    def to_parquet(self, path: Path | str) -> None:
        """Write a table: condition, metric, its values and their mean.

        Values are numbers when all of all metrics are, else JSON texts. Raises ImportError without pandas or
        an engine for parquet.
        """
        from crystallize.experiment.results.result_table import metrics_frame

        metrics_frame(self.metrics.conditions()).to_parquet(path)

    def __repr__(self) -> str:
        conditions = ", ".join(name for name, _ in self.metrics.conditions())
        ran, reused = sum(self.ran.values()), sum(self.reused.values())
        return f"Result({self.name!r}: {conditions}; {ran} ran, {reused} reused, {len(self.errors)} errors)"

    def _repr_html_(self) -> str:
        from crystallize.experiment.results.result_html import result_html

        return result_html(
            self.name,
            self.metrics.conditions(),
            counts={name: (self.ran[name], self.reused.get(name, 0)) for name in self.ran},
            errors=self.errors,
            notices=self.notices,
        )
