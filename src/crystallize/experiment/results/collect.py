"""Collecting: what became of each trial of an experiment in one run. Views and results are made from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from types import MappingProxyType
from typing import Any, NamedTuple

from crystallize.experiment.objects.constants import TAGS
from crystallize.experiment.results.structs import Samples, merged
from crystallize.plan.job import Job
from crystallize.store.observed import RESTS_ON
from crystallize.store.record import Output, Record

SEED = "seed"
"""The fact of a trial's record: the seed that it was given."""
NOTHING: Mapping[str, Any] = MappingProxyType({})
_ELSEWHERE = frozenset({SEED, RESTS_ON})
"""Facts that need no keeping as such."""


class TrialEnd(NamedTuple):
    """How one trial ended. Of its record only what views and results need: a run may have very many."""

    succeeded: bool = False
    """Whether there is a result, of this run or of an earlier one."""
    reused: bool = False
    blocked: bool = False
    error: BaseException | None = None
    """What the user's code raised, or why it was blocked."""
    why: str = ""
    """Of a trial that ran: the reason."""
    note: str | None = None
    """Why its result may not be reused, though it succeeded."""
    number: int = 0
    """Of its record; 0: it was not recorded."""
    run: int = 0
    """That made the record."""
    label: str = ""
    """Of the record."""
    seed: int | None = None
    metrics: Mapping[str, Sequence[Any]] = NOTHING
    outputs: tuple[Output, ...] = ()
    facts: Mapping[str, Any] = NOTHING
    """Those of the record beside the seed."""

    @classmethod
    def of(cls, record: Record, *, reused: bool = False, why: str = "", note: str | None = None) -> TrialEnd:
        """The end of a trial that has a result."""
        facts = record.facts
        return cls(
            succeeded=True,
            reused=reused,
            why=why,
            note=note,
            number=record.number,
            run=record.run,
            label=record.label,
            seed=facts.get(SEED),
            metrics=record.metrics,
            outputs=record.outputs,
            facts=NOTHING if facts.keys() <= _ELSEWHERE else facts,
        )


class Collected:
    """The ends of all trials of one experiment in one run.

    Parameters
    ----------
    conditions : of this run, baseline first.
    first : index of the first job; they follow replicate by replicate, condition by condition.
    """

    __slots__ = ("_ends", "_first", "conditions", "fetches", "replicates")

    def __init__(self, conditions: tuple[str, ...], replicates: int, first: int = 0) -> None:
        self.conditions = conditions
        self.replicates = replicates
        self.fetches: list[Record] = []
        """Of what was fetched for trials; one fetch may have served several."""
        self._first = first
        self._ends: list[TrialEnd | None] = [None] * (len(conditions) * replicates)
        """As the jobs follow; None: not settled, or cancelled."""

    def __len__(self) -> int:
        """How many trials there are, settled or not."""
        return len(self._ends)

    def of(self, condition: str) -> list[tuple[int, TrialEnd]]:
        """Replicate and end of each settled trial of one condition, in order of replicates.

        A trial that was cancelled is not among them.
        """
        return [(replicate, end) for replicate, end in enumerate(self._by_replicate(condition)) if end is not None]

    def all(self) -> Iterator[tuple[str, int, TrialEnd]]:
        """Condition, replicate and end of each settled trial: replicate by replicate, condition by condition."""
        trials = product(range(self.replicates), self.conditions)
        for (replicate, condition), end in zip(trials, self._ends, strict=True):
            if end is not None:
                yield condition, replicate, end

    def ends(self) -> list[TrialEnd]:
        """The end of each settled trial, likewise."""
        return [end for end in self._ends if end is not None]

    def metrics(self, condition: str) -> Samples:
        """Metric → its values over all replicates that succeeded, in order of replicates."""
        return merged(end.metrics for _, end in self.of(condition))

    def tags(self, condition: str) -> dict[str, list[dict[str, Any]]]:
        """Metric → the tags of its values, as `metrics` lists them, for metrics that have any."""
        ends = [end for _, end in self.of(condition) if end.succeeded]
        tagged = dict.fromkeys(name for end in ends for name in end.facts.get(TAGS, ()))
        return {name: [tags for end in ends for tags in _tags_of(end, name)] for name in tagged}

    def origins(self, condition: str) -> dict[str, list[int]]:
        """Metric → the replicate of each of its values, as `metrics` lists them; left out where they are 0, 1, 2, …"""
        found: dict[str, list[int]] = {}
        for replicate, end in self.of(condition):
            for name, values in end.metrics.items():
                found.setdefault(name, []).extend([replicate] * len(values))
        return {name: origins for name, origins in found.items() if origins != list(range(len(origins)))}

    def keep(self, job: Job, end: TrialEnd) -> None:
        """Notes how the trial of a job ended."""
        self._ends[job.index - self._first] = end

    def _by_replicate(self, condition: str) -> list[TrialEnd | None]:
        if condition not in self.conditions:
            return []
        return self._ends[self.conditions.index(condition) :: len(self.conditions)]


def _tags_of(end: TrialEnd, metric: str) -> list[dict[str, Any]]:
    tags: list[dict[str, Any]] | None = end.facts.get(TAGS, {}).get(metric)
    return [{} for _ in end.metrics.get(metric, ())] if tags is None else tags
