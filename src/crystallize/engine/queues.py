"""The jobs that were decided to run and wait for their turn: lowest index first, one queue per executor.

Jobs of a group that is led wait apart until they are asked for. Knows neither stores nor events.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import NamedTuple

from crystallize.engine.executors import Executors
from crystallize.fingerprint.manifest import Manifest
from crystallize.plan.job import Group
from crystallize.plan.plan import Plan
from crystallize.store.reuse import Miss


class Queued(NamedTuple):
    """A job that was decided to run. Whichever has the lowest index comes first."""

    job: int
    """Its index."""
    manifest: Manifest
    miss: Miss
    version: int
    """What the store's `outside_version` was before it was decided: another run may have recorded the job since."""


class Queues:
    """Who waits for what.

    Parameters
    ----------
    executors : say how many more jobs of a group may begin.
    """

    def __init__(self, plan: Plan, executors: Executors) -> None:
        self._plan = plan
        self._executors = executors
        self._queues: dict[str, list[Queued]] = {}
        self._asked: set[int] = set()
        self._unasked: dict[int, dict[int, Queued]] = {}
        """Group → index of a job → the job."""

    def put(self, queued: Queued) -> None:
        """The job waits for a free worker; one of a led group first for somebody who asks for it."""
        index = queued.job
        group = self._group_of(index)
        if group.lead is None or index in self._asked:
            heapq.heappush(self._queues.setdefault(self._executors.key(group), []), queued)
        else:
            self._unasked.setdefault(self._plan.jobs[index].group, {})[index] = queued

    def ask(self, index: int) -> None:
        """Somebody asked for the job: it need not wait for that, now or when it is put."""
        self._asked.add(index)
        queued = self._unasked.get(self._plan.jobs[index].group, {}).pop(index, None)
        if queued is not None:
            self.put(queued)

    def is_asked(self, index: int) -> bool:
        """Whether somebody asked for the job."""
        return index in self._asked

    def led(self) -> list[int]:
        """The groups that have jobs which wait to be asked for."""
        return [group for group, unasked in self._unasked.items() if unasked]

    def startable(self) -> Iterator[Queued]:
        """Takes jobs out, one by one, for as long as their executors have room."""
        for queue in list(self._queues.values()):
            while queue and self._executors.room(self._group_of(queue[0].job)) > 0:
                yield heapq.heappop(queue)

    def take_all(self) -> list[int]:
        """The index of every job that waits, which none does any more."""
        waiting = [queued.job for queue in self._queues.values() for queued in queue]
        waiting += [index for unasked in self._unasked.values() for index in unasked]
        self._queues, self._unasked = {}, {}
        return waiting

    def take_unasked(self, group: int) -> list[Queued]:
        """The jobs of a group that nobody has asked for and that wait for it; they are forgotten."""
        return list(self._unasked.pop(group, {}).values())

    def _group_of(self, index: int) -> Group:
        return self._plan.groups[self._plan.jobs[index].group]
