"""Collecting: what became of each trial of a run, gathered from its events. Views and results are made from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from crystallize.experiment.objects.constants import TAGS
from crystallize.experiment.results.structs import Samples, merged
from crystallize.plan import events
from crystallize.store.record import Record


@dataclass(slots=True)
class TrialEnd:
    """How one trial ended."""

    record: Record | None = None
    """None when it failed or never ran."""
    reused: bool = False
    error: BaseException | None = None
    """What the user's code raised, or why it was blocked."""
    blocked: bool = False
    why: str = ""
    """Of a trial that ran: the reason."""
    note: str | None = None
    """Why its result may not be reused, though it succeeded."""


@dataclass(slots=True)
class Collected:
    """The ends of all trials of one experiment in one run."""

    conditions: tuple[str, ...]
    """Of this run, baseline first."""
    replicates: int
    ends: dict[tuple[str, int], TrialEnd] = field(default_factory=dict)
    """(condition, replicate) → how it ended; a trial that was cancelled is not in it."""
    fetches: list[Record] = field(default_factory=list)
    """Of what was fetched for trials; one fetch may have served several."""
    _listed: dict[str, list[tuple[int, TrialEnd]]] = field(default_factory=dict)
    """What `of` found, until another trial of the condition ends."""

    def of(self, condition: str) -> Sequence[tuple[int, TrialEnd]]:
        """Replicate and end of each settled trial of one condition, in order of replicates."""
        if condition not in self._listed:
            found = ((replicate, self.ends.get((condition, replicate))) for replicate in range(self.replicates))
            self._listed[condition] = [(replicate, end) for replicate, end in found if end is not None]
        return self._listed[condition]

    def is_complete(self, condition: str) -> bool:
        """Whether every replicate of the condition succeeded."""
        ends = [end for _, end in self.of(condition)]
        return len(ends) == self.replicates and all(end.record is not None for end in ends)

    def metrics(self, condition: str) -> Samples:
        """Metric → its values over all replicates that succeeded, in order of replicates."""
        return merged(end.record.metrics for _, end in self.of(condition) if end.record is not None)

    def tags(self, condition: str) -> dict[str, list[dict[str, Any]]]:
        """Metric → the tags of its values, as `metrics` lists them, for metrics that have any."""
        records = [end.record for _, end in self.of(condition) if end.record is not None]
        tagged = dict.fromkeys(name for record in records for name in record.facts.get(TAGS, ()))
        return {name: [tags for record in records for tags in _tags_of(record, name)] for name in tagged}

    def origins(self, condition: str) -> dict[str, list[int]]:
        """Metric → the replicate of each of its values, as `metrics` lists them; left out where they are 0, 1, 2, …"""
        found: dict[str, list[int]] = {}
        for replicate, end in self.of(condition):
            if end.record is not None:
                for name, values in end.record.metrics.items():
                    found.setdefault(name, []).extend([replicate] * len(values))
        return {name: origins for name, origins in found.items() if origins != list(range(len(origins)))}

    def forget(self) -> None:
        """Lets go of all that was collected: what was to be made of it has been made, and a large plan has much."""
        self.ends, self.fetches, self._listed = {}, [], {}

    def keep(self, event: events.Event) -> None:
        """Notes what an event says about a trial; other events are ignored."""
        if isinstance(event, events.JobReused):
            self._end(event, TrialEnd(event.record, reused=True))
        elif isinstance(event, events.JobDone):
            self._end(event, TrialEnd(event.record, why=event.miss.why, note=event.note))
        elif isinstance(event, events.JobFailed):
            self._end(event, TrialEnd(error=event.error, why=event.miss.why if event.miss else ""))
        elif isinstance(event, events.JobBlocked):
            self._end(event, TrialEnd(error=event.error, blocked=True))
        elif isinstance(event, events.Fetched) and event.record is not None and not event.shared:
            self.fetches.append(event.record)

    def _end(
        self, event: events.JobReused | events.JobDone | events.JobFailed | events.JobBlocked, end: TrialEnd
    ) -> None:
        task = event.job.task
        self.ends[(task.condition, task.replicate)] = end
        self._listed.pop(task.condition, None)


def _tags_of(record: Record, metric: str) -> list[dict[str, Any]]:
    tags: list[dict[str, Any]] | None = record.facts.get(TAGS, {}).get(metric)
    return [{} for _ in record.metrics.get(metric, ())] if tags is None else tags
