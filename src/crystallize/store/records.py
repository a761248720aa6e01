"""Records as rows of the database, both ways. Touches no database itself."""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import Any
from zlib import crc32

from crystallize.errors import NotReusableError, StoreError
from crystallize.fingerprint.digest import Digest, digest_of
from crystallize.fingerprint.manifest import Manifest, PartTable
from crystallize.store.codecs import decode_payload, encode_payload, pack, unpack
from crystallize.store.details import unpack_parts
from crystallize.store.record import NewRecord, Output, Record

SELECT_RECORD = "SELECT number, fingerprint, label, kind, payload, outputs, seconds, run, created FROM records "
_SEAL = b"s"

logger = logging.getLogger("crystallize")


def once_fingerprint(fingerprint: Digest, number: int) -> Digest:
    """The fingerprint under which a record that must not be reused is kept: no question ever asks for it."""
    return digest_of("once/1", fingerprint, number.to_bytes(8, "little"))


def encoded(record: NewRecord) -> bytes | None:
    """Metrics and facts as bytes; None, with a warning, when they cannot be kept."""
    try:
        return encode_payload(record.metrics, record.facts)
    except NotReusableError as error:
        logger.warning("%s: not recorded: %s", record.label, error)
        return None


def row_of(number: int, record: NewRecord, payload: bytes | None, created: float) -> tuple[Any, ...]:
    """The row of a new record, in the order of `SELECT_RECORD`."""
    outputs = pack(
        [output.digest for output in record.outputs],
        [(output.name, output.step, output.size_bytes, output.is_tree) for output in record.outputs],
    )
    fingerprint = _fingerprint(number, record)
    sealed = seal(fingerprint, payload or b"", outputs)
    return number, fingerprint, record.label, record.manifest.kind, sealed, outputs, record.seconds, record.run, created


def settled(number: int, record: NewRecord, created: float) -> Record:
    """The new record as a later read will yield it."""
    return Record(
        number=number,
        fingerprint=_fingerprint(number, record),
        label=record.label,
        kind=record.manifest.kind,
        metrics={name: list(values) for name, values in record.metrics.items()},
        facts=dict(record.facts),
        outputs=record.outputs,
        seconds=record.seconds,
        run=record.run,
        created=created,
    )


def record_of(row: tuple[Any, ...]) -> Record | None:
    """The record of a row of `SELECT_RECORD`; None, with a warning, when it cannot be read."""
    number, fingerprint, label, kind, payload, outputs, seconds, run, created = row
    try:
        metrics, facts = decode_payload(unseal(fingerprint, payload, outputs))
    except StoreError as error:
        logger.warning("record %d (%s): %s", number, label, error)
        return None
    return Record(number, fingerprint, label, kind, metrics, facts, outputs_of(outputs), seconds, run, created)


def seal(fingerprint: bytes, payload: bytes, outputs: bytes) -> bytes:
    """The payload as its row keeps it, behind a checksum over what a reuse rests on: SQLite has none of its own."""
    return _SEAL + _checksum(fingerprint, payload, outputs) + payload


def unseal(fingerprint: bytes, sealed: bytes, outputs: bytes) -> bytes:
    """The payload of a row. Raises StoreError when any of it is not as it was written."""
    if not (type(sealed) is type(outputs) is type(fingerprint) is bytes):
        raise StoreError("its row is damaged; its job runs again")
    payload = sealed[len(_SEAL) + 4 :]
    if sealed[: len(_SEAL) + 4] != _SEAL + _checksum(fingerprint, payload, outputs):
        raise StoreError("its row is damaged; its job runs again")
    return payload


def _checksum(fingerprint: bytes, payload: bytes, outputs: bytes) -> bytes:
    return crc32(outputs, crc32(payload, crc32(fingerprint))).to_bytes(4, "little")


@lru_cache(128)
def outputs_of(packed: bytes) -> tuple[Output, ...]:
    """The outputs of a row. Replicates that write nothing, or all the same, share them."""
    digests, rest = unpack(packed)
    return tuple(
        [Output(name, step, digest, size, tree) for digest, (name, step, size, tree) in zip(digests, rest, strict=True)]
    )


def fault_of(
    row: tuple[str, bytes, bytes, bytes, bytes, bytes], number: int, tables: dict[Digest, PartTable]
) -> str | None:
    """What is wrong with a record, in words; None when it is as it was written.

    Parameters
    ----------
    row : kind, fingerprint, payload, outputs; digest of the part table and own parts, which are None without details.
    tables : the part tables that are sound, by digest.
    """
    kind, fingerprint, payload, outputs, table, own = row
    try:
        unseal(fingerprint, payload, outputs)
        made_of = Manifest(kind, tables[Digest(table)], unpack_parts(own)).fingerprint
    except StoreError as error:
        return str(error)
    except (KeyError, TypeError):
        return "its manifest cannot be read, so nothing explains it"
    if fingerprint not in (made_of, once_fingerprint(made_of, number)):
        return "its manifest is not the one it was recorded with"
    return None


def _fingerprint(number: int, record: NewRecord) -> Digest:
    fingerprint = record.manifest.fingerprint
    return once_fingerprint(fingerprint, number) if record.once else fingerprint
