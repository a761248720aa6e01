"""Memos: what one step gave, kept below the trial, so that trials with the same beginning share it.

A call of a step is looked up in two strides (design 4, "Step memo"). Under its *first key* lie the *read shapes* seen
so far, each a list of names that such a call looked at; with the present values of one shape's names the caller makes
the *second key*, and under that lies the memo. Knows rows and blobs; what names mean and what contents are is known
above. Looking up by what was read after shake's and rattle's traces.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from crystallize.errors import StoreError
from crystallize.fingerprint.digest import Digest, digest_of
from crystallize.fingerprint.reads.observations import Observation
from crystallize.store.blobs import Blobs
from crystallize.store.codecs import pack, unpack
from crystallize.store.database import Database
from crystallize.store.intake import Kept
from crystallize.store.record import Output

SCHEMA = """
CREATE TABLE IF NOT EXISTS memo_shapes (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    first BLOB NOT NULL,
    names TEXT NOT NULL,
    UNIQUE (first, names)
);
CREATE TABLE IF NOT EXISTS memos (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    key BLOB NOT NULL,
    observed BLOB NOT NULL,
    outputs BLOB NOT NULL,
    checksum INTEGER NOT NULL,
    seconds REAL NOT NULL,
    run INTEGER NOT NULL,
    created REAL NOT NULL,
    label TEXT NOT NULL,
    UNIQUE (key, observed)
);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Memo:
    """What one call of a step left."""

    contents: Output
    """Whatever the caller packed: the result and all that the step recorded."""
    artifacts: tuple[Output, ...]
    """What it wrote, in order."""
    observations: tuple[Observation, ...]
    """What it was seen to read; the memo serves only while all of it is still so."""
    seconds: float
    """How long the step took."""
    run: int
    """Number of the run that made it."""
    label: str
    """Of the trial that made it."""


class Memos:
    """The memos of one store. Threads and processes may share it; every method may raise StoreError."""

    folder: Path
    """The store's own: paths below it mean nothing outside of the job that was given them."""

    def __init__(self, database: Database, blobs: Blobs, folder: Path) -> None:
        self.folder = folder
        self._database = database
        self._blobs = blobs
        self._is_there = False

    def shapes(self, first: Digest) -> list[tuple[str, ...]]:
        """The read shapes under a first key, newest first."""
        if not self._ready():
            return []
        rows = self._database.read("SELECT names FROM memo_shapes WHERE first = ? ORDER BY number DESC", (first,))
        return [shape for (names,) in rows if (shape := _shape_of(names)) is not None]

    def find(self, key: Digest) -> list[Memo]:
        """The memos under a second key, newest first: they differ in what their steps were seen to read.

        Raises StoreError when the row of one is damaged; that row is then gone.
        """
        if not self._ready():
            return []
        rows = self._database.read(
            "SELECT outputs, seconds, run, label, number, checksum FROM memos WHERE key = ? ORDER BY number DESC",
            (key,),
        )
        damaged = [(number,) for packed, _, _, _, number, checksum in rows if checksum != _checksum(key, packed)]
        if damaged:
            if self._database.writable:
                with self._database.transaction() as connection:
                    connection.executemany("DELETE FROM memos WHERE number = ?", damaged)
            raise StoreError("its row is damaged")
        return [_memo_of(*row[:4]) for row in rows]

    def put(self, first: Digest, shape: Sequence[str], key: Digest, memo: Memo, small: Mapping[Digest, bytes]) -> None:
        """Keeps a memo with its shape, which become the newest, and its small blobs.

        It takes the place of an earlier one that rested on the same observations.

        All at once: another process sees the whole memo or none. Does nothing where nothing may be written.
        """
        if not self._database.writable or not self._ready():
            return
        kept = (memo.contents, *memo.artifacts)
        outputs = [(output.name, output.step, output.size_bytes, output.is_tree) for output in kept]
        observations = [(kind, name, digest.hex()) for kind, name, digest in memo.observations]
        packed = pack([output.digest for output in kept], (outputs, observations))
        observed = digest_of("observed/1", json.dumps(observations).encode())
        with self._database.transaction() as connection:
            self._blobs.insert(connection, small.items())
            connection.execute(
                "INSERT OR REPLACE INTO memo_shapes (first, names) VALUES (?, ?)", (first, json.dumps(list(shape)))
            )
            connection.execute(
                "INSERT OR REPLACE INTO memos (key, observed, outputs, checksum, seconds, run, created, label)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (key, observed, packed, _checksum(key, packed), memo.seconds, memo.run, time.time(), memo.label),
            )

    # contents

    def keep_bytes(self, name: str, data: bytes) -> Kept:
        """Keeps bytes for a memo: what is small is returned for `put` to write."""
        return self._blobs.keep_bytes(name, "", data)

    def keep_path(self, name: str, path: Path) -> Kept:
        """Moves a file or folder into the store likewise."""
        return self._blobs.keep_path(name, "", path)

    def read(self, output: Output) -> bytes:
        """Verified contents. Raises StoreError when they are gone or damaged."""
        return self._blobs.read(output, {})

    def lay(self, output: Output, target: Path) -> None:
        """Puts a file or folder at `target`, verified; the same error."""
        self._blobs.lay(output, target, verify=True)

    def _ready(self) -> bool:
        """Whether the tables are there; made when first asked for, as most stores have no use for them."""
        self._is_there = self._is_there or self._database.ensure(SCHEMA, "memos")
        return self._is_there


def _shape_of(names: str) -> tuple[str, ...] | None:
    """None for a damaged row: no call has that shape."""
    try:
        return tuple(json.loads(names))
    except ValueError:
        return None


def _memo_of(packed: bytes, seconds: float, run: int, label: str) -> Memo:
    digests, (outputs, observations) = unpack(packed)
    contents, *artifacts = (
        Output(name, step, Digest(digest), size_bytes, is_tree)
        for digest, (name, step, size_bytes, is_tree) in zip(digests, outputs, strict=True)
    )
    return Memo(
        contents=contents,
        artifacts=tuple(artifacts),
        observations=tuple(Observation(kind, name, Digest(bytes.fromhex(text))) for kind, name, text in observations),
        seconds=seconds,
        run=run,
        label=label,
    )


def _checksum(key: bytes, packed: bytes) -> int:
    """Over what a replay rests on: SQLite has none of its own."""
    return crc32(packed, crc32(key))
