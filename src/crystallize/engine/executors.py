"""The executors of one run: one for each group that asks for its own, made when its first job runs.

Also says how many more jobs may begin, given what those in flight keep busy.
"""

from __future__ import annotations

from threading import Thread
from typing import TYPE_CHECKING, Any

from crystallize.engine.executor import Executor, InlineExecutor, ThreadExecutor
from crystallize.engine.machine import Machine
from crystallize.plan import events
from crystallize.plan.job import Group, Outcome
from crystallize.plan.plan import Plan
from crystallize.plan.workspace import Workspace

if TYPE_CHECKING:
    from crystallize.engine.cluster import Cluster

SERIAL = "serial"
RAY = "ray"


class Executors:
    """Hands jobs to executors and counts those in flight.

    Parameters
    ----------
    machine : what the jobs share.
    limit : at most so many jobs at a time beside those in the driver itself, whatever the groups say; None: no limit.
    """

    def __init__(self, machine: Machine, limit: int | None = None) -> None:
        self._machine = machine
        self._limit = limit
        self._serial = InlineExecutor()
        self._own: dict[str, Executor] = {}
        self._in_flight: dict[Executor, int] = {}
        self._all = 0
        self._closing: list[Thread] = []
        self._cluster: Cluster | None = None

    def room(self, group: Group) -> int:
        """How many more jobs of the group would be started now."""
        key = self.key(group)
        executor = self._own.get(key, self._serial)
        free = min(group.workers if key else 1, executor.capacity) - self._in_flight.get(executor, 0)
        if self._limit is not None and key:
            free = min(free, self._limit - self._all)
        return free if free <= 0 or group.executor == RAY or self._machine.admits(group.needs) else 0

    @staticmethod
    def key(group: Group) -> str:
        """Equal for groups that share an executor; empty where jobs run in the driver itself, one by one."""
        return "" if group.executor == SERIAL else group.name

    async def run(self, group: Group, task: Any, workspace: Workspace) -> Outcome:
        """Runs one job on the group's executor; it keeps this machine busy unless it is on Ray."""
        executor = self._of(group)
        is_here = group.executor != RAY
        if is_here:
            workspace.devices = self._machine.take(group.needs)
        self._in_flight[executor] = self._in_flight.get(executor, 0) + 1
        self._all += 1
        try:
            return await executor.run(group.work, task, workspace)
        finally:
            self._all -= 1
            self._in_flight[executor] -= 1
            if is_here:
                self._machine.give_back(group.needs, workspace.devices)

    def close(self) -> None:
        """Closes every executor that was made."""
        for executor in self._own.values():
            executor.close()
        for closing in self._closing:
            closing.join()
        if self._cluster is not None:
            self._cluster.close()

    def ending(self, plan: Plan) -> events.Watcher:
        """A watcher that frees whatever ran the jobs of a group when the group is settled, beside what still runs."""

        def end(event: events.Event) -> None:
            if isinstance(event, events.GroupSettled):
                self._end(plan.groups[event.group])

        return end

    def _end(self, group: Group) -> None:
        executor = self._own.pop(self.key(group), None)
        if executor is not None:
            self._in_flight.pop(executor, None)
            self._closing = [closing for closing in self._closing if closing.is_alive()]
            self._closing.append(Thread(target=executor.close))
            self._closing[-1].start()

    def _of(self, group: Group) -> Executor:
        key = self.key(group)
        if not key:
            return self._serial
        if key not in self._own:
            self._own[key] = self._made(group)
        return self._own[key]

    def _made(self, group: Group) -> Executor:
        capacity = group.workers if self._limit is None else min(group.workers, self._limit)
        if group.executor == "async":
            return InlineExecutor(capacity)
        if group.executor == "thread":
            return ThreadExecutor(capacity)
        if group.executor == RAY:
            return self._on_ray(group, capacity)
        from crystallize.engine.executor_pool import ProcessExecutor

        return ProcessExecutor(group, capacity)

    def _on_ray(self, group: Group, capacity: int) -> Executor:
        from crystallize.engine.cluster import Cluster
        from crystallize.engine.executor_ray import RayExecutor

        if self._cluster is None:
            self._cluster = Cluster(group.address)
        return RayExecutor(group, capacity, self._cluster.at(group.address))
