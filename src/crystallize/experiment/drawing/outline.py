"""Outlines: a graph of experiments as a drawing needs it, with none of the user's code and no way of drawing.

Made from configurations alone, or from experiments in memory; `draw.py` turns it into pictures and text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

from crystallize.errors import BlockedError, DefinitionError
from crystallize.experiment.folders.config import read_config
from crystallize.experiment.folders.entries import ExperimentConfig
from crystallize.experiment.folders.folder import expand, root_of
from crystallize.experiment.folders.references import Catalog, check_output
from crystallize.experiment.objects.constants import BASELINE_CONDITION

if TYPE_CHECKING:
    from crystallize.experiment.experiment import Experiment
    from crystallize.experiment.results.result import Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How the trials of one experiment ended in a run."""

    ran: int
    """Ran and succeeded."""
    reused: int
    failed: int
    blocked: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One experiment."""

    name: str
    replicates: int | None
    """As defined, else as its upstreams have; None where these disagree."""
    treatments: tuple[str, ...]
    """Its own, without the baseline."""
    outcome: Outcome | None = None
    """None: it has not run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """One experiment reads of another, or only waits for it."""

    upstream: str
    downstream: str
    artifact: str | None
    """None: it only waits."""
    gather: bool = False
    """True: it reads the artifact of all replicates."""

    @property
    def label(self) -> str:
        """The artifact as a reference names it; empty where there is none."""
        return (self.artifact or "") + ("[*]" if self.gather else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """Experiments and what they read of each other."""

    nodes: tuple[Node, ...]
    """Each after what it reads, unless there is a cycle."""
    edges: tuple[Edge, ...]

    def into(self, name: str) -> Iterator[Edge]:
        """What leads to the experiment called `name`."""
        return (edge for edge in self.edges if edge.downstream == name)


def outline_of_path(path: Path) -> tuple[Outline, list[DefinitionError]]:
    """The experiments that a configuration or a folder means, with all they read, and what is wrong with others.

    Raises DefinitionError for a single configuration that is wrong; in a folder the others are drawn without it.
    """
    faults: list[DefinitionError] = []
    targets = list(expand(path))
    configs = _closure(targets, None if len(targets) == 1 else faults)
    names = {config.path: config.name for config, _ in configs}
    edges = [
        Edge(
            upstream=names[producer],
            downstream=config.name,
            artifact=reference.output,
            gather=reference.gather,
        )
        for config, producers in configs
        for reference, producer in zip(config.references, producers, strict=True)
        if producer in names
    ]
    nodes = [
        Node(name=config.name, replicates=config.replicates, treatments=_own(t.name for t in config.treatments))
        for config, _ in configs
    ]
    return _ordered(nodes, edges), faults


def outline_of_experiments(experiments: Mapping[str, Experiment], upstreams: Mapping[str, Sequence[str]]) -> Outline:
    """Experiments in memory; `upstreams`: name → names of what it reads or waits for."""
    edges = []
    for name, experiment in experiments.items():
        read = [
            Edge(upstream=link.producer.name, downstream=name, artifact=link.output, gather=link.gather)
            for link in experiment.links
            if link.producer is not None
        ]
        reached = {edge.upstream for edge in read}
        waited = [
            Edge(upstream=upstream, downstream=name, artifact=None)
            for upstream in upstreams.get(name, ())
            if upstream not in reached
        ]
        edges += [*read, *waited]
    nodes = [
        Node(name=name, replicates=each.defined_replicates, treatments=_own(t.name for t in each.treatments))
        for name, each in experiments.items()
    ]
    return _ordered(nodes, edges)


def with_outcomes(outline: Outline, results: Mapping[str, Result]) -> Outline:
    """`outline` with how each experiment ended that `results` has."""
    nodes = (
        replace(node, outcome=_outcome(results[node.name])) if node.name in results else node for node in outline.nodes
    )
    return replace(outline, nodes=tuple(nodes))


def _outcome(result: Result) -> Outcome:
    trials = [error for key, error in result.errors.items() if key.rpartition("_rep_")[0] in result.ran]
    blocked = sum(isinstance(error, BlockedError) for error in trials)
    failed = len(trials) - blocked
    return Outcome(
        ran=sum(result.ran.values()) - failed,
        reused=sum(result.reused.values()),
        failed=failed or int("setup" in result.errors),
        blocked=blocked,
    )


def _closure(
    targets: Iterable[Path], faults: list[DefinitionError] | None
) -> list[tuple[ExperimentConfig, list[Path]]]:
    """Each configuration, read once, with those that its references mean. Faults are raised, or added to `faults`."""
    waiting = list(targets)
    found: dict[Path, tuple[ExperimentConfig, list[Path]] | None] = {}
    catalogs: dict[Path, Catalog] = {}
    for path in waiting:
        if path in found:
            continue
        found[path] = None
        try:
            config = read_config(path)
            producers = list(_producers(config, catalogs))
        except DefinitionError as error:
            if faults is None:
                raise
            faults.append(error)
        else:
            found[path] = config, producers
            waiting += producers
    return [entry for entry in found.values() if entry is not None]


def _producers(config: ExperimentConfig, catalogs: dict[Path, Catalog]) -> Iterator[Path]:
    root = root_of(config.path)
    place = root if config.path.is_relative_to(root) else config.path.parent.parent
    catalog = catalogs.setdefault(place, Catalog(place))
    for reference in config.references:
        path = catalog.find(reference.experiment, path=config.path, line=reference.line)
        check_output(reference, config, read_config(path))
        yield path


def _own(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(name for name in names if name != BASELINE_CONDITION)


def _ordered(nodes: Sequence[Node], edges: Sequence[Edge]) -> Outline:
    """The outline with nodes in order and replicates where only their upstreams say how many there are."""
    named = {node.name: node for node in nodes}
    outline = Outline(nodes=tuple(nodes), edges=tuple(dict.fromkeys(edges)))
    try:
        order = list(
            TopologicalSorter({name: [e.upstream for e in outline.into(name)] for name in named}).static_order()
        )
    except CycleError:
        order = list(named)
    for name in order:
        node = named[name]
        if node.replicates is None:
            paired = (named[e.upstream].replicates for e in outline.into(name) if not e.gather)
            counts = {count for count in paired if count not in (None, 1)}
            common = 1 if not counts else counts.pop() if len(counts) == 1 else None
            named[name] = replace(node, replicates=common)
    return replace(outline, nodes=tuple(named[name] for name in order))
