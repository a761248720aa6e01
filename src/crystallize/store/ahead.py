"""Reading ahead: rows of records that will probably be asked for next, and which of their outputs are there.

Jobs of a chain are decided one by one, and a statement costs more than a row. Records that were made one after the
other are mostly asked for one after the other: whoever asks so is given what follows with it, twice as much each time
(after the read-ahead of files). It is the newest that there is under a fingerprint, serves once, and is void as soon as
we have written anything, and 5 ms after anybody else has: no longer than a batch of decisions takes. Decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from time import perf_counter
from typing import Any, NamedTuple, TypeAlias

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
TRUE_SECONDS = 0.005
"""So long is taken for true what was true. To ask whether anybody has written costs as much as three rows."""

_NEWEST = SELECT_RECORD + "WHERE fingerprint = ? ORDER BY number DESC LIMIT 1"
_NEWEST_OF_MANY = (
    SELECT_RECORD
    + "WHERE number IN (SELECT max(number) FROM records WHERE fingerprint IN ({keys}) GROUP BY fingerprint)"
)
_FOLLOWING = (
    SELECT_RECORD + "AS this WHERE number > ? AND number <= ?"
    " AND NOT EXISTS (SELECT 1 FROM records WHERE fingerprint = this.fingerprint AND number > this.number)"
)


class Held(NamedTuple):
    """What was read ahead, until it has served."""

    version: int
    """Of others' data, when it was read."""
    changes: tuple[int, int] | None
    """Our own until then."""
    rows: dict[Digest, Row]
    """Fingerprint → the newest that there is under it."""
    there: set[bytes]
    """Digests of small files that are there."""


NOTHING = Held(0, None, {}, set())


class Ahead:
    """Looks up the rows of one store, and looks ahead. Threads may share it."""

    def __init__(self, database: Database, blobs: Blobs) -> None:
        self._database = database
        self._blobs = blobs
        self._held = NOTHING
        self._true_until = 0.0
        """Until then nobody is asked whether others have written."""
        self._last = 0
        """Number of the record up to which was read."""
        self._window = 1
        """How many records the next look further would take."""

    def held(self) -> Held | None:
        """What was read ahead, unless anybody has written since. The database is not asked when nothing was."""
        held = self._held
        if not held.rows:
            return None
        now = perf_counter()
        if held.changes == self._database.changes:
            if now < self._true_until:
                return held
            if held.version == self._database.version_of_data():
                self._true_until = now + TRUE_SECONDS
                return held
        self._held = NOTHING
        return None

    def newest_rows(self, fingerprints: Sequence[Digest], held: Held | None) -> Iterable[Row]:
        """The row of the newest record under each of the fingerprints."""
        if len(fingerprints) != 1:
            return self._database.read_for(_NEWEST_OF_MANY, fingerprints)
        row = None if held is None else held.rows.pop(fingerprints[0], None)
        if row is not None:
            return [row]
        rows = self._database.read(_NEWEST, fingerprints)
        if rows:
            self._follow(rows[0][0])
        return rows

    def absent(self, outputs: Iterable[Output], held: Held | None) -> set[Digest]:
        """As `Blobs.absent`."""
        if held is not None:
            outputs = [output for output in outputs if output.is_tree or output.digest not in held.there]
        return self._blobs.absent(outputs) if outputs else set()

    def _follow(self, number: int) -> None:
        """The record with this number was asked for: reads what follows if that has lately come to use."""
        is_next = 0 < number - self._last <= NEAR and 2 * len(self._held.rows) <= self._window
        self._window = min(2 * self._window, FARTHEST) if is_next else 1
        self._last = number
        if self._window < NEAR:
            return
        self._true_until = perf_counter() + TRUE_SECONDS
        version, changes = self._database.version_of_data(), self._database.changes
        rows: dict[Digest, Row] = {
            row[1]: row for row in self._database.read(_FOLLOWING, (number, number + self._window))
        }
        outputs = [row[5] for row in rows.values() if isinstance(row[5], bytes)]  # unless damaged
        there = self._blobs.small_among(digest for cell in outputs for digest in packed_digests(cell))
        self._held = Held(version, changes, rows, there)
        self._last += self._window
