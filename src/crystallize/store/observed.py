"""What records rest on beside their fingerprint: the files, listings and code that their jobs were seen to read.

Few distinct sets serve many records, so each is kept once, by digest, and asked about once. Knows no jobs; what is
true now it is told by a `Surveys`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Protocol

from crystallize.fingerprint.digest import Digest, digest_of
from crystallize.fingerprint.reads.observations import Observation, told
from crystallize.store.codecs import pack, unpack
from crystallize.store.database import Database
from crystallize.store.record import NewRecord, Record

RESTS_ON = "rests_on"
"""The fact of a record with observations: the digest of their set, in hexadecimal."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS observations (digest BLOB PRIMARY KEY, listing BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS observed (number INTEGER PRIMARY KEY, observations BLOB NOT NULL);
"""
OBSERVED_KIND = "observed/1"
"""Kind and version of the pre-image of a set's digest."""


class Surveys(Protocol):
    """Says what is true now of what was observed."""

    def changes(self, observations: Iterable[Observation]) -> list[str]:
        """A sentence on each that is not so any more."""


class Observed:
    """The observations of one store's records. Threads may share it."""

    surveyor: Surveys | None
    """Who looks what is true now; None: nobody can, and no record with observations serves."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._is_there = database.ensure(SCHEMA, "observed")
        self._verdicts: dict[Digest, str | None] = {}
        self.surveyor = None

    def insert(self, connection: sqlite3.Connection, numbered: Iterable[tuple[int, NewRecord]]) -> None:
        """Adds the observations of records within the caller's transaction."""
        rows = [(number, record.observations) for number, record in numbered if record.observations]
        if not rows:
            return
        packed = {observations: _packed(observations) for _, observations in rows}
        connection.executemany(
            "INSERT OR IGNORE INTO observations VALUES (?, ?)",
            [(digest_of(OBSERVED_KIND, listing), listing) for listing in packed.values()],
        )
        connection.executemany(
            "INSERT INTO observed VALUES (?, ?)",
            [(number, digest_of(OBSERVED_KIND, packed[observations])) for number, observations in rows],
        )

    def of(self, number: int) -> tuple[Observation, ...]:
        """What the job of a record was seen to read, in order of kind and name."""
        if not self._is_there:
            return ()
        rows = self._database.read("SELECT observations FROM observed WHERE number = ?", (number,))
        return (self._listing(rows[0][0]) or ()) if rows else ()

    def changes(self, records: Iterable[Record]) -> dict[int, str]:
        """Record number → what its job read that is not so any more, for those records where something is not."""
        found = {}
        for record in records:
            digest = record.facts.get(RESTS_ON)
            verdict = None if digest is None else self._verdict(Digest(bytes.fromhex(digest)))
            if verdict is not None:
                found[record.number] = verdict
        return found

    def look_again(self) -> None:
        """Forgets what was true: jobs that ran since may have changed it."""
        self._verdicts = {}

    def _verdict(self, digest: Digest) -> str | None:
        if digest not in self._verdicts:
            if self.surveyor is None:
                return "what its job read cannot be looked at here"
            listing = self._listing(digest)
            lost = "the list of what its job read is damaged"
            self._verdicts[digest] = lost if listing is None else told(self.surveyor.changes(listing)) or None
        return self._verdicts[digest]

    def _listing(self, digest: Digest) -> tuple[Observation, ...] | None:
        """The observations of a set; None when they are gone or damaged."""
        if not self._is_there:
            return None
        rows = self._database.read("SELECT listing FROM observations WHERE digest = ?", (digest,))
        if not rows or digest_of(OBSERVED_KIND, rows[0][0]) != digest:
            return None
        contents, names = unpack(rows[0][0])
        present = iter(contents)
        return tuple(
            Observation(kind, name, Digest(next(present) if is_there else b"")) for kind, name, is_there in names
        )


def marked(record: NewRecord) -> NewRecord:
    """`record`, saying itself which observations it rests on: a record may not outlive what limits it."""
    if not record.observations:
        return record
    digest = digest_of(OBSERVED_KIND, _packed(record.observations))
    return record._replace(facts={**record.facts, RESTS_ON: digest.hex()})


def _packed(observations: Sequence[Observation]) -> bytes:
    contents = [observation.digest for observation in observations if observation.digest]
    return pack(contents, [(kind, name, bool(digest)) for kind, name, digest in observations])
