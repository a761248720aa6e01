"""The bench: one thread that does whatever loads the user's code, one thing after the other.

Module worlds, observation and what jobs left belong to the process, so a run and a look at what a run would do never
happen at once. Knows no screens: who waits is called from the bench's thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any


class Task:
    """Something to be done on the bench."""

    def __init__(self, work: Callable[[], Any], done: Callable[[Any], None]) -> None:
        self._work = work
        self._done = done
        self.dropped = False
        """Set by who no longer wants it: it is not begun, and not told of."""

    def perform(self) -> None:
        """Does it and tells its result, or the exception that it raised."""
        if self.dropped:
            return
        try:
            result = self._work()
        except BaseException as error:
            result = error
        if not self.dropped:
            self._done(result)


class Bench:
    """Its thread is a daemon: leaving does not wait for user code that never ends."""

    def __init__(self) -> None:
        self._tasks: SimpleQueue[Task | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="crystallize-bench", daemon=True)
        self._thread.start()

    def put(self, work: Callable[[], Any], done: Callable[[Any], None]) -> Task:
        """Does `work` when everything before it is done, and calls `done`, in this thread, with what came of it."""
        task = Task(work, done)
        self._tasks.put(task)
        return task

    def close(self) -> None:
        """Does nothing more after what it does now."""
        self._tasks.put(None)

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            task.perform()
