"""Counts a run from its events: what became of every job, live and for the summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from crystallize.errors import message_of
from crystallize.history.history import GroupCounts, GroupRow, JobRow
from crystallize.plan import events
from crystallize.plan.plan import Plan

_SETTLED = {"run": "ran", "reuse": "reused", "fail": "failed"}
"""State of a foreseen job → what it would be once it had come true."""
_COUNTED = ("ran", "reused", "failed", "blocked")


class Tally:
    """A watcher that keeps one row per settled job."""

    def __init__(self) -> None:
        self.plan = Plan()
        self.jobs: list[JobRow] = []
        """In the order in which they were settled: ``ran``, ``reused``, ``failed``, ``blocked`` or ``cancelled``."""
        self.counts: Counter[str] = Counter()
        """State → jobs."""
        self.seconds_saved = 0.0
        """That the reused jobs took when they ran."""
        self.trouble = False
        """Whether opening or closing an experiment's work failed."""

    def __call__(self, event: events.Event) -> None:
        """Notes what an event says."""
        if isinstance(event, events.JobReused):
            record = event.record
            self.seconds_saved += record.seconds
            self._add(event, "reused", event.job.pinned, record.fingerprint, record.number, record.seconds, None)
        elif isinstance(event, events.JobDone):
            record, why = event.record, event.note or event.miss.why
            self._add(event, "ran", why, record.fingerprint, record.number or None, record.seconds, None)
        elif isinstance(event, events.JobFailed):
            why = event.miss.why if event.miss is not None else ""
            self._add(event, "failed", why, None, None, event.seconds, event.error)
        elif isinstance(event, events.JobBlocked):
            self._add(event, "blocked", "", None, None, 0.0, event.error)
        elif isinstance(event, events.JobCancelled):
            self._add(event, "cancelled", "", None, None, 0.0, None)
        elif isinstance(event, events.GroupSettled):
            self.trouble |= event.error is not None
        elif isinstance(event, events.RunStarted):
            self.plan = event.plan

    def _add(
        self,
        event: events.JobReused | events.JobDone | events.JobFailed | events.JobBlocked | events.JobCancelled,
        state: str,
        reason: str,
        fingerprint: bytes | None,
        record: int | None,
        seconds: float,
        error: BaseException | None,
    ) -> None:
        job = event.job
        group = self.plan.groups[job.group].name
        told = None if error is None else message_of(error) or type(error).__name__
        self.counts[state] += 1
        self.jobs.append(JobRow(job.label, group, state, reason, fingerprint, record, seconds, told))


def by_group(rows: Iterable[JobRow]) -> dict[str, GroupRow]:
    """Name of an experiment → its counts, from the rows of its jobs; what would run counts as if it had run."""
    groups: dict[str, GroupCounts] = {}
    for row in rows:
        group = groups.setdefault(row.group, GroupCounts())
        state = _SETTLED.get(row.state, row.state)
        if state in _COUNTED:
            group.add(state, row.seconds)
    return {name: group.row(name) for name, group in groups.items()}
