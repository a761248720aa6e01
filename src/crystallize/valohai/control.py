"""Controls: whoever finds that a run, or one task of it, must not go on says so here, and all that runs is told."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext


class Control:
    """One run's, or one task's within it. All in the driver's thread.

    Parameters
    ----------
    around : the control of the run that a task is part of: what stops that stops this.
    at_once : how many executions it lets run at a time; None: as many as there are.
    """

    def __init__(self, around: Control | None = None, *, at_once: int | None = None) -> None:
        self.turn: AbstractAsyncContextManager[None] = nullcontext() if at_once is None else asyncio.Semaphore(at_once)
        """Entered by each execution for as long as it runs."""
        self._reason = ""
        self._around = around
        self._within: list[Control] = []
        self._events: set[asyncio.Event] = set()
        if around is not None:
            around._within.append(self)

    @property
    def reason(self) -> str:
        """Why it must not go on; empty while it may."""
        return self._reason or (self._around.reason if self._around is not None else "")

    @property
    def stopped(self) -> bool:
        """Whether it must not go on."""
        return bool(self.reason)

    def stop(self, reason: str) -> None:
        """Ends everything that runs; nothing more is started. The first reason stands."""
        self._reason = self._reason or reason
        self._tell()

    @contextmanager
    def watched(self) -> Iterator[asyncio.Event]:
        """While entered, yields an event that is set when it must not go on."""
        event = asyncio.Event()
        if self.stopped:
            event.set()
        self._events.add(event)
        try:
            yield event
        finally:
            self._events.discard(event)

    def _tell(self) -> None:
        for event in self._events:
            event.set()
        for control in self._within:
            control._tell()
