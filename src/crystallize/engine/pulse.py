"""The pulse of a run: counts what its events tell, knows which jobs run and where, and says how it stands.

Told by the driver in its own thread; asked by displays in any other.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from crystallize.engine.estimate import Estimate, previous_seconds
from crystallize.fingerprint.secret import without_secrets
from crystallize.plan import events
from crystallize.plan.job import Job
from crystallize.plan.plan import Plan
from crystallize.plan.standing import MOST_BUSY, Busy, Standing, job_here
from crystallize.plan.workspace import Workspace
from crystallize.store.store import Store
from crystallize.words import in_few_words

RATE_JOBS = 256
"""The rate is that of so many jobs that ended last."""


class _Running(NamedTuple):
    label: str
    workspace: Workspace
    since: float


class Pulse:
    """How one run stands.

    Parameters
    ----------
    stores : artifact root → open store, which knows how long jobs took last time.
    """

    def __init__(self, plan: Plan, stores: Mapping[Path, Store]) -> None:
        self._plan = plan
        self._stores = stores
        self._total = sum(plan.groups[job.group].fetches_for is None for job in plan.jobs)
        self._counts = dict.fromkeys(("ran", "reused", "failed", "blocked", "cancelled"), 0)
        self._saved = 0.0
        self._settled = bytearray(len(plan.jobs))
        """By index, of what is settled before anything runs."""
        self._estimate: Estimate | None = None
        self._settled_at = 0.0
        self._ends: deque[float] = deque(maxlen=RATE_JOBS)
        self._running: dict[int, _Running] = {}
        self._said: dict[int, str] = {}

    def __call__(self, event: events.Event) -> None:
        """Counts a job that is settled; notes what a running one says."""
        if isinstance(event, events.JobReused):
            self._saved += event.record.seconds
            self._settle(event.job, "reused")
        elif isinstance(event, events.JobDone):
            self._settle(event.job, "ran", event.record.seconds)
        elif isinstance(event, events.JobFailed):
            self._settle(event.job, "failed", event.seconds)
        elif isinstance(event, events.JobBlocked):
            self._settle(event.job, "blocked")
        elif isinstance(event, events.JobCancelled):
            self._settle(event.job, "cancelled")
        elif isinstance(event, events.JobEmitted):
            self._said[event.job.index] = in_few_words(without_secrets(event.event))
        elif isinstance(event, events.PlanGrew):
            self._take_up(event.jobs)

    def begin(self, job: Job, workspace: Workspace) -> None:
        """The job is about to run."""
        now = time.time()
        if self._estimate is None:
            self._begin_estimate()
            self._settled_at = now
            self._ends.append(now)
        job_here.set(job.label)
        self._running[job.index] = _Running(job.label, workspace, now)

    def end(self, job: Job) -> None:
        """The job runs no more."""
        self._running.pop(job.index, None)
        self._said.pop(job.index, None)
        job_here.set("")

    def now(self) -> Standing:
        """How the run stands at this moment; from any thread."""
        now = time.time()
        running = list(self._running.items())
        left = None if self._estimate is None else self._estimate.seconds_left()
        return Standing(
            at=now,
            driver=os.getpid(),
            total=self._total,
            **self._counts,
            seconds_saved=self._saved,
            per_second=self._rate(now),
            seconds_left=None if left is None else max(0.0, left - (now - self._settled_at)),
            busy_count=len(running),
            busy=tuple(
                Busy(each.label, each.workspace.where(), each.since, self._said.get(index, ""))
                for index, each in running[:MOST_BUSY]
            ),
        )

    def _settle(self, job: Job, state: str, seconds: float | None = None) -> None:
        """`seconds`: how long it ran; None when it did not."""
        self._counts[state] += 1
        if self._estimate is None:
            self._settled[job.index] = True
            return
        self._settled_at = time.time()
        if seconds is not None:
            self._ends.append(self._settled_at)
        self._estimate.settle(job.index, seconds)

    def _take_up(self, jobs: Sequence[Job]) -> None:
        self._total += sum(self._plan.groups[job.group].fetches_for is None for job in jobs)
        self._settled += bytearray(len(jobs))
        if self._estimate is not None:
            self._estimate.add(jobs, previous_seconds(self._plan, jobs, self._stores))

    def _begin_estimate(self) -> None:
        """Only now: a run that reuses everything does not ask how long it would have taken."""
        left = [job for job in self._plan.jobs if not self._settled[job.index]]
        self._estimate = Estimate(self._plan, left, previous_seconds(self._plan, left, self._stores))

    def _rate(self, now: float) -> float:
        ends = len(self._ends) - 1
        return ends / (now - self._ends[0]) if ends > 0 and now > self._ends[0] else 0.0
