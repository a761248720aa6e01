"""The history as a watcher: turns the events of a run into counts per group and rows for what ran."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Protocol

from crystallize.history.history import GroupCounts, History, JobRow
from crystallize.plan import events
from crystallize.plan.job import Job
from crystallize.plan.plan import Plan
from crystallize.store.record import Record

BATCH_ROWS = 256
BATCH_SECONDS = 1.0


class Asked(Protocol):
    """What the user asked for."""

    @property
    def targets(self) -> tuple[str, ...]: ...
    @property
    def strategy(self) -> str: ...
    @property
    def what(self) -> str: ...
    @property
    def went_wrong(self) -> Callable[[], bool]: ...


class HistoryWatcher:
    """Keeps the part of a run whose results lie under one artifact root."""

    def __init__(self, plan: Plan, root: Path, history: History, asked: Asked) -> None:
        self._history = history
        self._plan = plan
        self._groups = {
            index: GroupCounts()
            for index, group in enumerate(plan.groups)
            if group.root == root and group.fetches_for is None
        }
        self._rows: list[JobRow] = []
        self._written_at = monotonic()
        self._reused: list[int] = []
        self._foreign: dict[str, int] = {}
        self._failed = False
        self._went_wrong = asked.went_wrong
        self.run = history.begin(targets=asked.targets, strategy=asked.strategy, what=asked.what)
        """Number of the run in this history."""

    def __call__(self, event: events.Event) -> None:
        """Keeps what `event` says, if it is about a group of this root."""
        if isinstance(event, (events.JobReused, events.JobDone, events.JobFailed, events.JobBlocked)):
            group = self._groups.get(event.job.group)
            if group is not None:
                self._count(event, group)
        elif isinstance(event, events.Fetched):
            self._count_fetch(event)
        elif isinstance(event, events.RunFinished):
            self._finish(event)

    def _count(
        self, event: events.JobReused | events.JobDone | events.JobFailed | events.JobBlocked, group: GroupCounts
    ) -> None:
        if isinstance(event, events.JobReused):
            group.add("reused", event.record.seconds)
            self._keep_reused(event.job, event.record)
        elif isinstance(event, events.JobDone):
            record = event.record
            group.add("ran", record.seconds)
            why = event.note or event.miss.why
            self._keep(event.job, "ran", why, record.fingerprint, record.number, record.seconds, None)
        elif isinstance(event, events.JobFailed):
            self._failed = True
            group.add("failed", event.seconds)
            why = event.miss.why if event.miss is not None else ""
            self._keep(event.job, "failed", why, None, None, event.seconds, str(event.error))
        else:
            self._failed = True
            group.add("blocked", 0.0)
            self._keep(event.job, "blocked", "", None, None, 0.0, str(event.error))

    def _count_fetch(self, event: events.Fetched) -> None:
        """What a fetch took is part of what its experiment took; what became of it shows in the job that reads it."""
        reader = self._plan.groups[event.job.group].fetches_for
        if reader in self._groups and event.record is not None and not event.shared:
            self._groups[reader].seconds += event.record.seconds

    def _keep_reused(self, job: Job, record: Record) -> None:
        if record.label == job.label:
            self._reused.append(record.number)
        else:
            self._foreign[job.label] = record.number
        if job.pinned:
            self._keep(job, "reused", job.pinned, record.fingerprint, record.number, record.seconds, None)

    def _keep(
        self,
        job: Job,
        state: str,
        reason: str,
        fingerprint: bytes | None,
        record: int | None,
        seconds: float,
        error: str | None,
    ) -> None:
        name = self._plan.groups[job.group].name
        self._rows.append(JobRow(job.label, name, state, reason, fingerprint, record, seconds, error))
        if len(self._rows) >= BATCH_ROWS or monotonic() - self._written_at > BATCH_SECONDS:
            self._history.add_jobs(self.run, self._rows)
            self._rows = []
            self._written_at = monotonic()

    def _finish(self, event: events.RunFinished) -> None:
        self._history.add_jobs(self.run, self._rows)
        self._history.served.keep(self.run, self._reused, self._foreign)
        if event.interrupted:
            state = "cancelled" if event.cancelled else "interrupted"
        else:
            state = "failed" if self._failed or self._went_wrong() else "ok"
        rows = [counts.row(self._plan.groups[index].name) for index, counts in self._groups.items()]
        self._history.finish(self.run, rows, state, event.seconds)
