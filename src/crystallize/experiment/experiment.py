"""Experiments: what a user defines and runs. The public face; the running itself is in `running.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from crystallize.errors import DefinitionError
from crystallize.experiment.blueprint import Blueprint, checked_replicates, chosen_strategy
from crystallize.experiment.compiling.node import Asked, Node
from crystallize.experiment.compiling.placing import checked_executor, checked_jobs
from crystallize.experiment.objects.artifact import Artifact
from crystallize.experiment.objects.datasource import DataSource
from crystallize.experiment.objects.hypothesis import Hypothesis
from crystallize.experiment.objects.inputs import ArtifactPath
from crystallize.experiment.objects.links import links_of
from crystallize.experiment.objects.pipeline import Pipeline
from crystallize.experiment.objects.plugins import BasePlugin
from crystallize.experiment.objects.step import PipelineStep
from crystallize.experiment.objects.treatment import Treatment
from crystallize.experiment.results.result import Result
from crystallize.experiment.running import Running
from crystallize.settings import Settings


class Experiment(Blueprint):
    __doc__ = Blueprint.__doc__

    @staticmethod
    def builder(name: str | None = None) -> ExperimentBuilder:
        """A builder of an experiment called `name`."""
        return ExperimentBuilder(name)

    @classmethod
    def from_yaml(cls, path: str | Path) -> Self:
        """The experiment that a `config.yaml`, or the folder that holds it, defines.

        Experiments that it refers to are loaded too: `run` reads what they have recorded, an `ExperimentGraph` runs
        them. Raises DefinitionError with file and line for anything that cannot be run.
        """
        from crystallize.experiment.folders.assemble import load_experiment

        return load_experiment(Path(path), cls)

    def run(
        self,
        *,
        treatments: Sequence[Treatment | str] | None = None,
        hypotheses: Sequence[Hypothesis] | None = None,
        replicates: int | None = None,
        strategy: str | None = None,
        seed: int | None = None,
        jobs: int | None = None,
        executor: str | None = None,
        address: str | None = None,
    ) -> Result:
        """Run every trial that ``strategy`` does not let reuse, save the results, verify the hypotheses.

        Parameters
        ----------
        treatments : run baseline and these only, given as objects or names.
        hypotheses : in place of the experiment's own.
        replicates : in place of the defined count.
        strategy : ``resume`` reuses every trial that nothing has changed; ``rerun`` (the default) runs all.
        seed : base seed in place of the defined one.
        jobs, executor, address : how many trials at a time, and where; see `ExperimentGraph.run`.

        What a trial raises is in `Result.errors`. Raises ValueError for a wrong definition, strategy or name, what
        `before_run` or a step's `setup` raised, and RuntimeError inside a running event loop (then use `arun`).
        """
        running = self._running(treatments, hypotheses, replicates, strategy, seed, jobs, executor, address)
        return running.only(running.run())

    async def arun(
        self,
        *,
        treatments: Sequence[Treatment | str] | None = None,
        hypotheses: Sequence[Hypothesis] | None = None,
        replicates: int | None = None,
        strategy: str | None = None,
        seed: int | None = None,
        jobs: int | None = None,
        executor: str | None = None,
        address: str | None = None,
    ) -> Result:
        """As `run`, inside a running event loop."""
        running = self._running(treatments, hypotheses, replicates, strategy, seed, jobs, executor, address)
        return running.only(await running.arun())

    def artifact_datasource(
        self,
        step: str,
        name: str = "data.json",
        condition: str | None = None,
        *,
        require_metadata: bool = False,
    ) -> DataSource:
        """A datasource of the path of an artifact of this experiment, found when it is read.

        Parameters
        ----------
        step : class name of the step that writes it.
        condition : always this condition; None: the reader's own, as a reference in a configuration does.
        require_metadata : the experiment must have been run before.
        """
        return ArtifactPath(self, step, name, condition, require_metadata=require_metadata)

    def _running(
        self,
        treatments: Sequence[Treatment | str] | None,
        hypotheses: Sequence[Hypothesis] | None,
        replicates: int | None,
        strategy: str | None,
        seed: int | None,
        jobs: int | None,
        executor: str | None,
        address: str | None,
    ) -> Running:
        self.validate()
        settings = Settings.load()
        asked = Asked(
            strategy=None if strategy is None else chosen_strategy(strategy),
            default_strategy=settings.strategy or "rerun",
            treatments=treatments,
            hypotheses=None if hypotheses is None else list(hypotheses),
            replicates=checked_replicates(replicates),
            seed=seed,
            jobs=checked_jobs(jobs),
            executor=checked_executor(executor, address),
            address=address,
        )
        return Running(nodes_for([self]), asked, raise_setup_errors=True, settings=settings)


class ExperimentBuilder:
    """Collects the parts of an experiment; every method but `build` returns the builder. Lists replace earlier ones."""

    def __init__(self, name: str | None = None) -> None:
        self._parts: dict[str, Any] = {"name": name}
        self._steps: list[PipelineStep] = []

    def datasource(self, source: DataSource) -> Self:
        """What gives a trial its data."""
        return self._set("datasource", source)

    def pipeline(self, pipeline: Pipeline) -> Self:
        """The steps as a whole; wins over `add_step`."""
        return self._set("pipeline", pipeline)

    def add_step(self, step: PipelineStep) -> Self:
        """One more step."""
        self._steps.append(step)
        return self

    def plugins(self, plugins: Sequence[BasePlugin]) -> Self:
        """The plugins."""
        return self._set("plugins", plugins)

    def treatments(self, treatments: Sequence[Treatment]) -> Self:
        """The treatments."""
        return self._set("treatments", treatments)

    def hypotheses(self, hypotheses: Sequence[Hypothesis]) -> Self:
        """The hypotheses."""
        return self._set("hypotheses", hypotheses)

    def replicates(self, replicates: int) -> Self:
        """How often each condition runs."""
        return self._set("replicates", replicates)

    def description(self, description: str) -> Self:
        """What people are told about it."""
        return self._set("description", description)

    def initial_ctx(self, initial_ctx: Mapping[str, Any]) -> Self:
        """Keys and values that every trial's context starts with."""
        return self._set("initial_ctx", initial_ctx)

    def outputs(self, outputs: Sequence[Artifact]) -> Self:
        """The artifacts that the steps write."""
        return self._set("outputs", outputs)

    def build(self) -> Experiment:
        """The experiment. Raises DefinitionError (a ValueError) when it has no datasource or no steps."""
        if "datasource" not in self._parts:
            raise DefinitionError("a datasource must be provided", remedy="call .datasource(...) before .build()")
        pipeline = self._parts.get("pipeline") or Pipeline(self._steps)
        return Experiment(**{**self._parts, "pipeline": pipeline})

    def _set(self, part: str, value: Any) -> Self:
        self._parts[part] = value
        return self


def nodes_for(experiments: Sequence[Blueprint]) -> list[Node]:
    """Nodes of experiments that run, preceded by those they read and which only stand by with what they recorded."""
    nodes: dict[int, Node] = {}
    running = {id(experiment) for experiment in experiments}

    def visit(experiment: Blueprint) -> None:
        if id(experiment) in nodes:
            return
        runs = id(experiment) in running
        links = [link for link in links_of(experiment.datasource) if runs and link.producer is not None]
        for link in links:
            visit(link.producer)
        nodes[id(experiment)] = Node(experiment, links, [], runs=runs)

    for experiment in experiments:
        visit(experiment)
    return list(nodes.values())
