"""The event loop that a run has to itself."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def run_to_end(coroutine: Coroutine[object, object, T]) -> T:
    """As `asyncio.run`, but what user code still does in `asyncio.to_thread` is not waited for, maybe for ever."""
    with asyncio.Runner() as runner:
        runner.get_loop().set_default_executor(Unawaited())
        return runner.run(coroutine)


def is_being_cancelled() -> bool:
    """Whether this task is asked to stop; user code may raise `CancelledError` by itself."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


class Unawaited(ThreadPoolExecutor):
    """A pool that can be shut down while its threads are busy."""

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Takes no further work; never waits, whatever `wait` says."""
        super().shutdown(wait=False, cancel_futures=cancel_futures)
