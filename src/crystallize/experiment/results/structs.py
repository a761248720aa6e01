"""What results are made of: metrics by condition, what hypotheses say, what replicates gave. Plain data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from crystallize.experiment.objects.constants import BASELINE_CONDITION, STEP_TAG
from crystallize.experiment.objects.values import is_same

Samples = dict[str, list[Any]]
"""Metric → its values, over the replicates that succeeded, in order."""


def merged(parts: Iterable[Mapping[str, Sequence[Any]]]) -> Samples:
    """Metric → its values in all parts, in order."""
    found: Samples = {}
    for part in parts:
        for metric, values in part.items():
            found.setdefault(metric, []).extend(values)
    return found


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
    """The metrics of one condition.

    Examples
    --------
    >>> TreatmentMetrics({"loss": [0.5, 0.4]}) == TreatmentMetrics({"loss": [0.5, 0.4]})
    True
    """

    metrics: Samples
    """Metric → its values, over the replicates that succeeded, in order."""
    tags: dict[str, list[dict[str, Any]]] = field(default_factory=dict, compare=False)
    """Metric → the tags of each of its values; only of metrics that have any."""
    replicates: dict[str, list[int]] = field(default_factory=dict, compare=False)
    """Metric → the replicate of each of its values; one that is not here has its values from replicate 0, 1, 2, …"""

    def steps(self, metric: str) -> list[Any]:
        """The step of each value of a metric: which epoch, iteration or time it belongs to; None where none was given.

        Raises KeyError for a metric that was not recorded.
        """
        return [tags.get(STEP_TAG) for tags in self.tags_of(metric)]

    def tags_of(self, metric: str) -> list[dict[str, Any]]:
        """The tags of each value of a metric, empty where none were given. Raises KeyError likewise."""
        return self.tags.get(metric) or [{} for _ in self.metrics[metric]]

    def replicates_of(self, metric: str) -> list[int]:
        """The replicate of each value of a metric. Raises KeyError likewise."""
        return self.replicates.get(metric) or list(range(len(self.metrics[metric])))


@dataclass(eq=False)
class HypothesisResult(ByValue):
    """What a hypothesis says.

    Examples
    --------
    >>> ranking = {"best": "deep", "ranked": [("deep", 0.01)]}
    >>> said = HypothesisResult("lower loss", {"deep": {"p_value": 0.01}}, ranking)
    >>> said.get_for_treatment("deep"), said.get_for_treatment("wide")
    ({'p_value': 0.01}, None)
    """

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
    """The metrics of all conditions, and what the hypotheses say of them.

    Examples
    --------
    >>> metrics = ExperimentMetrics(
    ...     TreatmentMetrics({"loss": [0.5]}),
    ...     {"deep": TreatmentMetrics({"loss": [0.4]})},
    ...     [HypothesisResult("lower loss", {"deep": {"p_value": 0.01}}, {"best": "deep"})],
    ... )
    >>> dict(metrics.conditions())
    {'baseline': {'loss': [0.5]}, 'deep': {'loss': [0.4]}}
    >>> metrics.to_df().to_dict("records")
    [{'condition': 'deep', 'hypothesis': 'lower loss', 'p_value': 0.01}]
    """

    baseline: TreatmentMetrics
    """Of the condition without a treatment; empty when all its replicates failed."""
    treatments: dict[str, TreatmentMetrics]
    """Treatment → its metrics, for those of which a replicate succeeded."""
    hypotheses: list[HypothesisResult] = field(default_factory=list)
    """In the order of the experiment's."""

    def conditions(self) -> Iterator[tuple[str, Samples]]:
        """Condition and metrics, the baseline first."""
        for condition, part in self.parts():
            yield condition, part.metrics

    def parts(self) -> Iterator[tuple[str, TreatmentMetrics]]:
        """The same with tags and replicates."""
        yield BASELINE_CONDITION, self.baseline
        yield from self.treatments.items()

    def to_df(self) -> Any:
        """A pandas frame of the hypotheses: condition, hypothesis, and what the verifier said, a column per key.

        Raises ImportError without pandas.
        """
        from crystallize.experiment.results.result_table import hypotheses_frame

        return hypotheses_frame((each.name, each.results) for each in self.hypotheses)


@dataclass(eq=False)
class ReplicateResult(ByValue):
    """What one replicate gave, in all conditions: what `replicate_fn` gives to a plugin's own loop.

    Examples
    --------
    >>> ReplicateResult({"loss": [0.5]}, 7, {"deep": {"loss": [0.4]}}, {"deep": 7}, {}, {}).treatment_metrics
    {'deep': {'loss': [0.4]}}
    """

    baseline_metrics: Samples | None
    """Metric → its values; None when the baseline failed."""
    baseline_seed: int | None
    treatment_metrics: dict[str, Samples]
    """Treatment → metric → its values."""
    treatment_seeds: dict[str, int | None]
    """Treatment → the seed; the same as the baseline's."""
    errors: dict[str, BaseException]
    """``<condition>_rep_<replicate>`` → the exception."""
    provenance: dict[str, list[Mapping[str, Any]]]
    """Condition → one record per step."""


@dataclass(eq=False)
class AggregateData(ByValue):
    """What all replicates gave, by condition.

    Examples
    --------
    >>> AggregateData({"loss": [0.5, 0.6]}, {}, [7, 31344], {}, {}, {}).baseline_seeds
    [7, 31344]
    """

    baseline_metrics: Samples
    """Metric → its values, in the order of replicates."""
    treatment_metrics_dict: dict[str, Samples]
    """Treatment → metric → its values, likewise."""
    baseline_seeds: list[int]
    """One per replicate."""
    treatment_seeds_agg: dict[str, list[int]]
    """Treatment → one per replicate."""
    provenance_runs: dict[str, dict[int, list[Mapping[str, Any]]]]
    """Condition → replicate → one record per step."""
    errors: dict[str, BaseException]
    """``<condition>_rep_<replicate>`` → the exception."""
