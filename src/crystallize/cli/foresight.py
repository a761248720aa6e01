"""What a run would do, asked for a dry run or an explanation: each trial's foresight, and why."""

from __future__ import annotations

from dataclasses import dataclass

from crystallize.cli.explanation import Explanation, explain_all, foreseen_row
from crystallize.engine.foresee import Foreseen
from crystallize.experiment.compile import Node
from crystallize.experiment.running import Running
from crystallize.history.history import JobRow
from crystallize.session import Session
from crystallize.settings import Settings


@dataclass(frozen=True, slots=True)
class Foresight:
    """What a run would do with each trial."""

    nodes: list[Node]
    foreseen: list[Foreseen]

    @classmethod
    def of(cls, running: Running) -> Foresight:
        """Asks what `running` would do. Writes nothing."""
        foreseen = running.foresee()
        return cls(running.nodes, foreseen)

    @property
    def names(self) -> dict[int, str]:
        """Group → experiment."""
        return {node.group: node.experiment.label for node in self.nodes}

    def rows(self) -> list[JobRow]:
        """One row per trial, as a run would list it."""
        names = self.names
        return [foreseen_row(each, names) for each in self.foreseen]

    def explanations(self, settings: Settings) -> list[Explanation]:
        """Why each trial would run or be reused; trials that are alike together."""
        with Session(settings, write=False) as session:
            stores = {node.group: session.store(node.experiment.artifact_root) for node in self.nodes}
            return explain_all(self.foreseen, self.names, stores)
