"""Luggage: what the work of an experiment takes along to a machine that has nothing of it.

The project's modules as text, worlds, the values of environment variables that its code reads, and what the run was
planned with: the machine refuses the work where it has other packages, or where other values stand under the names
that the code reaches. What was typed into a script or a notebook travels by value. Knows no cluster.
"""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Iterable, Iterator, Mapping
from io import BytesIO
from pathlib import Path
from types import FunctionType
from typing import Any, NamedTuple

from crystallize.errors import CodeChangedError, DefinitionError, MachineError, in_words
from crystallize.experiment.blueprint import Blueprint
from crystallize.experiment.objects.portable import packing_whole
from crystallize.fingerprint.code.carried import TYPED, Carried, project_modules, travels, unload
from crystallize.fingerprint.code.codebase import Codebase, Told, is_edited
from crystallize.fingerprint.code.modules import WORLD, Module, World
from crystallize.fingerprint.code.nodes import Name
from crystallize.fingerprint.code.source import Source
from crystallize.fingerprint.environment import environment_part
from crystallize.fingerprint.left import LEFT
from crystallize.fingerprint.manifest import Part, PartTable
from crystallize.fingerprint.origin import is_installed_file


class _Packed(NamedTuple):
    """Luggage on its way. Plain values only: it is opened before any code of the user's is there."""

    folder: Path
    """The working directory."""
    path: list[str]
    """Of `sys.path`, what belongs to the project."""
    environ: dict[str, str | None]
    """Variables that the code reads; None: not set."""
    environment: list[Part]
    modules: dict[str, Carried]
    told: list[Told]
    worlds: bytes
    """Pickled: they load the user's modules as they arrive."""


class Luggage:
    """Of one experiment in one run.

    Parameters
    ----------
    codebase : as the plan was compiled with.
    environ : the process environment.
    homes, names : the project modules, and the names in them, that the code reaches.
    tables : of all conditions.
    """

    def __init__(
        self,
        codebase: Codebase,
        environ: Mapping[str, str],
        homes: Iterable[tuple[Module, Source]],
        names: Iterable[Name],
        tables: Iterable[PartTable],
    ) -> None:
        self._codebase = codebase
        self._homes = list(homes)
        self._names = sorted(names, key=lambda place: (place.module.name, place.name))
        parts = {part.name: part for table in tables for part in table.parts}
        self._environment = [part for name, part in parts.items() if name.startswith("env.")]
        variables = [name.removeprefix("envvar.") for name in parts if name.startswith("envvar.")]
        self._environ = {name: environ.get(name) for name in variables}

    def pack(self, experiment: Blueprint, state: Mapping[str, Any]) -> tuple[bytes, bytes]:
        """The luggage, and the state of the experiment's work.

        Raises CodeChangedError when reached code was edited since it was imported, DefinitionError when the state holds
        what no pickle can.
        """
        named = [place for place in self._names if _goes_by_name(place.module)]
        edited = next(filter(is_edited, named), None)
        if edited is not None:
            raise CodeChangedError(f"{edited.module.path} was edited since this process imported it")
        worlds = {id(world): world for place in self._names if (world := place.module.world) is not None}
        try:
            contents = _pickled(self._codebase, state, worlds)
        except Exception as error:
            raise _culprit(experiment, error) from error
        packed = _Packed(
            folder=Path.cwd(),
            path=[entry for entry in sys.path if entry and not is_installed_file(f"{entry}/")],
            environ=self._environ,
            environment=self._environment,
            modules=project_modules(self._homes),
            told=self._codebase.tell(named),
            worlds=pickle.dumps(list(worlds.values())),
        )
        return pickle.dumps(packed), contents


def unpack(kind: type, packed: bytes, contents: bytes) -> Any:
    """The work as it was packed, in the process where it has arrived.

    Raises MachineError when the environment is another one, CodeChangedError when other values stand under the names
    that the code reaches, and what the user's modules raise when they are imported.
    """
    luggage: _Packed = pickle.loads(packed)
    _settle(luggage)
    unload(luggage.modules)
    pickle.loads(luggage.worlds)
    # What the jobs of other works have changed here since is no edit.
    LEFT.leave()
    LEFT.begin()
    codebase, state, typed = pickle.loads(contents)
    vars(sys.modules["__main__"]).update(typed)
    other = codebase.first_other(luggage.told)
    if other is not None:
        name = f"{other.module.rpartition('.')[2]}.{other.name}"
        raise CodeChangedError(f"{name} is not what it was when the run was planned, or not the same on every machine")
    work: Any = object.__new__(kind)
    vars(work).update(state)
    return work


def _settle(luggage: _Packed) -> None:
    """Makes this process like the one that the luggage comes from. Raises MachineError when it cannot be."""
    for part in luggage.environment:
        here = environment_part(part.name)
        if here.digest != part.digest:
            there = f"{here.preview} there, {part.preview} here"
            raise MachineError(f"{os.uname().nodename}: {there}, and results depend on it; install the same everywhere")
    if luggage.folder.is_dir():
        os.chdir(luggage.folder)
    sys.path.extend(entry for entry in luggage.path if entry not in sys.path)
    for name, value in luggage.environ.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _goes_by_name(module: Module) -> bool:
    """Whether what a module defines is found there by its name, and found here by it."""
    if module.world is None and not travels(module):
        return False
    loaded = sys.modules.get(module.name)
    return getattr(loaded, "__dict__", None) is module.live


def _pickled(codebase: Codebase, state: Mapping[str, Any], worlds: dict[int, World]) -> bytes:
    """The codebase and the state, and what of `__main__` travels with them; adds to `worlds` those that they need."""
    import cloudpickle

    typed: dict[str, Any] = {}

    class Pickler(cloudpickle.Pickler):  # type: ignore[misc]
        """Notes where definitions belong.

        What travels by value and has a name in `__main__` must have it there as well: pickles made there use it.
        """

        def reducer_override(self, obj: Any) -> Any:
            if isinstance(obj, type | FunctionType):
                if _is_typed(obj):
                    typed[obj.__qualname__] = obj
                world = getattr(sys.modules.get(obj.__module__), WORLD, None)
                if world is not None:
                    worlds[id(world)] = world
            return super().reducer_override(obj)

    file = BytesIO()
    with packing_whole():
        Pickler(file, protocol=pickle.HIGHEST_PROTOCOL).dump((codebase, state, typed))
    return file.getvalue()


def _is_typed(definition: Any) -> bool:
    """Whether it is what `__main__` calls so."""
    return definition.__module__ in TYPED and vars(sys.modules["__main__"]).get(definition.__qualname__) is definition


def _culprit(experiment: Blueprint, error: Exception) -> DefinitionError:
    """Names the part of an experiment that no pickle can hold."""
    import cloudpickle

    what = "what its trials share"
    for name, part in _parts(experiment):
        try:
            with packing_whole():
                cloudpickle.dumps(part)
        except Exception as inner:
            what, error = name, inner
            break
    return DefinitionError(
        f"experiment '{experiment.label}': {what} cannot travel to another machine ({in_words(error)})",
        path=experiment.path,
        remedy="make it in the step that needs it, or with a resource_factory",
    )


def _parts(experiment: Blueprint) -> Iterator[tuple[str, object]]:
    yield "the datasource", experiment.datasource
    for step in experiment.pipeline.steps:
        yield f"step {type(step).__name__}", step
    for plugin in experiment.plugins:
        yield f"plugin {type(plugin).__name__}", plugin
    for key, value in experiment.initial_ctx.items():
        yield f"initial_ctx['{key}']", value
    for treatment in experiment.treatments:
        yield f"treatment '{treatment.name}'", treatment
