"""Ends of curves: what tables show of a metric that has a value for each step, where a mean over steps says nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from crystallize.experiment.objects.constants import STEP_TAG, TAGS
from crystallize.experiment.results.structs import Samples, TreatmentMetrics, merged
from crystallize.store.record import Record


def ends(part: TreatmentMetrics) -> Samples:
    """The metrics of a condition, of a curve the last value of each replicate, as ``loss, last``.

    Values that differ in further tags are curves of their own, as ``loss split=val, last``.
    """
    shown: Samples = {}
    for metric, values in part.metrics.items():
        if _is_curve(part, metric):
            for name, last in _lasts(part, metric):
                shown.setdefault(name, []).append(last)
        else:
            shown[metric] = values
    return shown


def ends_of(records: Iterable[Record]) -> Samples:
    """The same of the records of a condition, one per replicate."""
    return merged(ends(_part(record)) for record in records)


def _part(record: Record) -> TreatmentMetrics:
    of_one = {metric: [0] * len(values) for metric, values in record.metrics.items()}
    return TreatmentMetrics(dict(record.metrics), record.facts.get(TAGS, {}), of_one)


def _is_curve(part: TreatmentMetrics, metric: str) -> bool:
    tags = part.tags.get(metric)
    return bool(tags) and all(STEP_TAG in each for each in part.tags_of(metric))


def _lasts(part: TreatmentMetrics, metric: str) -> Iterator[tuple[str, Any]]:
    """Name and last value of each curve, replicate by replicate."""
    last: dict[tuple[str, int], Any] = {}
    recorded = zip(part.metrics[metric], part.tags_of(metric), part.replicates_of(metric), strict=True)
    for value, tags, replicate in recorded:
        last[_name(metric, tags), replicate] = value
    for (name, _), value in last.items():
        yield name, value


def _name(metric: str, tags: Mapping[str, Any]) -> str:
    return " ".join([metric, *(f"{name}={tag}" for name, tag in tags.items() if name != STEP_TAG)]) + ", last"
