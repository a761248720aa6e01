"""Plans: jobs in an order in which every job comes after what it reads. Knows neither compilers nor executors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from crystallize.plan.job import Group, Job, Yield

Grow: TypeAlias = Callable[[Mapping[int, Yield] | None], None]
"""Appends to the plan what was not known, at least one job of the growth's group, and further growths. Called once,
with what each job of `Growth.waits` left, by index; with None where that will not be known: one of them failed, or was
not run. Raises nothing: what cannot be appended becomes a job that fails."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """Jobs whose very number follows from what others leave."""

    group: int
    waits: tuple[int, ...]
    """Jobs that must be settled first."""
    grow: Grow


@dataclass(slots=True)
class Plan:
    """What one run is to bring about; no other run can take it up again."""

    groups: list[Group] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    """`jobs[i].index == i`, and each job's sources have lower indices: the list is its own topological order."""
    growths: list[Growth] = field(default_factory=list)
    """What is still to be appended to `jobs`."""

    def upstream_of(self, job: Job) -> set[int]:
        """Indices of the jobs that must be settled before `job` can be decided."""
        needed = {*job.after, *job.waits}
        for port in job.inputs:
            needed.update(source.job for source in port.sources)
        return needed
