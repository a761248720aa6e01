"""A configuration as a screen opens it: its graph, how it would run with what was chosen, what is known of it.

Loads the user's code, so it is used by one thread at a time, and never beside a run in the same process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crystallize.experiment.compiling.node import Node
from crystallize.experiment.folders.switches import switched_off
from crystallize.experiment.graph import ExperimentGraph
from crystallize.experiment.reports.archive import Archive
from crystallize.experiment.reports.candidates import Candidate
from crystallize.experiment.reports.explanation import Explanation
from crystallize.experiment.reports.foresight import Foresight
from crystallize.experiment.results.ends import ends
from crystallize.experiment.results.saved_metrics import load_parts
from crystallize.experiment.running import Running
from crystallize.history.history import GroupRow, RunRow
from crystallize.plan import events
from crystallize.session import Session
from crystallize.settings import Settings

RUNS_OFFERED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What was chosen on a run screen; holds for this screen only."""

    rerun: frozenset[str] = frozenset()
    """Experiments that run again whatever is there."""
    rerun_all: bool = False
    pins: Mapping[str, int] = field(default_factory=dict)
    """Experiment → the run whose trials it takes as they are."""
    values: Mapping[tuple[str, ...], Any] = field(default_factory=dict)
    """What was given for the parameters of what is run, where it has any."""


@dataclass(frozen=True, slots=True)
class Known:
    """What earlier runs left of one experiment."""

    run: RunRow
    """The last one that had it."""
    group: GroupRow | None
    """What became of it there; None while that run is going on, or when it was killed."""
    metrics: Mapping[str, Mapping[str, Any]]
    """Condition → metric → values."""


class Opened:
    """The graph of one configuration, loaded. Raises DefinitionError when it cannot be."""

    def __init__(self, config: Path) -> None:
        self.config = config
        self.settings = Settings.load(config.parent)
        self.graph = ExperimentGraph.of_targets([config])
        self.name = next(name for name, each in self.graph.experiments.items() if each.path == config)
        self.switched_off, self.faults = switched_off(self.graph.experiments.values())

    def running(self, choices: Choices, watchers: Sequence[events.Watcher] = ()) -> Running:
        """A run that has not begun. Raises DefinitionError for pins that name nothing here."""
        return self.graph.running(
            strategy="rerun" if choices.rerun_all else None,
            rerun=choices.rerun,
            pin=choices.pins,
            switched_off=self.switched_off,
            watchers=watchers,
            settings=self.settings,
            default_strategy="resume",
            what="tui",
        )

    def outlook(self, choices: Choices) -> Outlook:
        """What a run would do, and why. Writes nothing."""
        foresight = Foresight.of(self.running(choices))
        return Outlook(foresight.nodes, foresight.explanations(self.settings), foresight.strategy)

    def known(self) -> Known | None:
        """What earlier runs left of the experiment; None when it never ran."""
        root = self.graph.experiments[self.name].artifact_root
        with Session(self.settings, write=False) as session:
            archive = Archive(session.store(root), session.history(root))
            runs = archive.runs(self.name, 1)
        if not runs:
            return None
        _, parts = load_parts(root / self.name)
        run, groups = runs[0]
        return Known(run, groups[0] if groups else None, {name: ends(part) for name, part in parts.items()})

    def candidates(self) -> dict[str, list[Candidate]]:
        """Experiment → what the last runs had of it, newest first; in the order in which they run."""
        found: dict[str, list[Candidate]] = {}
        with Session(self.settings, write=False) as session:
            for name in self.graph.order():
                root = self.graph.experiments[name].artifact_root
                archive = Archive(session.store(root), session.history(root))
                found[name] = archive.candidates(name, RUNS_OFFERED)
        return found


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a run would do."""

    nodes: Sequence[Node]
    """In the order in which they would run."""
    explanations: Sequence[Explanation]
    strategy: str

    @property
    def seconds(self) -> float:
        """What the trials that would run, or may have to, took last time."""
        return sum(each.seconds for each in self.explanations if each.state in ("run", "undecided"))

    def counts(self) -> dict[str, dict[str, dict[str, int]]]:
        """Experiment → condition → state of `Explanation` → trials, in the order in which they would run."""
        found: dict[str, dict[str, dict[str, int]]] = {
            node.experiment.label: {condition: {} for condition in node.conditions} for node in self.nodes
        }
        for each in self.explanations:
            for condition, replicates in each.trials.items():
                states = found.setdefault(each.experiment, {}).setdefault(condition, {})
                states[each.state] = states.get(each.state, 0) + len(replicates)
        return found
