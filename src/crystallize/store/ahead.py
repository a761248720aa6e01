"""Reading ahead: rows of records that will probably be asked for next, and which of their outputs are there.

Jobs of a chain are decided one by one, and a statement costs more than a row. Records that were made one after the
other are mostly asked for one after the other: whoever asks so is given what follows with it, twice as much each time
(after the read-ahead of files). It is all that there is under a fingerprint, serves once, and is void as soon as
anybody has written anything. Decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from crystallize.fingerprint.digest import Digest
from crystallize.store.blobs import Blobs
from crystallize.store.codecs import packed_digests
from crystallize.store.database import Database
from crystallize.store.record import Output
from crystallize.store.records import SELECT_RECORD

Row: TypeAlias = tuple[Any, ...]
"""Of `SELECT_RECORD`."""

NEAR = 8
"""Numbers that lie no further apart follow each other; to read fewer ahead is not worth a statement."""
FARTHEST = 256
"""More at a time gain nothing, and take memory."""

_UNDER = SELECT_RECORD + "WHERE fingerprint IN ({keys}) ORDER BY number DESC"
_FOLLOWING = (
    SELECT_RECORD + "WHERE fingerprint IN (SELECT fingerprint FROM records WHERE number > ? ORDER BY number LIMIT ?)"
    " ORDER BY number DESC"
)


class Ahead:
    """What one store has read ahead, for one thread: the one that says as of when it asks.

    That is what the store's `outside_version` has just told. Whoever does not say it gets what the database holds.
    """

    def __init__(self, database: Database, blobs: Blobs) -> None:
        self._database = database
        self._blobs = blobs
        self._rows: dict[Digest, list[Row]] = {}
        self._there: set[bytes] = set()
        self._state: tuple[int, tuple[int, int]] | None = None
        """When what is here was read: the version of others' data, and our own changes."""
        self._last = 0
        """Number of the record up to which was read."""
        self._window = 1
        """How many records the next look further would take."""

    def rows_under(self, fingerprints: Sequence[Digest], as_of: int | None = None) -> Iterable[Row]:
        """The rows of all records under the fingerprints, newest first for each of these."""
        if as_of is None or len(fingerprints) != 1:
            return self._database.read_for(_UNDER, fingerprints)
        rows = self._rows.pop(fingerprints[0], None) if self._holds(as_of) else None
        if rows is None:
            rows = list(self._database.read_for(_UNDER, fingerprints))
            if rows:
                self._follow(rows[0][0], as_of)
        return rows

    def absent(self, outputs: Iterable[Output], as_of: int | None = None) -> set[Digest]:
        """As `Blobs.absent`."""
        if self._holds(as_of):
            outputs = [output for output in outputs if output.is_tree or output.digest not in self._there]
        return self._blobs.absent(outputs) if outputs else set()

    def _holds(self, as_of: int | None) -> bool:
        """Whether nobody has written since what is here was read."""
        return self._state is not None and self._state == (as_of, self._database.changes)

    def _follow(self, number: int, as_of: int) -> None:
        """The record with this number was asked for: reads what follows if that has lately come to use."""
        is_next = 0 < number - self._last <= NEAR and 2 * len(self._rows) <= self._window
        self._window = min(2 * self._window, FARTHEST) if is_next else 1
        self._last = number
        if self._window < NEAR:
            return
        self._rows, self._state = {}, (as_of, self._database.changes)
        for row in self._database.read(_FOLLOWING, (number, self._window)):
            self._rows.setdefault(row[1], []).append(row)
        self._last += self._window
        outputs = [rows[0][5] for rows in self._rows.values() if isinstance(rows[0][5], bytes)]  # unless damaged
        self._there = self._blobs.small_among(digest for cell in outputs for digest in packed_digests(cell))
