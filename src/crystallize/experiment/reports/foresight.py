"""What a run would do, asked for a dry run or an explanation: each trial's foresight, and why."""

from __future__ import annotations

from dataclasses import dataclass, replace

from crystallize.engine.foresee import Foreseen
from crystallize.errors import DefinitionError, UnknownNameError, nearest
from crystallize.experiment.compiling.node import Node
from crystallize.experiment.objects.links import name_of
from crystallize.experiment.reports.explanation import Explanation, explain_all, foreseen_row
from crystallize.experiment.running import Running
from crystallize.history.history import JobRow
from crystallize.session import Session
from crystallize.settings import Settings


@dataclass(frozen=True, slots=True)
class Foresight:
    """What a run would do with each trial."""

    nodes: list[Node]
    foreseen: list[Foreseen]
    strategy: str

    @classmethod
    def of(cls, running: Running) -> Foresight:
        """Asks what `running` would do. Writes nothing."""
        foreseen = running.foresee()
        return cls(running.nodes, foreseen, strategy_of(running))

    @property
    def names(self) -> dict[int, str]:
        """Group → experiment, or which fetches it is."""
        names = {node.group: node.experiment.label for node in self.nodes}
        for node in self.nodes:
            if node.fetch_group is not None:
                sources = ", ".join(map(name_of, node.volatile.values()))
                names[node.fetch_group] = f"fetch of {node.experiment.label} (volatile: {sources})"
        return names

    def only(self, condition: str | None, replicate: int | None) -> Foresight:
        """The part of it that is about one condition, one replicate, or both.

        Raises UnknownNameError for a condition, DefinitionError for a replicate, that no experiment here has.
        """
        tasks = [each.job.task for each in self.foreseen]
        conditions = dict.fromkeys(task.condition for task in tasks)
        if condition is not None and condition not in conditions:
            raise UnknownNameError(
                f"there is no condition '{condition}'", key="--condition", remedy=nearest(condition, conditions)
            )
        most = max((task.replicate for task in tasks), default=0)
        if replicate is not None and replicate > most:
            raise DefinitionError(
                f"there is no replicate {replicate}", key="--replicate", remedy=f"the last one is {most}"
            )
        chosen = [
            each
            for each, task in zip(self.foreseen, tasks, strict=True)
            if condition in (None, task.condition) and replicate in (None, task.replicate)
        ]
        return replace(self, foreseen=chosen)

    def rows(self) -> list[JobRow]:
        """One row per trial, in order."""
        names = self.names
        return [foreseen_row(each, names) for each in self.foreseen]

    def explanations(self, settings: Settings) -> list[Explanation]:
        """Why each trial would run or be reused; trials that are alike together."""
        with Session(settings, write=False) as session:
            stores = {node.group: session.store(node.experiment.artifact_root) for node in self.nodes}
            return explain_all(self.foreseen, self.names, stores)


def strategy_of(running: Running) -> str:
    """``resume``, ``rerun``, or both where experiments differ."""
    return " and ".join(sorted({running.asked.strategy_of(node.experiment) for node in running.nodes}))
