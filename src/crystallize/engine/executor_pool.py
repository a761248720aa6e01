"""Worker processes: jobs in forks of the driver, each worker doing one at a time (pebble).

A worker that dies, or that is ended because time was up, costs its own job only. Knows no schedule.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import sys
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from itertools import count
from typing import Any

from pebble import ProcessExpired, ProcessPool

from crystallize.engine import worker
from crystallize.engine.forking import wait_before_forks
from crystallize.engine.parcel import packed_job, unpacked
from crystallize.engine.watchdog import word_of
from crystallize.engine.worker_output import Tell, WorkerOutput
from crystallize.errors import JobTimeoutError, WorkerLostError
from crystallize.plan.job import Group, Outcome, Work
from crystallize.plan.workspace import Workspace

ATTEMPTS = 2
"""How often a job is begun whose worker dies: the system may have ended it for another's hunger."""
LOOK_SECONDS = 1.0
"""Between two looks at whether the pool can still answer."""


class ProcessExecutor:
    """The worker processes of one group, forked when its first job runs.

    Parameters
    ----------
    capacity : how many workers.
    """

    def __init__(self, group: Group, capacity: int) -> None:
        self.capacity = capacity
        self._group = group
        self._pool: ProcessPool | None = None
        self._output: WorkerOutput | None = None
        self._numbers = count()

    async def run(self, work: Work, task: Any, workspace: Workspace) -> Outcome:
        """Has one job done by a worker. Raises what the user's code raised, or JobTimeoutError, WorkerLostError."""
        for attempt in range(1, ATTEMPTS + 1):
            folder = workspace.scratch()
            try:
                delivered = await self._done(work, packed_job(task, workspace), workspace.emit)
            except (ProcessExpired, BrokenProcessPool) as error:
                self._drop_broken()
                hung = word_of(folder)
                if hung is not None:
                    raise JobTimeoutError(hung.what, hung.seconds, hung.where) from None
                code = getattr(error, "exitcode", None)
                if attempt == ATTEMPTS or not _by_signal(code):
                    raise WorkerLostError(_end_of(code), attempt) from None
                workspace.restart()
            else:
                outcome, there = unpacked(delivered)
                workspace.accept(there)
                return outcome
        raise AssertionError

    async def _done(self, work: Work, job: bytes, tell: Tell) -> bytes:
        """Has a worker do a job; what became of it, when all has been told that it emitted."""
        pool, number = self._started(work), next(self._numbers)
        output = self._output
        assert output is not None, "it comes with the pool"
        output.listen(number, tell)
        try:
            delivered, emitted = await _answer(pool, pool.schedule(worker.do, (number, job)))
            if emitted:
                await asyncio.to_thread(output.wait, number, emitted)
        finally:
            output.forget(number)
        return bytes(delivered)

    def close(self) -> None:
        """Ends the workers, at once."""
        if self._pool is not None:
            self._pool.stop()  # type: ignore[no-untyped-call]
            self._pool.join()
            self._pool = None
        if self._output is not None:
            self._output.close()
            self._output = None

    def _started(self, work: Work) -> ProcessPool:
        if self._pool is None:
            wait_before_forks()
            for stream in (sys.stdout, sys.stderr):
                if stream is not None:
                    stream.flush()
            self._output = WorkerOutput()
            self._pool = ProcessPool(
                max_workers=self.capacity,
                # A process keeps the GPUs that it began with.
                max_tasks=1 if self._group.needs.gpus else 0,
                initializer=worker.enter,
                initargs=(work, self._group.needs, os.getpid(), self._output),
                context=multiprocessing.get_context("fork"),
            )
        return self._pool

    def _drop_broken(self) -> None:
        """A pool whose workers cannot even start refuses all that comes."""
        if self._pool is not None and not self._pool.active:
            self.close()


async def _answer(pool: ProcessPool, scheduled: Future[Any]) -> Any:
    """What a worker answers. Raises BrokenProcessPool when the pool broke before it could pass the job on."""
    answer = asyncio.wrap_future(scheduled)
    try:
        while not (await asyncio.wait([answer], timeout=LOOK_SECONDS))[0]:
            if not pool.active:
                raise BrokenProcessPool
        return answer.result()
    finally:
        answer.cancel()


def _by_signal(code: int | None) -> bool:
    return code is None or code < 0


def _end_of(code: int | None) -> str:
    if code is None:
        return "ended before it could begin"
    if code < 0:
        return f"was ended by signal {-code} ({signal.Signals(-code).name})"
    return f"left with exit code {0 if code == worker.LEFT else code}"
