"""Pins: the records that somebody asked for by the run that used them. What is pinned is never swept.

A pin stays until its record is forgotten: whoever pinned a result once may do so again. Knows no plan; which records
a run used is known by the history.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from crystallize.store.database import Database

SCHEMA = """
CREATE TABLE IF NOT EXISTS pins (
    label TEXT NOT NULL,
    record INTEGER NOT NULL,
    run INTEGER NOT NULL,
    PRIMARY KEY (label, record)
);
"""


class Pin(NamedTuple):
    """One job for which an earlier record was asked for by name."""

    label: str
    """Of the job that it served."""
    record: int
    """Number of the record."""
    run: int
    """The run that was named, one that had used the record."""


def keep_pins(database: Database, pins: Iterable[Pin]) -> None:
    """Adds the pins in one commit; those that are there already get the run that was named last."""
    database.ensure(SCHEMA, last_table="pins")
    with database.transaction() as connection:
        connection.executemany("INSERT OR REPLACE INTO pins VALUES (?, ?, ?)", pins)


def pinned_records(database: Database) -> set[int]:
    """Numbers of all records that are pinned."""
    if not database.ensure(SCHEMA, last_table="pins"):
        return set()
    return {number for (number,) in database.read("SELECT DISTINCT record FROM pins")}
