"""What the targets of a command line mean: the graph to run, and what had to be left out of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crystallize.cli import console
from crystallize.errors import CrystallizeError, DefinitionError
from crystallize.experiment.experiment import Experiment
from crystallize.experiment.folders.assemble import load_targets
from crystallize.experiment.folders.config import KEYS
from crystallize.experiment.folders.references import Catalog
from crystallize.experiment.graph import ExperimentGraph
from crystallize.experiment.reports.lines import line
from crystallize.settings import Settings
from crystallize.yaml_lines import parse_value


@dataclass(frozen=True, slots=True)
class Loaded:
    """A graph that is ready to run."""

    graph: ExperimentGraph
    left_out: dict[str, CrystallizeError]
    """Name → why it cannot run; a BlockedError where it only reads something broken."""

    def switched_off(self, ignored: bool = False) -> dict[str, frozenset[str]]:
        """Experiment → treatments that are switched off, none when that is `ignored`; tells of damaged state files."""
        from crystallize.experiment.folders.switches import switched_off

        if ignored:
            return {}
        found, faults = switched_off(self.graph.experiments.values())
        for fault in faults:
            line(console.err(), ("note: ", "yellow"), fault)
        return found


def load(
    targets: Sequence[str] | None, sets: Sequence[str] | None = None, treatments: Sequence[str] | None = None
) -> Loaded:
    """The experiments that `targets` mean and all they read; none: the whole project.

    Parameters
    ----------
    sets : ``experiment.path=value`` each.
    treatments : those that the run is about; None: all. What is set of another one becomes a notice.

    Raises DefinitionError for a target or an override that fits nothing, and for a target that is wrong itself.
    """
    overrides = parse_overrides(sets or ())
    assembled = load_targets(targets or (), Path.cwd(), Experiment, overrides)
    graph = ExperimentGraph()
    for experiment in assembled.experiments:
        graph.add_experiment(experiment)
        if treatments:
            unread = _unread(overrides.get(experiment.label, {}), treatments)
            experiment.notices += tuple(f"--set {experiment.label}.{path}: {fact}" for path, fact in unread.items())
    graph.left_out = assembled.left_out
    return Loaded(graph, assembled.left_out)


def path_of(target: str) -> Path:
    """The configuration or folder that one target means. Raises DefinitionError when nothing fits."""
    path = Path(target)
    return path if path.exists() else Catalog(Settings.load().root).find(target)


def parse_overrides(sets: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Experiment → path → value. Raises DefinitionError for what is not ``experiment.path=value``."""
    overrides: dict[str, dict[str, Any]] = {}
    for text in sets:
        place, equals, value = text.partition("=")
        experiment, path = _split(place)
        if not equals or not path:
            raise DefinitionError(
                f"{text!r} is not of the form experiment.path=value",
                key="--set",
                remedy="write for instance --set train.steps.fit.rate=0.1, or --set train.replicates=3",
            )
        overrides.setdefault(experiment, {})[path] = parse_value(value, f"--set {place}")
    return overrides


def _unread(values: Mapping[str, Any], treatments: Sequence[str]) -> dict[str, str]:
    """Path of a value that is set and read by nothing in a run of `treatments` → why."""
    read = tuple(f"treatments.{name}." for name in treatments)
    return {
        path: "nothing reads it, as the run leaves this treatment out"
        for path in values
        if path.startswith("treatments.") and not path.startswith(read)
    }


def _split(place: str) -> tuple[str, str]:
    """The experiment, whose name may have dots, and the path in it, which begins with a key of `config.yaml`."""
    parts = place.split(".")
    for end in range(1, len(parts)):
        if parts[end] in KEYS:
            return ".".join(parts[:end]), ".".join(parts[end:])
    return parts[0], ".".join(parts[1:])
