"""Graphs of experiments: who reads whose artifacts, in which order they run, and the run of all of them.

Edges are read from the datasources when they are needed, so a datasource may be assigned after the graph was made.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crystallize.engine.uncollected import uncollected
from crystallize.errors import CrystallizeError, DefinitionTypeError, GraphError
from crystallize.experiment.compiling.asking import asked_of
from crystallize.experiment.compiling.node import Node
from crystallize.experiment.experiment import Experiment
from crystallize.experiment.objects.links import Link
from crystallize.experiment.objects.names import folded
from crystallize.experiment.objects.treatment import Treatment
from crystallize.experiment.results.result import Result
from crystallize.experiment.results.structs import ExperimentMetrics, TreatmentMetrics
from crystallize.experiment.running import Running
from crystallize.experiment.shape import components, sorted_names
from crystallize.plan import events
from crystallize.settings import Settings

if TYPE_CHECKING:
    from crystallize.experiment.folders.entries import Overrides

ProgressCallback = Callable[[str, str], Awaitable[None]]
"""Called with ``running`` or ``completed`` and the name of an experiment."""


class _DrawingMethod:
    """`visualize_from_yaml`, callable on the class and on an instance alike."""

    def __get__(self, graph: ExperimentGraph | None, owner: type) -> Callable[..., Any]:
        def visualize_from_yaml(path: str | Path, output: str | Path | None = None) -> Any:
            """A drawing of the experiments that a configuration file or folder defines; imports no user code.

            Shows itself in a notebook; elsewhere it is written to `output` (svg, png, pdf, dot or mermaid; by default
            ``<target>.svg``) and the path is printed. Called on a graph that has run, its nodes show how they ended.
            """
            from crystallize.experiment.drawing.draw import visualize

            return visualize(Path(path), None if output is None else Path(output), graph.results if graph else None)

        return visualize_from_yaml


class ExperimentGraph:
    """Experiments by name, connected by the artifacts they read.

    Parameters
    ----------
    experiments : as for `from_experiments`, when any are given.
    name : else that of the single experiment nothing reads, else ``ExperimentGraph``.

    Examples
    --------
    >>> @data_source
    ... def text():
    ...     return "so much depends upon"
    >>> @pipeline_step
    ... def write(data, *, words: Artifact):
    ...     words.write(data.upper())
    >>> @pipeline_step
    ... def count(data):
    ...     return data, {"bytes": len(data)}
    >>> words = Artifact("words.txt")
    >>> writer = Experiment(text(), Pipeline([write(words=words)]), name="writer", outputs=[words])
    >>> graph = ExperimentGraph(writer, Experiment(words, Pipeline([count()]), name="reader"))
    >>> graph.order(), graph.run()["reader"].metrics.baseline.metrics
    (['writer', 'reader'], {'bytes': [20]})
    """

    visualize_from_yaml = _DrawingMethod()

    def __init__(self, *experiments: Experiment, name: str | None = None) -> None:
        self.experiments: dict[str, Experiment] = {}
        self._folded: dict[str, Experiment] = {}
        self.results: dict[str, Result] = {}
        """Of the last run; a new dict each time."""
        self.left_out: dict[str, CrystallizeError] = {}
        """Experiments of a folder that cannot run, by name, with the reason."""
        self._after: dict[str, list[str]] = {}
        self._name = name
        for experiment in experiments:
            self.add_experiment(experiment)
        if experiments:
            with uncollected():
                _check_producers(experiments)
                edges = self.edges()
                sorted_names(edges)
                self._check_connected(edges)

    @classmethod
    def from_experiments(cls, experiments: Sequence[Experiment], name: str | None = None) -> ExperimentGraph:
        """A graph of experiments that all hang together.

        Raises GraphError (a ValueError) when one has no name, two have the same, an artifact is read that none of
        them writes or two write, they form a cycle, or some have no connection to the others.
        """
        return cls(*experiments, name=name)

    @classmethod
    def from_yaml(cls, path: str | Path | Sequence[str | Path]) -> ExperimentGraph:
        """The graph of a `config.yaml` and all it refers to, of a folder with all experiments below it, or of several.

        Experiments in a folder need no connection. Raises DefinitionError with file and line for what is wrong.
        """
        return cls.of_targets([path] if isinstance(path, (str, Path)) else path)

    @classmethod
    def of_targets(cls, targets: Sequence[str | Path], overrides: Overrides | None = None) -> ExperimentGraph:
        """The graph of files, folders or names, as the command line takes them; none: of the whole project.

        What is broken in a folder, and what reads it, is in `left_out`. Raises DefinitionError for anything wrong with
        a file or name.
        """
        from crystallize.experiment.folders.assemble import load_targets

        assembled = load_targets(targets, Path.cwd(), Experiment, overrides)
        graph = cls()
        for experiment in assembled.experiments:
            graph.add_experiment(experiment)
        graph.left_out = assembled.left_out
        graph.order()
        return graph

    @property
    def name(self) -> str:
        """The given name, else that of the single experiment nothing reads."""
        if self._name is not None:
            return self._name
        read = {upstream for upstreams in self.edges().values() for upstream in upstreams}
        sinks = [name for name in self.experiments if name not in read]
        return sinks[0] if len(sinks) == 1 else "ExperimentGraph"

    def add_experiment(self, experiment: Experiment) -> None:
        """Adds a node. Raises GraphError when it has no name or the name is taken by another experiment.

        Raises DefinitionTypeError (a TypeError) for anything that is no experiment.
        """
        if not isinstance(experiment, Experiment):
            raise DefinitionTypeError(f"{experiment!r} is no experiment", remedy="give Experiment objects")
        if experiment.name is None:
            raise GraphError("an experiment in a graph has no name", remedy="give it one: Experiment(name=…)")
        other = self._folded.setdefault(folded(experiment.name), experiment)
        if other is not experiment:
            raise GraphError(
                f"two experiments are called '{experiment.name}'"
                if other.name == experiment.name
                else f"experiments '{other.name}' and '{experiment.name}' differ by case only",
                remedy="give each its own name",
            )
        self.experiments[experiment.name] = experiment

    def add_dependency(self, downstream: Experiment, upstream: Experiment) -> None:
        """Lets `downstream` wait for `upstream` and count on all its artifacts, though it reads none of them.

        Raises GraphError when either has no name or was not added.
        """
        for experiment in (downstream, upstream):
            if experiment.name is None or self.experiments.get(experiment.name) is not experiment:
                raise GraphError(
                    f"experiment '{experiment.name}' is not in the graph",
                    remedy="call add_experiment with it first",
                )
        listed = self._after.setdefault(str(downstream.name), [])
        if upstream.name not in listed:
            listed.append(str(upstream.name))

    def edges(self) -> dict[str, list[str]]:
        """Name → names of the experiments it reads or waits for, in that order.

        Raises GraphError when an artifact is read that no experiment of the graph writes.
        """
        return self._edges({name: experiment.links for name, experiment in self.experiments.items()})

    def order(self) -> list[str]:
        """Names in an order in which each comes after what it reads. Raises GraphError for a cycle."""
        return sorted_names(self.edges())

    def run(
        self,
        treatments: Sequence[Treatment | str] | None = None,
        replicates: int | None = None,
        strategy: str | None = None,
        *,
        seed: int | None = None,
        pin: Mapping[str, int] | None = None,
        jobs: int | None = None,
        executor: str | None = None,
        address: str | None = None,
    ) -> dict[str, Result]:
        """Runs every experiment after those it reads; name → result.

        Failures are in the results; experiments that read what failed are blocked. Raises ValueError for what cannot
        be run and PinnedRecordGone for a pin that lacks what is needed, before anything runs; RuntimeError inside a
        running event loop (then use `arun`).

        Parameters
        ----------
        treatments : names: baseline and these conditions, wherever they are defined. Objects: given to every
            experiment, its own of the same name winning.
        replicates : for every experiment, in place of the defined counts.
        strategy : ``resume`` or ``rerun``, for every experiment; by default what each defines, else ``rerun``.
        pin : experiment → number of the run whose outputs and metrics it takes, unrun, whatever has changed since.
        jobs : how many trials may run at a time; where experiments say nothing else, in so many worker processes.
        executor : where all trials run, in place of what experiments say: see `checked_executor`.
        address : of the Ray cluster where all trials run: ``auto``, ``local`` or ``host:port``.
        """
        running = self.running(
            treatments, replicates, strategy, seed=seed, pin=pin, jobs=jobs, executor=executor, address=address
        )
        return self._finished(running.run())

    async def arun(
        self,
        treatments: Sequence[Treatment | str] | None = None,
        replicates: int | None = None,
        strategy: str | None = None,
        progress_callback: ProgressCallback | None = None,
        *,
        seed: int | None = None,
        pin: Mapping[str, int] | None = None,
        jobs: int | None = None,
        executor: str | None = None,
        address: str | None = None,
    ) -> dict[str, Result]:
        """As `run`, inside a running event loop.

        `progress_callback` is awaited with ``running`` before an experiment's first trial and ``completed`` after its
        last; with ``completed`` alone when nothing of it ran.
        """
        progress = _Progress(progress_callback)
        running = self.running(
            treatments,
            replicates,
            strategy,
            seed=seed,
            pin=pin,
            jobs=jobs,
            executor=executor,
            address=address,
            watchers=[progress.watch],
        )
        results = await running.arun(progress.report)
        await progress.report()
        return self._finished(results)

    def running(
        self,
        treatments: Sequence[Treatment | str] | None = None,
        replicates: int | None = None,
        strategy: str | None = None,
        *,
        seed: int | None = None,
        pin: Mapping[str, int] | None = None,
        jobs: int | None = None,
        executor: str | None = None,
        address: str | None = None,
        restore: bool = False,
        rerun: Collection[str] = (),
        switched_off: Mapping[str, frozenset[str]] | None = None,
        watchers: Sequence[events.Watcher] = (),
        settings: Settings | None = None,
        default_strategy: str = "rerun",
        what: str = "python",
    ) -> Running:
        """A run that has not begun, for front ends: it can be run or foreseen."""
        settings = settings or Settings.load()
        asked = asked_of(
            settings,
            default_strategy,
            strategy=strategy,
            treatments=treatments,
            replicates=replicates,
            seed=seed,
            jobs=jobs,
            executor=executor,
            address=address,
            restore=restore,
            pin=pin or {},
            rerun=rerun,
            switched_off=switched_off or {},
        )
        incomplete = bool(self.left_out)
        with uncollected():
            nodes = self._nodes()
        return Running(nodes, asked, watchers=watchers, settings=settings, what=what, incomplete=incomplete)

    def _finished(self, results: dict[str, Result]) -> dict[str, Result]:
        """The results, with one for each experiment that was left out; kept for drawing."""
        for name, error in self.left_out.items():
            results[name] = Result(ExperimentMetrics(TreatmentMetrics({}), {}), errors={"definition": error}, name=name)
        self.results = results
        return dict(results)

    def _nodes(self) -> list[Node]:
        links = {name: experiment.links for name, experiment in self.experiments.items()}
        edges = self._edges(links)
        nodes = []
        for name in sorted_names(edges):
            experiment = self.experiments[name]
            experiment.validate()
            nodes.append(Node(experiment, links[name], self._awaited(name, links[name])))
        return nodes

    def _awaited(self, name: str, links: Sequence[Link]) -> Sequence[Experiment]:
        """What an experiment waits for without reading any of it."""
        if name not in self._after:
            return ()
        read = {link.producer.name for link in links}
        return [self.experiments[upstream] for upstream in self._after[name] if upstream not in read]

    def _edges(self, links: Mapping[str, Sequence[Link]]) -> dict[str, list[str]]:
        edges = {}
        for name, read in links.items():
            upstream = [self._producer_name(name, link.producer, link.output) for link in read]
            edges[name] = list(dict.fromkeys([*upstream, *self._after.get(name, ())]))
        return edges

    def _producer_name(self, reader: str, producer: Any, output: str) -> str:
        name = getattr(producer, "name", None)
        if producer is None or self.experiments.get(str(name)) is not producer:
            who = f"of experiment '{name}', which is not in the graph" if name else "that no experiment writes"
            raise GraphError(
                f"experiment '{reader}' reads artifact '{output}' {who}",
                remedy="add the experiment that lists the artifact in its outputs",
            )
        return str(name)

    def _check_connected(self, edges: Mapping[str, Sequence[str]]) -> None:
        parts = components(edges)
        if len(parts) > 1:
            largest = max(parts, key=len)
            unused = [name for name in self.experiments if name not in largest]
            raise GraphError(
                f"Unused experiments detected: {', '.join(unused)}: nothing connects them to the others",
                remedy="leave them out, or connect them by an artifact or add_dependency",
            )

    def _repr_html_(self) -> str:
        rows = [
            f"<li><b>{name}</b>{' ← ' + ', '.join(upstream) if upstream else ''}</li>"
            for name, upstream in self.edges().items()
        ]
        return f"<b>{self.name}</b><ul>{''.join(rows)}</ul>"


class _Progress:
    """Turns events into awaited calls of a progress callback."""

    def __init__(self, callback: ProgressCallback | None) -> None:
        self._callback = callback
        self._pending: list[tuple[str, str]] = []
        self._running: set[int] = set()
        self._names: list[str] = []

    def watch(self, event: events.Event) -> None:
        if isinstance(event, events.RunStarted):
            self._names = [group.name for group in event.plan.groups]
        elif isinstance(event, events.JobStarted) and event.job.group not in self._running:
            self._running.add(event.job.group)
            self._pending.append(("running", self._names[event.job.group]))
        elif isinstance(event, events.GroupSettled):
            self._pending.append(("completed", self._names[event.group]))

    async def report(self) -> None:
        pending, self._pending = self._pending, []
        if self._callback is not None:
            for status, name in pending:
                await self._callback(status, name)


def _check_producers(experiments: Iterable[Experiment]) -> None:
    owners: dict[int, str] = {}
    for experiment in experiments:
        for artifact in experiment.outputs.values():
            owner = owners.setdefault(id(artifact), str(experiment.name))
            if owner != experiment.name:
                raise GraphError(
                    f"artifact '{artifact.name}' is an output of multiple experiments: {owner}, {experiment.name}",
                    remedy="give each experiment an Artifact of its own",
                )
