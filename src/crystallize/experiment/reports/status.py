"""What a store holds, counted for people: by experiment, and what nobody needs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from crystallize.fingerprint.digest import Digest
from crystallize.plan.job import FETCH
from crystallize.store.holdings import Held, Holdings
from crystallize.store.store import Store
from crystallize.store.sweep import store_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentStatus:
    """What one experiment holds."""

    name: str
    trials: int
    """Distinct ones that were ever recorded."""
    results: int
    seconds: float
    """What all its results cost."""
    bytes: int
    """Of its artifacts in the store; those that experiments share count for each."""
    needed_bytes: int
    """Of these, what a version folder shows, a pin names or another room needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What a store holds."""

    folder: Path
    bytes: int
    """On disk."""
    records: int
    blobs: int
    blob_bytes: int
    orphans: int
    """Blobs that nothing refers to."""
    orphan_bytes: int
    pinned: int
    experiments: tuple[ExperimentStatus, ...]
    """By name."""

    @classmethod
    def of(cls, store: Store) -> Status:
        """Counts what `store` holds."""
        holdings = Holdings.of(store)
        orphans = holdings.orphans()
        groups: dict[str, list[Held]] = {}
        for record in holdings.records:
            groups.setdefault(record.group, []).append(record)
        return cls(
            folder=store.folder,
            bytes=store_bytes(store),
            records=len(holdings.records),
            blobs=len(holdings.sizes),
            blob_bytes=sum(holdings.sizes.values()),
            orphans=len(orphans),
            orphan_bytes=holdings.bytes_of(orphans),
            pinned=len(holdings.pinned),
            experiments=tuple(_experiment(name, groups[name], holdings) for name in sorted(groups)),
        )


def _experiment(name: str, records: list[Held], holdings: Holdings) -> ExperimentStatus:
    leaves = frozenset[Digest]().union(*(record.leaves for record in records))
    return ExperimentStatus(
        name=name,
        trials=len({record.label for record in records if record.kind != FETCH}),
        results=len(records),
        seconds=sum(record.seconds for record in records),
        bytes=holdings.bytes_of(leaves),
        needed_bytes=holdings.bytes_of(leaves & holdings.needed),
    )
