"""Plugins: hooks around the parts of a run, and the settings for seeds, logging and artifacts.

Knows nothing of how a run goes; the runner calls the hooks and reads the settings. One plugin object may
serve several experiments.
"""

from __future__ import annotations

import logging
import operator
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from logging import Logger
from pathlib import Path
from typing import Any

from crystallize.errors import DefinitionError, DefinitionTypeError
from crystallize.experiment.objects.context import FrozenContext

logger = logging.getLogger("crystallize")

_OTHER_GENERATORS = ("torch", "tensorflow", "cupy")
"""Packages with global generators that are not seeded by default."""
REPLICATE_STRIDE = 31337
"""Between the seeds of two replicates."""


class BasePlugin:
    """Hooks that do nothing. Plugins are called in the order of the experiment's list.

    `init_hook` is called when the experiment is made; `before_run` and `after_run` once per run in which at
    least one trial runs; the others for every trial that runs, none for a trial that is reused.

    Examples
    --------
    >>> class Teller(BasePlugin):
    ...     affects_results = False
    ...     def after_run(self, experiment, result):
    ...         print(experiment.name, result.metrics.baseline.metrics)
    >>> @pipeline_step
    ... def double(data):
    ...     return data, {"doubled": 2 * data["start"]}
    >>> @data_source
    ... def start():
    ...     return {"start": 21}
    >>> result = Experiment(start(), Pipeline([double()]), plugins=[Teller()], name="told").run()
    told {'doubled': [42]}
    """

    affects_results: bool = True
    """Whether results depend on the plugin, so that its code and fields count; False for one that only watches."""

    def init_hook(self, experiment: Any) -> None:
        """The experiment has been made."""

    def before_run(self, experiment: Any) -> None:
        """The first trial of a run is about to run."""

    def before_replicate(self, experiment: Any, ctx: FrozenContext) -> None:
        """A trial begins; its treatment is applied, its data not yet fetched."""

    def before_step(self, experiment: Any, step: Any) -> None:
        """A step of a trial is about to run."""

    def after_step(self, experiment: Any, step: Any, data: Any, ctx: FrozenContext) -> None:
        """A step of a trial has run and gave `data`."""

    def on_emit(self, experiment: Any, condition: str, replicate: int, event: Any) -> None:
        """A trial that runs has something to say: ``ctx.emit(event)``.

        Called in the process that runs the experiment, wherever the trial runs, in any of its threads, one at a time.
        What it raises is logged, and costs nothing.
        """

    def after_run(self, experiment: Any, result: Any) -> None:
        """The run is over and saved; not called when it was aborted."""

    def run_experiment_loop(self, experiment: Any, replicate_fn: Callable[[int], Any]) -> Any:
        """The results of all replicates, in order; `replicate_fn` runs one.

        Not to be called here: a class that overrides it decides the order of an experiment's replicates.
        """
        return NotImplemented


def overrides(plugin: BasePlugin, hook: str) -> bool:
    """Whether the class of `plugin` has its own `hook`."""
    return getattr(type(plugin), hook) is not getattr(BasePlugin, hook)


class PluginHooks:
    """Passes what happens inside a pipeline on to the plugins of one experiment."""

    __slots__ = ("_experiment", "_plugins")

    def __init__(self, experiment: Any) -> None:
        self._experiment = experiment
        self._plugins = experiment.plugins

    def before_step(self, step: Any) -> None:
        for plugin in self._plugins:
            plugin.before_step(self._experiment, step)

    def after_step(self, step: Any, data: Any, ctx: FrozenContext) -> None:
        for plugin in self._plugins:
            plugin.after_step(self._experiment, step, data, ctx)


SeedFunction = Callable[[int], Any]


def default_seed_function(seed: int, *, numpy: bool = False) -> None:
    """Seed `random`, and numpy's global generator if numpy is imported already or `numpy` asks for it.

    Examples
    --------
    >>> import random
    >>> default_seed_function(7)
    >>> first = random.random()
    >>> default_seed_function(7)
    >>> random.random() == first
    True
    """
    import random

    random.seed(seed)
    if numpy or "numpy" in sys.modules:
        from numpy.random import seed as seed_numpy

        seed_numpy(seed % (2**32 - 1))


@dataclass
class SeedPlugin(BasePlugin):
    """The seeds of an experiment. The same replicate has the same seed in every condition.

    Parameters
    ----------
    seed : the base; None counts as 0, so that results are the same in every run.
    auto_seed : give each replicate a seed of its own, else all get the base.
    seed_fn : seeds the generators that steps draw from; else `default_seed_function`.

    Examples
    --------
    >>> seeds = SeedPlugin(seed=7)
    >>> [seeds.seed_for(replicate) for replicate in range(3)]
    [7, 31344, 62681]
    """

    seed: int | None = None
    auto_seed: bool = True
    seed_fn: SeedFunction | None = None

    def __post_init__(self) -> None:
        if self.seed is None:
            return
        try:
            self.seed = operator.index(self.seed)
        except TypeError:
            raise DefinitionTypeError(f"seed {self.seed!r} is no whole number", remedy="give it an int") from None

    def seed_for(self, replicate: int, base: int | None = None) -> int:
        """The seed of a replicate, counted from 0; `base` in place of the plugin's own."""
        base = (self.seed or 0) if base is None else base
        return (base + replicate * REPLICATE_STRIDE) % 2**32 if self.auto_seed else base

    def plant(self, seed: int, *, numpy: bool = False) -> None:
        """Seed the generators; `numpy` also where nothing has imported it yet."""
        if self.seed_fn is None:
            default_seed_function(seed, numpy=numpy)
        else:
            self.seed_fn(seed)


@dataclass
class LoggingPlugin(BasePlugin):
    """Logs the begin and the end of a run to the logger ``crystallize``.

    Parameters
    ----------
    verbose : log every step that finished, and every value that steps read from the context.
    log_level : name of a level; an unknown one counts as INFO.

    Examples
    --------
    >>> import logging
    >>> LoggingPlugin(log_level="warning").logger().level == logging.WARNING
    True
    """

    verbose: bool = False
    log_level: str = "INFO"
    _started: dict[int, float] = field(default_factory=dict, init=False, repr=False, compare=False)
    """id of an experiment → when its run began, in seconds; only while it runs."""

    def logger(self) -> Logger:
        """The logger, at the level asked for; with a handler of ours when it has none."""
        level = logging.getLevelName(self.log_level.upper())
        wanted = level if isinstance(level, int) else logging.INFO
        if logger.level != wanted:  # setting it makes every logger of the process look again
            logger.setLevel(wanted)
        if not logger.handlers:
            logger.addHandler(logging.StreamHandler())
        return logger

    def before_run(self, experiment: Any) -> None:
        seeds = next((p for p in experiment.plugins if isinstance(p, SeedPlugin)), None)
        told = self.logger()
        if told.isEnabledFor(logging.INFO):
            told.info(
                "Experiment: %s | replicates: %s | treatments: %s | hypotheses: %s | seed: %s",
                experiment.name or "(no name)",
                experiment.replicates,
                ", ".join(treatment.name for treatment in experiment.treatments or ()) or "none",
                ", ".join(hypothesis.name for hypothesis in experiment.hypotheses or ()) or "none",
                None if seeds is None else seeds.seed or 0,
            )
        unseeded = [name for name in _OTHER_GENERATORS if name in sys.modules]
        if seeds is not None and seeds.auto_seed and seeds.seed_fn is None and unseeded:
            told.warning(
                "%s: SeedPlugin has no seed_fn, so nobody seeds the generators of %s; give it one that does",
                experiment.name,
                ", ".join(unseeded),
            )
        self._started[id(experiment)] = time.perf_counter()

    def after_step(self, experiment: Any, step: Any, data: Any, ctx: FrozenContext) -> None:
        if self.verbose:
            ctx.logger.info("finished step %s", type(step).__name__)

    def after_run(self, experiment: Any, result: Any) -> None:
        now = time.perf_counter()
        seconds = now - self._started.pop(id(experiment), now)
        logger = self.logger()
        if logger.isEnabledFor(logging.INFO):  # else nobody has to look at the result
            best = "; ".join(f"{h.name}: best {h.ranking.get('best')}" for h in result.metrics.hypotheses)
            logger.info("Completed in %.1f s | %s | errors: %d", seconds, best or "no hypotheses", len(result.errors))


@dataclass
class ArtifactPlugin(BasePlugin):
    """Where results and artifacts of an experiment are shown.

    Parameters
    ----------
    root_dir : folder of all experiments; relative to the working directory.
    versioned : show every run that executes something under a new version, else always under ``v0``.
    artifact_retention : how many versions keep their artifacts; 0 or less: all.
    big_file_threshold_mb : files larger than so many megabytes are kept in the newest version only.

    Examples
    --------
    >>> @data_source
    ... def number():
    ...     return 1
    >>> @pipeline_step
    ... def note(data, *, text: Artifact):
    ...     text.write(f"number {data}")
    >>> text = Artifact("note.txt")
    >>> shown = ArtifactPlugin(root_dir="results", versioned=True)
    >>> experiment = Experiment(number(), Pipeline([note(text=text)]), [shown], name="notes", outputs=[text])
    >>> path = experiment.run().get_artifact("note.txt")["baseline"]
    >>> path.relative_to(path.parents[6]).as_posix()
    'results/notes/v0/replicate_0/baseline/NoteStep/note.txt'
    >>> shown.version
    0
    """

    root_dir: str | Path = "data"
    versioned: bool = False
    artifact_retention: int = 3
    big_file_threshold_mb: int = 10
    version: int | None = field(init=False, compare=False)
    """The version that the last run was shown under; None before."""

    def kept_versions(self, setting: int) -> int:
        """`artifact_retention`, or the project's `setting` where it was left at its default."""
        return setting if self.artifact_retention == ArtifactPlugin.artifact_retention else self.artifact_retention

    def big_megabytes(self, setting: int) -> int:
        """`big_file_threshold_mb`, or the project's `setting` where it was left at its default."""
        default = ArtifactPlugin.big_file_threshold_mb
        return setting if self.big_file_threshold_mb == default else self.big_file_threshold_mb

    def __post_init__(self) -> None:
        self.version = None
        if not isinstance(self.root_dir, (str, Path)):
            raise DefinitionTypeError(f"root_dir {self.root_dir!r} is no path", remedy="give it a text or a Path")
        if not str(self.root_dir):
            raise DefinitionError("root_dir is empty", remedy="name a folder, or '.' for the working directory")
