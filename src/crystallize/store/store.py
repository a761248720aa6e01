"""The store of one artifact root: records, blobs, views, floors and remembered digests, behind one door.

Knows no jobs and no experiments. Contents first, then records, then what is shown: blobs are in the bucket
before a record names them, and small ones are committed with it. The newest record is the one with the
highest number.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from crystallize.fingerprint.digest import Digest
from crystallize.fingerprint.files import StatKey
from crystallize.fingerprint.manifest import Part, Piece
from crystallize.fingerprint.reads.observations import Observation
from crystallize.store.ahead import Ahead, Held
from crystallize.store.blobs import Blobs, tell
from crystallize.store.bucket import Bucket, FolderBucket
from crystallize.store.database import Database
from crystallize.store.details import Details, Previous
from crystallize.store.home import make_home
from crystallize.store.intake import Kept
from crystallize.store.locks import Locks, is_locked
from crystallize.store.lookup import Lookup
from crystallize.store.memo import Memos
from crystallize.store.observed import Observed, Surveys, marked
from crystallize.store.record import NewRecord, Output, Record
from crystallize.store.records import SELECT_RECORD, encoded, record_of, row_of, settled
from crystallize.store.remembered import Remembered
from crystallize.store.salvage import salvage
from crystallize.store.swept import Swept
from crystallize.store.views import ViewFile, Views

FOLDER = ".crystallize"
DATABASE = "store.sqlite"
LOCKS = "locks"


class Store:
    """What is known of the jobs of one artifact root. Open it with `Store.open`; threads may share it.

    Every method raises StoreError when the disk or the database fails.
    """

    root: Path
    """The artifact root: views lie below it."""
    folder: Path
    """Where the store itself lies."""
    secret_key: bytes
    """32 random bytes of this store, for keyed hashes of what must not be shown."""
    database: Database
    """For rooms that keep tables of their own in the same file (history): see `Database.ensure`."""
    views: Views
    locks: Locks
    swept: Swept
    memos: Memos

    def __init__(self, root: Path, folder: Path, database: Database, bucket: Bucket, *, is_far: bool = False) -> None:
        self.root = root
        self.folder = folder
        self.database = database
        self._is_far = is_far
        self.secret_key = bytes(database.read("SELECT value FROM meta WHERE name = 'secret_key'")[0][0])
        self.views = Views(root, database)
        self.locks = Locks(folder / LOCKS if database.writable else None)
        self._blobs = Blobs(database, bucket, self.views)
        self.memos = Memos(database, self._blobs, folder)
        self.swept = Swept(database)
        self._ahead = Ahead(database, self._blobs)
        self.lookup = Lookup(database, self._ahead)
        self._details = Details(database)
        self._observed = Observed(database)
        self._remembered = Remembered(database)
        _open_stores[self._address] = self

    @classmethod
    def open(cls, root: Path, *, folder: Path | None = None, write: bool = True) -> Store:
        """Opens the store of `root`, creating it when `write`.

        Without `write` nothing at all is created or changed, and an absent store is an empty one.

        Parameters
        ----------
        folder : where it lies; ``<root>/.crystallize`` when None.

        Raises StoreError when the folder cannot be written, lies on a network file system, or was written by
        a newer version. A damaged database is set aside with a warning and salvaged, never an error.
        """
        root = root.absolute()
        folder = root / FOLDER if folder is None else folder.absolute()
        if write:
            make_home(folder)
        database = Database.open(folder / DATABASE, write=write)
        if write:
            salvage(database)
        return cls(root, folder, database, FolderBucket(folder / "blobs"))

    @classmethod
    def far(cls, root: Path, folder: Path) -> Store:
        """The store as a process on another machine has it: its bucket, and an empty database of its own.

        It keeps what is large, hands small contents back, and lays out inputs whose small contents are `pending`.
        """
        return cls(root, folder, Database.in_memory(folder / DATABASE), FolderBucket(folder / "blobs"), is_far=True)

    def close(self) -> None:
        """Writes what is remembered, frees all locks and closes the database. Harmless when called twice."""
        if self.database.is_open:
            if self.database.writable:
                with self.database.transaction() as connection:
                    self._blobs.insert(connection, ())
                    self._remembered.flush(connection)
            self.locks.close()
            self.database.close()

    @property
    def _address(self) -> tuple[Path, Path, bool]:
        return self.root, self.folder, self.database.writable or self._is_far

    def __reduce__(self) -> tuple[Any, ...]:
        """Stores travel as their address: another process uses the one that it has open, or opens one."""
        return _at, self._address

    def scratch_folder(self) -> Path:
        """A folder for temporary files on the store's file system, created; its users clean up themselves."""
        scratch = self.folder / "scratch"
        scratch.mkdir(parents=True, exist_ok=True)
        return scratch

    def outside_version(self) -> int:
        """A number that changes whenever another process (or another Store) commits something."""
        return self.database.version_of_data()

    def is_locked(self, fingerprint: Digest) -> bool:
        """Whether anybody on this machine holds this lock of the store."""
        return is_locked(self.folder / LOCKS, fingerprint)

    # records

    def read_ahead(self) -> Held | None:
        """What was read ahead, if it is true now: for the look-ups of one decision, right afterwards."""
        return self._ahead.held()

    def latest_number(self) -> int:
        """The highest record number ever given; 0 in an empty store. Numbers are never given twice."""
        rows = self.database.read("SELECT seq FROM sqlite_sequence WHERE name = 'records'")
        return int(rows[0][0]) if rows else 0

    def last_of_label(self, label: str) -> Record | None:
        """The newest record of a label."""
        return self._one("WHERE label = ? ORDER BY number DESC LIMIT 1", label)

    def record(self, number: int) -> Record | None:
        """The record with this number."""
        return self._one("WHERE number = ?", number)

    def put_many(self, records: Sequence[NewRecord]) -> list[Record]:
        """Commits the records, in order and all at once, with their details and small blobs.

        A record whose metrics or facts cannot be kept is returned with the number 0 and a warning is logged:
        its outputs are kept, and its job runs every time.
        """
        if not records:
            return []
        records = [marked(record) for record in records]
        payloads = [encoded(record) for record in records]
        created = time.time()
        with self.database.transaction() as connection:
            following = itertools.count(self.latest_number() + 1)
            numbers = [0 if payload is None else next(following) for payload in payloads]
            kept = [(number, record) for number, record in zip(numbers, records, strict=True) if number]
            rows = [row_of(*entry, created) for entry in zip(numbers, records, payloads, strict=True) if entry[0]]
            self._blobs.insert(connection, [item for record in records for item in record.small_blobs.items()])
            self._details.insert(connection, kept)
            self._observed.insert(connection, kept)
            connection.executemany("INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
            self._remembered.flush(connection)
        self._details.committed(kept)
        self._observed.look_again()
        return [settled(number, record, created) for number, record in zip(numbers, records, strict=True)]

    def manifest_of(self, number: int) -> tuple[str, list[Part]] | None:
        """Kind and parts of a record's manifest; None when there is no such record."""
        return self._details.manifest_of(number)

    def shared_parts(self, table: Digest) -> tuple[Part, ...]:
        """The parts of a stored part table; empty when it is unknown."""
        return self._details.shared_parts(table)

    def previous_of(self, labels: Sequence[str]) -> dict[str, Previous]:
        """Label → its newest record, as far as a difference to it needs it."""
        return self._details.previous_of(labels)

    def pieces_of(self, digest: Digest) -> list[Piece]:
        """The definitions behind a code part, as first stored; empty when unknown."""
        return self._details.pieces_of(digest)

    def provenance_of(self, number: int) -> Any:
        """The provenance of a record; None when it has none."""
        return self._details.provenance_of(number)

    def observations_of(self, number: int) -> tuple[Observation, ...]:
        """What the job of a record was seen to read."""
        return self._observed.of(number)

    def survey_with(self, surveyor: Surveys) -> None:
        """Lets `surveyor` say what is true now of what records rest on; without one, such records do not serve."""
        self._observed.surveyor = surveyor
        self._observed.look_again()

    def changed_observations(self, records: Sequence[Record]) -> dict[int, str]:
        """Record number → a sentence about what its job read that is not so any more, if anything is not."""
        return self._observed.changes(records)

    def last_seconds(self, labels: Sequence[str]) -> dict[str, float]:
        """Label → seconds that its newest record took."""
        rows = self.database.read_for(
            "SELECT label, seconds FROM records "
            "WHERE number IN (SELECT max(number) FROM records WHERE label IN ({keys}) GROUP BY label)",
            labels,
        )
        return dict(rows)

    # outputs

    @property
    def blobs(self) -> Blobs:
        """The contents of outputs, for the care of the store; jobs use the methods below."""
        return self._blobs

    def missing_output(self, record: Record) -> str | None:
        """A sentence about the first output that is not there, None when all are."""
        return self.missing_outputs([record]).get(record.number)

    def missing_outputs(self, records: Sequence[Record], ahead: Held | None = None) -> dict[int, str]:
        """Record number → a sentence about the first of its outputs that is not there, if one is not.

        Parameters
        ----------
        ahead : what `read_ahead` has just given, to serve as well.
        """
        absent = self._ahead.absent([output for record in records for output in record.outputs], ahead)
        if not absent:
            return {}
        swept = self.swept.why(absent)
        return {
            record.number: f"{tell(output)} {swept.get(output.digest, 'is gone from the store')}"
            for record in records
            for output in reversed(record.outputs)
            if output.digest in absent
        }

    def keep_bytes(self, name: str, step: str, data: bytes) -> Kept:
        """Keeps `data` as the output `name` of `step`; what is small is returned for the record to carry."""
        return self._blobs.keep_bytes(name, step, data)

    def keep_path(self, name: str, step: str, path: Path) -> Kept:
        """Moves the file or folder at `path` into the store likewise; StoreError when it cannot be kept."""
        return self._blobs.keep_path(name, step, path)

    def note_kept(self, outputs: Iterable[Output], small: Mapping[Digest, bytes]) -> None:
        """Remembers of large contents that another process has just put them here."""
        for output in outputs:
            self._blobs.note(output, small)

    def read_bytes(self, output: Output, pending: Mapping[Digest, bytes] = {}) -> bytes:
        """The verified contents of a file. Raises StoreError when they are gone or damaged.

        Parameters
        ----------
        pending : small blobs that are not committed yet.
        """
        return self._blobs.read(output, pending)

    def small_of(self, output: Output) -> dict[Digest, bytes]:
        """The verified small contents that the output consists of. Raises StoreError when they are gone or damaged."""
        return self._blobs.small_of(output)

    def lay(
        self, output: Output, target: Path | str, *, verify: bool = True, pending: Mapping[Digest, bytes] = {}
    ) -> os.stat_result:
        """Puts the file or folder at `target`, at once and in place of what is there; returns its stat.

        Parent folders are created. Large files may share their inode with the store and are then not writable
        by mode.

        Parameters
        ----------
        verify : hash large contents first (once per process): for what a job reads. A view needs no more than the
            store's own check of size and time.
        pending : small contents that are not in the database.

        Raises StoreError when the contents are gone or damaged.
        """
        return self._blobs.lay(output, target, verify=verify, pending=pending)

    def placed(self, output: Output) -> ViewFile | None:
        """A file or folder of a view that shows the output under its own name, as we wrote it, or None.

        It is only to be read, and whoever reads it asks afterwards whether it is still intact.
        """
        for file in self.views.showing(output.digest):
            if file.path.endswith(f"/{output.name}") and file.is_tree == output.is_tree:
                return file
        return None

    # floors

    def floors(self) -> dict[str, tuple[int, str]]:
        """Label → a record number and why only records above it may serve."""
        return {label: (number, why) for label, number, why in self.database.read("SELECT * FROM floors")}

    def set_floor(self, label: str, number: int, why: str) -> None:
        """Lets only records above `number` serve for `label`, from now on."""
        with self.database.transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO floors VALUES (?, ?, ?)", (label, number, why))

    def clear_floors(self, labels: Sequence[str]) -> None:
        """Takes the floors of these labels away; labels without one are no error."""
        with self.database.transaction() as connection:
            connection.executemany("DELETE FROM floors WHERE label = ?", [(label,) for label in labels])

    # digests of the user's files, see files.StatMemory

    def recall(self, key: StatKey) -> Digest | None:
        """The digest of the file when it looked exactly like `key`."""
        return self._remembered.recall(key)

    def remember(self, key: StatKey, digest: Digest) -> None:
        """Remembers a digest; written with the next commit."""
        self._remembered.remember(key, digest)

    def _one(self, where: str, parameter: Any) -> Record | None:
        rows = self.database.read(SELECT_RECORD + where, (parameter,))
        return record_of(rows[0]) if rows else None


_open_stores: WeakValueDictionary[tuple[Path, Path, bool], Store] = WeakValueDictionary()
_opened_here: list[Store] = []
"""Those that were opened because something that refers to them arrived from another process; open until it ends."""
_away: list[bool] = []
"""Holds something in a process that may run on another machine than the database."""


def reconnect_stores() -> None:
    """To be called in a process just forked, before it uses a store. One that is closed may be gone from the disk."""
    for store in _open_stores.values():
        if store.database.is_open:
            store.database.reconnect()


def stay_away() -> None:
    """To be called in a process that may run on another machine: from now on stores arrive there as far ones."""
    _away[:] = [True]


def _at(root: Path, folder: Path, write: bool) -> Store:
    store = _open_stores.get((root, folder, write))
    if store is None or not store.database.is_open:
        store = Store.far(root, folder) if _away else Store.open(root, folder=folder, write=write)
        _opened_here.append(store)
    return store
