"""Digests of the user's files, remembered by what the file system tells of them (`files.StatMemory`).

Whether a file may be trusted by its stat is decided by whoever asks; here are only rows.
"""

from __future__ import annotations

import sqlite3

from crystallize.fingerprint.digest import Digest
from crystallize.fingerprint.files import StatKey
from crystallize.store.database import Database


class Remembered:
    """New digests wait in memory for the next commit: losing them costs hashing a file again."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._fresh: dict[str, tuple[StatKey, Digest]] = {}

    def recall(self, key: StatKey) -> Digest | None:
        """The digest of the file when it looked exactly like `key`; None when it never did."""
        fresh = self._fresh.get(key[0])
        if fresh is not None:
            return fresh[1] if fresh[0] == key else None
        rows = self._database.read("SELECT looks, digest FROM remembered_digests WHERE path = ?", (key[0],))
        return Digest(rows[0][1]) if rows and rows[0][0] == _looks(key) else None

    def remember(self, key: StatKey, digest: Digest) -> None:
        """Replaces what is known of the path."""
        self._fresh[key[0]] = key, digest

    def flush(self, connection: sqlite3.Connection) -> None:
        """Writes what is new, within the caller's transaction."""
        if not self._fresh:
            return
        fresh, self._fresh = self._fresh, {}
        rows = [(key[0], _looks(key), digest) for key, digest in list(fresh.values())]
        connection.executemany("INSERT OR REPLACE INTO remembered_digests VALUES (?, ?, ?)", rows)


def _looks(key: StatKey) -> str:
    """The stat as text: inodes and devices may exceed the 63 bits of an SQLite integer."""
    return " ".join(map(str, key[1:]))
