"""The executors of one run: one for each group that asks for its own, made when its first job runs."""

from __future__ import annotations

from typing import Any

from crystallize.engine.executor import Executor, InlineExecutor, ThreadExecutor
from crystallize.plan.job import Group, Outcome
from crystallize.plan.workspace import Workspace


class Executors:
    """Hands jobs to executors and counts those in flight."""

    def __init__(self) -> None:
        self._serial = InlineExecutor()
        self._own: dict[str, Executor] = {}
        self._in_flight: dict[int, int] = {}

    def has_room(self, group: Group) -> bool:
        """Whether the group's executor would start one more job now."""
        executor = self._of(group)
        return self._in_flight.get(id(executor), 0) < executor.capacity

    def is_serial(self, group: Group) -> bool:
        """Whether the group's jobs run in the driver itself, one after the other."""
        return self._of(group) is self._serial

    async def run(self, group: Group, task: Any, workspace: Workspace) -> Outcome:
        """Runs one job on the group's executor."""
        executor = self._of(group)
        self._in_flight[id(executor)] = self._in_flight.get(id(executor), 0) + 1
        try:
            return await executor.run(group.work, task, workspace)
        finally:
            self._in_flight[id(executor)] -= 1

    def close(self) -> None:
        """Closes every executor that was made."""
        for executor in self._own.values():
            executor.close()

    def _of(self, group: Group) -> Executor:
        if group.executor == "serial":
            return self._serial
        if group.name not in self._own:
            self._own[group.name] = (
                InlineExecutor(group.workers) if group.executor == "async" else ThreadExecutor(group.workers)
            )
        return self._own[group.name]
