"""The bar of `progress=True`: how many replicates of an experiment have ended. Knows nothing of what they gave."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from crystallize.experiment.compiling.node import Node
from crystallize.experiment.objects.execution import Execution
from crystallize.plan import events


class ReplicateBars:
    """Watches a run and shows a bar for each experiment whose execution plugin asks for one, once a trial of it runs.

    Nothing is shown for a single replicate, nor for what is reused as a whole.
    """

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._nodes = [node for node in nodes if node.runs and _asks(node)]
        self._left: dict[int, Counter[int]] = {}
        """Group → replicate → how many of its trials have not ended."""
        self._tasks: dict[int, Any] = {}
        self._bars: Any = None

    @property
    def watchers(self) -> list[events.Watcher]:
        """What brings them up to date, where any experiment asks for one."""
        return [self.watch] if self._nodes else []

    def watch(self, event: events.Event) -> None:
        """Brings the bars up to date."""
        if isinstance(event, events.RunStarted):
            self._left = {
                node.group: Counter({replicate: len(node.conditions) for replicate in range(node.replicates)})
                for node in self._nodes
                if node.replicates > 1
            }
        elif isinstance(event, events.RunFinished):
            if self._bars is not None:
                self._bars.stop()
        elif isinstance(event, events.JobStarted):
            self._begin(event.job.group)
        elif isinstance(event, events.Settled):
            self._note(event.job.group, event.job.task)

    def _begin(self, group: int) -> None:
        if group not in self._left or group in self._tasks:
            return
        if self._bars is None:
            self._bars = _started()
        left = self._left[group]
        ended = sum(count == 0 for count in left.values())
        self._tasks[group] = self._bars.add_task("Replicates", total=len(left), completed=ended)

    def _note(self, group: int, trial: Any) -> None:
        if group not in self._left:
            return
        self._left[group][trial.replicate] -= 1
        if group in self._tasks and self._left[group][trial.replicate] == 0:
            self._bars.advance(self._tasks[group])


def _asks(node: Node) -> bool:
    plugins = [plugin for plugin in node.experiment.plugins if isinstance(plugin, Execution)]
    return bool(plugins) and plugins[-1].progress


def _started() -> Any:
    import sys

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    bars = Progress(*columns, console=Console(file=sys.stderr))
    bars.start()
    return bars
