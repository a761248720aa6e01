"""How the trials of an experiment are executed: declarations that the engine reads. Nothing runs here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from crystallize.errors import DefinitionError, nearest
from crystallize.experiment.objects.plugins import BasePlugin

Mode = Literal["serial", "thread", "process", "async"]

VALID_EXECUTOR_TYPES = frozenset({"thread", "process"})


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
    """One trial after the other."""

    progress: bool = False

    @property
    def mode(self) -> Mode:
        return "serial"


@dataclass
class AsyncExecution(Execution):
    """All trials concurrently in one event loop; for steps that wait for something else."""

    progress: bool = False

    @property
    def mode(self) -> Mode:
        return "async"

    def workers(self, trials: int) -> int:
        return max(1, trials)


@dataclass
class ParallelExecution(Execution):
    """Trials in threads or processes.

    Parameters
    ----------
    max_workers : at most so many at a time; else as many as the machine has processors (one less for
    processes). executor_type : ``thread`` or ``process``. Raises ValueError for anything else.
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
        if self.max_workers is not None and self.max_workers < 1:
            raise DefinitionError(f"max_workers is {self.max_workers}", remedy="give it 1 or more")

    @property
    def mode(self) -> Mode:
        return "process" if self.executor_type == "process" else "thread"

    def workers(self, trials: int) -> int:
        import os

        processors = os.cpu_count() or 8
        default = processors if self.mode == "thread" else max(1, processors - 1)
        return max(1, min(self.max_workers or default, trials))
