"""The store's one SQLite file: opening it, its schema, and reading and writing in batches.

Knows no records: rows in, rows out. Write-ahead logging lets any number of processes read while one writes;
where a file system cannot do that, opening is refused with the remedy.
"""

from __future__ import annotations

import itertools
import logging
import re
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from crystallize.errors import StoreError
from crystallize.store.faults import FAULTS, failure, is_busy, tells_damage
from crystallize.store.mounts import network_file_system

SCHEMA_VERSION = 1
BUSY_SECONDS = 60.0
KEYS_PER_QUERY = 512
"""More keys in one statement gain nothing, and SQLite allows no more than 32,766."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS records (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    fingerprint BLOB NOT NULL,
    label TEXT NOT NULL,
    kind TEXT NOT NULL,
    payload BLOB NOT NULL,
    outputs BLOB NOT NULL,
    seconds REAL NOT NULL,
    run INTEGER NOT NULL,
    created REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS records_fingerprint ON records (fingerprint);
CREATE INDEX IF NOT EXISTS records_label ON records (label);
CREATE TABLE IF NOT EXISTS details (
    number INTEGER PRIMARY KEY,
    part_table BLOB NOT NULL,
    own BLOB NOT NULL,
    provenance TEXT
);
CREATE TABLE IF NOT EXISTS part_tables (digest BLOB PRIMARY KEY, parts BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS pieces (digest BLOB PRIMARY KEY, listing BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS sources (digest BLOB PRIMARY KEY, text BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS blobs (digest BLOB PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS blob_files (
    digest BLOB PRIMARY KEY,
    size_bytes INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS floors (label TEXT PRIMARY KEY, number INTEGER NOT NULL, why TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS views (
    id INTEGER PRIMARY KEY,
    folder TEXT NOT NULL,
    condition TEXT NOT NULL,
    state TEXT NOT NULL,
    key BLOB,
    after INTEGER,
    UNIQUE (folder, condition)
);
CREATE TABLE IF NOT EXISTS view_files (
    view INTEGER NOT NULL,
    path TEXT NOT NULL,
    digest BLOB NOT NULL,
    size_bytes INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    is_tree INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS view_files_view ON view_files (view);
CREATE INDEX IF NOT EXISTS view_files_digest ON view_files (digest);
CREATE TABLE IF NOT EXISTS remembered_digests (
    path TEXT PRIMARY KEY,
    looks TEXT NOT NULL,
    digest BLOB NOT NULL
);
INSERT OR IGNORE INTO meta VALUES ('version', {version});
INSERT OR IGNORE INTO meta VALUES ('secret_key', randomblob(32));
"""

_TABLES = frozenset(re.findall(r"CREATE TABLE IF NOT EXISTS (\w+)", SCHEMA))
"""Every file of version 1 has them; a table to come belongs to its room, see `Database.ensure`."""

logger = logging.getLogger("crystallize")

_of_parents: list[sqlite3.Connection] = []
"""Connections that a forked process has inherited, kept from being closed."""


class Database:
    """A connection that many threads may share.

    Open it with `Database.open`. Reads see what is committed and what the present transaction wrote. Every
    method raises StoreError when the file cannot be read or written.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, *, writable: bool) -> None:
        self.path = path
        self.writable = writable
        """False: nothing is ever written, not even a table."""
        self.is_open = True
        self._damage: str | None = None
        self._connection = connection
        self._reconnected = 0
        self._lock = threading.RLock()

    @classmethod
    def open(cls, path: Path, *, write: bool) -> Database:
        """Opens the database, creating it when `write`; without, an absent one is an empty one in memory.

        A damaged file is set aside with a warning, and an empty database takes its place.
        Raises StoreError when the file system cannot hold it, or when a newer version wrote it.
        """
        if write:
            _refuse_network(path)
        try:
            return cls._open_sound(path, write)
        except FAULTS as error:
            if not tells_damage(error):
                raise failure(path, error) from error
            logger.warning("%s", _set_aside(path) if write else f"{path}: it is damaged and was not read")
        return cls._open_sound(path, write) if write else cls.in_memory(path)

    @classmethod
    def _open_sound(cls, path: Path, write: bool) -> Database:
        if not write and not path.exists():
            return cls.in_memory(path)
        connection = _connect(str(path) if write else _read_only_address(path))
        try:
            if write:
                _prepare(connection)
            elif not _tables(connection):  # somebody is about to make them
                connection.close()
                return cls.in_memory(path)
            _check_version(path, connection)
        except BaseException:
            connection.close()
            raise
        return cls(path, connection, writable=write)

    @classmethod
    def in_memory(cls, path: Path) -> Database:
        """An empty database that is never written, in place of the file at `path`."""
        connection = _connect(":memory:")
        connection.executescript(SCHEMA.format(version=SCHEMA_VERSION))
        return cls(path, connection, writable=False)

    def reconnect(self) -> None:
        """To be called in a process just forked, which must not use the connection, and not even close it."""
        self._lock = threading.RLock()
        _of_parents.append(self._connection)
        self._reconnected += 1
        self._connection = _connect(str(self.path))

    def close(self) -> None:
        """Closes the connection. Harmless when called twice."""
        with self._lock:
            self.is_open = False
            self._connection.close()

    def read(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows that a SELECT yields."""
        with self._lock:
            try:
                return self._connection.execute(sql, parameters).fetchall()
            except FAULTS as error:
                raise self._told(error) from error

    def read_for(self, sql: str, keys: Iterable[Any], *more: Any) -> Iterator[tuple[Any, ...]]:
        """The rows of a SELECT that holds ``IN ({keys})``, for any number of keys, in several statements.

        `more` are the parameters that follow the keys in `sql`. No order holds across statements.
        """
        distinct = list(dict.fromkeys(keys))
        for start in range(0, len(distinct), KEYS_PER_QUERY):
            chunk = distinct[start : start + KEYS_PER_QUERY]
            yield from self.read(sql.format(keys=",".join("?" * len(chunk))), (*chunk, *more))

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A write transaction: all of the block is committed, or, when it raises, none of it. May be nested.

        Other processes wait; a block must not do anything slow beside SQL.
        """
        with self._lock:
            if self._connection.in_transaction:
                yield self._connection
                return
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException as error:
                if self.is_open and self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                if isinstance(error, FAULTS):
                    raise self._told(error) from error
                raise

    def ensure(self, schema: str, last_table: str) -> bool:
        """Creates the tables of another room, in statements that say IF NOT EXISTS, `last_table` last.

        Returns whether they are there: False only where nothing may be written and nobody wrote them before.
        """
        present = self.has_table(last_table)
        if not present and self.writable:
            with self._lock:
                self._connection.executescript(f"BEGIN IMMEDIATE; {schema} COMMIT;")
        return present or self.writable

    def has_table(self, name: str) -> bool:
        """Whether anybody has made this table yet."""
        return bool(self.read("SELECT 1 FROM sqlite_master WHERE name = ?", (name,)))

    def require_writable(self, why: str) -> None:
        """Raises StoreError when the database was opened for reading; `why` says what needs more."""
        if not self.writable:
            raise StoreError(f"{self.path.parent}: cannot be written, and {why}; make it writable")

    def compact(self) -> None:
        """Gives the space of deleted rows back, unless somebody uses the file or the disk is full."""
        with self._lock, suppress(sqlite3.OperationalError):
            self._connection.execute("VACUUM")
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def version_of_data(self) -> int:
        """A number that changes exactly when another connection has committed something."""
        return int(self.read("PRAGMA data_version")[0][0])

    @property
    def changes(self) -> tuple[int, int]:
        """What differs once this object has changed any row, and when it was connected anew."""
        return self._reconnected, self._connection.total_changes

    def _told(self, error: sqlite3.DatabaseError | UnicodeDecodeError) -> Exception:
        """What to raise for `error`: a mistake of ours as it is, anything else with its remedy."""
        if self._damage is None and self.writable and (tells_damage(error) or self._lacks_columns(error)):
            self.close()
            self._damage = f"{_set_aside(self.path)}, and the next run takes over what can be read of it"
        if self._damage is not None:
            return StoreError(self._damage)
        if tells_damage(error) or isinstance(error, sqlite3.OperationalError):
            return failure(self.path, error)
        return error

    def _lacks_columns(self, error: Exception) -> bool:
        """Whether SQLite did not understand us because the tables are not those that we made."""
        if getattr(error, "sqlite_errorcode", 0) != sqlite3.SQLITE_ERROR:
            return False
        sound = self.in_memory(self.path)
        try:
            return not _columns(sound._connection) <= _columns(self._connection)
        except FAULTS:
            return True
        finally:
            sound.close()


def _connect(address: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        address,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        uri=address.startswith("file:"),
    )
    try:
        connection.execute("PRAGMA cache_size = -8192")
    except BaseException:  # it reads the file, which may be damaged
        connection.close()
        raise
    return connection


def _read_only_address(path: Path) -> str:
    """The URI that reads `path` and writes nothing beside it.

    Without a log no writer is at work, and *immutable* keeps SQLite from creating one.
    """
    log = path.with_name(path.name + "-wal")
    return path.absolute().as_uri() + ("?mode=ro" if log.exists() else "?mode=ro&immutable=1")


def _prepare(connection: sqlite3.Connection) -> None:
    if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        _keep_log(connection)
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA wal_autocheckpoint = 4000")
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone():
        schema = SCHEMA.format(version=SCHEMA_VERSION)
        connection.executescript(f"BEGIN IMMEDIATE; {schema} COMMIT;")


def _keep_log(connection: sqlite3.Connection) -> None:
    """Has the file written by way of a log. Several may do so at once, and for this alone SQLite does not wait."""
    switch = partial(connection.execute, "PRAGMA journal_mode = WAL")
    try:
        switch()
    except sqlite3.OperationalError as error:
        if not is_busy(error):
            raise
        from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random

        soon, at_last = wait_random(0, 0.02), stop_after_delay(BUSY_SECONDS)
        Retrying(retry=retry_if_exception(is_busy), wait=soon, stop=at_last, reraise=True)(switch)


def _tables(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def _columns(connection: sqlite3.Connection) -> set[tuple[str, str]]:
    sql = "SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c"
    return set(connection.execute(sql))


def _check_version(path: Path, connection: sqlite3.Connection) -> None:
    facts: dict[str, Any] = {}
    if _tables(connection) >= _TABLES:
        facts.update(connection.execute("SELECT name, value FROM meta WHERE name IN ('version', 'secret_key')"))
    if len(facts) < 2:
        damage = sqlite3.DatabaseError("what every store has is missing")
        damage.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise damage
    if facts["version"] > SCHEMA_VERSION:
        raise StoreError(
            f"{path}: written by a newer crystallize (format {facts['version']}, this one reads {SCHEMA_VERSION}); "
            "update crystallize, or set CRYSTALLIZE_STORE to another folder"
        )


def _refuse_network(path: Path) -> None:
    kind = network_file_system(path.parent)
    if kind is not None:
        raise StoreError(
            f"{path.parent}: lies on a network file system ({kind}), where SQLite can lose data; "
            "set CRYSTALLIZE_STORE to a folder on a local disk"
        )


def set_aside_before(path: Path) -> Path | None:
    """The damaged database that was set aside last; None when none ever was."""
    asides = itertools.takewhile(Path.exists, (_aside(path, number) for number in itertools.count(1)))
    return next(reversed(list(asides)), None)


def _aside(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.damaged-{number}")


def _set_aside(path: Path) -> str:
    """Renames a damaged database and its log; returns a sentence that says so."""
    aside = next(aside for number in itertools.count(1) if not (aside := _aside(path, number)).exists())
    for suffix in ("-wal", "-shm"):
        with suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(aside.with_name(aside.name + suffix))
    with suppress(FileNotFoundError):
        path.rename(aside)
    return f"{path}: the database is damaged; it was set aside as {aside.name}"
