"""Estimates how long a run still takes, from how long its jobs took last time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from crystallize.plan.job import Job
from crystallize.plan.plan import Plan
from crystallize.store.store import Store


class Estimate:
    """Seconds left, from how long each job took last time; jobs never seen count like others that were.

    Parameters
    ----------
    jobs : of the plan; those that are not settled yet.
    previous : label → seconds it took last time.
    """

    def __init__(self, plan: Plan, jobs: Iterable[Job], previous: Mapping[str, float]) -> None:
        self._plan = plan
        self._expected: list[float | None] = []
        """By index; None also of jobs that are not counted in."""
        self._left = [0] * len(plan.groups)
        self._known = [0.0] * len(plan.groups)
        self._unknown = [0] * len(plan.groups)
        self._took = [0.0] * len(plan.groups)
        self._done = [0] * len(plan.groups)
        self.add(jobs, previous)

    def add(self, jobs: Iterable[Job], previous: Mapping[str, float]) -> None:
        """Counts more jobs in; for the parameters see the class."""
        self._expected += [None] * (len(self._plan.jobs) - len(self._expected))
        for job in jobs:
            if self._plan.groups[job.group].fetches_for is None:
                self._expected[job.index] = previous.get(job.label)
                self._count(job.group, self._expected[job.index], 1)

    def settle(self, index: int, seconds: float | None) -> None:
        """Job `index` is settled; `seconds`: how long it ran, None when it did not."""
        group = self._plan.jobs[index].group
        self._count(group, self._expected[index], -1)
        if seconds is not None:
            self._took[group] += seconds
            self._done[group] += 1

    def seconds_left(self) -> float | None:
        """None while nothing is known of any job."""
        total = 0.0
        done = sum(self._done)
        of_all = sum(self._took) / done if done else None
        for number, group in enumerate(self._plan.groups):
            left = self._left[number]  # looked at once: the driver goes on meanwhile
            if not left:
                continue
            typical = self._typical(number, left, of_all)
            if typical is None:
                return None
            total += (self._known[number] + self._unknown[number] * typical) / min(group.workers, left)
        return total

    def _typical(self, group: int, left: int, of_all: float | None) -> float | None:
        """What a job of the group takes, `left` of which are to come, where those of all groups take `of_all`."""
        if self._done[group]:
            return self._took[group] / self._done[group]
        known = left - self._unknown[group]
        return self._known[group] / known if known > 0 else of_all

    def _count(self, group: int, expected: float | None, change: int) -> None:
        self._left[group] += change
        if expected is None:
            self._unknown[group] += change
        else:
            self._known[group] += change * expected


def previous_seconds(plan: Plan, jobs: Iterable[Job], stores: Mapping[Path, Store]) -> dict[str, float]:
    """Label of a job → how long its newest record took; jobs that were never recorded are absent."""
    labels: dict[Path, list[str]] = {}
    for job in jobs:
        labels.setdefault(plan.groups[job.group].root, []).append(job.label)
    previous: dict[str, float] = {}
    for root, listed in labels.items():
        previous |= stores[root].last_seconds(listed)
    return previous
