"""Leads: somebody of a group's own says which of its jobs starts when, and is told how each of them ended.

The schedule stays the only one: who leads asks it for jobs, and nothing else starts them. Knows no stores.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from crystallize.plan import events
from crystallize.plan.plan import Plan

if TYPE_CHECKING:
    import asyncio


class LeadEnd(NamedTuple):
    """A group that nobody leads any more."""

    group: int
    error: BaseException | None
    """What its lead raised."""


class Leads:
    """The leads of one run, as tasks of the driver's loop; a watcher, too.

    Parameters
    ----------
    ask : called with the index of a job that may start.
    """

    def __init__(self, plan: Plan, ask: Callable[[int], None]) -> None:
        self._plan = plan
        self._ask = ask
        self._tasks: dict[asyncio.Task[None], int] = {}
        self._begun: set[int] = set()
        self._stopped: set[int] = set()
        self._ends: dict[int, events.Settled] = {}
        self._waiting: dict[int, list[asyncio.Future[events.Settled]]] = {}
        self._news: asyncio.Future[None] | None = None

    @property
    def watchers(self) -> list[events.Watcher]:
        """Itself, where any group has a lead."""
        return [self] if any(group.lead is not None for group in self._plan.groups) else []

    def __call__(self, event: events.Event) -> None:
        """Tells those who asked for a job that it is settled."""
        if not isinstance(event, events.Settled) or self._plan.groups[event.job.group].lead is None:
            return
        self._ends[event.job.index] = event
        if isinstance(event, events.JobCancelled):
            self._stopped.add(event.job.group)
        for future in self._waiting.pop(event.job.index, ()):
            if not future.done():
                future.set_result(event)

    @property
    def active(self) -> bool:
        """Whether anybody leads."""
        return bool(self._tasks)

    def begin(self, group: int) -> None:
        """Lets the group be led from now on; harmless when it is."""
        import asyncio

        lead = self._plan.groups[group].lead
        if group in self._begun or lead is None:
            return
        self._begun.add(group)

        async def whole() -> None:
            await lead(self._job)

        self._tasks[asyncio.create_task(whole())] = group

    def has_begun(self, group: int) -> bool:
        """Whether the group was ever led."""
        return group in self._begun

    def awaited(self) -> set[asyncio.Future[None]]:
        """What is done when a lead has ended, or has asked for another job."""
        import asyncio

        if self._news is None or self._news.done():
            self._news = asyncio.get_running_loop().create_future()
        return {*self._tasks, self._news}

    def take_ended(self) -> list[LeadEnd]:
        """The groups whose leads have ended since the last call."""
        ended = [task for task in self._tasks if task.done()]
        return [self._end_of(task) for task in ended]

    async def stop(self) -> None:
        """Ends whoever still leads: the run breaks off."""
        if not self._tasks:
            return
        import asyncio

        for future in chain.from_iterable(self._waiting.values()):
            future.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = {}

    def _end_of(self, task: asyncio.Task[None]) -> LeadEnd:
        import asyncio

        group = self._tasks.pop(task)
        if not task.cancelled():
            return LeadEnd(group, task.exception())
        # Who is told that jobs are cancelled, because the user stopped the run, may well give up.
        return LeadEnd(group, None if group in self._stopped else asyncio.CancelledError())

    async def _job(self, index: int) -> events.Settled:
        """How job `index` has ended; it may start from now on. Asked again, the same."""
        import asyncio

        if index in self._ends:
            return self._ends[index]
        future: asyncio.Future[events.Settled] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(index, []).append(future)
        self._ask(index)
        if self._news is not None and not self._news.done():
            self._news.set_result(None)
        return await future
