"""Forgetting: records of an experiment, a condition or a trial are dropped with their steps' memos, and what only
these referred to.

Views stay as they are; their files belong to whoever reads them.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from crystallize.store.pins import pinned_records
from crystallize.store.store import Store
from crystallize.store.sweep import Rules, alone, carry_out, plan_sweep

_BY_NUMBER = (("records", "number"), ("details", "number"), ("observed", "number"), ("pins", "record"))
"""Tables that have a row per record, and the column with its number."""
_NUMBERS = "SELECT number FROM records WHERE label IN ({keys})"


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was dropped."""

    labels: tuple[str, ...]
    """Of the trials, in order."""
    records: int
    pinned: int
    """How many of them somebody had pinned: the pins are gone as well."""
    memos: int
    """Of steps, made by these trials: without them the steps run again as well."""
    freed_bytes: int


def labels_of(store: Store, selection: str) -> list[str]:
    """The recorded labels that ``EXPERIMENT[:condition[:replicate]]`` means, in order; none when there are none."""
    prefix = selection.replace(":", "/")
    rows = store.database.read("SELECT DISTINCT label FROM records ORDER BY label")
    return [label for (label,) in rows if label == prefix or label.startswith(f"{prefix}/")]


def forget(store: Store, selection: str) -> Forgotten:
    """Drops the records that `selection` means, and the blobs that nothing refers to any more.

    Raises StoreError when a job is running that uses the store.
    """
    with alone(store):
        labels = labels_of(store, selection)
        numbers = {row[0] for row in store.database.read_for(_NUMBERS, labels)}
        pinned = len(numbers & pinned_records(store.database))
        with store.database.transaction() as connection:
            for table, column in _BY_NUMBER:
                if store.database.has_table(table):
                    connection.executemany(f"DELETE FROM {table} WHERE {column} = ?", [(each,) for each in numbers])
            memos = _forget_memos(store, connection, selection)
            connection.executemany("DELETE FROM floors WHERE label = ?", [(label,) for label in labels])
        orphans = plan_sweep(store, Rules())
        carry_out(store, orphans)
    return Forgotten(tuple(labels), len(numbers), pinned, memos, orphans.freed_bytes)


def _forget_memos(store: Store, connection: sqlite3.Connection, selection: str) -> int:
    """Drops what the steps of the trials have left, also of those trials that failed later; returns how many."""
    if not store.database.has_table("memos"):
        return 0
    label = selection.replace(":", "/")
    below = f"{label}/"
    sql = "DELETE FROM memos WHERE label = ? OR substr(label, 1, ?) = ?"
    return connection.execute(sql, (label, len(below), below)).rowcount
