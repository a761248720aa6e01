"""Executors: where a job's work happens. The second of the three seams, and its in-process implementations.

Process pools and Ray are other implementations of the same Protocol.
"""

from __future__ import annotations

import os
from contextvars import copy_context
from typing import Any, Protocol

from crystallize.plan.job import Outcome, Work
from crystallize.plan.workspace import Workspace


class Executor(Protocol):
    """Runs one job somewhere and brings back its outcome.

    ``run`` is awaited once per job that runs, never more than ``capacity`` times at once. It returns what `Work.run`
    returned or raises what it raised, the user's own exception with its traceback. When it raises, the workspace
    may hold some outputs; the engine discards them. It must not return before everything the job wrote is in the
    workspace. Cancelling the awaiting task asks the job to stop; an executor that cannot stop it waits for it.

    ``close`` is called once, after the last ``run`` has ended, also when the run was interrupted.
    """

    @property
    def capacity(self) -> int:
        """How many jobs it takes at once by now."""

    async def run(self, work: Work, task: Any, workspace: Workspace) -> Outcome:
        """Runs one job."""

    def close(self) -> None:
        """Frees threads, processes or connections."""


class InlineExecutor:
    """Runs jobs in the driver itself: one after the other, or many coroutines at a time."""

    def __init__(self, capacity: int = 1) -> None:
        self.capacity = capacity

    async def run(self, work: Work, task: Any, workspace: Workspace) -> Outcome:
        """Awaits the work in the driver's own loop."""
        return await carry_out(work, task, workspace)

    def close(self) -> None:
        """Nothing to free."""


class ThreadExecutor:
    """Runs each job in a thread, with an event loop of its own for asynchronous steps."""

    def __init__(self, capacity: int) -> None:
        from concurrent.futures import ThreadPoolExecutor

        self.capacity = capacity
        self._pool = ThreadPoolExecutor(max_workers=capacity, thread_name_prefix="crystallize")

    async def run(self, work: Work, task: Any, workspace: Workspace) -> Outcome:
        """Runs the work to its end in a thread of the pool."""
        import asyncio

        def whole() -> Outcome:
            return asyncio.run(carry_out(work, task, workspace))

        return await asyncio.get_running_loop().run_in_executor(self._pool, copy_context().run, whole)

    def close(self) -> None:
        """Lets the threads go. Only after a second Ctrl-C are there any that still run, and nobody waits for those."""
        self._pool.shutdown(wait=False, cancel_futures=True)


async def carry_out(work: Work, task: Any, workspace: Workspace) -> Outcome:
    """Awaits the work, in whatever loop; a process that it forked and that comes back here is ended."""
    process = os.getpid()
    try:
        return await work.run(task, workspace)
    finally:
        if os.getpid() != process:
            # user code forked, and the child came back: it must not go on as a second driver
            os._exit(1)
