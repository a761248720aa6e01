"""Assembling: definitions read from folders → experiments, connected by the artifacts they read.

What is broken is left out with its error, and so is what reads it; the rest runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Generic, TypeVar

from crystallize.errors import BlockedError, CrystallizeError, DefinitionError, GraphError
from crystallize.experiment.blueprint import Blueprint
from crystallize.experiment.folders.definition import Definition
from crystallize.experiment.folders.entries import ExperimentConfig, Overrides, Reference
from crystallize.experiment.folders.folder import load_all, load_many
from crystallize.experiment.folders.references import Catalog
from crystallize.experiment.objects.datasource import DataSource
from crystallize.experiment.objects.execution import (
    AsyncExecution,
    Execution,
    ParallelExecution,
    RayExecution,
    SerialExecution,
)
from crystallize.experiment.objects.inputs import ExperimentInput
from crystallize.experiment.objects.pipeline import Pipeline
from crystallize.experiment.objects.plugins import ArtifactPlugin, BasePlugin, SeedPlugin
from crystallize.experiment.objects.treatment import Treatment
from crystallize.settings import Settings

E = TypeVar("E", bound=Blueprint)


@dataclass(frozen=True, slots=True)
class Assembled(Generic[E]):
    """Experiments from folders."""

    experiments: list[E]
    left_out: dict[str, CrystallizeError]
    """Name (of the folder, where the configuration cannot be read) → why it cannot run."""


def load_experiment(path: Path, kind: type[E]) -> E:
    """The experiment at `path`, of class `kind`, connected to those it reads.

    Raises DefinitionError for anything that is wrong.
    """
    return assemble(load_many([path]), kind).experiments[0]


def load_targets(
    targets: Sequence[str | Path], start: Path, kind: type[E], overrides: Overrides | None = None
) -> Assembled[E]:
    """The experiments that `targets` mean, and all that they read.

    A target is a configuration file, a folder with experiments below it, or the name of an experiment of the project
    around `start`; none: the whole project. Of a folder, what is broken is left out; anything wrong with a file or a
    name that was asked for is raised as a DefinitionError.
    """
    folders: list[Path] = []
    files: list[Path] = []
    settings = Settings.load(start)
    catalog = Catalog(settings.root)
    if not targets and not settings.is_project:
        raise DefinitionError(
            "nothing marks this folder as a project",
            path=settings.root,
            remedy="name a target, or make a folder 'experiments' or a file crystallize.toml",
        )
    for target in targets or [catalog.root]:
        path = Path(start, target)
        if path.is_dir() and not (path / "config.yaml").is_file():
            folders.append(path)
        elif path.exists():
            files.append(path)
        else:
            files.append(catalog.find(str(target)))
    definitions: dict[Path, Definition] = {}
    errors: list[DefinitionError] = []
    if files:
        definitions |= {definition.path: definition for definition in load_many(files, overrides)}
    for folder in folders:
        found, broken = load_all(folder, overrides)
        definitions = {definition.path: definition for definition in found} | definitions
        errors += broken
    if folders and not definitions and not errors:
        raise DefinitionError(
            "no experiments here yet: there is no config.yaml below",
            path=folders[0],
            remedy="make one with: crystallize new NAME --example",
        )
    return assemble(definitions.values(), kind, errors)


def assemble(definitions: Iterable[Definition], kind: type[E], errors: Iterable[DefinitionError] = ()) -> Assembled[E]:
    """Experiments of `definitions`, in the same order; those that read what is in `errors` are left out.

    Raises GraphError when definitions read each other in a circle.
    """
    by_path = {definition.path: definition for definition in definitions}
    left_out: dict[str, CrystallizeError] = {
        error.path.parent.name if error.path is not None else str(number): error for number, error in enumerate(errors)
    }
    made: dict[Path, E] = {}
    for path in _in_order(by_path):
        definition = by_path[path]
        lacking = [source for source in definition.references.values() if source.config not in made]
        if lacking:
            left_out[definition.name] = BlockedError(
                f"{path}:{lacking[0].line}: '{definition.name}' reads {lacking[0]}, "
                f"and '{lacking[0].experiment}' cannot run"
            )
        else:
            made[path] = _experiment(kind, definition, made)
    return Assembled([made[path] for path in by_path if path in made], left_out)


def _in_order(by_path: Mapping[Path, Definition]) -> list[Path]:
    """The definitions, each after those it reads."""
    reads = {
        path: [source.config for source in definition.references.values() if source.config and source.config in by_path]
        for path, definition in by_path.items()
    }
    try:
        return list(TopologicalSorter(reads).static_order())
    except CycleError as error:
        circle = [by_path[path] for path in reversed(error.args[1])]
        raise GraphError(
            f"the graph contains cycles: {' → '.join(definition.name for definition in circle)}",
            path=circle[0].path,
            line=circle[0].config.lines.get("datasource"),
            key="datasource",
            remedy="let one of them read something else",
        ) from None


def _datasource(
    definition: Definition, sources: Mapping[str, DataSource | Reference], made: Mapping[Path, Blueprint]
) -> DataSource:
    """The sources as one, references resolved to the artifacts of the experiments they mean."""
    resolved = {alias: _resolved(source, made) for alias, source in sources.items()}
    return next(iter(resolved.values())) if definition.bare else ExperimentInput(**resolved)


def _resolved(source: DataSource | Reference, made: Mapping[Path, Blueprint]) -> DataSource:
    if not isinstance(source, Reference):
        return source
    assert source.config is not None
    artifact = made[source.config].outputs[source.output]
    return artifact.gather() if source.gather else artifact


def _treatments(definition: Definition, made: Mapping[Path, Blueprint]) -> Iterator[Treatment]:
    for treatment in definition.treatments:
        swapped = definition.swapped.get(treatment.name)
        if swapped is None:
            yield treatment
        else:
            datasource = _datasource(definition, definition.datasource | swapped, made)
            yield Treatment(treatment.name, treatment.apply_map, datasource=datasource)


def _experiment(kind: type[E], definition: Definition, made: Mapping[Path, Blueprint]) -> E:
    config, settings = definition.config, Settings.load(definition.root)
    plugins: list[BasePlugin] = [
        ArtifactPlugin(
            root_dir=definition.root / settings.artifact_root,
            versioned=config.versioned,
            artifact_retention=settings.artifact_retention,
            big_file_threshold_mb=settings.big_file_threshold_mb,
        ),
        SeedPlugin(seed=settings.seed if config.seed is None else config.seed),
    ]
    execution = _execution(config)
    if execution is not None:
        plugins.append(execution)
    experiment = kind(
        datasource=_datasource(definition, definition.datasource, made),
        pipeline=Pipeline(definition.steps),
        plugins=plugins,
        name=config.name,
        description=config.description,
        outputs=definition.outputs,
        treatments=list(_treatments(definition, made)),
        hypotheses=definition.hypotheses,
        replicates=config.replicates,
        reads=config.reads,
        ignore=config.ignore,
    )
    experiment.limits = config.limits
    experiment.path = config.path
    experiment.defined_strategy = config.strategy
    experiment.notices = definition.notices
    return experiment


def _execution(config: ExperimentConfig) -> Execution | None:
    if config.executor is None and config.max_workers is None:
        return None
    if config.executor == "serial":
        return SerialExecution()
    if config.executor == "async":
        return AsyncExecution()
    if config.executor == "ray":
        return RayExecution(config.address or RayExecution.address, max_workers=config.max_workers)
    return ParallelExecution(max_workers=config.max_workers, executor_type=config.executor or "thread")
