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

    def room(self, group: Group) -> int:
        """How many more jobs the group's executor would start now."""
        executor = self._of(group)
        return executor.capacity - self._in_flight.get(id(executor), 0)

    @staticmethod
    def key(group: Group) -> str:
        """Equal for groups that share an executor; empty where jobs run in the driver itself, one by one."""
        return "" if group.executor == "serial" else group.name

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
        key = self.key(group)
        if not key:
            return self._serial
        if key not in self._own:
            self._own[key] = (
                InlineExecutor(group.workers) if group.executor == "async" else ThreadExecutor(group.workers)
            )
        return self._own[key]
