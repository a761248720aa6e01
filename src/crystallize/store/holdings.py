"""Holdings: what one store holds, and what of it is needed: by views, by pins, by the tables of other rooms.

Read once, as plain data, for `status`, `sweep`, `forget` and `export`. Decides nothing and changes nothing.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from crystallize.fingerprint.digest import Digest
from crystallize.store.codecs import packed_digests, unpack
from crystallize.store.database import Database
from crystallize.store.pins import pinned_records
from crystallize.store.placing import NEW
from crystallize.store.record import Output
from crystallize.store.records import outputs_of
from crystallize.store.store import Store

DIGEST_BYTES = 32
_NEW_NAME = re.compile(rf"{re.escape(NEW)}\d+-\d+")
_HEX_DIGEST = re.compile(r"\b[0-9a-f]{64}\b")
_NO_REFERENCES = frozenset(
    {"blob_files", "blobs", "details", "floors", "memo_shapes", "memos", "meta", "observations", "observed", "pieces"}
    | {"part_tables", "pins", "records", "remembered_digests", "run_groups", "run_jobs", "run_reused", "runs"}
    | {"sources", "swept", "view_files", "views"}
)
"""Tables in which a digest asks for no blob, or whose blobs are found by their columns."""


class Held(NamedTuple):
    """One record, or one memo of a step, as far as care needs it."""

    number: int
    """Of a record; a memo has its place among the memos, negative."""
    label: str
    """Empty for a memo."""
    kind: str
    """Likewise."""
    seconds: float
    """What it cost."""
    created: float
    """Seconds since the epoch."""
    outputs: tuple[Output, ...]
    leaves: frozenset[Digest]
    """The blobs of all its outputs, there or not."""
    memo: int | None = None
    """The row of a memo."""

    @property
    def group(self) -> str:
        """The experiment: the first word of the label."""
        return self.label.partition("/")[0]


@dataclass(frozen=True, slots=True)
class Holdings:
    """What a store holds."""

    records: tuple[Held, ...]
    """By number."""
    memos: tuple[Held, ...]
    """Oldest first."""
    sizes: dict[Digest, int]
    """Every blob that is there → bytes."""
    pinned: frozenset[int]
    """Numbers of pinned records."""
    needed: frozenset[Digest]
    """Blobs that a view shows, a pinned record wrote, or a table of another room refers to."""
    users: Counter[Digest] = field(default_factory=Counter)
    """Blob → how many records and memos have it."""

    @classmethod
    def of(cls, store: Store) -> Holdings:
        """Reads what `store` holds."""
        records, memos = tuple(_records(store)), tuple(_memos(store))
        pinned = frozenset(pinned_records(store.database))
        needed = set(_shown(store)) | set(_referred(store.database))
        for record in records:
            if record.number in pinned:
                needed |= record.leaves
        users = Counter(leaf for held in (*records, *memos) for leaf in held.leaves)
        return cls(records, memos, store.blobs.sizes(), pinned, frozenset(needed), users)

    def orphans(self) -> set[Digest]:
        """Blobs that nothing refers to: left by jobs that were killed, or by records that were forgotten."""
        return {digest for digest in self.sizes if digest not in self.users and digest not in self.needed}

    def bytes_of(self, digests: Iterable[Digest]) -> int:
        """What those of `digests` that are there take."""
        return sum(self.sizes.get(digest, 0) for digest in digests)


def leftovers(store: Store, before: float) -> list[Path]:
    """Temporary files of jobs that were killed, and damaged files set aside, last changed before `before` (epoch)."""
    blobs = store.folder / "blobs"
    places = [*(store.folder / "scratch").glob("*"), *(blobs / "new").glob("*"), *blobs.glob("??/*.damaged")]
    places += _left_in_views(store)
    return sorted(path for path in places if path.lstat().st_ctime < before)


def _left_in_views(store: Store) -> Iterator[Path]:
    """What should have taken the place of a view's file or folder."""
    for folder, folders, files in os.walk(store.root):
        yield from (Path(folder, name) for name in (*folders, *files) if _NEW_NAME.fullmatch(name))
        folders[:] = [name for name in folders if not _NEW_NAME.fullmatch(name) and Path(folder, name) != store.folder]


def _records(store: Store) -> Iterator[Held]:
    leaves: dict[Digest, frozenset[Digest]] = {}
    rows = store.database.read("SELECT number, label, kind, seconds, created, outputs FROM records ORDER BY number")
    for number, label, kind, seconds, created, packed in rows:
        outputs = outputs_of(packed)
        for output in outputs:
            if output.digest not in leaves:
                leaves[output.digest] = frozenset(store.blobs.leaves(output))
        consists_of = frozenset[Digest]().union(*(leaves[output.digest] for output in outputs))
        yield Held(number, label, kind, seconds, created, outputs, consists_of)


def _memos(store: Store) -> Iterator[Held]:
    if not store.database.has_table("memos"):
        return
    rows = store.database.read("SELECT rowid, outputs, seconds, created FROM memos ORDER BY rowid")
    for place, (row, packed, seconds, created) in enumerate(rows):
        try:
            digests, (listed, _) = unpack(packed)
            outputs = tuple(
                Output(n, s, Digest(d), size, tree) for d, (n, s, size, tree) in zip(digests, listed, strict=True)
            )
        except (TypeError, ValueError):
            outputs = ()  # a damaged row, which its room replaces
        leaves = frozenset[Digest]().union(*map(store.blobs.leaves, outputs))
        yield Held(place - len(rows), "", "", seconds, created, outputs, leaves, row)


def _shown(store: Store) -> Iterator[Digest]:
    rows = store.database.read("SELECT DISTINCT digest, size_bytes, is_tree FROM view_files")
    for digest, size, is_tree in rows:
        yield from store.blobs.leaves(Output("", "", Digest(digest), size, bool(is_tree)))


def _referred(database: Database) -> Iterator[Digest]:
    """Whatever may be a digest in tables that this room knows nothing of, now or in a later version.

    Conservative, after Boehm's collector: taking something else for a digest only keeps a blob.
    """
    names = [name for (name,) in database.read("SELECT name FROM sqlite_master WHERE type = 'table'")]
    for name in names:
        if name not in _NO_REFERENCES and not name.startswith("sqlite_"):
            for row in database.read(f'SELECT * FROM "{name}"'):
                for cell in row:
                    yield from _digests_in(cell)


def _digests_in(cell: Any) -> Iterator[Digest]:
    if isinstance(cell, str):
        yield from (Digest(bytes.fromhex(text)) for text in _HEX_DIGEST.findall(cell))
    elif isinstance(cell, bytes) and len(cell) == DIGEST_BYTES:
        yield Digest(cell)
    elif isinstance(cell, bytes):
        yield from map(Digest, packed_digests(cell))
