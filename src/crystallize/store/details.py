"""What explains a record, kept apart from it: its manifest, the source text behind it, its provenance.

Tables of parts and definitions are shared by many records and stored once, by digest. Read only when
somebody asks why.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

from crystallize.fingerprint.digest import Digest
from crystallize.fingerprint.manifest import Part, PartTable, Piece
from crystallize.fingerprint.secret import mentions_secret, without_secrets
from crystallize.store.codecs import pack, to_json, unpack
from crystallize.store.database import Database
from crystallize.store.record import NewRecord


class Previous(NamedTuple):
    """An earlier record, as far as a difference to it needs it."""

    number: int
    fingerprint: Digest
    kind: str
    table: Digest
    """Digest of the shared part table; see `Details.shared_parts`."""
    own: tuple[Part, ...]


class Details:
    """The details of one store's records. Threads may share it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._stored: set[Digest] = set()
        """Tables and definitions that are known to be there."""
        self._shared: dict[Digest, tuple[Part, ...]] = {}

    def insert(self, connection: sqlite3.Connection, numbered: Iterable[tuple[int, NewRecord]]) -> None:
        """Adds the details of records within the caller's transaction; call `committed` when that is over."""
        rows = []
        tables: dict[Digest, PartTable] = {}
        for number, record in numbered:
            table = record.manifest.table
            rows.append((number, table.digest, _pack_parts(record.manifest.own), _to_text(record.provenance)))
            tables[table.digest] = table
        connection.executemany("INSERT INTO details VALUES (?, ?, ?, ?)", rows)
        new = [table for digest, table in tables.items() if digest not in self._stored]
        if new:
            _insert_tables(connection, new, self._stored)

    def committed(self, records: Iterable[NewRecord]) -> None:
        """Remembers that the tables of these records need not be written again."""
        for record in records:
            table = record.manifest.table
            if table.digest not in self._stored:
                self._stored.add(table.digest)
                self._stored.update(table.pieces)

    def manifest_of(self, number: int) -> tuple[str, list[Part]] | None:
        """Kind and parts of a record's manifest; None when there is no such record."""
        rows = self._database.read(
            "SELECT kind, part_table, own FROM records JOIN details USING (number) WHERE number = ?",
            (number,),
        )
        if not rows:
            return None
        kind, table, own = rows[0]
        return kind, [*self.shared_parts(table), *unpack_parts(own)]

    def shared_parts(self, table: Digest) -> tuple[Part, ...]:
        """The parts of a stored table, empty when unknown; remembered, as few tables serve many records."""
        parts = self._shared.get(table)
        if parts is None:
            rows = self._database.read("SELECT parts FROM part_tables WHERE digest = ?", (table,))
            parts = self._shared[table] = unpack_parts(rows[0][0]) if rows else ()
        return parts

    def previous_of(self, labels: Sequence[str]) -> dict[str, Previous]:
        """Label → its newest record, for those labels that have one."""
        found = self._database.read_for(
            "SELECT label, number, fingerprint, kind, part_table, own"
            " FROM records JOIN details USING (number)"
            " WHERE number IN (SELECT max(number) FROM records WHERE label IN ({keys}) GROUP BY label)",
            labels,
        )
        return {
            label: Previous(number, fingerprint, kind, table, unpack_parts(own))
            for label, number, fingerprint, kind, table, own in found
        }

    def pieces_of(self, digest: Digest) -> list[Piece]:
        """The definitions behind a code part, as first stored; empty when unknown."""
        rows = self._database.read("SELECT listing FROM pieces WHERE digest = ?", (digest,))
        if not rows:
            return []
        digests, names = unpack(rows[0][0])
        texts = dict(self._database.read_for("SELECT digest, text FROM sources WHERE digest IN ({keys})", digests))
        return [
            Piece(name, Digest(piece), texts[piece].decode("utf-8", "surrogatepass"))
            for name, piece in zip(names, digests, strict=True)
        ]

    def provenance_of(self, number: int) -> Any:
        """The provenance as it was recorded; None when there is none."""
        rows = self._database.read("SELECT provenance FROM details WHERE number = ?", (number,))
        return json.loads(rows[0][0]) if rows and rows[0][0] is not None else None


def _insert_tables(connection: sqlite3.Connection, tables: Iterable[PartTable], stored: Collection[Digest]) -> None:
    """Adds the tables, and the definitions behind their parts that are not among those `stored`."""
    pieces: dict[Digest, Sequence[Piece]] = {}
    for table in tables:
        connection.execute("INSERT OR IGNORE INTO part_tables VALUES (?, ?)", (table.digest, _pack_parts(table.parts)))
        pieces.update((digest, listed) for digest, listed in table.pieces.items() if digest not in stored)
    for digest, listed in pieces.items():
        listing = pack([piece.digest for piece in listed], [piece.name for piece in listed])
        connection.execute("INSERT OR IGNORE INTO pieces VALUES (?, ?)", (digest, listing))
        connection.executemany(
            "INSERT OR IGNORE INTO sources VALUES (?, ?)",
            [(piece.digest, piece.text.encode("utf-8", "surrogatepass")) for piece in listed],
        )


def _pack_parts(parts: Sequence[Part]) -> bytes:
    return pack([part[1] for part in parts], [(part[0], part[2]) for part in parts])


def unpack_parts(packed: bytes) -> tuple[Part, ...]:
    """The parts of a cell, in order; none when it is damaged: it only explains, and its digest tells."""
    try:
        digests, texts = unpack(packed)
        return tuple(
            Part(name, Digest(digest), preview) for digest, (name, preview) in zip(digests, texts, strict=True)
        )
    except (ValueError, TypeError):
        return ()


def _to_text(provenance: Any) -> str | None:
    """Provenance as it is kept: what lies under the name of a secret is not."""
    if provenance is None:
        return None
    text = to_json(provenance)
    return to_json(without_secrets(json.loads(text))) if mentions_secret(text) else text
