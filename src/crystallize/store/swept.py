"""What was swept: which outputs were removed to save space, when and why, so that a job that runs again can say so.

A row says why an output is not there; whether it is there is asked of the blobs themselves.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from crystallize.fingerprint.digest import Digest
from crystallize.store.database import Database

SCHEMA = """
CREATE TABLE IF NOT EXISTS swept (digest BLOB PRIMARY KEY, time REAL NOT NULL, why TEXT NOT NULL);
"""


class Swept:
    """The swept outputs of one store. Its table is made by the first sweep."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def insert(self, whys: Mapping[Digest, str]) -> None:
        """Notes that outputs are about to be removed, in one commit: before anything is."""
        now = time.time()
        self._database.ensure(SCHEMA, "swept")
        with self._database.transaction() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO swept VALUES (?, ?, ?)", [(digest, now, why) for digest, why in whys.items()]
            )

    def why(self, digests: Iterable[Digest]) -> dict[Digest, str]:
        """Digest → ``was swept on 2026-11-20 (older than 30 days)``, for those that ever were."""
        if not self._database.has_table("swept"):
            return {}
        rows = self._database.read_for("SELECT digest, time, why FROM swept WHERE digest IN ({keys})", digests)
        return {Digest(digest): f"was swept on {_day(when)} ({why})" for digest, when, why in rows}


def _day(when: float) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(when))
