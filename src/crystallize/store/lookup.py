"""Looking records up by their fingerprints. A record that cannot be read is left out, with a warning."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from crystallize.fingerprint.digest import Digest
from crystallize.store.ahead import Ahead, Held, Row
from crystallize.store.database import Database
from crystallize.store.record import Record
from crystallize.store.records import SELECT_RECORD, record_of

_ALL = SELECT_RECORD + "WHERE fingerprint IN ({keys}) ORDER BY number DESC"
_OF_RUN = SELECT_RECORD + "WHERE fingerprint IN ({keys}) AND run = ? ORDER BY number DESC"
_OLDER = SELECT_RECORD + "WHERE fingerprint = ? AND number < ? ORDER BY number DESC"
_LAST = SELECT_RECORD + "WHERE fingerprint = ? ORDER BY number DESC LIMIT ?"


class Lookup:
    """The records of one store by fingerprint. Threads may share it."""

    def __init__(self, database: Database, ahead: Ahead) -> None:
        self._database = database
        self._ahead = ahead

    def newest(self, fingerprints: Sequence[Digest], held: Held | None = None) -> dict[Digest, Record]:
        """Fingerprint → its newest record; however many there are, no other is read.

        Parameters
        ----------
        held : what was read ahead, to serve as well.
        """
        found: dict[Digest, Record] = {}
        for row in self._ahead.newest_rows(fingerprints, held):
            record = record_of(row) or next(_readable(self._database.read(_OLDER, (row[1], row[0]))), None)
            if record is not None:
                found[record.fingerprint] = record
        return found

    def newest_of_run(self, fingerprints: Sequence[Digest], run: int) -> dict[Digest, Record]:
        """Fingerprint → the newest of its records that the run of this number has made."""
        rows = self._database.read_for(_OF_RUN, fingerprints, run)
        return {fingerprint: records[0] for fingerprint, records in _by_fingerprint(rows).items()}

    def all(self, fingerprints: Sequence[Digest]) -> dict[Digest, list[Record]]:
        """Fingerprint → its records, newest first."""
        return _by_fingerprint(self._database.read_for(_ALL, fingerprints))

    def last(self, fingerprint: Digest, limit: int) -> Iterator[Record]:
        """The last records under a fingerprint, newest first."""
        yield from _readable(self._database.read(_LAST, (fingerprint, limit)))


def _by_fingerprint(rows: Iterable[Row]) -> dict[Digest, list[Record]]:
    found: dict[Digest, list[Record]] = {}
    for record in _readable(rows):
        found.setdefault(record.fingerprint, []).append(record)
    return found


def _readable(rows: Iterable[Row]) -> Iterator[Record]:
    return (record for record in map(record_of, rows) if record is not None)
