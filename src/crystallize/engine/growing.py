"""Growing: a plan gets the jobs whose number was not known before others had ended. The run and the dry run ask here.

Knows neither stores nor what the jobs are.
"""

from __future__ import annotations

from collections.abc import Sequence

from crystallize.engine.manifests import Settled
from crystallize.engine.schedule import SETTLED, Schedule, State
from crystallize.engine.teller import Teller
from crystallize.plan import events
from crystallize.plan.job import Job
from crystallize.plan.plan import Plan


class Growing:
    """The growths of one run."""

    def __init__(self, plan: Plan, schedule: Schedule, settled: Settled, teller: Teller) -> None:
        self._plan = plan
        self._schedule = schedule
        self._settled = settled
        self._teller = teller

    def take_up(self, *, all_of_it: bool = False) -> bool:
        """Lets the plan grow by what is known by now, as `grown` does, and tells of it; whether it did."""
        if not self._plan.growths:
            return False
        jobs = grown(self._plan, self._schedule, self._settled, all_of_it=all_of_it)
        if jobs:
            self._teller.take_up(jobs)
        for index in self._schedule.take_up(jobs):
            job = self._plan.jobs[index]
            if self._schedule.state(index) == State.CANCELLED:
                self._teller.tell_settled(events.JobCancelled(job))
            else:
                cause = self._plan.jobs[self._schedule.cause(index)]
                self._teller.tell_blocked(job, f"{cause.label}, which it reads, failed")
        return bool(jobs)


def grown(plan: Plan, schedule: Schedule, settled: Settled, *, all_of_it: bool = False) -> Sequence[Job]:
    """Appends to `plan` what is known by now, and returns it; the schedule does not know it yet.

    Parameters
    ----------
    all_of_it : whatever waits for jobs that are not settled is appended as well, as what will not be known.
    """
    before = len(plan.jobs)
    for growth in list(plan.growths):
        if all_of_it or all(schedule.state(index) in SETTLED for index in growth.waits):
            plan.growths.remove(growth)
            is_known = all(map(schedule.lets_readers_run, growth.waits))
            growth.grow(settled.left_by(growth.waits) if is_known else None)
    return plan.jobs[before:]
