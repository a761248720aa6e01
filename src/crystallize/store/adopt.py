"""Adopting: what `export.py` wrote elsewhere becomes part of this store.

Every digest that can be computed anew is, before anything is committed: of blobs, of manifests, of what jobs read.
Nothing is unpickled, and a record whose metrics hold pickles, which a later reuse would load, is left out unless the
caller trusts the file.
"""

from __future__ import annotations

import json
import sqlite3
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from crystallize.errors import StoreError
from crystallize.fingerprint.digest import Digest, digest_bytes, digest_of
from crystallize.fingerprint.manifest import Manifest, PartTable
from crystallize.store.codecs import holds_pickle
from crystallize.store.details import unpack_parts
from crystallize.store.export import BLOBS, FORMAT, HEAD, RECORDS, SHARED, Row
from crystallize.store.intake import SMALL_BYTES
from crystallize.store.observed import OBSERVED_KIND
from crystallize.store.records import once_fingerprint, outputs_of, seal
from crystallize.store.store import Store
from crystallize.store.sweep import alone

_UNREADABLE = (KeyError, TypeError, ValueError, EOFError, RecursionError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted:
    """What became of a file's records."""

    records: int
    """New in the store."""
    present: int
    """There already, so passed over."""
    untrusted: int
    """Left out because their metrics hold pickles."""
    blobs: int
    """New in the store."""
    labels: tuple[str, ...]
    """Of the new records, in order."""


def adopt(store: Store, file: Path, *, run: int, trusted: bool = False) -> Adopted:
    """Adds the records of `file` that `store` does not have; called again, it adds nothing.

    Parameters
    ----------
    run : number of the run, in the store's own history, that the records shall belong to.
    trusted : take records whose metrics hold pickles, too.

    Raises StoreError when the file is none of ours or anything in it is not what its digest says; then no record was
    added. OSError when it cannot be read.
    """
    with alone(store):
        try:
            with zipfile.ZipFile(file) as archive:
                shared = _shared(archive)
                rows = list(_rows(archive, shared["part_tables"]))
                kept = [row for row in rows if trusted or not holds_pickle(bytes.fromhex(row["payload"]))]
                there = _present(store)
                new = [row for row in kept if _identity(row) not in there]
                small, large = _take_blobs(store, archive, new)
        except _UNREADABLE as error:
            told = str(error) or type(error).__name__
            raise StoreError(f"{file}: it is damaged, or no export of crystallize ({told}); export it again") from error
        with store.database.transaction() as connection:
            store.blobs.insert(connection, small.items())
            _insert(connection, store.latest_number(), new, shared, run)
    return Adopted(
        records=len(new),
        present=len(kept) - len(new),
        untrusted=len(rows) - len(kept),
        blobs=len(small) + large,
        labels=tuple(dict.fromkeys(row["label"] for row in new)),
    )


def _shared(archive: zipfile.ZipFile) -> dict[str, dict[bytes, bytes]]:
    """Table → digest → contents. Raises ValueError for contents that are not what their digest says."""
    head = json.loads(archive.read(HEAD))
    if head["format"] != FORMAT:
        raise ValueError(f"its format is {head['format']!r}, this one reads {FORMAT!r}")
    shared = {
        table: {bytes.fromhex(row["digest"]): bytes.fromhex(row["contents"]) for row in _lines(archive, table)}
        for table in SHARED
    }
    for digest, packed in shared["part_tables"].items():
        _check(PartTable(unpack_parts(packed)).digest, digest, "a manifest")
    for digest, packed in shared["observations"].items():
        _check(digest_of(OBSERVED_KIND, packed), digest, "a list of what was read")
    return shared


def _rows(archive: zipfile.ZipFile, tables: dict[bytes, bytes]) -> Iterator[Row]:
    for row in _lines(archive, RECORDS.removesuffix(".jsonl")):
        table = PartTable(unpack_parts(tables[bytes.fromhex(row["part_table"])]))
        made_of = Manifest(row["kind"], table, unpack_parts(bytes.fromhex(row["own"]))).fingerprint
        row["once"] = bytes.fromhex(row["fingerprint"]) == once_fingerprint(made_of, row["number"])
        if not row["once"]:
            _check(made_of, bytes.fromhex(row["fingerprint"]), f"record {row['number']}")
        row["made_of"] = made_of
        yield row


def _take_blobs(store: Store, archive: zipfile.ZipFile, rows: list[Row]) -> tuple[dict[Digest, bytes], int]:
    """The small blobs that the rows lack, by digest, and how many large ones were put into the store."""
    small: dict[Digest, bytes] = {}
    large = 0
    there = store.blobs.sizes()
    if not any(outputs_of(bytes.fromhex(row["outputs"])) for row in rows):
        return small, large
    with TemporaryDirectory(dir=store.scratch_folder()) as folder:
        for entry in archive.infolist():
            digest = Digest(bytes.fromhex(entry.filename.removeprefix(BLOBS))) if _is_blob(entry) else None
            if digest is None or digest in there:
                continue
            if entry.file_size <= SMALL_BYTES:
                data = archive.read(entry)
                _check(digest_bytes(data), digest, "a blob")
                small[digest] = data
            else:
                entry.filename = "blob"  # nobody's file name decides where we write
                _check(store.blobs.keep_file(Path(archive.extract(entry, folder))), digest, "a blob")
                large += 1
    return small, large


def _is_blob(entry: zipfile.ZipInfo) -> bool:
    return entry.filename.startswith(BLOBS)


def _present(store: Store) -> set[tuple[Any, ...]]:
    return {
        (label, created, outputs.hex(), table.hex(), own.hex())
        for label, created, outputs, table, own in store.database.read(
            "SELECT label, created, outputs, part_table, own FROM records JOIN details USING (number)"
        )
    }


def _identity(row: Row) -> tuple[Any, ...]:
    return row["label"], row["created"], row["outputs"], row["part_table"], row["own"]


def _insert(
    connection: sqlite3.Connection, last: int, rows: list[Row], shared: dict[str, dict[bytes, bytes]], run: int
) -> None:
    for table, contents in shared.items():
        connection.executemany(f"INSERT OR IGNORE INTO {table} VALUES (?, ?)", contents.items())
    for number, row in enumerate(rows, last + 1):
        fingerprint = once_fingerprint(row["made_of"], number) if row["once"] else row["made_of"]
        outputs = bytes.fromhex(row["outputs"])
        payload = seal(fingerprint, bytes.fromhex(row["payload"]), outputs)
        made = (row["label"], row["kind"], payload, outputs, row["seconds"], run, row["created"])
        connection.execute("INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", (number, fingerprint, *made))
        explained = (bytes.fromhex(row["part_table"]), bytes.fromhex(row["own"]), row["provenance"])
        connection.execute("INSERT INTO details VALUES (?, ?, ?, ?)", (number, *explained))
        if row["observations"] is not None:
            connection.execute("INSERT INTO observed VALUES (?, ?)", (number, bytes.fromhex(row["observations"])))
    # What the user or a failure has discarded stays discarded: an adopted record is older than that.
    connection.execute("UPDATE floors SET number = ?", (last + len(rows),))
    connection.execute("UPDATE views SET after = ? WHERE after IS NOT NULL", (last + len(rows),))


def _lines(archive: zipfile.ZipFile, name: str) -> Iterator[Row]:
    return map(json.loads, archive.read(f"{name}.jsonl").splitlines())


def _check(found: bytes, expected: bytes, what: str) -> None:
    if found != expected:
        raise ValueError(f"{what} is not what its digest says")
