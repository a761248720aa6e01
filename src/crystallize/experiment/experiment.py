"""Experiments: what a user defines and runs. The public face; the running itself is in `running.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, Unpack

from crystallize.errors import DefinitionError
from crystallize.experiment.aside import NOTHING, Aside, Pass
from crystallize.experiment.blueprint import Blueprint
from crystallize.experiment.compiling.asking import Wishes, asked_of
from crystallize.experiment.compiling.node import nodes_for
from crystallize.experiment.objects.artifact import Artifact
from crystallize.experiment.objects.datasource import DataSource
from crystallize.experiment.objects.hypothesis import Hypothesis
from crystallize.experiment.objects.inputs import ArtifactPath
from crystallize.experiment.objects.optimize import BaseOptimizer
from crystallize.experiment.objects.pipeline import Pipeline
from crystallize.experiment.objects.plugins import BasePlugin
from crystallize.experiment.objects.step import PipelineStep
from crystallize.experiment.objects.treatment import Treatment
from crystallize.experiment.results.result import Result
from crystallize.experiment.results.view_files import check_shown
from crystallize.experiment.running import Running
from crystallize.experiment.searching import Search
from crystallize.plan import events
from crystallize.settings import Settings

if TYPE_CHECKING:
    from crystallize.experiment.streaming import Stream


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

        What a trial raises is in `Result.errors`. Raises ValueError for a wrong definition, strategy or name, what
        `before_run` or a step's `setup` raised, and RuntimeError inside a running event loop (then use `arun`).

        Parameters
        ----------
        treatments : run baseline and these only, given as objects or names.
        hypotheses : in place of the experiment's own.
        replicates : in place of the defined count.
        strategy : ``resume`` reuses every trial that nothing has changed; ``rerun`` (the default) runs all.
        seed : base seed in place of the defined one.
        jobs, executor, address : how many trials at a time, and where; see `ExperimentGraph.run`.
        """
        running = self._running(
            treatments=treatments,
            hypotheses=hypotheses,
            replicates=replicates,
            strategy=strategy,
            seed=seed,
            jobs=jobs,
            executor=executor,
            address=address,
        )
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
        running = self._running(
            treatments=treatments,
            hypotheses=hypotheses,
            replicates=replicates,
            strategy=strategy,
            seed=seed,
            jobs=jobs,
            executor=executor,
            address=address,
        )
        return running.only(await running.arun())

    def stream(
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
    ) -> Stream:
        """The trials of a run, one by one as they end, with ``for`` or ``async for``; takes what `run` takes.

        Who reads no further stops the run: what runs is finished, the rest is not started, and the next run goes on
        from there. While a trial is looked at, no other one is started. `Stream.result` is the result as a whole.
        """
        from crystallize.experiment.streaming import Stream

        def make(watcher: events.Watcher) -> Running:
            return self._running(
                watchers=[watcher],
                treatments=treatments,
                hypotheses=hypotheses,
                replicates=replicates,
                strategy=strategy,
                seed=seed,
                jobs=jobs,
                executor=executor,
                address=address,
            )

        return Stream(make)

    def debug(self, treatment: Treatment | str | None = None, *, verbose: bool = True) -> Result:
        """Runs one replicate of the baseline, and of one treatment if given, in this process; no hypotheses.

        Nothing is reused and nothing of the saved results is touched: artifacts lie in a temporary folder for as long
        as somebody holds the result. Raises UnknownNameError for a name that no treatment has.

        Parameters
        ----------
        verbose : log every step, and every value that is read from the context.
        """
        chosen = [] if treatment is None else [treatment]
        with Aside.made() as aside:
            running = aside.running(aside.copied(self, verbose=verbose), chosen)
            result = running.only(running.run())
            aside.remove_with(result)
            return result

    def apply(self, treatment: Treatment | str | None = None, *, data: Any = NOTHING, seed: int | None = None) -> Any:
        """What the last step gives in one pass under a treatment, or the baseline. Nothing is saved.

        Raises what the pass raised, as in `Result.errors`, and RuntimeError inside a running event loop (then use
        `aapply`).

        Parameters
        ----------
        data : in place of what the datasource gives.
        seed : in place of the one of replicate 0.
        """
        with Pass.made(self, treatment, data, seed) as once:
            return once.ended(once.running.run())

    async def aapply(
        self, treatment: Treatment | str | None = None, *, data: Any = NOTHING, seed: int | None = None
    ) -> Any:
        """As `apply`, inside a running event loop."""
        with Pass.made(self, treatment, data, seed) as once:
            return once.ended(await once.running.arun())

    def optimize(
        self,
        optimizer: BaseOptimizer,
        num_trials: int,
        replicates_per_trial: int = 1,
        *,
        strategy: str | None = None,
    ) -> Treatment:
        """The best treatment that `optimizer` finds in `num_trials` rounds.

        In each round it is asked for treatments, they run beside the baseline without hypotheses, and it is told the
        mean of its metric under each of them, in their order: infinitely bad where all replicates failed. What was
        tried before is reused unless `strategy`, or the definition, says ``rerun``. An optimizer that asks for nothing
        ends the search, and all that it tried is shown.

        Raises MissingMetricError when a trial succeeds without the metric, DefinitionTypeError (a TypeError) where it
        has no mean.
        """
        search = Search(optimizer, num_trials)
        for treatments in search.rounds():
            running = self._round(search, treatments, replicates_per_trial, strategy)
            search.tell(treatments, running.only(running.run()))
        return search.best()

    async def aoptimize(
        self,
        optimizer: BaseOptimizer,
        num_trials: int,
        replicates_per_trial: int = 1,
        *,
        strategy: str | None = None,
    ) -> Treatment:
        """As `optimize`, inside a running event loop."""
        search = Search(optimizer, num_trials)
        for treatments in search.rounds():
            running = self._round(search, treatments, replicates_per_trial, strategy)
            search.tell(treatments, running.only(await running.arun()))
        return search.best()

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
        require_metadata : raise MissingFileError (a FileNotFoundError) unless the experiment has results to show.
        """
        if require_metadata:
            check_shown(self.artifact_root / self.label)
        return ArtifactPath(self, step, name, condition)

    def _running(
        self, *, watchers: Sequence[events.Watcher] = (), default_strategy: str = "rerun", **wishes: Unpack[Wishes]
    ) -> Running:
        self.validate()
        settings = Settings.load()
        asked = asked_of(settings, default_strategy, **wishes)
        return Running(nodes_for([self]), asked, raise_setup_errors=True, settings=settings, watchers=watchers)

    def _round(self, search: Search, treatments: Sequence[Treatment], replicates: int, strategy: str | None) -> Running:
        """A run of what an optimizer asks for; what it asked for before stays in view."""
        return self._running(
            treatments=treatments,
            beside=search.tried,
            hypotheses=[],
            replicates=replicates,
            strategy=strategy,
            default_strategy="resume",
        )


class ExperimentBuilder:
    """Collects the parts of an experiment; every method but `build` returns the builder. Lists replace earlier ones.

    Examples
    --------
    >>> @pipeline_step
    ... def double(data):
    ...     return data, {"doubled": 2 * data}
    >>> @data_source
    ... def seven():
    ...     return 7
    >>> Experiment.builder("doubles").datasource(seven()).add_step(double()).build().run().metrics.baseline.metrics
    {'doubled': [14]}
    """

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
