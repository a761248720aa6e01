"""The schedule: which jobs can be decided, and what the end of one means for the others.

A pure state machine: it neither hashes, stores, prints nor spawns, and needs no event loop. States after n2's design
notes: one enum, a sentence each, one transition function.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from enum import IntEnum

from crystallize.plan.job import Job
from crystallize.plan.plan import Plan


class State(IntEnum):
    """Where a job stands."""

    WAITING = 0
    """Something it reads is not settled."""
    READY = 1
    """All it reads is known; it can be decided."""
    RUNNING = 2
    """It was taken to be run, or waits for a free worker or for a twin with its fingerprint."""
    REUSED = 3
    """A record serves in its place."""
    DONE = 4
    """It ran and succeeded."""
    FAILED = 5
    """It ran and failed, or could not be started."""
    BLOCKED = 6
    """It will never run: something it reads failed."""
    CANCELLED = 7
    """The user stopped the run before it was done."""


GOOD = (State.REUSED, State.DONE)
SETTLED = (State.REUSED, State.DONE, State.FAILED, State.BLOCKED, State.CANCELLED)


class Schedule:
    """The states of all jobs of a plan. Ready jobs come out lowest index first."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._states = bytearray()
        self._missing: list[int] = []
        self._consumers: dict[int, list[int]] = {}
        self._ready: list[int] = []
        self._causes: dict[int, int] = {}
        self._forgiven: set[int] = set()
        self._awaited: set[int] = set()
        self._unsettled = 0
        self.take_up(plan.jobs)

    def take_up(self, jobs: Sequence[Job]) -> list[int]:
        """Takes up the last jobs of the plan; returns those that are BLOCKED or CANCELLED at once, in plan order."""
        count = len(jobs)
        self._states += bytearray(count)
        self._missing += [0] * count
        self._forgiven |= {job.index for job in jobs if job.goes_on}
        self._awaited.update(*(growth.waits for growth in self._plan.growths))
        self._unsettled += count
        return [job.index for job in jobs if not self._connect(job)]

    def _connect(self, job: Job) -> bool:
        """Has the job wait for what it reads; False when that has failed already."""
        upstream = self._plan.upstream_of(job)
        missing = len(upstream)
        for index in upstream:
            if index >= job.index:
                raise ValueError(f"job {job.label} reads job {index}, which does not come before it")
            if self.lets_readers_run(index):
                missing -= 1
            elif self._states[index] in SETTLED:
                self._causes[job.index] = self._causes.get(index, index)
                self._close(job.index, _fate_below(self.state(index)))
                return False
            self._consumers.setdefault(index, []).append(job.index)
        self._missing[job.index] = missing
        if not missing:
            heapq.heappush(self._ready, job.index)
            self._states[job.index] = State.READY
        return True

    def take_ready(self) -> list[int]:
        """The jobs that became ready since the last call, lowest index first; they are now RUNNING until settled."""
        taken = []
        while self._ready:
            index = heapq.heappop(self._ready)
            if self._states[index] == State.READY:
                self._states[index] = State.RUNNING
                taken.append(index)
        return taken

    def settle(self, index: int, state: State) -> list[int]:
        """Gives a job its final state; returns the jobs that are BLOCKED or CANCELLED through it, in plan order.

        Raises ValueError when the job is settled already or `state` is not final.
        """
        if state not in SETTLED or self._states[index] in SETTLED:
            raise ValueError(f"job {index} cannot go from {self.state(index).name} to {state.name}")
        self._close(index, state)
        if self.lets_readers_run(index):
            for consumer in self._consumers.get(index, ()):
                self._missing[consumer] -= 1
                if not self._missing[consumer] and self._states[consumer] == State.WAITING:
                    self._states[consumer] = State.READY
                    heapq.heappush(self._ready, consumer)
            return []
        return self._stop_below(index, _fate_below(state))

    def cancel_unstarted(self) -> list[int]:
        """Settles every job that is WAITING or READY as CANCELLED and returns them in plan order."""
        stopped = [i for i, state in enumerate(self._states) if state in (State.WAITING, State.READY)]
        for index in stopped:
            self._close(index, State.CANCELLED)
        self._ready.clear()
        return stopped

    def state(self, index: int) -> State:
        """The state of one job."""
        return State(self._states[index])

    def lets_readers_run(self, index: int) -> bool:
        """Whether a job is settled such that its readers can be decided: it succeeded, or failed and goes on."""
        state = self._states[index]
        return state in GOOD or (state == State.FAILED and index in self._forgiven)

    def cause(self, index: int) -> int:
        """Of a BLOCKED job: the job whose failure blocked it."""
        return self._causes[index]

    def has_consumers(self, index: int) -> bool:
        """Whether anything reads the job."""
        return index in self._consumers or index in self._awaited

    @property
    def finished(self) -> bool:
        """Whether every job has its final state, and the plan has all its jobs."""
        return self._unsettled == 0 and not self._plan.growths

    def _close(self, index: int, state: State) -> None:
        self._states[index] = state
        self._unsettled -= 1

    def _stop_below(self, index: int, fate: State) -> list[int]:
        stopped = []
        stack = [index]
        while stack:
            for consumer in self._consumers.get(stack.pop(), ()):
                if self._states[consumer] not in SETTLED:
                    self._close(consumer, fate)
                    self._causes[consumer] = index
                    stopped.append(consumer)
                    stack.append(consumer)
        return sorted(stopped)


def _fate_below(state: State) -> State:
    """What becomes of the readers of a job that did not succeed."""
    return State.CANCELLED if state == State.CANCELLED else State.BLOCKED
