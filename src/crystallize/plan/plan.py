"""Plans: jobs in an order in which every job comes after what it reads. Knows neither compilers nor executors."""

from __future__ import annotations

from dataclasses import dataclass, field

from crystallize.plan.job import Group, Job


@dataclass(slots=True)
class Plan:
    """What one run is to bring about."""

    groups: list[Group] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    """`jobs[i].index == i`, and each job's sources have lower indices: the list is its own topological order."""

    def upstream_of(self, job: Job) -> set[int]:
        """Indices of the jobs that must be settled before `job` can be decided."""
        needed = {*job.after, *job.waits}
        for port in job.inputs:
            needed.update(source.job for source in port.sources)
        return needed
