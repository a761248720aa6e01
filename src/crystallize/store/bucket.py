"""The seam "where bytes lie", and its local implementation: a folder of files named by their digests.

Knows digests only: what a blob is part of, and whether anything refers to it, is known above.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from crystallize.errors import StoreError
from crystallize.fingerprint.digest import Digest, digest_bytes
from crystallize.fingerprint.files import file_digest
from crystallize.store.placing import place_file


class Bucket(Protocol):
    """Keeps immutable blobs by digest. The third of the three seams.

    The store calls ``put_bytes`` and ``put_file`` once for every output larger than 16 KiB (every member of a
    folder by itself), in the driver or in a worker, while its job runs: *before* any record names the blob.
    Several threads and processes may put the same contents at once. When a put returns, the blob is whole and
    stays until it is removed; when it raises, or its process is killed, there is either the whole blob or
    none, and calling it again is right. A blob that is there already is not written again.

    ``path_of`` is called for every large output of a job about to be reused, and before each read: it must be
    cheap (one `stat`). It returns a local file that is only ever read, or None when the blob is absent. Its
    contents are *not* promised: whoever reads them checks the digest, and renames or removes a file that
    lies.

    ``remove`` is called by nothing but the sweep and by whoever found a blob damaged; an absent blob is no
    error.

    ``digests`` is called by the sweep only; blobs put or removed meanwhile may or may not be among them.
    """

    def path_of(self, digest: Digest) -> Path | None:
        """A local file with these contents, None when absent."""

    def put_bytes(self, data: bytes) -> Digest:
        """Keeps `data`."""

    def put_file(self, path: Path, *, move: bool) -> tuple[Digest, int]:
        """Keeps a file's contents; returns their digest and size in bytes. With `move` the file is gone."""

    def remove(self, digest: Digest) -> None:
        """Forgets a blob."""

    def digests(self) -> Iterator[Digest]:
        """Every blob there is, in any order."""


class FolderBucket:
    """Files below a folder: ``ab/cdef…``, not writable by mode. New ones appear by rename, from ``new/``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._counter = itertools.count()
        self._token = os.urandom(6).hex()
        """Tells this bucket's new files from those of another machine, which may have the same process ids."""

    def path_of(self, digest: Digest) -> Path | None:
        """The blob's own file: never write to it."""
        path = self._path(digest)
        return path if path.is_file() else None

    def put_bytes(self, data: bytes) -> Digest:
        """Writes a new file unless the blob is there."""
        digest = digest_bytes(data)
        if self.path_of(digest) is None:
            new = self._new()
            new.write_bytes(data)
            self._settle(new, digest)
        return digest

    def put_file(self, path: Path, *, move: bool) -> tuple[Digest, int]:
        """Hashes the file, or a copy of it unless it may be moved from here, and renames that into place."""
        new = path
        if not move or not self._on_same_device(path):
            new = self._new()
            place_file(path, new, link=False)
        digest, size = file_digest(new), new.stat().st_size
        if self.path_of(digest) is None:
            self._settle(new, digest)
        else:
            new.unlink()
        if move:
            path.unlink(missing_ok=True)
        return digest, size

    def remove(self, digest: Digest) -> None:
        """Deletes the blob's file."""
        self._path(digest).unlink(missing_ok=True)

    def digests(self) -> Iterator[Digest]:
        """The blobs by the names of their files; files with other names are passed over."""
        for path in self.folder.glob("??/*"):
            with suppress(ValueError):
                digest = bytes.fromhex(path.parent.name + path.name)
                if len(digest) == 32:
                    yield Digest(digest)

    def _path(self, digest: Digest) -> Path:
        name = digest.hex()
        return self.folder / name[:2] / name[2:]

    def _new(self) -> Path:
        folder = self.folder / "new"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"{folder}: {error.strerror}; make the folder writable") from error
        return folder / f"{os.getpid()}-{self._token}-{next(self._counter)}"

    def _settle(self, new: Path, digest: Digest) -> None:
        with suppress(PermissionError):
            new.chmod(0o444)
        final = self._path(digest)
        final.parent.mkdir(parents=True, exist_ok=True)
        new.replace(final)

    def _on_same_device(self, path: Path) -> bool:
        return path.stat().st_dev == self._new().parent.stat().st_dev
