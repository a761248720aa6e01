"""Experiments: what a user defines and runs. The public face; the running itself is in `running.py`.

Knows nothing of folders of configuration: those build experiments through the same constructor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from crystallize.errors import DefinitionError, DefinitionTypeError
from crystallize.experiment.artifact import Artifact
from crystallize.experiment.compile import Asked, Node
from crystallize.experiment.datasource import DataSource
from crystallize.experiment.inputs import ArtifactPath
from crystallize.experiment.execution import Execution
from crystallize.experiment.hypothesis import Hypothesis
from crystallize.experiment.legacy_cache import compute_hash
from crystallize.experiment.links import links_of
from crystallize.experiment.names import check_name
from crystallize.experiment.pipeline import Pipeline
from crystallize.experiment.plugins import ArtifactPlugin, BasePlugin, LoggingPlugin, SeedPlugin, overrides
from crystallize.experiment.result import Result
from crystallize.experiment.running import Running, chosen_strategy
from crystallize.experiment.treatment import Treatment
from crystallize.settings import Settings

if TYPE_CHECKING:
    from crystallize.experiment.builder import ExperimentBuilder

P = TypeVar("P", bound=BasePlugin)


class Experiment:
    """A datasource, a pipeline of steps, and the treatments, replicates and hypotheses to put them to.

    Parameters
    ----------
    datasource, pipeline : what gives a trial its data, and the steps it goes through.
    plugins : the user's plugins; an `ArtifactPlugin`, a `SeedPlugin` and a `LoggingPlugin` are added where missing.
        The list is copied; one plugin may serve several experiments.
    name : names the folder of results; without one the folder is called after the pipeline's signature.
    initial_ctx : keys and values that every trial's context starts with.
    outputs : artifacts that the steps write, as a list or as alias → artifact.
    replicates : how often each condition runs; None: as many as what it reads, else once. Numbers below 1 count as 1.
    reads : files, folders and globs (relative to the project) that trials read though no artifact names them.
    ignore : globs left out of the folders in `reads`.

    Raises DefinitionTypeError (a TypeError) when `replicates` is no whole number, DefinitionError for a bad name.
    """

    def __init__(
        self,
        datasource: DataSource | None = None,
        pipeline: Pipeline | None = None,
        plugins: Sequence[BasePlugin] | None = None,
        *,
        description: str | None = None,
        name: str | None = None,
        initial_ctx: Mapping[str, Any] | None = None,
        outputs: Sequence[Artifact] | Mapping[str, Artifact] | None = None,
        treatments: Sequence[Treatment] | None = None,
        hypotheses: Sequence[Hypothesis] | None = None,
        replicates: int | None = None,
        reads: Sequence[str] = (),
        ignore: Sequence[str] = (),
    ) -> None:
        self.name = None if name is None else check_name("experiment", name)
        self.description = description
        self.datasource: Any = datasource
        self.pipeline: Any = pipeline
        self.initial_ctx = dict(initial_ctx or {})
        self.treatments = list(treatments or [])
        self.hypotheses = list(hypotheses or [])
        self.reads, self.ignore = tuple(reads), tuple(ignore)
        self.id: str | None = None
        self.notices: tuple[str, ...] = ()
        """What its definition has to say to the user, whatever a run brings."""
        self.path: Path | None = None
        """The configuration file, for messages."""
        self.defined_strategy: str | None = None
        """Strategy that the definition gives; None: it gives none."""
        self._replicates = checked_replicates(replicates)
        named = outputs if isinstance(outputs, Mapping) else {artifact.name: artifact for artifact in outputs or ()}
        self.outputs: dict[str, Artifact] = dict(named)
        for artifact in self.outputs.values():
            artifact.producer = self
        self.plugins: list[BasePlugin] = list(plugins or [])
        for default in (ArtifactPlugin, SeedPlugin, LoggingPlugin):
            if self.get_plugin(default) is None:
                self.plugins.append(default())
        for plugin in self.plugins:
            plugin.init_hook(self)

    @staticmethod
    def builder(name: str | None = None) -> ExperimentBuilder:
        """A builder of an experiment called `name`."""
        from crystallize.experiment.builder import ExperimentBuilder

        return ExperimentBuilder(name)

    @classmethod
    def from_yaml(cls, path: str | Path) -> Experiment:
        """The experiment that a `config.yaml`, or the folder that holds it, defines.

        Experiments that it refers to are loaded too: `run` reads what they have recorded, an `ExperimentGraph` runs
        them. Raises DefinitionError with file and line for anything that cannot be run.
        """
        from crystallize.experiment.assemble import load_experiment

        return load_experiment(Path(path))

    @property
    def replicates(self) -> int:
        """How often each condition runs; 1 where nothing says otherwise."""
        return self.defined_replicates or 1

    @replicates.setter
    def replicates(self, value: int) -> None:
        self._replicates = checked_replicates(value)

    @property
    def defined_replicates(self) -> int | None:
        """The count that the definition gives, or its datasource; None when neither does."""
        if self._replicates is not None:
            return self._replicates
        if links_of(self.datasource):
            return None
        count = getattr(self.datasource, "replicates", None)
        return count if isinstance(count, int) else None

    @property
    def strategy(self) -> str:
        """``resume`` or ``rerun``: what `run` does when it is not told."""
        return self.defined_strategy or "rerun"

    @strategy.setter
    def strategy(self, value: str) -> None:
        self.defined_strategy = chosen_strategy(value)

    @property
    def label(self) -> str:
        """The name, or the identity that stands in for it."""
        if self.name is not None:
            return self.name
        if self.id is None:
            self.id = compute_hash(self.pipeline.signature())
        return self.id

    @property
    def artifact_root(self) -> Path:
        """The folder that holds its results and the store."""
        plugin = self.get_plugin(ArtifactPlugin)
        root = Path(plugin.root_dir if plugin is not None else "data")
        return root.absolute() if root.is_absolute() else (Path.cwd() / root)

    @property
    def is_versioned(self) -> bool:
        """Whether each run that executes something is shown under a new version."""
        plugin = self.get_plugin(ArtifactPlugin)
        return plugin is not None and plugin.versioned

    def get_plugin(self, kind: type[P]) -> P | None:
        """The first plugin of a class, or None."""
        for plugin in self.plugins:
            if isinstance(plugin, kind):
                return plugin
        return None

    def executor(self, trials: int) -> tuple[str, int]:
        """Where trials run (``serial``, ``async`` or ``thread``) and how many of `trials` at a time.

        The last plugin that says so decides. Raises DefinitionError for what is not here yet.
        """
        for plugin in reversed(self.plugins):
            if isinstance(plugin, Execution):
                if plugin.mode == "process":
                    raise DefinitionError(
                        f"experiment '{self.label}' asks for worker processes, which are not here yet",
                        key="executor",
                        remedy="use threads, or leave the plugin out",
                    )
                return plugin.mode, plugin.workers(trials)
            if overrides(plugin, "run_experiment_loop"):
                raise DefinitionError(
                    f"plugin {type(plugin).__name__} of experiment '{self.label}' has a run_experiment_loop of its "
                    f"own, which is not called yet",
                    remedy="leave the method out, or use SerialExecution, ParallelExecution or AsyncExecution",
                )
        return "serial", 1

    def validate(self) -> None:
        """Raises DefinitionError (a ValueError) when there is no datasource or no pipeline."""
        for part in ("datasource", "pipeline"):
            if getattr(self, part) is None:
                raise DefinitionError(
                    f"experiment '{self.name}' has no {part}",
                    key=part,
                    remedy=f"give it one: Experiment({part}=…)",
                )

    def run(
        self,
        *,
        treatments: Sequence[Treatment | str] | None = None,
        hypotheses: Sequence[Hypothesis] | None = None,
        replicates: int | None = None,
        strategy: str | None = None,
        seed: int | None = None,
    ) -> Result:
        """Run every trial that ``strategy`` does not let reuse, save the results, verify the hypotheses.

        Parameters
        ----------
        treatments : run baseline and these only, given as objects or names.
        hypotheses : in place of the experiment's own.
        replicates : in place of the defined count.
        strategy : ``resume`` reuses every trial that nothing has changed; ``rerun`` (the default) runs all.
        seed : base seed in place of the defined one.

        What a trial raises is in `Result.errors`. Raises ValueError for a wrong definition, strategy or name, what
        `before_run` or a step's `setup` raised, and RuntimeError inside a running event loop (then use `arun`).
        """
        running = self._running(treatments, hypotheses, replicates, strategy, seed)
        return running.only(running.run())

    async def arun(
        self,
        *,
        treatments: Sequence[Treatment | str] | None = None,
        hypotheses: Sequence[Hypothesis] | None = None,
        replicates: int | None = None,
        strategy: str | None = None,
        seed: int | None = None,
    ) -> Result:
        """As `run`, inside a running event loop."""
        running = self._running(treatments, hypotheses, replicates, strategy, seed)
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
    ) -> Running:
        self.validate()
        own = self.hypotheses if hypotheses is None else list(hypotheses)
        listed = self.treatments if treatments is None else treatments
        if own and all(getattr(treatment, "name", treatment) == "baseline" for treatment in listed):
            raise DefinitionError(
                f"experiment '{self.name}' has hypotheses but no treatments to compare with the baseline",
                key="hypotheses",
                remedy="add a treatment",
            )
        settings = Settings.load()
        asked = Asked(
            strategy=None if strategy is None else chosen_strategy(strategy),
            default_strategy=settings.strategy or "rerun",
            treatments=treatments,
            replicates=checked_replicates(replicates),
            seed=seed,
        )
        return Running(nodes_for([self]), asked, hypotheses={id(self): own}, raise_setup_errors=True, settings=settings)

    def _repr_html_(self) -> str:
        conditions = ", ".join(["baseline", *(t.name for t in self.treatments)])
        return f"<b>{self.name or 'Experiment'}</b> ({self.replicates} replicates; {conditions})"


def nodes_for(experiments: Sequence[Experiment]) -> list[Node]:
    """Nodes of experiments that run, preceded by those they read and which only stand by with what they recorded."""
    nodes: dict[int, Node] = {}
    running = {id(experiment) for experiment in experiments}

    def visit(experiment: Experiment) -> None:
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


def checked_replicates(value: int | None) -> int | None:
    """`value`, at least 1. Raises DefinitionTypeError (a TypeError) when it is no whole number."""
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        raise DefinitionTypeError(
            f"replicates is {value!r}, a {type(value).__name__}",
            key="replicates",
            remedy="give a whole number",
        )
    return max(1, value)
