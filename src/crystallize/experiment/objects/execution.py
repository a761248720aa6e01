"""How the trials of an experiment are executed: declarations that the engine reads.

A run never calls their `run_experiment_loop`; plugins that extend one of these, or delegate to it, may.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from crystallize.errors import DefinitionError, DefinitionTypeError, nearest
from crystallize.experiment.objects.limits import Limits
from crystallize.experiment.objects.plugins import BasePlugin

Mode = Literal["serial", "thread", "process", "async", "ray"]

VALID_EXECUTOR_TYPES = frozenset({"thread", "process"})
"""What `ParallelExecution` can be.

Examples
--------
>>> sorted(VALID_EXECUTOR_TYPES)
['process', 'thread']
"""


class Execution(BasePlugin):
    """A plugin that only says how trials are executed; results do not depend on it."""

    affects_results = False
    progress: bool
    """Whether the run shows how many replicates are done."""

    @property
    def mode(self) -> Mode:
        """The executor to use."""
        raise NotImplementedError

    def workers(self, trials: int) -> int:
        """How many of `trials` may run at the same time, at least 1."""
        return 1


@dataclass
class SerialExecution(Execution):
    """One trial after the other, in the order of replicates, the baseline first; what happens without any of these.

    Parameters
    ----------
    progress : show how many replicates are done.

    Examples
    --------
    >>> SerialExecution().workers(trials=10)
    1
    """

    progress: bool = False

    @property
    def mode(self) -> Mode:
        return "serial"

    async def run_experiment_loop(self, experiment: Any, replicate_fn: Callable[[int], Any]) -> list[Any]:
        """The replicates one after the other, each awaited before the next."""
        return [await replicate_fn(replicate) for replicate in range(experiment.replicates)]


@dataclass
class AsyncExecution(Execution):
    """All trials concurrently in one event loop; for steps that wait for something else.

    Parameters
    ----------
    progress : show how many replicates are done.

    Examples
    --------
    >>> import asyncio
    >>> @data_source
    ... def nothing():
    ...     return None
    >>> @pipeline_step
    ... async def wait(data, ctx):
    ...     await asyncio.sleep(0)
    ...     return data, {"waited": ctx["replicate"]}
    >>> experiment = Experiment(nothing(), Pipeline([wait()]), [AsyncExecution()], name="waiting", replicates=3)
    >>> experiment.run().metrics.baseline.metrics
    {'waited': [0, 1, 2]}
    """

    progress: bool = False

    @property
    def mode(self) -> Mode:
        return "async"

    def workers(self, trials: int) -> int:
        return max(1, trials)

    async def run_experiment_loop(self, experiment: Any, replicate_fn: Callable[[int], Any]) -> list[Any]:
        """All replicates, awaited together."""
        import asyncio

        return list(await asyncio.gather(*(replicate_fn(replicate) for replicate in range(experiment.replicates))))


@dataclass
class ParallelExecution(Execution):
    """Trials in threads or processes.

    Parameters
    ----------
    max_workers : at most so many at a time; else as many as the machine has processors (one less for processes).
    executor_type : ``thread`` or ``process``. Raises ValueError for anything else.
    progress : show how many replicates are done.

    Examples
    --------
    >>> ParallelExecution(max_workers=4).workers(trials=10)
    4
    >>> ParallelExecution(executor_type="proces")
    Traceback (most recent call last):
    crystallize.errors.DefinitionError: executor_type is 'proces'; did you mean 'process'?
    """

    max_workers: int | None = None
    executor_type: str = "thread"
    progress: bool = False

    def __post_init__(self) -> None:
        if self.executor_type not in VALID_EXECUTOR_TYPES:
            raise DefinitionError(
                f"executor_type is {self.executor_type!r}",
                remedy=nearest(str(self.executor_type), VALID_EXECUTOR_TYPES),
            )
        _check_workers(self.max_workers)

    @property
    def mode(self) -> Mode:
        return "process" if self.executor_type == "process" else "thread"

    def workers(self, trials: int) -> int:
        import os

        processors = os.cpu_count() or 8
        default = processors if self.mode == "thread" else max(1, processors - 1)
        return max(1, min(self.max_workers or default, trials))

    def run_experiment_loop(self, experiment: Any, replicate_fn: Callable[[int], Any]) -> list[Any]:
        """All replicates, each waited for in a thread of its own. Raises TypeError for a coroutine function."""
        from concurrent.futures import ThreadPoolExecutor
        from inspect import iscoroutinefunction

        if iscoroutinefunction(replicate_fn):
            raise DefinitionTypeError(
                "replicate_fn is a coroutine function, which threads cannot wait for", remedy="use AsyncExecution()"
            )
        with ThreadPoolExecutor(self.workers(experiment.replicates)) as pool:
            return list(pool.map(replicate_fn, range(experiment.replicates)))


@dataclass
class RayExecution(Execution):
    """Trials on the machines of a Ray cluster; needs the extra ``ray``.

    Raises DefinitionError (a ValueError) for numbers that cannot be, DefinitionTypeError (a TypeError) for what is no
    number.

    Parameters
    ----------
    address : ``auto`` (the cluster that this machine belongs to), ``local`` (this machine alone), or ``host:port``.
    num_cpus, num_gpus : what a trial needs, where `resources` say nothing else; GPUs whole, or a share of one.
    max_workers : at most so many at a time; else as many as the cluster has room for.
    progress : show how many replicates are done.

    Examples
    --------
    >>> RayExecution(address="local", num_gpus=0.5).limits
    Limits(timeout=None, retries=0, cpus=1.0, gpus=0.5, memory=None)
    """

    address: str = "auto"
    num_cpus: float = 1
    num_gpus: float = 0
    max_workers: int | None = None
    progress: bool = False
    limits: Limits = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.address, str) or not self.address:
            raise DefinitionTypeError(
                f"{self.address!r} is no address", key="address", remedy="give 'auto' or host:port"
            )
        _check_workers(self.max_workers)
        self.limits = Limits.of(resources={"cpus": self.num_cpus, "gpus": self.num_gpus})

    @property
    def mode(self) -> Mode:
        return "ray"

    def workers(self, trials: int) -> int:
        return max(1, min(self.max_workers or trials, trials))


def _check_workers(count: int | None) -> None:
    if count is not None and count < 1:
        raise DefinitionError(f"max_workers is {count}", remedy="give it 1 or more")
