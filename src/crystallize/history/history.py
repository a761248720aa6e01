"""The history: what ran, what was reused, seconds spent and saved.

Lives in tables of its own in the store's database. Jobs that were reused are counted, not listed, so a run
that reuses everything writes a handful of rows. A run that is going on holds a lock of its store, so one that
was killed is known at once. Knows no plan and no experiment: labels and groups are names.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from crystallize.fingerprint.digest import Digest, digest_of
from crystallize.history.live import Live
from crystallize.history.served import Served
from crystallize.store.store import Store

SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    started REAL NOT NULL,
    targets TEXT NOT NULL,
    strategy TEXT NOT NULL,
    what TEXT NOT NULL,
    state TEXT NOT NULL,
    seconds REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS run_groups (
    run INTEGER NOT NULL,
    name TEXT NOT NULL,
    ran INTEGER NOT NULL,
    reused INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    blocked INTEGER NOT NULL,
    seconds REAL NOT NULL,
    seconds_saved REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS run_groups_run ON run_groups (run);
CREATE INDEX IF NOT EXISTS run_groups_name ON run_groups (name);
CREATE TABLE IF NOT EXISTS run_jobs (
    run INTEGER NOT NULL,
    label TEXT NOT NULL,
    group_name TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    fingerprint BLOB,
    record INTEGER,
    seconds REAL NOT NULL,
    error TEXT
);
CREATE INDEX IF NOT EXISTS run_jobs_run ON run_jobs (run);
"""
_RUN = "SELECT number, started, targets, strategy, what, state, seconds FROM runs "


class JobRow(NamedTuple):
    """A job that ran, failed or was blocked."""

    label: str
    group: str
    state: str
    """``ran``, ``failed`` or ``blocked``; ``reused`` where it was pinned."""
    reason: str
    """Why it was not reused; of a pinned one from where it came."""
    fingerprint: bytes | None = None
    """None when it was never known."""
    record: int | None = None
    """Number of the record it made; None when it made none."""
    seconds: float = 0.0
    error: str | None = None
    """What went wrong, with the user's traceback."""


class GroupRow(NamedTuple):
    """What became of one group of jobs (an experiment) in one run."""

    name: str
    ran: int = 0
    reused: int = 0
    failed: int = 0
    blocked: int = 0
    seconds: float = 0.0
    """Spent in its jobs."""
    seconds_saved: float = 0.0
    """That the reused jobs took when they ran."""


@dataclass(slots=True)
class GroupCounts:
    """A `GroupRow` while its jobs are counted."""

    ran: int = 0
    reused: int = 0
    failed: int = 0
    blocked: int = 0
    seconds: float = 0.0
    seconds_saved: float = 0.0

    def add(self, state: str, seconds: float) -> None:
        """Counts one more job, which became `state` (``ran``, ``reused``, ``failed``, ``blocked``).

        `seconds` is how long it ran, or had run when it is reused.
        """
        setattr(self, state, getattr(self, state) + 1)
        if state == "reused":
            self.seconds_saved += seconds
        else:
            self.seconds += seconds

    def row(self, name: str) -> GroupRow:
        """What became of the group of this name."""
        return GroupRow(name, self.ran, self.reused, self.failed, self.blocked, self.seconds, self.seconds_saved)


PIPELINE = "pipeline"
"""What asked, in runs of a pipeline of commands or of one of its steps."""


class RunRow(NamedTuple):
    """One run."""

    number: int
    started: float
    """Seconds since the epoch."""
    targets: tuple[str, ...]
    strategy: str
    what: str
    """Which front end asked, `PIPELINE`, or the command line."""
    state: str
    """``running``, ``ok``, ``failed``, ``interrupted`` (Ctrl-C), ``cancelled`` (from outside) or ``killed``."""
    seconds: float
    """From begin to finish; until now while it runs, 0 when it was killed."""

    @property
    def is_pipeline(self) -> bool:
        """Whether its jobs were executions of commands, and no trials."""
        return self.what == PIPELINE


class History:
    """The history kept in one store. In a store opened without writing it can only be read."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._database = store.database
        self._present = self._database.ensure(SCHEMA, last_table="run_jobs")
        self.served = Served(self._database)
        """Which record served each job."""

    def begin(self, *, targets: Sequence[str], strategy: str, what: str) -> int:
        """Adds a run and returns its number; numbers rise from 1 and are never given twice.

        Until `finish`, or the end of this process, the run counts as running: a lock says so, which the system frees.
        """
        with self._database.transaction() as connection:
            cursor = connection.execute(
                "INSERT INTO runs (started, targets, strategy, what, state, seconds) VALUES (?, ?, ?, ?, 'running', 0)",
                (time.time(), json.dumps(list(targets)), strategy, what),
            )
            number = int(cursor.lastrowid or 0)
            # Before the commit: nobody shall see the run without its lock.
            self._store.locks.try_lock(_lock_of(number))
        return number

    def add_jobs(self, run: int, rows: Sequence[JobRow]) -> None:
        """Adds jobs of a run in one commit, in order. Reused jobs are only counted, see `finish`."""
        if not rows:
            return
        with self._database.transaction() as connection:
            connection.executemany(
                "INSERT INTO run_jobs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [(run, *row) for row in rows],
            )

    def finish(self, run: int, groups: Sequence[GroupRow], state: str, seconds: float) -> None:
        """Ends a run with what became of each group, in one commit; called again, the last call counts."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM run_groups WHERE run = ?", (run,))
            connection.executemany(
                "INSERT INTO run_groups VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [(run, *row) for row in groups],
            )
            connection.execute("UPDATE runs SET state = ?, seconds = ? WHERE number = ?", (state, seconds, run))
        self._store.locks.unlock(_lock_of(run))

    def runs(self, group: str | None = None, limit: int = 20) -> list[RunRow]:
        """The last runs, newest first; of those that had a group of this name, when given."""
        where = "" if group is None else "WHERE number IN (SELECT run FROM run_groups WHERE name = ?) "
        parameters = (limit,) if group is None else (group, limit)
        rows = self._read(_RUN + where + "ORDER BY number DESC LIMIT ?", parameters)
        return [self._present_state(_run_of(row)) for row in rows]

    def run(self, number: int) -> RunRow | None:
        """One run; None when there is none of this number."""
        rows = self._read(_RUN + "WHERE number = ?", (number,))
        return self._present_state(_run_of(rows[0])) if rows else None

    def last_running(self) -> RunRow | None:
        """The newest run that is going on; None when none is."""
        rows = self._read(_RUN + "WHERE state = 'running' ORDER BY number DESC", ())
        runs = (self._present_state(_run_of(row)) for row in rows)
        return next((run for run in runs if run.state == "running"), None)

    def is_running(self, run: int) -> bool:
        """Whether the process of this run lives and has not finished it; asks the system alone."""
        return self._store.is_locked(_lock_of(run))

    def live(self, run: int) -> Live:
        """What other processes see of a run that is going on."""
        return Live(self._store.folder, run, self.is_running)

    def jobs(self, run: int) -> list[JobRow]:
        """The jobs of a run that were not reused, in the order they were added."""
        rows = self._read(
            "SELECT label, group_name, state, reason, fingerprint, record, seconds, error FROM run_jobs"
            " WHERE run = ? ORDER BY rowid",
            (run,),
        )
        return [JobRow(*row) for row in rows]

    def groups(self, run: int) -> list[GroupRow]:
        """The groups of a finished run, in the order they were given."""
        rows = self._read(
            "SELECT name, ran, reused, failed, blocked, seconds, seconds_saved FROM run_groups"
            " WHERE run = ? ORDER BY rowid",
            (run,),
        )
        return [GroupRow(*row) for row in rows]

    def typical_seconds(self, labels: Sequence[str]) -> dict[str, float]:
        """Label → seconds that its newest record took; labels that were never recorded are absent."""
        return self._store.last_seconds(labels)

    def _present_state(self, run: RunRow) -> RunRow:
        """The run as it is: one whose process has ended without a word was killed."""
        if run.state != "running":
            return run
        if self.is_running(run.number):
            return run._replace(seconds=max(0.0, time.time() - run.started))
        [row] = self._read(_RUN + "WHERE number = ?", (run.number,))  # it may have finished meanwhile
        finished = _run_of(row)
        return finished._replace(state="killed") if finished.state == "running" else finished

    def _read(self, sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        return self._database.read(sql, parameters) if self._present else []


def _lock_of(run: int) -> Digest:
    return digest_of("run/1", str(run).encode())


def _run_of(row: tuple[Any, ...]) -> RunRow:
    number, started, targets, strategy, what, state, seconds = row
    return RunRow(number, started, tuple(json.loads(targets)), strategy, what, state, seconds)
