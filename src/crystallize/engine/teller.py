"""The teller: passes events to the watchers and knows when a group has been told about as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from threading import RLock
from typing import Any

from crystallize.errors import BlockedError
from crystallize.plan import events
from crystallize.plan.job import Job
from crystallize.plan.plan import Plan
from crystallize.store.reuse import Miss


class Teller:
    """Tells the watchers of one run, and closes a group's work when its last job is settled."""

    def __init__(self, plan: Plan, watchers: Sequence[events.Watcher]) -> None:
        self._plan = plan
        self._watchers = watchers
        self._untold = [0] * len(plan.groups)
        for job in plan.jobs:
            self._untold[job.group] += 1
        self._begun: dict[int, BaseException | None] = {}
        self._held: set[int] = set()
        self._emitting = RLock()

    def take_up(self, jobs: Sequence[Job]) -> None:
        """Tells that the plan has these jobs, too."""
        for job in jobs:
            self._untold[job.group] += 1
        self.tell(events.PlanGrew(jobs))

    def tell(self, event: events.Event) -> None:
        """Calls every watcher with `event`, in order."""
        for watcher in self._watchers:
            watcher(event)

    def tell_started(self, job: Job, miss: Miss) -> None:
        """Tells that a job is about to run."""
        self.tell(events.FetchStarted(job) if self._only_fetches(job.group) else events.JobStarted(job, miss))

    def tell_emitted(self, job: Job, event: Any) -> None:
        """Tells what a running job has to say; from any thread."""
        with self._emitting:
            self.tell(events.JobEmitted(job, event))

    def tell_settled(self, event: events.Settled) -> None:
        """Tells that a job is settled and, if it was the last of its group, ends the group and tells that too."""
        group = event.job.group
        self.tell(_as_fetch(event) if self._only_fetches(group) else event)
        del event.job.table  # it has decided, and a large plan has many
        self._untold[group] -= 1
        self._end_if_over(group)

    def tell_blocked(self, job: Job, fact: str) -> None:
        """Tells that a job will never run, and why."""
        self.tell_settled(events.JobBlocked(job, BlockedError(f"{job.label} was not run: {fact}")))

    def hold(self, group: int) -> None:
        """The group is not over, whatever is told of its jobs, until it is released."""
        self._held.add(group)

    def release(self, group: int, error: BaseException | None = None) -> None:
        """The group is over when its last job is told of; `error` is what went wrong beside them."""
        self._held.discard(group)
        self._begun[group] = self._begun.get(group) or error
        self._end_if_over(group)

    def begin(self, group: int) -> BaseException | None:
        """Begins the group's work if it has not begun; the exception that beginning it raised, then and later."""
        if group not in self._begun:
            self._begun[group] = None
            try:
                self._plan.groups[group].work.begin()
            except Exception as error:
                self._begun[group] = error
        return self._begun[group]

    def end_all(self) -> None:
        """Ends every group that has begun and not ended: what remains when a run breaks off."""
        for group in list(self._begun):
            self._end(group)

    def _end_if_over(self, group: int) -> None:
        if self._untold[group] or group in self._held:
            return
        if self._plan.growths and any(each.group == group for each in self._plan.growths):
            return
        error = self._end(group)
        if not self._only_fetches(group):
            self.tell(events.GroupSettled(group, error))

    def _only_fetches(self, group: int) -> bool:
        return self._plan.groups[group].fetches_for is not None

    def _end(self, group: int) -> BaseException | None:
        if group not in self._begun:
            return None
        failed = self._begun.pop(group)
        try:
            self._plan.groups[group].work.end()
        except Exception as error:
            return failed or error
        return failed


def _as_fetch(event: events.Settled) -> events.Fetched:
    if isinstance(event, events.JobReused | events.JobDone):
        return events.Fetched(event.job, event.record, shared=isinstance(event, events.JobReused))
    return events.Fetched(event.job, None)
