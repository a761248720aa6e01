"""The recorder: finished jobs on their way into the store, many to a commit.

A batch closes when it is full, when its first record is 5 ms old, or after a job that took longer than 1 ms, so what a
crash can lose is always cheaper than one commit is worth. Knows no schedule.
"""

from __future__ import annotations

from time import perf_counter
from typing import Generic, TypeVar

from crystallize.fingerprint.manifest import Manifest
from crystallize.plan.job import Job, Outcome
from crystallize.plan.workspace import Workspace
from crystallize.store.record import NewRecord, Record
from crystallize.store.reuse import NOT_REUSABLE
from crystallize.store.store import Store

BATCH_RECORDS = 256
BATCH_SECONDS = 0.005
LONG_JOB_SECONDS = 0.001

T = TypeVar("T")


class Recorder(Generic[T]):
    """Collects records, each with a tag, and hands the tags back with their records once those are committed."""

    def __init__(self) -> None:
        self._open: list[tuple[Store, NewRecord, T]] = []
        self._since = 0.0
        self._long = False

    def add(self, store: Store, record: NewRecord, tag: T) -> None:
        """Puts a record into the open batch."""
        if not self._open:
            self._since = perf_counter()
        self._open.append((store, record, tag))
        self._long = self._long or record.seconds > LONG_JOB_SECONDS

    @property
    def due(self) -> bool:
        """Whether the open batch should be closed before anything else is started."""
        return bool(self._open) and (
            self._long or len(self._open) >= BATCH_RECORDS or perf_counter() - self._since > BATCH_SECONDS
        )

    def flush(self) -> list[tuple[T, Record]]:
        """Commits the open batch, one commit per store; returns tags and records in the order they were added.

        Raises StoreError or OSError when the store cannot be written; the batch is then lost.
        """
        batch, self._open, self._long = self._open, [], False
        stores = dict.fromkeys(store for store, _, _ in batch)
        if len(stores) < 2:
            return [
                (entry[2], record)
                for store in stores
                for entry, record in zip(batch, store.put_many([new for _, new, _ in batch]), strict=True)
            ]
        committed = {
            store: store.put_many([new for owner, new, _ in batch if owner is store])[::-1] for store in stores
        }
        return [(tag, committed[store].pop()) for store, _, tag in batch]


def new_record(
    job: Job, manifest: Manifest, outcome: Outcome, workspace: Workspace, seconds: float, unrecordable: str | None
) -> NewRecord:
    """What is kept of a job that ended with `outcome` after `seconds`.

    `unrecordable` says why it must never be reused; None: it may.
    """
    return NewRecord(
        manifest=manifest,
        label=job.label,
        metrics=outcome.metrics,
        facts=outcome.facts if unrecordable is None else {**outcome.facts, NOT_REUSABLE: unrecordable},
        provenance=outcome.provenance,
        outputs=workspace.outputs,
        small_blobs=workspace.small_blobs,
        seconds=seconds,
        run=workspace.run,
        observations=outcome.observations,
        once=unrecordable is not None,
    )
