"""Collecting: what became of each trial of an experiment in one run. Views and results are made from it."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, product
from types import MappingProxyType
from typing import Any, NamedTuple

from crystallize.experiment.objects.constants import TAGS
from crystallize.experiment.results.structs import Samples
from crystallize.plan.job import Job
from crystallize.store.observed import RESTS_ON
from crystallize.store.record import Output, Record

SEED = "seed"
"""The fact of a trial's record: the seed that it was given."""
_CONTENT = struct.Struct("<32sQ")
"""Digest and size of one output."""
NOTHING: Mapping[str, Any] = MappingProxyType({})
_ELSEWHERE = frozenset({SEED, RESTS_ON})
"""Facts that need no keeping as such."""


class How(NamedTuple):
    """What trials that ended alike have in common: one serves very many."""

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
    run: int = 0
    """That made the record."""
    counts: tuple[tuple[str, int], ...] = ()
    """Each metric, and how many values were recorded of it."""
    files: tuple[tuple[str, str, bool], ...] = ()
    """Of each output its name, the step that wrote it, and whether it is a folder."""
    facts: Mapping[str, Any] = NOTHING
    """Those of the record beside the seed."""


class TrialEnd(NamedTuple):
    """How one trial ended. Of its record only what views and results need: a run may have very many."""

    how: How
    number: int = 0
    """Of its record; 0: it was not recorded."""
    seed: int | None = None
    label: str = ""
    """Of the record."""
    values: tuple[Any, ...] = ()
    """Of all metrics, one after the other as `How.counts` has them."""
    contents: bytes = b""
    """Of each output the digest and the size, packed: as tuples they would take more than all the rest."""

    @property
    def metrics(self) -> Iterator[tuple[str, Sequence[Any]]]:
        """Name and values of each metric, in the order they were recorded."""
        start = 0
        for name, count in self.how.counts:
            yield name, self.values[start : start + count]
            start += count

    @property
    def outputs(self) -> list[Output]:
        """What it wrote."""
        contents = zip(self.how.files, _CONTENT.iter_unpack(self.contents), strict=True)
        return [Output(name, step, digest, size, is_tree) for (name, step, is_tree), (digest, size) in contents]


class Collected:
    """The ends of all trials of one experiment in one run.

    Parameters
    ----------
    conditions : of this run, baseline first.
    first : index of the first job; they follow replicate by replicate, condition by condition.
    """

    __slots__ = ("_ends", "_first", "_hows", "conditions", "fetches", "replicates")

    def __init__(self, conditions: tuple[str, ...], replicates: int, first: int = 0) -> None:
        self.conditions = conditions
        self.replicates = replicates
        self.fetches: list[Record] = []
        """Of what was fetched for trials; one fetch may have served several."""
        self._first = first
        self._hows = [How()] * len(conditions)
        """Of the trial of each condition that succeeded last."""
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

    def whys(self) -> list[str]:
        """Why each trial ran, settled or not, likewise; empty where it did not."""
        return ["" if end is None else end.how.why for end in self._ends]

    def metrics(self, condition: str) -> Samples:
        """Metric → its values over all replicates that succeeded, in order of replicates."""
        found: Samples = {}
        for _, end in self.of(condition):
            for name, values in end.metrics:
                found.setdefault(name, []).extend(values)
        return found

    def tags(self, condition: str) -> dict[str, list[dict[str, Any]]]:
        """Metric → the tags of its values, as `metrics` lists them, for metrics that have any."""
        ends = [end for _, end in self.of(condition) if end.how.succeeded]
        tagged = dict.fromkeys(name for end in ends for name in end.how.facts.get(TAGS, ()))
        return {name: [tags for end in ends for tags in _tags_of(end, name)] for name in tagged}

    def origins(self, condition: str) -> dict[str, list[int]]:
        """Metric → the replicate of each of its values, as `metrics` lists them; left out where they are 0, 1, 2, …"""
        found: dict[str, list[int]] = {}
        for replicate, end in self.of(condition):
            for name, values in end.metrics:
                found.setdefault(name, []).extend([replicate] * len(values))
        return {name: origins for name, origins in found.items() if origins != list(range(len(origins)))}

    def keep(self, job: Job, end: TrialEnd) -> None:
        """Notes how the trial of a job ended."""
        self._ends[job.index - self._first] = end

    def keep_record(
        self, job: Job, record: Record, *, reused: bool = False, why: str = "", note: str | None = None
    ) -> None:
        """Notes that the trial of a job has a result."""
        metrics, facts = record.metrics, record.facts
        how = How(
            succeeded=True,
            reused=reused,
            why=why,
            note=note,
            run=record.run,
            counts=tuple([(name, len(values)) for name, values in metrics.items()]),
            files=tuple([(output.name, output.step, output.is_tree) for output in record.outputs]),
            facts=NOTHING if facts.keys() <= _ELSEWHERE else facts,
        )
        how = self._shared(how, (job.index - self._first) % len(self.conditions))
        values = tuple(chain.from_iterable(metrics.values()))
        contents = b"".join([_CONTENT.pack(output.digest, output.size_bytes) for output in record.outputs])
        end = TrialEnd(how, record.number, facts.get(SEED), record.label, values, contents)
        self.keep(job, end)

    def _shared(self, how: How, condition: int) -> How:
        """The one that the trial of the condition before had, where that is the same."""
        before = self._hows[condition]
        if how == before and (how.facts is before.facts or repr(how.facts) == repr(before.facts)):  # True is 1, and 1.0
            return before
        self._hows[condition] = how
        return how

    def _by_replicate(self, condition: str) -> list[TrialEnd | None]:
        if condition not in self.conditions:
            return []
        return self._ends[self.conditions.index(condition) :: len(self.conditions)]


def _tags_of(end: TrialEnd, metric: str) -> list[dict[str, Any]]:
    tags: list[dict[str, Any]] | None = end.how.facts.get(TAGS, {}).get(metric)
    return [{} for _ in dict(end.metrics).get(metric, ())] if tags is None else tags
