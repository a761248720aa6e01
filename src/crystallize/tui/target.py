"""What a run screen runs: the graph of an experiment, or a pipeline. Both are opened, foreseen and run in one form."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from rich.console import Console

from crystallize.engine.interrupt import Interrupt
from crystallize.experiment.reports.candidates import Candidate
from crystallize.experiment.reports.data import to_json, to_xml
from crystallize.experiment.reports.explanation import Explanation
from crystallize.experiment.reports.live import LiveRun
from crystallize.experiment.reports.opened import Choices, Known, Opened
from crystallize.experiment.reports.summary import print_results
from crystallize.experiment.results.result import Result
from crystallize.session import Session
from crystallize.words import near

Say = Callable[[str, str], None]
"""Takes a label and a line for the log."""


class Named(Protocol):
    """What a node is of."""

    @property
    def label(self) -> str: ...
    @property
    def path(self) -> Path | None:
        """Its own configuration; None where it has none."""


class Shown(Protocol):
    """A node, as far as the board draws it."""

    @property
    def experiment(self) -> Named: ...
    @property
    def switched(self) -> Sequence[str]: ...
    @property
    def defined(self) -> Iterable[str]: ...
    @property
    def conditions(self) -> Iterable[str]: ...
    @property
    def treatments(self) -> Mapping[str, Any]: ...
    @property
    def replicates(self) -> int: ...


class Foresight(Protocol):
    """What a run would do."""

    @property
    def nodes(self) -> Sequence[Shown]: ...
    @property
    def explanations(self) -> Sequence[Explanation]: ...
    @property
    def strategy(self) -> str: ...
    @property
    def seconds(self) -> float: ...
    def counts(self) -> dict[str, dict[str, dict[str, int]]]: ...


class Written(NamedTuple):
    """A file that a run wrote, or that it reused."""

    told: str
    """Who wrote it, and what it is called."""
    about: str
    """Where it lies, or how large it is."""
    path: Callable[[], Path]
    """Where it can be opened; puts it there first if need be, so it is not to be waited for by a screen. Raises
    StoreError and OSError."""


class Outcome(Protocol):
    """What came of a run."""

    def show(self, console: Console) -> None: ...
    @property
    def word(self) -> str:
        """What a file is called here."""

    def written(self) -> list[Written]:
        """All files, those of one node together."""

    def json(self) -> str: ...
    def xml(self) -> str: ...


class Loaded(Protocol):
    """A target that was loaded; used on the bench only."""

    @property
    def name(self) -> str: ...
    @property
    def faults(self) -> Sequence[str]: ...
    @property
    def switched_off(self) -> Mapping[str, frozenset[str]]: ...
    @property
    def store_folder(self) -> Path:
        """Where the store lies whose history numbers its runs."""

    def edges(self) -> Mapping[str, Sequence[str]]:
        """Node → what it reads, in the order in which they run."""

    def outlook(self, choices: Choices) -> Foresight: ...
    def known(self) -> Known | None: ...
    def candidates(self) -> Mapping[str, Sequence[Candidate]]: ...
    def perform(
        self,
        choices: Choices,
        live: LiveRun,
        say: Say,
        interrupt: Interrupt,
        begin: Callable[[Sequence[Shown]], None],
    ) -> Outcome:
        """Runs it; `begin` is told the nodes before the first of them starts."""


class Prepared(NamedTuple):
    """What was found out before a run."""

    opened: Loaded
    outlook: Foresight
    candidates: Mapping[str, Sequence[Candidate]]


class Target(Protocol):
    """Names what is run; two that are equal run the same."""

    @property
    def name(self) -> str: ...
    @property
    def path(self) -> Path:
        """The file that defines it."""

    @property
    def reuses(self) -> bool:
        """Whether it reuses what is there, unless it is told not to."""

    def load(self) -> Loaded: ...


@dataclass(frozen=True, slots=True)
class Graph:
    """The graph of one experiment."""

    path: Path
    reuses: bool = field(default=True, compare=False)

    @property
    def name(self) -> str:
        """The folder's."""
        return self.path.parent.name

    def load(self) -> LoadedGraph:
        """Loads the user's code."""
        return LoadedGraph(self.path)


class LoadedGraph(Opened):
    """A graph that can be foreseen and run. Raises DefinitionError when it cannot be loaded."""

    def __init__(self, config: Path) -> None:
        super().__init__(config)
        first = self.graph.experiments[self.graph.order()[0]]
        with Session(self.settings, write=False) as session:
            self.store_folder = session.store(first.artifact_root).folder

    def edges(self) -> Mapping[str, Sequence[str]]:
        """Experiment → what it reads, in the order in which they run."""
        edges = self.graph.edges()
        return {name: edges[name] for name in self.graph.order()}

    def perform(
        self,
        choices: Choices,
        live: LiveRun,
        say: Say,
        interrupt: Interrupt,
        begin: Callable[[Sequence[Shown]], None],
    ) -> Outcome:
        """Runs it."""
        running = self.running(choices, [live])
        begin(running.nodes)
        return Concluded(running.run(interrupt))


@dataclass(frozen=True, slots=True)
class Concluded:
    """The results of a graph."""

    results: Mapping[str, Result]

    def show(self, console: Console) -> None:
        """A section per experiment."""
        print_results(console, self.results)

    @property
    def word(self) -> str:
        """Of experiments."""
        return "artifact"

    def written(self) -> list[Written]:
        """Per experiment, file and condition."""
        return [
            Written(f"{name} · {file} · {condition}", near(path), partial(Path, path))
            for name, result in self.results.items()
            for file, paths in result.artifacts.items()
            for condition, path in paths.items()
        ]

    def json(self) -> str:
        """One object per experiment."""
        return to_json(self.results)

    def xml(self) -> str:
        """One element per experiment."""
        return to_xml(self.results)
