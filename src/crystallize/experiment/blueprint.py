"""Blueprints: all that defines an experiment. What compiling, trials and views need to know of one.

`Experiment` adds what users do with it. Knows nothing of runs, stores or configuration files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from crystallize.errors import DefinitionError, DefinitionTypeError
from crystallize.experiment.objects.artifact import Artifact
from crystallize.experiment.objects.datasource import DataSource
from crystallize.experiment.objects.execution import Execution
from crystallize.experiment.objects.hypothesis import Hypothesis
from crystallize.experiment.objects.legacy_cache import compute_hash
from crystallize.experiment.objects.limits import Limits
from crystallize.experiment.objects.links import READERS, Link, links_of_all
from crystallize.experiment.objects.names import check_distinct, check_name
from crystallize.experiment.objects.pipeline import Pipeline
from crystallize.experiment.objects.plugins import ArtifactPlugin, BasePlugin, LoggingPlugin, SeedPlugin, overrides
from crystallize.experiment.objects.step import PipelineStep
from crystallize.experiment.objects.treatment import Treatment

P = TypeVar("P", bound=BasePlugin)
T = TypeVar("T")

STRATEGIES = ("resume", "rerun")


class Blueprint:
    """A datasource, a pipeline of steps, and the treatments, replicates and hypotheses to put them to.

    Raises DefinitionTypeError (a TypeError) when `replicates` is no whole number, DefinitionError (a ValueError) for a
    bad name.

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
    timeout, retries, resources : of each trial as a whole, see `Limits.of`; steps may have some of their own.

    Examples
    --------
    >>> @data_source
    ... def numbers():
    ...     return [1, 2, 3]
    >>> @pipeline_step
    ... def scale(data, ctx, *, factor=1):
    ...     ctx.record("total", factor * sum(data))
    ...     return data
    >>> doubled = Treatment("doubled", {"factor": 2})
    >>> experiment = Experiment(numbers(), Pipeline([scale()]), name="sums", treatments=[doubled], replicates=2)
    >>> experiment.run(strategy="resume").metrics.treatments["doubled"].metrics
    {'total': [12, 12]}
    >>> experiment.run(strategy="resume").reused
    {'baseline': 2, 'doubled': 2}
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
        timeout: float | str | None = None,
        retries: int = 0,
        resources: Mapping[str, float | str] | None = None,
    ) -> None:
        self.name = None if name is None else check_name("experiment", name)
        self.description = description
        self.datasource: Any = datasource
        self.pipeline: Any = pipeline
        if initial_ctx is not None and not isinstance(initial_ctx, Mapping):
            raise _wrong_kind("initial_ctx", initial_ctx, "a mapping of keys to values")
        self.initial_ctx = dict(initial_ctx or {})
        self.treatments = _listed("treatments", treatments, Treatment)
        check_distinct("condition", [treatment.name for treatment in self.treatments])
        self.hypotheses = _listed("hypotheses", hypotheses, Hypothesis)
        self.reads, self.ignore = tuple(reads), tuple(ignore)
        self.limits = Limits.of(timeout=timeout, retries=retries, resources=resources)
        self._id: str | None = None
        self._id_rests_on: str | None = None
        """The signature of the pipeline as it was when somebody first asked which experiment this is; an id that was
        given rests on itself."""
        self.notices: tuple[str, ...] = ()
        """What its definition has to say to the user, whatever a run brings."""
        self.path: Path | None = None
        """The configuration file, for messages."""
        self.defined_strategy: str | None = None
        """Strategy that the definition gives; None: it gives none."""
        self.run_replicates: int | None = None
        """How often each condition runs in the present run, for hooks; None outside of one."""
        self._replicates = checked_replicates(replicates)
        aliased = dict(outputs) if isinstance(outputs, Mapping) else None
        written = _listed("outputs", outputs if aliased is None else aliased.values(), Artifact)
        check_distinct("artifact", [artifact.name for artifact in written])
        self.outputs = {artifact.name: artifact for artifact in written} if aliased is None else aliased
        for artifact in written:
            artifact.producer = self
        self.plugins: list[BasePlugin] = _listed("plugins", plugins, BasePlugin)
        for default in (ArtifactPlugin, SeedPlugin, LoggingPlugin):
            if self.get_plugin(default) is None:
                self.plugins.append(default())
        for plugin in self.plugins:
            plugin.init_hook(self)

    @property
    def replicates(self) -> int:
        """How often each condition runs, in the present run if there is one; 1 where nothing says otherwise."""
        return self.run_replicates or self.defined_replicates or 1

    @replicates.setter
    def replicates(self, value: int) -> None:
        self._replicates = checked_replicates(value)

    @property
    def defined_replicates(self) -> int | None:
        """The count that the definition gives, or its datasource; None when neither does."""
        if self._replicates is not None:
            return self._replicates
        if isinstance(self.datasource, READERS):
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
        return self.identity() if self.name is None else self.name

    @property
    def id(self) -> str | None:
        """The hash of the pipeline's signature as the first run finds it; None before that, unless it was set."""
        if self._id is None and self._id_rests_on is not None:
            self._id = compute_hash(self._id_rests_on)
        return self._id

    @id.setter
    def id(self, value: str | None) -> None:
        self._id = self._id_rests_on = value

    def identify(self, signature: str) -> str:
        """Settles what `id` is, and returns what it rests on: hashing that takes time, and few look at it.

        `signature` is that of the pipeline as it is now.
        """
        if self._id_rests_on is None:
            self._id_rests_on = signature
        return self._id_rests_on

    def identity(self) -> str:
        """What `id` is from now on."""
        if self._id_rests_on is None:
            self.identify(self.pipeline.signature())
        assert self.id is not None, "it has just been settled"
        return self.id

    @property
    def links(self) -> list[Link]:
        """What it reads of other experiments, in whatever condition."""
        return links_of_all(self.datasource, self.treatments)

    @property
    def artifacts(self) -> ArtifactPlugin:
        """Where and how its results are shown; the defaults when the user took the plugin out."""
        return self.get_plugin(ArtifactPlugin) or ArtifactPlugin()

    @property
    def artifact_root(self) -> Path:
        """The folder that holds its results and the store, absolute."""
        return Path.cwd() / self.artifacts.root_dir

    def get_plugin(self, kind: type[P]) -> P | None:
        """The first plugin of a class, or None."""
        for plugin in self.plugins:
            if isinstance(plugin, kind):
                return plugin
        return None

    def writers(self, artifact: str) -> list[str]:
        """The class names of the steps that are given an artifact of this name to write; of all where none is."""
        names = [type(step).__name__ for step in self.pipeline.steps if _is_given(step, artifact)]
        return names or [type(step).__name__ for step in self.pipeline.steps]

    def executor(self, trials: int) -> tuple[str, int]:
        """Where trials run (``serial``, ``async``, ``thread``, ``process`` or ``ray``), and how many of them at a time.

        The last plugin that says so decides.
        """
        for plugin in reversed(self.plugins):
            if isinstance(plugin, Execution):
                return plugin.mode, plugin.workers(trials)
        return "serial", 1

    @property
    def loop_plugin(self) -> BasePlugin | None:
        """The plugin whose own `run_experiment_loop` orders the replicates: the last that says anything of execution.

        None when that is one of ours.
        """
        for plugin in reversed(self.plugins):
            if overrides(plugin, "run_experiment_loop"):
                is_ours = type(plugin).run_experiment_loop.__module__.partition(".")[0] == "crystallize"
                return None if is_ours else plugin
        return None

    def validate(self) -> None:
        """Raises DefinitionError (a ValueError) without a datasource or a pipeline, and a TypeError for wrong ones."""
        for part, kind in (("datasource", DataSource), ("pipeline", Pipeline)):
            value = getattr(self, part)
            if value is None:
                who = "an experiment without a name" if self.name is None else f"experiment '{self.name}'"
                raise DefinitionError(
                    f"{who} has no {part}",
                    key=part,
                    remedy=f"give it one: Experiment({part}=…)",
                )
            if not isinstance(value, kind):
                raise _wrong_kind(part, value, f"a {kind.__name__}")

    def _repr_html_(self) -> str:
        conditions = ", ".join(["baseline", *(t.name for t in self.treatments)])
        return f"<b>{self.name or 'Experiment'}</b> ({self.replicates} replicates; {conditions})"


def _is_given(step: PipelineStep, artifact: str) -> bool:
    return any(isinstance(value, Artifact) and value.name == artifact for value in step.params.values())


def _listed(key: str, items: Iterable[Any] | None, kind: type[T]) -> list[T]:
    """The items, each of them a `kind`; raises DefinitionTypeError (a TypeError) for anything else."""
    if items is None:
        return []
    if type(items) is not list and (isinstance(items, str | Mapping) or not isinstance(items, Iterable)):
        raise _wrong_kind(key, items, f"a list of {kind.__name__} objects")
    listed = list(items)
    for item in listed:
        if not isinstance(item, kind):
            raise _wrong_kind(key, item, f"objects of {kind.__name__}")
    return listed


def _wrong_kind(key: str, value: object, wanted: str) -> DefinitionTypeError:
    name = getattr(value, "__name__", None)
    remedy = f"give {wanted}" + (f"; is {name}() meant?" if callable(value) and name and name.isidentifier() else "")
    return DefinitionTypeError(f"{value!r} is of type {type(value).__name__}", key=key, remedy=remedy)


def chosen_strategy(strategy: str) -> str:
    """`strategy` itself. Raises DefinitionError (a ValueError) for anything but ``resume`` and ``rerun``."""
    if strategy not in STRATEGIES:
        raise DefinitionError(f"there is no strategy '{strategy}'", key="strategy", remedy="use 'resume' or 'rerun'")
    return strategy


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
