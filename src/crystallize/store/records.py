"""Records as rows of the database, both ways. Touches no database itself."""

from __future__ import annotations

import logging
from typing import Any

from crystallize.errors import NotReusableError, StoreError
from crystallize.fingerprint.digest import Digest, digest_of
from crystallize.store.codecs import decode_payload, encode_payload, pack, unpack
from crystallize.store.record import NewRecord, Output, Record

SELECT_RECORD = "SELECT number, fingerprint, label, kind, payload, outputs, seconds, run, created FROM records "

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
    identity = (number, _fingerprint(number, record), record.label, record.manifest.kind)
    return *identity, payload, outputs, record.seconds, record.run, created


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
        metrics, facts = decode_payload(payload)
    except StoreError as error:
        logger.warning("record %d (%s): %s", number, label, error)
        return None
    digests, rest = unpack(outputs)
    return Record(
        number=number,
        fingerprint=fingerprint,
        label=label,
        kind=kind,
        metrics=metrics,
        facts=facts,
        outputs=tuple(
            Output(name, step, Digest(digest), size, tree)
            for digest, (name, step, size, tree) in zip(digests, rest, strict=True)
        ),
        seconds=seconds,
        run=run,
        created=created,
    )


def _fingerprint(number: int, record: NewRecord) -> Digest:
    fingerprint = record.manifest.fingerprint
    return once_fingerprint(fingerprint, number) if record.once else fingerprint
