"""Runs aside: a trial or two of one experiment whose results lie in a temporary folder, so that nothing of the real
ones is touched. What `Experiment.debug` and `Experiment.apply` do.

The run is one like any other, of a copy of the experiment. Experiments that it reads are taken as they were recorded.
"""

from __future__ import annotations

import copy
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Never, TypeVar

from crystallize.errors import NotReusableError
from crystallize.experiment.blueprint import Blueprint
from crystallize.experiment.compiling.node import Asked, nodes_for
from crystallize.experiment.objects.constants import BASELINE_CONDITION
from crystallize.experiment.objects.context import FrozenContext
from crystallize.experiment.objects.datasource import DataSource
from crystallize.experiment.objects.execution import Execution
from crystallize.experiment.objects.plugins import ArtifactPlugin, BasePlugin, LoggingPlugin
from crystallize.experiment.objects.treatment import Treatment
from crystallize.experiment.results.result import Result
from crystallize.experiment.running import Running

E = TypeVar("E", bound=Blueprint)

NOTHING: Any = object()
"""Stands for data that is not given: None is data as well."""


class Given(DataSource):
    """Data that the caller gives in place of a datasource."""

    takes_context = False

    def __init__(self, data: Any) -> None:
        self._data = data

    def fetch(self, ctx: FrozenContext) -> Any:
        """The data itself."""
        return self._data

    def __crystallize_contents__(self) -> Never:
        raise NotReusableError("", "data that the caller gives", "nothing of this run is kept")


class LastData(BasePlugin):
    """Holds what the last step gave."""

    affects_results = False

    def __init__(self) -> None:
        self.data: Any = None

    def after_step(self, experiment: Any, step: Any, data: Any, ctx: FrozenContext) -> None:
        """Called after every step, and so after the last one."""
        self.data = data


@dataclass(frozen=True, slots=True)
class Aside:
    """A temporary folder for the results of one run."""

    folder: Path

    @classmethod
    @contextmanager
    def made(cls) -> Iterator[Aside]:
        """A new one; it is removed at the end, unless a result needs it longer."""
        from tempfile import mkdtemp  # not in the start of every program

        aside = cls(Path(mkdtemp(prefix="crystallize-")).resolve())
        try:
            yield aside
        except BaseException:
            aside.remove()
            raise

    def remove(self) -> None:
        """Removes the folder."""
        _remove(self.folder)

    def remove_with(self, result: Result) -> None:
        """Removes the folder when nobody holds `result` any more: it reads artifacts and provenance there."""
        weakref.finalize(result, _remove, self.folder)

    def copied(
        self, experiment: E, *plugins: BasePlugin, verbose: bool | None = None, source: DataSource | None = None
    ) -> E:
        """The experiment as it runs here: one trial after the other, its results in the folder.

        Parameters
        ----------
        plugins : called after its own.
        verbose : of its logging; None: as it is.
        source : in place of its datasource, and of those of its treatments.
        """
        other = copy.copy(experiment)
        other.plugins = [*map(self._moved(verbose), filter(_stays, experiment.plugins)), *plugins]
        if source is not None:
            other.datasource, other.treatments = source, [each.without_source() for each in experiment.treatments]
        return other

    def running(
        self,
        other: Blueprint,
        treatments: Sequence[Treatment | str],
        *,
        only: str | None = None,
        seed: int | None = None,
    ) -> Running:
        """The run of a copy, under treatments; of one condition alone where there is an `only`."""
        other.validate()
        asked = Asked(
            default_strategy="rerun",
            strategy="rerun",
            treatments=treatments,
            hypotheses=[],
            seed=seed,
            executor="serial",
            aside=self.folder,
            only=only,
        )
        return Running(nodes_for([other]), asked, raise_setup_errors=True)

    def _moved(self, verbose: bool | None) -> Callable[[BasePlugin], BasePlugin]:
        def moved(plugin: BasePlugin) -> BasePlugin:
            if isinstance(plugin, ArtifactPlugin):
                plugin = copy.copy(plugin)
                plugin.root_dir = self.folder
            elif isinstance(plugin, LoggingPlugin) and verbose is not None:
                plugin = copy.copy(plugin)
                plugin.verbose = verbose
            return plugin

        return moved


@dataclass(frozen=True, slots=True)
class Pass:
    """One trial aside, of one condition alone, for the sake of what its last step gives."""

    running: Running
    last: LastData
    aside: Aside

    @classmethod
    @contextmanager
    def made(
        cls, experiment: Blueprint, treatment: Treatment | str | None, data: Any, seed: int | None
    ) -> Iterator[Pass]:
        """A pass that has not begun, under a treatment or the baseline, with `data` unless that is `NOTHING`."""
        last = LastData()
        with Aside.made() as aside:
            other = aside.copied(experiment, last, source=None if data is NOTHING else Given(data))
            if isinstance(treatment, Treatment) and data is not NOTHING:
                treatment = treatment.without_source()
            name = treatment.name if isinstance(treatment, Treatment) else treatment or BASELINE_CONDITION
            chosen = [] if treatment is None else [treatment]
            yield cls(aside.running(other, chosen, only=name, seed=seed), last, aside)

    def ended(self, results: Mapping[str, Result]) -> Any:
        """What the last step gave. Raises what the pass raised; removes the folder."""
        self.aside.remove()
        for error in self.running.only(results).errors.values():
            raise error
        return self.last.data


def _stays(plugin: BasePlugin) -> bool:
    """Whether the plugin has its say here; where trials run is settled."""
    return not isinstance(plugin, Execution)


def _remove(folder: Path) -> None:
    import shutil  # not in the start of every program

    shutil.rmtree(folder, ignore_errors=True)
