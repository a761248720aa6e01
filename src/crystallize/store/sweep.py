"""Sweeping: which stored outputs may go to save space, and taking them out. Never unasked.

Records stay, with their metrics and manifests: only what jobs wrote goes, and a job that runs again for it says so.
What a view shows, what a pin names and what another room's table refers to is never chosen. With a size budget the
results that are cheapest to make again, per byte, go first (greedy by value, after GreedyDual-Size caches).
"""

from __future__ import annotations

import shutil
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from crystallize.errors import StoreError
from crystallize.fingerprint.digest import Digest
from crystallize.store.holdings import Held, Holdings, leftovers
from crystallize.store.store import Store

DAY_SECONDS = 86400.0
LEFT_SECONDS = DAY_SECONDS
"""How old a temporary file must be before it counts as left behind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the user asks of a sweep; with nothing asked only what nothing refers to goes."""

    older_than_s: float | None = None
    """Results at least so old go."""
    max_bytes: int | None = None
    """Results go, the cheapest per byte first, until the whole store takes no more."""
    keep_last: int | None = None
    """The newest so many results of each trial stay, whatever the other rules say. Alone, all others go.
    None: one stays. Memos of steps are no results: age and size alone count for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweeping:
    """What a sweep would remove, or has removed."""

    results: tuple[tuple[Held, str], ...]
    """Records that lose outputs, by number, and why."""
    memos: tuple[int, ...]
    """Rows of the step memos that go."""
    lost: frozenset[Digest]
    """The blobs of their outputs that go."""
    orphans: frozenset[Digest]
    """Blobs that nothing refers to."""
    left: tuple[Path, ...]
    """Temporary files of jobs that were killed."""
    freed_bytes: int
    before_bytes: int
    """Of the whole store, and of what killed jobs left beside it."""

    @property
    def after_bytes(self) -> int:
        """What the store will take; what it takes now, where the sweep was done."""
        return self.before_bytes - self.freed_bytes


def plan_sweep(store: Store, rules: Rules) -> Sweeping:
    """What a sweep by `rules` would remove. Changes nothing."""
    now = time.time()
    holdings = Holdings.of(store)
    orphans = holdings.orphans()
    left = leftovers(store, now - LEFT_SECONDS)
    before = store_bytes(store) + sum(_size(path) for path in left if not path.is_relative_to(store.folder))
    freed = holdings.bytes_of(orphans) + sum(map(_size, left))
    choice = _Choice(holdings, 1 if rules.keep_last is None else rules.keep_last)
    for record in choice.candidates:
        why = _verdict(record, rules, now)
        if why is not None:
            choice.take(record, why)
    if rules.max_bytes is not None:
        for record in sorted(choice.candidates, key=choice.value):
            if before - freed - choice.freed_bytes <= rules.max_bytes:
                break
            choice.take(record, "to stay below a size")
    return Sweeping(
        results=tuple(choice.results()),
        memos=tuple(choice.memos()),
        lost=frozenset(choice.freed),
        orphans=frozenset(orphans),
        left=tuple(left),
        freed_bytes=freed + choice.freed_bytes,
        before_bytes=before,
    )


def sweep(store: Store, rules: Rules) -> Sweeping:
    """Does what `plan_sweep` plans.

    Raises StoreError when a job is running, on this machine, that uses the store.
    """
    with alone(store):
        plan = plan_sweep(store, rules)
        carry_out(store, plan)
    return plan


@contextmanager
def alone(store: Store) -> Iterator[None]:
    """Keeps jobs from beginning during the block; StoreError when one is running."""
    with store.locks.alone() as is_alone:
        if not is_alone:
            raise StoreError(f"{store.folder}: a run is using the store; wait until it has ended")
        yield


def carry_out(store: Store, plan: Sweeping) -> None:
    """Removes what `plan` says: first it is written down why, then rows go, then files."""
    why = {output.digest: reason for record, reason in plan.results for output in record.outputs}
    gone = plan.lost | plan.orphans
    if why:
        store.swept.insert(why)
    if gone or plan.memos:
        with store.database.transaction() as connection:
            if plan.memos:
                connection.executemany("DELETE FROM memos WHERE rowid = ?", [(row,) for row in plan.memos])
            store.blobs.take_out(connection, gone)
        store.blobs.remove_files(gone)
        store.database.compact()
    for path in plan.left:
        _remove(path)


def store_bytes(store: Store) -> int:
    """What the store takes on disk, database and blobs."""
    return sum(path.lstat().st_size for path in store.folder.rglob("*") if path.is_file())


class _Choice:
    """Takes results out one by one and knows which blobs nobody needs any more."""

    def __init__(self, holdings: Holdings, keep_last: int) -> None:
        self._holdings = holdings
        self._needed = set(holdings.needed)
        self._users = Counter(holdings.users)
        self._taken: dict[int, str] = {}
        self.freed: set[Digest] = set()
        self.freed_bytes = 0
        self._keep_newest(keep_last)
        self.candidates = [held for held in (*holdings.memos, *holdings.records) if self._bytes(held)]
        """Memos, and records with outputs that could go, by number."""

    def value(self, record: Held) -> tuple[float, int]:
        """Seconds that each byte of the record costs to make again, then its age."""
        return record.seconds / max(self._bytes(record), 1), record.number

    def take(self, record: Held, why: str) -> None:
        """Lets the record go; its blobs go with the last record that wrote them."""
        if record.number in self._taken:
            return
        self._taken[record.number] = why
        for leaf in record.leaves - self._needed:
            self._users[leaf] -= 1
            if not self._users[leaf] and leaf in self._holdings.sizes:
                self.freed.add(leaf)
                self.freed_bytes += self._holdings.sizes[leaf]

    def results(self) -> Iterator[tuple[Held, str]]:
        """The records that lose something, and why."""
        for record in self._holdings.records:
            if record.number in self._taken and record.leaves & self.freed:
                yield record, self._taken[record.number]

    def memos(self) -> Iterator[int]:
        """The rows of the memos that go."""
        for held in self._holdings.memos:
            if held.number in self._taken and held.memo is not None:
                yield held.memo

    def _keep_newest(self, count: int) -> None:
        seen: dict[str, int] = defaultdict(int)
        for record in reversed(self._holdings.records):
            if seen[record.label] < count:
                self._needed |= record.leaves
            seen[record.label] += 1

    def _bytes(self, record: Held) -> int:
        return self._holdings.bytes_of(record.leaves - self._needed - self.freed)


def _verdict(record: Held, rules: Rules, now: float) -> str | None:
    """Why the record goes, whatever the size of the store; None when it may stay."""
    if rules.older_than_s is not None:
        days = rules.older_than_s / DAY_SECONDS
        return f"older than {days:g} days" if now - record.created >= rules.older_than_s else None
    if rules.keep_last is not None and rules.max_bytes is None and record.memo is None:
        return f"not among the last {rules.keep_last}"
    return None


def _size(path: Path) -> int:
    inner = path.rglob("*") if path.is_dir() and not path.is_symlink() else (path,)
    return sum(each.lstat().st_size for each in inner if not each.is_dir())


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
