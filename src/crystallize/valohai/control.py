"""The control of a run: whoever finds that it must not go on says so here, and everything that runs is told."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class Control:
    """One run's. All in the driver's thread."""

    def __init__(self) -> None:
        self.reason = ""
        """Why the run must not go on; empty while it may."""
        self._events: set[asyncio.Event] = set()

    def stop(self, reason: str) -> None:
        """Ends everything that runs; nothing more is started. The first reason stands."""
        self.reason = self.reason or reason
        for event in self._events:
            event.set()

    @property
    def stopped(self) -> bool:
        """Whether the run must not go on."""
        return bool(self.reason)

    @contextmanager
    def watched(self) -> Iterator[asyncio.Event]:
        """While entered, yields an event that is set when the run must not go on."""
        event = asyncio.Event()
        if self.stopped:
            event.set()
        self._events.add(event)
        try:
            yield event
        finally:
            self._events.discard(event)
