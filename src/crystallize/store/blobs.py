"""The contents of outputs, small ones in the database, large ones in the bucket: kept, checked, laid out.

What is lost or damaged is mended from a view that still shows it. Whatever a job reads is verified. Knows no
records.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path

from crystallize.errors import StoreError
from crystallize.fingerprint.digest import Digest, digest_bytes
from crystallize.fingerprint.files import file_digest
from crystallize.store import intake
from crystallize.store.bucket import Bucket
from crystallize.store.database import Database
from crystallize.store.intake import SMALL_BYTES, Kept
from crystallize.store.large import LargeBlobs
from crystallize.store.placing import place_file, replacing, write_whole
from crystallize.store.record import Output
from crystallize.store.trees import Member, decode_tree
from crystallize.store.views import Views


class Blobs:
    """The blobs of one store. Threads may share it."""

    def __init__(self, database: Database, bucket: Bucket, views: Views) -> None:
        self._database = database
        self._bucket = bucket
        self._views = views
        self._large = LargeBlobs(database, bucket)
        self._latest: dict[Digest, bytes] = {}
        """The small blobs that were put last: what a run shows at once is not read back for it."""

    # in

    def keep_bytes(self, name: str, step: str, data: bytes) -> Kept:
        """See `intake.keep_bytes`."""
        output, small = intake.keep_bytes(self._bucket, name, step, data)
        self.note(output, small)
        return output, small

    def keep_path(self, name: str, step: str, path: Path) -> Kept:
        """See `intake.keep_path`."""
        output, small = intake.keep_path(self._bucket, name, step, path)
        self.note(output, small)
        return output, small

    def note(self, output: Output, small: Mapping[Digest, bytes]) -> None:
        """Remembers that what is large of an output was put into the bucket just now, and therefore hashed."""
        digests = (member.digest for member in self._members(output, small)) if output.is_tree else (output.digest,)
        for digest in digests:
            if digest is not None and digest not in small:
                self._large.note(digest)

    def insert(self, connection: sqlite3.Connection, small: Iterable[tuple[Digest, bytes]]) -> None:
        """Adds small blobs, and what is newly known of large ones, within the caller's transaction."""
        self._latest = dict(small)
        connection.executemany("INSERT OR IGNORE INTO blobs VALUES (?, ?)", self._latest.items())
        self._large.flush(connection)

    # out

    def read(self, output: Output, pending: Mapping[Digest, bytes]) -> bytes:
        """The verified contents of a file. Raises StoreError when they are lost, or it is a folder."""
        if output.is_tree:
            raise StoreError(f"{tell(output)} is a folder; read it through a loader, which is given its path")
        return self._contents(output, output.digest, pending)

    def small_of(self, output: Output) -> dict[Digest, bytes]:
        """Digest → verified contents of all that is small in an output. Raises StoreError when they are lost."""
        sizes = {output.digest: output.size_bytes}
        small: dict[Digest, bytes] = {}
        if output.is_tree:
            listing = small[output.digest] = self._contents(output, output.digest, {})
            sizes = {member.digest: member.size_bytes for member in decode_tree(listing) if member.digest is not None}
        wanted = (digest for digest, size in sizes.items() if size <= SMALL_BYTES)
        return small | {digest: self._contents(output, digest, {}) for digest in wanted}

    def lay(
        self, output: Output, target: Path | str, *, verify: bool, pending: Mapping[Digest, bytes] = {}
    ) -> os.stat_result:
        """Puts the file or folder at `target`, at once and in place of what is there; returns its stat.

        With `verify` large files are hashed, once per process. Raises StoreError when contents are gone or
        damaged.
        """
        if not output.is_tree and output.size_bytes <= SMALL_BYTES:
            shown = None if verify else self._latest.get(output.digest)
            return write_whole(*os.path.split(target), shown or self._contents(output, output.digest, pending))
        members = self._members(output, pending) if output.is_tree else []
        with replacing(Path(target)) as new:
            if output.is_tree:
                new.mkdir()
            else:
                self._write(output, output.digest, output.size_bytes, new, verify, pending)
            for member in members:
                place = new / member.path
                if member.digest is None:
                    place.mkdir(parents=True)
                else:
                    place.parent.mkdir(parents=True, exist_ok=True)
                    self._write(output, member.digest, member.size_bytes, place, verify, pending)
            if output.is_tree:
                os.utime(new)  # no older than its members, so that its own time tells of a change in any of them
        return os.stat(target)  # noqa: PTH116  (a Path or a text)

    def absent(self, outputs: Iterable[Output]) -> set[Digest]:
        """The digests of those outputs that are not there as a whole and cannot be mended.

        Asks for rows and stats, in batches; reads contents only where those do not fit.
        """
        files: dict[Digest, int] = {}
        trees: dict[Digest, list[Member] | None] = {}
        for output in outputs:
            if not output.is_tree:
                files[output.digest] = output.size_bytes
            elif output.digest not in trees:
                trees[output.digest] = self._members_or_none(output)
        sizes = dict(files)
        for members in trees.values():
            sizes.update((m.digest, m.size_bytes) for m in members or () if m.digest is not None)
        without = self._absent_files(sizes)
        lost = {digest for digest in without & files.keys() if not self._mend(digest, self._shown(digest))}
        lost.update(tree for tree, members in trees.items() if not self._mend_tree(tree, members, without))
        return lost

    def small_among(self, digests: Iterable[bytes]) -> set[bytes]:
        """Those that are in the database: small files, and listings of folders."""
        rows = self._database.read_for("SELECT digest FROM blobs WHERE digest IN ({keys})", digests)
        return {row[0] for row in rows}

    # care of the store

    def sizes(self) -> dict[Digest, int]:
        """Every blob that is there, whoever refers to it → its size in bytes."""
        found = {Digest(digest): size for digest, size in self._database.read("SELECT digest, length(data) FROM blobs")}
        for digest in self._bucket.digests():
            path = self._bucket.path_of(digest)
            if path is not None:
                found[digest] = path.stat().st_size
        return found

    def leaves(self, output: Output) -> set[Digest]:
        """The blobs that an output consists of: itself, and the files of a folder, as far as its listing is there."""
        if not output.is_tree:
            return {output.digest}
        members = self._members_or_none(output) or []
        return {output.digest, *(member.digest for member in members if member.digest is not None)}

    def verified(self, digest: Digest, size_bytes: int) -> bytes | Path | None:
        """The hashed contents: the bytes of a small blob, the file of a large one, None when they are lost.

        What is damaged is taken away, where anything may be written.
        """
        return self._large.verified(digest, size_bytes) if size_bytes > SMALL_BYTES else self._stored(digest)

    def keep_file(self, path: Path) -> Digest:
        """Moves a large file into the store; returns its digest."""
        digest, _ = self._bucket.put_file(path, move=True)
        self._large.note(digest)
        return digest

    def take_out(self, connection: sqlite3.Connection, digests: Iterable[Digest]) -> None:
        """Removes the rows of blobs within the caller's transaction; `remove_files` removes the files after it."""
        rows = [(digest,) for digest in digests]
        connection.executemany("DELETE FROM blobs WHERE digest = ?", rows)
        connection.executemany("DELETE FROM blob_files WHERE digest = ?", rows)

    def remove_files(self, digests: Iterable[Digest]) -> None:
        """Removes large blobs; absent ones are no error."""
        for digest in digests:
            self._bucket.remove(digest)

    # parts of the above

    def _members(self, output: Output, pending: Mapping[Digest, bytes]) -> list[Member]:
        return decode_tree(self._contents(output, output.digest, pending))

    def _members_or_none(self, output: Output) -> list[Member] | None:
        try:
            return self._members(output, {})
        except StoreError:
            return None

    def _contents(self, output: Output, digest: Digest, pending: Mapping[Digest, bytes]) -> bytes:
        """Verified bytes of the output, or of its member with this digest."""
        data = pending.get(digest)
        if data is None:
            data = self._stored(digest)
        if data is None and self._mend(digest, self._shown(digest)):
            data = self._stored(digest)
        if data is None:
            raise _gone(output)
        return data

    def _stored(self, digest: Digest) -> bytes | None:
        """What lies under the digest, verified; None when nothing does. What is damaged is taken away."""
        rows = self._database.read("SELECT data FROM blobs WHERE digest = ?", (digest,))
        path = None if rows else self._bucket.path_of(digest)
        if not rows and path is None:
            return None
        data: bytes = rows[0][0] if path is None else path.read_bytes()
        if digest_bytes(data) == digest:
            return data
        if path is not None:
            self._large.set_aside(path)
        elif self._database.writable:
            with self._database.transaction() as connection:
                connection.execute("DELETE FROM blobs WHERE digest = ?", (digest,))
        return None

    def _write(
        self,
        output: Output,
        digest: Digest,
        size_bytes: int,
        place: Path,
        verify: bool,
        pending: Mapping[Digest, bytes],
    ) -> None:
        """Writes one file's contents to `place`, which does not exist."""
        if size_bytes <= SMALL_BYTES:
            place.write_bytes(self._contents(output, digest, pending))
            return
        source = self._large_file(digest, size_bytes, verify)
        if source is None and self._mend(digest, self._shown(digest)):
            source = self._large_file(digest, size_bytes, verify)
        if source is None:
            raise _gone(output)
        place_file(source, place, link=True)

    def _large_file(self, digest: Digest, size_bytes: int, verify: bool) -> Path | None:
        if verify:
            return self._large.verified(digest, size_bytes)
        return self._large.sound({digest: size_bytes}).get(digest)

    def _absent_files(self, sizes: Mapping[Digest, int]) -> set[Digest]:
        small = [digest for digest, size in sizes.items() if size <= SMALL_BYTES]
        large = {digest: size for digest, size in sizes.items() if size > SMALL_BYTES}
        return sizes.keys() - self.small_among(small) - (self._large.sound(large).keys() if large else set())

    def _shown(self, digest: Digest) -> list[Path]:
        return [self._views.path_of(file) for file in self._views.showing(digest)]

    def _mend(self, digest: Digest, places: Iterable[Path]) -> bool:
        """Puts a lost blob back from one of `places` that still has it; False when none has.

        Where nothing may be written it says only whether it could be.
        """
        for place in places:
            if not place.is_file() or file_digest(place) != digest:
                continue
            if self._database.writable and place.stat().st_size > SMALL_BYTES:
                self._bucket.put_file(place, move=False)
            elif self._database.writable:
                with self._database.transaction() as connection:
                    self.insert(connection, [(digest, place.read_bytes())])
            return True
        return False

    def _mend_tree(self, tree: Digest, members: list[Member] | None, without: set[Digest]) -> bool:
        if members is None:
            return False
        lost = [(member.digest, member.path) for member in members if member.digest in without]
        folders = self._shown(tree) if lost else []
        return all(
            self._mend(digest, [folder / path for folder in folders]) for digest, path in lost if digest is not None
        )


def tell(output: Output) -> str:
    """What an output is called in messages."""
    return f"artifact '{output.name}'" + (f" of step '{output.step}'" if output.step else "")


def _gone(output: Output) -> StoreError:
    return StoreError(
        f"{tell(output)} is gone from the store, or damaged; run again, and the job that made it runs first"
    )
