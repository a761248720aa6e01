"""Loops: a plugin's own `run_experiment_loop` as the lead of an experiment's trials (design 7).

The plugin says which replicates run, in which order and how many at a time; the schedule runs them, one condition after
the other, where the experiment's trials run anyway. What was recorded is the result, whatever the plugin returns.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any, NoReturn

from crystallize.errors import DefinitionError, DefinitionTypeError
from crystallize.experiment.compiling.node import Node
from crystallize.experiment.objects.constants import BASELINE_CONDITION
from crystallize.experiment.objects.plugins import BasePlugin
from crystallize.experiment.results.structs import ReplicateResult
from crystallize.plan import events
from crystallize.plan.job import Ask
from crystallize.store.store import Store
from crystallize.words import ranges

if TYPE_CHECKING:
    import asyncio


class Loop:
    """The lead of one experiment in one run; see `plan.job.Lead`.

    Parameters
    ----------
    node : the experiment in this run; its jobs are known when the loop is begun.
    store : of its records.
    """

    def __init__(self, plugin: BasePlugin, node: Node, store: Store) -> None:
        self._plugin = plugin
        self._node = node
        self._store = store
        self._ask: Ask
        self._loop: asyncio.AbstractEventLoop
        self._asked: set[int] = set()
        self._open = 0
        self._most_open = 0
        self._begun = False

    async def __call__(self, ask: Ask) -> None:
        """Lets the plugin ask for replicates until it returns."""
        import asyncio

        self._ask, self._loop, self._begun = ask, asyncio.get_running_loop(), True
        run, experiment = self._plugin.run_experiment_loop, self._node.experiment
        if inspect.iscoroutinefunction(run):
            given = await run(experiment, self.replicate)
        else:
            # In a thread: there it may wait for a replicate, which runs meanwhile.
            given = await asyncio.to_thread(run, experiment, self._replicate_here)
            given = await given if isinstance(given, Awaitable) else given
        if given is NotImplemented:
            for replicate in range(self._node.replicates):
                await self.replicate(replicate)
        elif not isinstance(given, list | tuple):
            raise DefinitionTypeError(
                f"run_experiment_loop of plugin {type(self._plugin).__name__} returned a {type(given).__name__}",
                remedy="return the list of what replicate_fn gave, in the order of replicates",
            )

    async def replicate(self, replicate: int) -> ReplicateResult:
        """Runs what must run of a replicate, baseline first; from any event loop.

        Raises IndexError where the run has no such replicate, CancelledError when the user stopped the run.
        """
        import asyncio

        if asyncio.get_running_loop() is self._loop:
            return await self._carried_out(replicate)
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._carried_out(replicate), self._loop))

    def notices(self) -> Iterator[str]:
        """What the user should know of how the plugin used its loop."""
        name = type(self._plugin).__name__
        left = [r for r in range(self._node.replicates) if r not in self._asked] if self._begun else []
        if left:
            yield f"plugin {name} did not ask for {'replicate' if len(left) == 1 else 'replicates'} {ranges(left)}"
        if self._most_open > 1 and self._node.runs_serially:
            yield (
                f"plugin {name} asks for several replicates at a time, and they run one by one; put AsyncExecution() "
                "or ParallelExecution() before it in the list of plugins"
            )

    def __reduce__(self) -> NoReturn:
        raise DefinitionError(
            f"replicate_fn, as plugin {type(self._plugin).__name__} is given it, cannot travel to another process",
            remedy="let ParallelExecution(executor_type='process') or RayExecution() say where trials run",
        )

    def _replicate_here(self, replicate: int) -> ReplicateResult | Awaitable[ReplicateResult]:
        """As `replicate`, for loops that are no coroutines: waits, unless an event loop runs here."""
        import asyncio

        if asyncio._get_running_loop() is not None:
            return self.replicate(replicate)
        return asyncio.run_coroutine_threadsafe(self._carried_out(replicate), self._loop).result()

    async def _carried_out(self, replicate: int) -> ReplicateResult:
        node = self._node
        if not 0 <= replicate < node.replicates:
            raise IndexError(
                f"experiment '{node.experiment.label}' runs {node.replicates} replicates, from 0, and none {replicate}"
            )
        self._asked.add(replicate)
        self._open += 1
        self._most_open = max(self._open, self._most_open)
        try:
            ends = {condition: await self._ask(node.job(condition, replicate)) for condition in node.conditions}
        finally:
            self._open -= 1
        return _told(replicate, ends, self._store.provenance_of)


class _Told(ReplicateResult):
    """A replicate that is over, and may be awaited all the same: ``asyncio.run(replicate_fn(r))`` works in a thread."""

    def send(self, value: object) -> NoReturn:
        """There is nothing to wait for."""
        raise StopIteration(self)

    def throw(self, error: BaseException) -> NoReturn:
        """Likewise."""
        raise error

    def close(self) -> None:
        """Likewise."""

    def __await__(self) -> Generator[Any, None, ReplicateResult]:
        yield from ()
        return self


def _told(replicate: int, ends: dict[str, events.Settled], provenance_of: Callable[[int], Any]) -> ReplicateResult:
    """What became of a replicate, from how its trials ended: condition → event."""
    import asyncio

    told = _Told(None, None, {}, {}, {}, {})
    for condition, end in ends.items():
        if isinstance(end, events.JobCancelled):
            raise asyncio.CancelledError
        if isinstance(end, events.JobFailed | events.JobBlocked):
            told.errors[f"{condition}_rep_{replicate}"] = end.error
            continue
        metrics = {name: list(values) for name, values in end.record.metrics.items()}
        seed = end.record.facts.get("seed")
        told.provenance[condition] = provenance_of(end.record.number) or []
        if condition == BASELINE_CONDITION:
            told.baseline_metrics, told.baseline_seed = metrics, seed
        else:
            told.treatment_metrics[condition] = metrics
            told.treatment_seeds[condition] = seed
    return told
