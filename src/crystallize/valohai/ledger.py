"""The ledger: every execution that was ever started, its datums and aliases, in tables beside the store's own.

A record says what a job left; the ledger says what happened, also where nothing was recorded. Executions are counted
from 1 and never renumbered. A reused job has no row: its record names the execution that made it.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from crystallize.store.database import Database
from crystallize.store.store import Store

SCHEMA = """
CREATE TABLE IF NOT EXISTS executions (
    counter INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid TEXT NOT NULL UNIQUE,
    label TEXT NOT NULL,
    step TEXT NOT NULL,
    status TEXT NOT NULL,
    detail TEXT NOT NULL,
    created REAL NOT NULL,
    seconds REAL NOT NULL,
    exit_code INTEGER,
    record INTEGER,
    run INTEGER NOT NULL,
    driver TEXT NOT NULL,
    about TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS executions_record ON executions (record);
CREATE TABLE IF NOT EXISTS datums (
    id TEXT PRIMARY KEY,
    execution INTEGER NOT NULL,
    name TEXT NOT NULL,
    metadata TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS datums_execution ON datums (execution);
CREATE TABLE IF NOT EXISTS datum_aliases (
    name TEXT PRIMARY KEY,
    datum TEXT NOT NULL,
    modified REAL NOT NULL
);
"""
_ROW = (
    "SELECT counter, uuid, label, step, status, detail, created, seconds, exit_code, record, run, driver, about "
    "FROM executions "
)
RUNNING = "started"
FINAL = ("complete", "error", "stopped", "crashed")


class ExecutionRow(NamedTuple):
    """One execution."""

    counter: int
    uuid: str
    label: str
    step: str
    status: str
    """``started``, ``complete``, ``error`` (it failed), ``stopped`` (somebody ended it) or ``crashed`` (we did)."""
    detail: str
    """One line about how it ended."""
    created: float
    """Seconds since the epoch."""
    seconds: float
    exit_code: int | None
    record: int | None
    """Number of its record; None when there is none."""
    run: int
    driver: str
    """The process that started it, see `container.driver_mark`."""
    about: Mapping[str, Any]
    """JSON-able: command, image, environment, parameters, inputs, runtime, pipeline and node."""


class Datum(NamedTuple):
    """One output of one execution, under the name by which others refer to it."""

    id: str
    execution: int
    name: str
    """Relative path among the outputs."""
    metadata: Mapping[str, Any]
    """What its sidecar said."""


class Ledger:
    """The executions of one store. In a store opened without writing it can only be read."""

    def __init__(self, store: Store) -> None:
        self._database: Database = store.database
        self.logs = store.folder / "logs"
        """Holds ``<counter>.jsonl``: a line of JSON for each line that a command wrote."""
        self._present = self._database.ensure(SCHEMA, last_table="datum_aliases")

    # writing

    def begin(self, *, label: str, step: str, run: int, driver: str, about: Mapping[str, Any]) -> ExecutionRow:
        """Adds an execution that is about to start."""
        identifier, now = str(uuid.uuid4()), time.time()
        with self._database.transaction() as connection:
            cursor = connection.execute(
                "INSERT INTO executions (uuid, label, step, status, detail, created, seconds, run, driver, about)"
                " VALUES (?, ?, ?, 'started', '', ?, 0, ?, ?, ?)",
                (identifier, label, step, now, run, driver, json.dumps(about, ensure_ascii=False)),
            )
        counter = int(cursor.lastrowid or 0)
        return ExecutionRow(counter, identifier, label, step, RUNNING, "", now, 0.0, None, None, run, driver, about)

    def finish(
        self, counter: int, *, status: str, detail: str, seconds: float, exit_code: int | None, datums: Sequence[Datum]
    ) -> None:
        """Ends an execution: what became of it, and what it left; aliases that its sidecars name lead to it now."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE executions SET status = ?, detail = ?, seconds = ?, exit_code = ? WHERE counter = ?",
                (status, detail, seconds, exit_code, counter),
            )
            connection.executemany(
                "INSERT OR REPLACE INTO datums VALUES (?, ?, ?, ?)",
                [(datum.id, datum.execution, datum.name, json.dumps(datum.metadata)) for datum in datums],
            )
            connection.executemany(
                "INSERT OR REPLACE INTO datum_aliases VALUES (?, ?, ?)",
                [(alias, datum.id, time.time()) for datum in datums for alias in aliases_of(datum.metadata)],
            )

    def attach(self, counter: int, record: int) -> None:
        """Notes which record an execution made."""
        with self._database.transaction() as connection:
            connection.execute("UPDATE executions SET record = ? WHERE counter = ?", (record, counter))

    # reading

    def executions(self, limit: int = 20, step: str | None = None) -> list[ExecutionRow]:
        """The last executions, newest first; those of one step, when given."""
        where = "" if step is None else "WHERE step = ? "
        parameters = (limit,) if step is None else (step, limit)
        return [_row(row) for row in self._read(_ROW + where + "ORDER BY counter DESC LIMIT ?", parameters)]

    def execution(self, counter: int) -> ExecutionRow | None:
        """One execution; None when there is none of this number."""
        rows = self._read(_ROW + "WHERE counter = ?", (counter,))
        return _row(rows[0]) if rows else None

    def by_uuid(self, identifier: str) -> ExecutionRow | None:
        """One execution by its UUID, with or without ``exec-`` before it."""
        rows = self._read(_ROW + "WHERE uuid = ?", (identifier.removeprefix("exec-"),))
        return _row(rows[0]) if rows else None

    def of_record(self, record: int) -> ExecutionRow | None:
        """The execution that made a record."""
        rows = self._read(_ROW + "WHERE record = ?", (record,))
        return _row(rows[0]) if rows else None

    def running(self) -> list[ExecutionRow]:
        """The executions that have begun and, as far as is known here, not ended."""
        return [_row(row) for row in self._read(_ROW + "WHERE status = 'started' ORDER BY counter", ())]

    def datum(self, reference: str) -> Datum | None:
        """The datum of an identifier or an alias."""
        rows = self._read(
            "SELECT id, execution, name, metadata FROM datums WHERE id = ?"
            " OR id = (SELECT datum FROM datum_aliases WHERE name = ?)",
            (reference, reference),
        )
        return _datum(rows[0]) if rows else None

    def datums(self, execution: int) -> list[Datum]:
        """What an execution left, by name."""
        rows = self._read(
            "SELECT id, execution, name, metadata FROM datums WHERE execution = ? ORDER BY name", (execution,)
        )
        return [_datum(row) for row in rows]

    def aliases(self) -> list[tuple[str, str]]:
        """Every alias and the datum that it leads to, by name."""
        return [(name, datum) for name, datum in self._read("SELECT name, datum FROM datum_aliases ORDER BY name", ())]

    def _read(self, sql: str, parameters: Iterable[Any]) -> list[tuple[Any, ...]]:
        return self._database.read(sql, tuple(parameters)) if self._present else []


def datum_id(execution: str, name: str) -> str:
    """The identifier of an output, by the UUID of its execution and its name."""
    return str(uuid.uuid5(uuid.UUID(execution), name))


def aliases_of(metadata: Mapping[str, Any]) -> list[str]:
    """The aliases that a sidecar asks for."""
    alias = metadata.get("valohai.alias")
    listed = alias if isinstance(alias, list) else [alias]
    return [each for each in listed if isinstance(each, str) and each]


def _row(row: tuple[Any, ...]) -> ExecutionRow:
    return ExecutionRow._make([*row[:-1], json.loads(row[-1])])


def _datum(row: tuple[Any, ...]) -> Datum:
    return Datum(row[0], row[1], row[2], json.loads(row[3]))
