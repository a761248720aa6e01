"""Large blobs: which files of the bucket are what their names say.

A file is trusted while its size and time are those of its row. Otherwise it is hashed: if it is what it
should be, the row is renewed, so a copied project stays valid; if not, it is set aside. Knows no outputs.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path

from crystallize.fingerprint.digest import Digest
from crystallize.fingerprint.files import file_digest
from crystallize.store.bucket import Bucket
from crystallize.store.database import Database

Looks = tuple[int, int]
"""Size in bytes and mtime_ns."""


class LargeBlobs:
    """The files of one store's bucket, with the rows that say how they looked when they were last hashed."""

    def __init__(self, database: Database, bucket: Bucket) -> None:
        self._database = database
        self._bucket = bucket
        self._fresh: dict[Digest, Looks] = {}
        """Rows that wait for the next commit: losing them costs hashing a file again."""
        self._verified: dict[Digest, Looks] = {}
        """What this process has hashed itself."""

    def note(self, digest: Digest) -> None:
        """Remembers a blob that this process has just put into the bucket, and therefore hashed."""
        path = self._bucket.path_of(digest)
        if path is not None:
            self._fresh[digest] = self._verified[digest] = _looks(path)

    def sound(self, sizes: Mapping[Digest, int]) -> dict[Digest, Path]:
        """The files of those blobs that are there and look as their rows say, given their sizes in bytes."""
        rows: dict[Digest, Looks] = {
            digest: (size, mtime_ns)
            for digest, size, mtime_ns in self._database.read_for(
                "SELECT digest, size_bytes, mtime_ns FROM blob_files WHERE digest IN ({keys})", sizes
            )
        }
        rows.update((digest, self._fresh[digest]) for digest in sizes.keys() & self._fresh.keys())
        found = ((digest, self._check(digest, size, rows.get(digest))) for digest, size in sizes.items())
        return {digest: path for digest, path in found if path is not None}

    def verified(self, digest: Digest, size_bytes: int) -> Path | None:
        """The file of a blob whose contents this process has hashed, now or before; None when not sound."""
        return self._check(digest, size_bytes, self._verified.get(digest))

    def set_aside(self, path: Path) -> None:
        """Takes a blob that is not what its name says out of the way, for people to look at."""
        if self._database.writable:
            path.replace(path.with_name(path.name + ".damaged"))

    def flush(self, connection: sqlite3.Connection) -> None:
        """Writes what is newly known, within the caller's transaction."""
        if not self._fresh:
            return
        fresh, self._fresh = self._fresh, {}
        rows = [(digest, *looks) for digest, looks in list(fresh.items())]
        connection.executemany("INSERT OR REPLACE INTO blob_files VALUES (?, ?, ?)", rows)

    def _check(self, digest: Digest, size_bytes: int, trusted: Looks | None) -> Path | None:
        path = self._bucket.path_of(digest)
        if path is None:
            return None
        looks = _looks(path)
        if looks == trusted and looks[0] == size_bytes:
            return path
        if looks[0] == size_bytes and file_digest(path) == digest:
            self._fresh[digest] = self._verified[digest] = looks
            return path
        self.set_aside(path)
        return None


def _looks(path: Path) -> Looks:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns
