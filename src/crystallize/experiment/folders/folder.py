"""Loads experiments from their folders, with the experiments they read.

Only what a target needs is loaded, configurations before any of the user's code. Knows nothing of runs.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from crystallize.errors import DefinitionError, UnknownNameError, nearest
from crystallize.experiment.folders.config import config_path, read_config
from crystallize.experiment.folders.definition import Definition, define
from crystallize.experiment.folders.entries import ExperimentConfig, Overrides, Reference, SourceEntry
from crystallize.experiment.folders.references import Catalog, check_output, find_configs
from crystallize.experiment.objects.names import folded
from crystallize.settings import project_root


def load_folder(path: Path, overrides: Mapping[str, Any] | None = None) -> Definition:
    """The experiment at `path`: a `config.yaml`, or a folder that holds one. What it reads is not loaded.

    Raises DefinitionError, or one of its kinds, at the first thing that is wrong.
    """
    configs = _Configs()
    config = configs.resolved(read_config(path, overrides))
    return define(config, configs.root(config.path))


def load_many(paths: Iterable[Path], overrides: Overrides | None = None) -> list[Definition]:
    """The experiments at `paths` and all that they read, each once, those at `paths` first.

    A path is a `config.yaml`, a folder that holds one, or a folder with experiments below it. Paths may belong
    to different projects. Raises DefinitionError, or one of its kinds, at the first thing that is wrong.
    """
    configs = _Configs(overrides)
    found = configs.closure(path for target in paths for path in expand(target))
    configs.check_overrides(found)
    for _, error in _clashes(found):
        raise error
    return [define(config, configs.root(config.path)) for config in found]


def load_all(folder: Path, overrides: Overrides | None = None) -> tuple[list[Definition], list[DefinitionError]]:
    """The experiments below `folder` and all that they read, and what is wrong with those that are left out.

    A definition may refer to an experiment that was left out; it can be told by `Reference.config`.
    """
    configs = _Configs(overrides)
    errors: list[DefinitionError] = []
    found = configs.closure(find_configs(folder.resolve()), errors)
    configs.check_overrides(found)
    clashes = dict(_clashes(found))
    errors += clashes.values()
    definitions = []
    for config in found:
        if config.path not in clashes:
            try:
                definitions.append(define(config, configs.root(config.path)))
            except DefinitionError as error:
                errors.append(error)
    return definitions, errors


def expand(target: Path) -> Iterator[Path]:
    """The configurations that a path on the command line means."""
    path = config_path(target)
    if path.is_file() or not target.is_dir():
        yield path
        return
    found = list(find_configs(target.resolve()))
    if not found:
        raise DefinitionError(
            "no config.yaml lies in this folder or below it", path=target, remedy="name a folder that has one"
        )
    yield from found


def root_of(config: Path) -> Path:
    """The project root of the experiment with this `config.yaml`: a marked folder around it, else the working one."""
    # `project_root` answers with what it was asked about when nothing is marked, so it is asked about nothing real.
    asked = config.parent / "?"
    found = project_root(asked)
    return Path.cwd() if found == asked else found


class _Configs:
    """Reads configurations, each once, and resolves what they refer to."""

    def __init__(self, overrides: Overrides | None = None) -> None:
        self._overrides = overrides or {}
        self._read: dict[Path, ExperimentConfig] = {}
        self._catalogs: dict[Path, Catalog] = {}
        self.root = cache(root_of)

    def read(self, path: Path) -> ExperimentConfig:
        """The configuration at `path`, with the overrides for its experiment."""
        if path not in self._read:
            config = read_config(path)
            names = [name for name in (path.parent.name, config.name) if name in self._overrides]
            changes = {key: value for name in names for key, value in self._overrides[name].items()}
            self._read[path] = read_config(path, changes) if changes else config
        return self._read[path]

    def closure(self, paths: Iterable[Path], errors: list[DefinitionError] | None = None) -> list[ExperimentConfig]:
        """The configurations at `paths`, then all they lead to. Faults are raised, or added to `errors`."""
        waiting = deque(paths)
        found: dict[Path, ExperimentConfig | None] = {}
        while waiting:
            path = waiting.popleft()
            if path in found:
                continue
            found[path] = None
            try:
                config = found[path] = self.resolved(self.read(path), lenient=errors is not None)
            except DefinitionError as error:
                if errors is None:
                    raise
                errors.append(error)
            else:
                waiting.extend(target.config for target in config.references if target.config)
        return [config for config in found.values() if config is not None]

    def resolved(self, config: ExperimentConfig, *, lenient: bool = False) -> ExperimentConfig:
        """`config` with references that know which configuration they lead to, and its experiment's name.

        Unless `lenient`, the faults of those configurations are raised as well.
        """
        if not config.references:
            return config
        catalog = self._catalog(config.path)

        def found(entries: Iterable[SourceEntry]) -> tuple[SourceEntry, ...]:
            return tuple(self._resolve(entry, config, catalog, lenient) for entry in entries)

        treatments = tuple(replace(each, sources=found(each.sources)) for each in config.treatments)
        sources = None if config.sources is None else found(config.sources)
        return replace(config, sources=sources, treatments=treatments)

    def check_overrides(self, found: Iterable[ExperimentConfig]) -> None:
        """Raise UnknownNameError when overrides are meant for an experiment that is not there."""
        known = {name for config in found for name in (config.name, config.path.parent.name)}
        for name in self._overrides:
            if name not in known:
                fact = f"there is no experiment {name!r} here"
                raise UnknownNameError(fact, key=f"--set {name}", remedy=nearest(name, known))

    def _resolve(self, entry: SourceEntry, config: ExperimentConfig, catalog: Catalog, lenient: bool) -> SourceEntry:
        reference = entry.target
        if not isinstance(reference, Reference):
            return entry
        path = catalog.find(reference.experiment, path=config.path, line=reference.line)
        try:
            producer = self.read(path)
        except DefinitionError:
            if not lenient:
                raise
            return replace(entry, target=replace(reference, config=path))
        check_output(reference, config, producer)
        return replace(entry, target=replace(reference, config=path, experiment=producer.name))

    def _catalog(self, config: Path) -> Catalog:
        """What lies below the project root, or beside the experiment when it lies elsewhere."""
        root = self.root(config)
        place = root if config.is_relative_to(root) else config.parent.parent
        return self._catalogs.setdefault(place, Catalog(place))


def _clashes(configs: Iterable[ExperimentConfig]) -> Iterator[tuple[Path, DefinitionError]]:
    """Each configuration whose name another one before it has, or has in other case: results would share a folder."""
    by_name: defaultdict[str, list[ExperimentConfig]] = defaultdict(list)
    for config in configs:
        by_name[folded(config.name)].append(config)
    for first, *others in by_name.values():
        for other in others:
            yield (
                other.path,
                DefinitionError(
                    f"the name {other.name!r} is that of {first.path} as well",
                    path=other.path,
                    line=other.lines.get("name"),
                    key="name",
                    remedy="give each experiment its own",
                ),
            )
