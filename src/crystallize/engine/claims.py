"""Claims: which job of this run holds which fingerprint, so that no two jobs of one fingerprint ever run at once.

Inside the process a second job waits as a *twin* of the first; across processes the store's lock tells.
"""

from __future__ import annotations

from collections import defaultdict
from enum import Enum

from crystallize.fingerprint.digest import Digest
from crystallize.store.store import Store


class Claim(Enum):
    """What became of asking for a fingerprint."""

    HELD = "held"
    """It is ours until released."""
    TWIN = "twin"
    """A job of this run holds it; the asker is handed back when that one is released."""
    FAILED = "failed"
    """A job of this run held it and failed; the asker fails with it, unrun."""
    ELSEWHERE = "elsewhere"
    """Another process holds it; ask again later."""


class Claims:
    """The fingerprints that this run holds."""

    def __init__(self) -> None:
        self._holders: dict[tuple[Store, Digest], int] = {}
        self._held: dict[int, tuple[Store, Digest]] = {}
        self._twins: dict[int, list[int]] = {}
        self._errors: dict[tuple[Store, Digest], BaseException] = {}
        self._expected: defaultdict[Store, dict[Digest, None]] = defaultdict(dict)
        """Of all jobs that wait; a set of so many would take three times the memory."""
        self._doubles: set[tuple[Store, Digest]] = set()

    def expect(self, fingerprint: Digest, store: Store) -> None:
        """Notes that a job was decided to run and will ask for `fingerprint`."""
        expected = self._expected[store]
        if fingerprint in expected:
            self._doubles.add((store, fingerprint))
        else:
            expected[fingerprint] = None

    def is_double(self, fingerprint: Digest, store: Store) -> bool:
        """Whether several jobs were decided to run, so that one of them may have been recorded since."""
        return (store, fingerprint) in self._doubles

    def ask(self, index: int, fingerprint: Digest, store: Store) -> Claim:
        """Tries to hold `fingerprint` for job `index`; never blocks."""
        key = (store, fingerprint)
        if key in self._errors:
            return Claim.FAILED
        holder = self._holders.get(key)
        if holder is not None:
            self._twins.setdefault(holder, []).append(index)
            return Claim.TWIN
        if not store.locks.try_lock(fingerprint):
            return Claim.ELSEWHERE
        self._holders[key] = index
        self._held[index] = key
        return Claim.HELD

    def error(self, fingerprint: Digest, store: Store) -> BaseException:
        """What the job of this run that held a FAILED fingerprint raised."""
        return self._errors[(store, fingerprint)]

    def release(self, index: int, error: BaseException | None = None) -> list[int]:
        """Frees what job `index` holds, if anything; returns the jobs that waited for it.

        `error` says that the job failed, and with it every other job of its fingerprint.
        """
        held = self._held.pop(index, None)
        if held is None:
            return []
        store, fingerprint = held
        if error is not None:
            self._errors[held] = error
        del self._holders[held]
        expected = self._expected[store]
        expected.pop(fingerprint, None)  # who is decided from now on finds its record
        if not expected:
            expected.clear()  # what is empty still has the room of all that ever were in it
        store.locks.unlock(fingerprint)
        return self._twins.pop(index, [])
