"""Verifying: everything in the store is read and hashed again; what a view still shows whole is mended from there.

A damaged blob is taken away, so the next run that needs it runs its job. Nothing is unpickled.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from crystallize.fingerprint.digest import Digest
from crystallize.fingerprint.manifest import PartTable
from crystallize.store.blobs import tell
from crystallize.store.details import unpack_parts
from crystallize.store.record import Output
from crystallize.store.records import fault_of, outputs_of
from crystallize.store.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What was found."""

    blobs: int
    """How many were hashed."""
    bytes: int
    """How many bytes they have."""
    records: int
    """How many were read."""
    mended: tuple[str, ...] = ()
    """Outputs that were damaged or gone and are whole again."""
    lost: tuple[str, ...] = ()
    """Outputs that are gone for good, with the trials that run again for them."""
    swept: int = 0
    """Outputs that are gone because a sweep removed them."""
    faults: tuple[str, ...] = field(default=())
    """What else is not as it was written."""

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong, or nothing any more."""
        return not (self.lost or self.faults)


def verify(store: Store) -> Verdict:
    """Reads and hashes all that `store` holds, and mends what it can; in a store opened for reading it only looks."""
    sizes = store.blobs.sizes()
    wanted = _outputs(store)
    absent = {digest for digest, (output, _) in wanted.items() if not store.blobs.leaves(output) <= sizes.keys()}
    damaged = {digest for digest, size in sizes.items() if store.blobs.verified(digest, size) is None}
    touched = absent | {
        digest for digest, (output, _) in wanted.items() if damaged & ({digest} | store.blobs.leaves(output))
    }
    gone = store.blobs.absent(output for output, _ in wanted.values())
    swept = store.swept.why(gone)
    return Verdict(
        blobs=len(sizes),
        bytes=sum(sizes.values()),
        records=int(store.database.read("SELECT count(*) FROM records")[0][0]),
        mended=tuple(_told(*wanted[digest]) for digest in sorted(touched - gone)),
        lost=tuple(_told(*wanted[digest]) for digest in sorted(gone - swept.keys())),
        swept=len(swept),
        faults=tuple(_faults(store)),
    )


def _outputs(store: Store) -> dict[Digest, tuple[Output, list[str]]]:
    """Digest → an output with it, and the labels of the records that wrote it."""
    outputs: dict[Digest, Output] = {}
    labels: dict[Digest, list[str]] = defaultdict(list)
    for label, packed in store.database.read("SELECT label, outputs FROM records ORDER BY number"):
        for output in _readable(packed):
            outputs[output.digest] = output
            labels[output.digest].append(label)
    return {digest: (output, list(dict.fromkeys(labels[digest]))) for digest, output in outputs.items()}


def _readable(packed: bytes) -> tuple[Output, ...]:
    try:
        return outputs_of(packed)
    except (ValueError, TypeError):
        return ()  # the checksum of the row tells


def _told(output: Output, labels: list[str]) -> str:
    more = f" and {len(labels) - 1} more" if len(labels) > 1 else ""
    return f"{tell(output)} of {labels[0]}{more}"


def _faults(store: Store) -> Iterator[str]:
    for (message,) in store.database.read("PRAGMA integrity_check"):
        if message != "ok":
            yield f"database: {message}"
    tables: dict[Digest, PartTable] = {}
    for digest, packed in store.database.read("SELECT digest, parts FROM part_tables"):
        tables[digest] = PartTable(unpack_parts(packed))
    for row in store.database.read(
        "SELECT number, label, kind, fingerprint, payload, outputs, part_table, own"
        " FROM records LEFT JOIN details USING (number) ORDER BY number"
    ):
        fault = fault_of(row[2:], row[0], tables)
        if fault is not None:
            yield f"record {row[0]} ({row[1]}): {fault}"
