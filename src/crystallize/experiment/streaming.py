"""Streams: the trials of a run one by one, each as it ends.

Whoever reads leads: while a trial is looked at, no other one is started, and who reads no further has stopped the run.
What had ended by then is kept, so that the next run goes on from there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from crystallize.experiment.results.result import Result
from crystallize.experiment.results.structs import Samples
from crystallize.experiment.running import Running
from crystallize.plan import events
from crystallize.session import refuse_running_loop

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialResult:
    """How one trial ended: one replicate of one condition.

    Examples
    --------
    >>> TrialResult(condition="baseline", replicate=0, metrics={"loss": [0.5]}, seconds=0.1).metrics["loss"]
    [0.5]
    """

    condition: str
    replicate: int
    """From 0."""
    metrics: Samples = field(default_factory=dict)
    """Metric → its values, in the order they were recorded; empty when it failed."""
    seed: int | None = None
    reused: bool = False
    """Whether an earlier result served."""
    seconds: float = 0.0
    """It took, when it ran."""
    error: BaseException | None = None
    """What it failed with, or why it could not run."""


class Stream:
    """The trials of one run. Iterate over it once, with ``for`` or with ``async for``; stop whenever you like.

    A ``for`` that is left stops the run there and then. An ``async for`` cannot wait for that: read the stream inside
    ``async with``, or call `aclose`.

    Parameters
    ----------
    make : the run, given who watches it.

    Examples
    --------
    >>> from crystallize import Experiment, Pipeline, data_source, pipeline_step
    >>> @data_source
    ... def numbers():
    ...     return [1, 2, 3]
    >>> @pipeline_step()
    ... def total(data):
    ...     return data, {"total": sum(data)}
    >>> stream = Experiment(numbers(), Pipeline([total()]), name="sums", replicates=9).stream()
    >>> for trial in stream:
    ...     if trial.replicate == 2:
    ...         break
    >>> stream.result.metrics.baseline.metrics
    {'total': [6, 6, 6]}
    """

    def __init__(self, make: Callable[[events.Watcher], Running]) -> None:
        import asyncio

        self._ended: deque[TrialResult] = deque()
        self._running = make(self._watch)
        self._news = asyncio.Event()
        self._free = asyncio.Event()
        self._stopped = False
        self._begun = False
        self._result: Result | None = None
        self._open: AsyncGenerator[TrialResult, None] | None = None

    @property
    def result(self) -> Result:
        """What the run gave. Raises RuntimeError as long as it goes on."""
        if self._result is None:
            raise RuntimeError("the run is not over; read the stream to its end, or leave it")
        return self._result

    def __iter__(self) -> Iterator[TrialResult]:
        import asyncio
        from concurrent.futures import ThreadPoolExecutor

        from crystallize.engine.loops import Unawaited

        pool = ThreadPoolExecutor(1, "crystallize-driver") if refuse_running_loop() else None
        loop = asyncio.new_event_loop()
        loop.set_default_executor(Unawaited())
        trials = self._follow()

        def step(awaitable: Awaitable[T]) -> T:
            # In a notebook, whose own loop runs here, in a thread; elsewhere the user's code runs where it is called.
            return loop.run_until_complete(awaitable) if pool is None else pool.submit(step_there, awaitable).result()

        def step_there(awaitable: Awaitable[T]) -> T:
            return loop.run_until_complete(awaitable)

        try:
            while True:
                try:
                    trial = step(anext(trials))
                except StopAsyncIteration:
                    return
                yield trial
        finally:
            try:
                step(trials.aclose())
            finally:
                loop.close()
                if pool is not None:
                    pool.shutdown()

    def __aiter__(self) -> AsyncIterator[TrialResult]:
        self._open = self._follow()
        return self._open

    async def aclose(self) -> None:
        """Stops the run, if it goes on; what ``async with`` does at its end."""
        if self._open is not None:
            await self._open.aclose()

    async def __aenter__(self) -> Stream:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.aclose()

    async def _follow(self) -> AsyncGenerator[TrialResult, None]:
        import asyncio

        if self._begun:
            raise RuntimeError("a stream is read once; ask the experiment for another one")
        self._begun = True
        run = asyncio.ensure_future(self._running.arun(gate=self._free.wait, stop=lambda: self._stopped))
        run.add_done_callback(lambda _: self._news.set())
        try:
            while not run.done() or self._ended:
                if self._ended:
                    yield self._ended.popleft()
                    continue
                self._news.clear()
                self._free.set()
                await self._news.wait()
        finally:
            # A generator that is closed may await, but not yield.
            self._stopped = True
            self._free.set()
            with suppress(asyncio.CancelledError):
                self._result = self._running.only(await run)

    def _watch(self, event: events.Event) -> None:
        trial = _trial(event)
        if trial is not None and self._running.shows(event):
            self._ended.append(trial)
            self._free.clear()
            self._news.set()


def _trial(event: Any) -> TrialResult | None:
    """The trial that an event tells the end of."""
    if isinstance(event, events.JobDone | events.JobReused):
        task, record = event.job.task, event.record
        return TrialResult(
            condition=task.condition,
            replicate=task.replicate,
            metrics={name: list(values) for name, values in record.metrics.items()},
            seed=record.facts.get("seed"),
            reused=isinstance(event, events.JobReused),
            seconds=record.seconds,
        )
    if isinstance(event, events.JobFailed | events.JobBlocked):
        task, seconds = event.job.task, event.seconds if isinstance(event, events.JobFailed) else 0.0
        return TrialResult(condition=task.condition, replicate=task.replicate, error=event.error, seconds=seconds)
    return None
