"""Salvage: a new database takes over what can still be read of the damaged one that was set aside last.

Only rows that prove themselves are taken: contents by their digests, records by their checksum and their manifest. So
what serves later is what was recorded, and the rest runs again. Views are written anew; the history stays behind.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from crystallize.fingerprint.digest import Digest, digest_bytes, digest_of
from crystallize.fingerprint.manifest import PartTable
from crystallize.store.codecs import unpack
from crystallize.store.database import Database, set_aside_before
from crystallize.store.details import unpack_parts
from crystallize.store.observed import OBSERVED_KIND
from crystallize.store.observed import SCHEMA as OBSERVED_SCHEMA
from crystallize.store.records import fault_of

_PROVEN: dict[str, Callable[[bytes, bytes], object]] = {
    "part_tables": lambda digest, packed: PartTable(unpack_parts(packed)).digest == digest,
    "blobs": lambda digest, data: digest_bytes(data) == digest,
    "observations": lambda digest, listing: digest_of(OBSERVED_KIND, listing) == digest,
    "pieces": lambda digest, listing: unpack(listing),
    "sources": lambda digest, text: text.decode("utf-8", "surrogatepass") is not None,
}
"""Table of digests and contents → whether a row is as it was written; the last two only explain."""
_RECORDS = (
    "SELECT r.number, fingerprint, label, kind, payload, outputs, seconds, run, created, part_table, own, provenance"
    " FROM records r CROSS JOIN details d ON d.number = r.number"
)
_TYPES = (int, bytes, str, str, bytes, bytes, float, int, float, bytes, bytes, (str, type(None)))
_EVER = "SELECT 1 FROM sqlite_sequence WHERE name = 'records'"
_KEY = "SELECT value FROM meta WHERE name = 'secret_key' AND typeof(value) = 'blob' AND length(value) = 32"

logger = logging.getLogger("crystallize")


def salvage(database: Database) -> None:
    """Fills `database` if no record was ever written to it, and says how many results it has then.

    Does nothing when no damaged database was set aside. Killed or called twice, it has done all of it or nothing.
    """
    aside = set_aside_before(database.path)
    if aside is None or database.read(_EVER):
        return
    database.ensure(OBSERVED_SCHEMA, "observed")
    with closing(_opened(aside)) as damaged, database.transaction() as connection:
        if connection.execute(_EVER).fetchone():
            return  # another process was here first
        connection.executemany("UPDATE meta SET value = ? WHERE name = 'secret_key'", _rows(damaged, _KEY, "name"))
        for table, proves in _PROVEN.items():
            rows = (row for row in _rows(damaged, f"SELECT * FROM {table}") if _is_proven(proves, row))
            connection.executemany(f"INSERT OR IGNORE INTO {table} VALUES (?, ?)", rows)
        taken = _take_records(damaged, connection)
        for number, digest in _rows(damaged, "SELECT number, observations FROM observed"):
            if number in taken:
                connection.execute("INSERT OR IGNORE INTO observed VALUES (?, ?)", (number, digest))
        for row in _rows(damaged, "SELECT label, number, why FROM floors"):
            if _has_types(row, (str, int, str)):
                connection.execute("INSERT OR IGNORE INTO floors VALUES (?, ?, ?)", row)
        # Numbers of runs go on as well: a record must never seem to be the present run's own.
        connection.execute("INSERT INTO sqlite_sequence SELECT 'runs', max(run) FROM records HAVING count(*)")
    if taken:
        logger.warning("%s: %d results were taken over from %s", database.path, len(taken), aside.name)


def _take_records(damaged: sqlite3.Connection, connection: sqlite3.Connection) -> set[int]:
    """Takes the records that are as they were written, with their details; returns their numbers."""
    tables = {
        Digest(digest): PartTable(unpack_parts(packed))
        for digest, packed in connection.execute("SELECT digest, parts FROM part_tables")
    }
    taken = set()
    for row in _rows(damaged, _RECORDS, "r.number"):
        if row[0] not in taken and _has_types(row, _TYPES) and _is_sound(row, tables):
            connection.execute("INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row[:9])
            connection.execute("INSERT INTO details VALUES (?, ?, ?, ?)", (row[0], *row[9:]))
            taken.add(row[0])
    return taken


def _is_sound(row: tuple[Any, ...], tables: dict[Digest, PartTable]) -> bool:
    number, fingerprint, _, kind, payload, outputs, *_, table, own, provenance = row
    try:
        json.loads(provenance or "null")
    except ValueError:
        return False
    return fault_of((kind, fingerprint, payload, outputs, table, own), number, tables) is None


def _is_proven(proves: Callable[[bytes, bytes], object], row: tuple[Any, ...]) -> bool:
    try:
        return bool(proves(*row))
    except (AttributeError, TypeError, ValueError):
        return False


def _has_types(row: tuple[Any, ...], types: tuple[Any, ...]) -> bool:
    return all(map(isinstance, row, types))


def _rows(damaged: sqlite3.Connection, sql: str, order: str = "rowid") -> Iterator[tuple[Any, ...]]:
    """The rows up to where damage stops the reading, then those from the other end: some of them twice."""
    for direction in ("ASC", "DESC"):
        try:
            yield from damaged.execute(f"{sql} ORDER BY {order} {direction}")
            return
        except (sqlite3.Error, UnicodeDecodeError):
            continue


def _opened(aside: Path) -> sqlite3.Connection:
    """A connection that only reads; without the log of changes where that is damaged as well."""
    address = f"{aside.absolute().as_uri()}?mode=ro"
    connection = sqlite3.connect(address, uri=True)
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except (sqlite3.Error, UnicodeDecodeError):
        connection.close()
        return sqlite3.connect(f"{address}&immutable=1", uri=True)
    return connection
