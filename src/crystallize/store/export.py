"""Exporting: the records of an experiment, with all that explains them and all they wrote, as one file.

A zip archive: rows as lines of JSON, bytes in them as hexadecimal digits, blobs as members named by their digests.
`adopt.py` reads it.
"""

from __future__ import annotations

import json
import time
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crystallize.errors import StoreError
from crystallize.store.codecs import packed_digests
from crystallize.store.forget import labels_of
from crystallize.store.placing import replacing
from crystallize.store.records import outputs_of, unseal
from crystallize.store.store import Store

FORMAT = "crystallize export/1"
HEAD = "crystallize.json"
RECORDS = "records.jsonl"
BLOBS = "blobs/"
SHARED = {"part_tables": "parts", "pieces": "listing", "sources": "text", "observations": "listing"}
"""Tables with contents by digest, and the column of the contents. Each lies in ``<table>.jsonl``."""

_ROWS = """
    SELECT number, label, kind, fingerprint, payload, outputs, seconds, created,
        part_table, own, provenance, observations
    FROM records JOIN details USING (number) LEFT JOIN observed USING (number) WHERE label IN ({keys})
"""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What was written."""

    records: int
    blobs: int
    bytes: int
    """Of the file."""
    lacking: tuple[str, ...]
    """Outputs that the store does not have any more: their jobs run again wherever the file is imported."""


def export(store: Store, selection: str, target: Path) -> Exported:
    """Writes what ``EXPERIMENT[:condition[:replicate]]`` means to `target`, at once and in place of what is there.

    Raises StoreError for a record that is damaged, OSError when `target` cannot be written.
    """
    rows = _rows(store, labels_of(store, selection))
    outputs = {output.digest: output for row in rows for output in outputs_of(bytes.fromhex(row["outputs"]))}
    gone = store.blobs.absent(outputs.values())
    sizes = store.blobs.sizes()
    leaves = sorted({leaf for digest in outputs.keys() - gone for leaf in store.blobs.leaves(outputs[digest])})
    with (
        replacing(target) as new,
        zipfile.ZipFile(new, "w", zipfile.ZIP_DEFLATED, compresslevel=1, strict_timestamps=False) as archive,
    ):
        archive.writestr(HEAD, json.dumps({"format": FORMAT, "selection": selection, "created": time.time()}))
        archive.writestr(RECORDS, _lines(rows))
        for table, contents in _shared(store, rows).items():
            lines = [{"digest": digest.hex(), "contents": data.hex()} for digest, data in contents.items()]
            archive.writestr(f"{table}.jsonl", _lines(lines))
        for leaf in leaves:
            source = store.blobs.verified(leaf, sizes[leaf])
            if source is None:
                raise StoreError(f"{store.folder}: a blob is damaged; run crystallize store verify, then export again")
            if isinstance(source, Path):
                archive.write(source, BLOBS + leaf.hex())
            else:
                archive.writestr(BLOBS + leaf.hex(), source)
    return Exported(
        records=len(rows),
        blobs=len(leaves),
        bytes=target.stat().st_size,
        lacking=tuple(sorted(outputs[digest].name for digest in gone)),
    )


def _rows(store: Store, labels: list[str]) -> list[Row]:
    if not labels:
        return []
    return [_row(*row) for row in sorted(store.database.read_for(_ROWS, labels), key=lambda row: row[0])]


def _row(number: int, label: str, kind: str, fingerprint: bytes, payload: bytes, outputs: bytes, *more: Any) -> Row:
    seconds, created, part_table, own, provenance, observations = more
    try:
        plain = unseal(fingerprint, payload, outputs)
    except StoreError as error:
        raise StoreError(f"record {number} ({label}): {error}; forget it, then export again") from error
    return {
        "number": number,
        "label": label,
        "kind": kind,
        "fingerprint": fingerprint.hex(),
        "payload": plain.hex(),
        "outputs": outputs.hex(),
        "seconds": seconds,
        "created": created,
        "part_table": part_table.hex(),
        "own": own.hex(),
        "provenance": provenance,
        "observations": None if observations is None else observations.hex(),
    }


def _shared(store: Store, rows: Iterable[Row]) -> dict[str, dict[bytes, bytes]]:
    """Table → digest → contents: what the rows refer to, the definitions behind their parts, and those' sources."""
    listed = list(rows)
    tables = _contents(store, "part_tables", {bytes.fromhex(row["part_table"]) for row in listed})
    pieces = _contents(store, "pieces", _named_in(tables))
    seen = {bytes.fromhex(row["observations"]) for row in listed if row["observations"] is not None}
    return {
        "part_tables": tables,
        "pieces": pieces,
        "sources": _contents(store, "sources", _named_in(pieces)),
        "observations": _contents(store, "observations", seen),
    }


def _contents(store: Store, table: str, digests: Iterable[bytes]) -> dict[bytes, bytes]:
    return dict(
        store.database.read_for(f"SELECT digest, {SHARED[table]} FROM {table} WHERE digest IN ({{keys}})", digests)
    )


def _named_in(contents: dict[bytes, bytes]) -> set[bytes]:
    return {digest for packed in contents.values() for digest in packed_digests(packed)}


def _lines(rows: Iterable[Row]) -> str:
    return "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows)
