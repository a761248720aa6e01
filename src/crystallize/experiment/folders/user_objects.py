"""Finds what the names in a configuration stand for in the user's modules, and makes objects of it.

Knows nothing of what a step or a datasource is, only how to say what is wrong with one, with the place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import FunctionType
from typing import Any, NamedTuple

from crystallize.errors import DefinitionError, DefinitionTypeError, MissingFileError, UnknownNameError, nearest
from crystallize.experiment.folders.entries import ExperimentConfig
from crystallize.experiment.folders.user_code import UserCodeError, told_with_place
from crystallize.experiment.folders.worlds import World
from crystallize.experiment.objects.factory import REQUIRED, Factory, Parameters


class Place(NamedTuple):
    """The entry of the configuration that messages are about."""

    key: str
    """Dotted: ``steps.scale``."""
    line: int


class UserObjects:
    """The names of one configuration, looked up in the world of its folder."""

    def __init__(self, config: ExperimentConfig, world: World) -> None:
        self.config = config
        self.world = world

    def place(self, key: str) -> Place:
        """The entry at `key`, with the line of the nearest entry around it when it has none of its own."""
        around = key
        while around and around not in self.config.lines:
            around = around.rpartition(".")[0]
        return Place(key, self.config.lines.get(around, 1))

    def find(self, module_name: str, name: str, place: Place) -> Any:
        """What `name` is in the user's `module_name`.

        Raises MissingFileError when there is no such module, UnknownNameError when it has no such name.
        """
        if self.world.path_of(module_name) is None:
            remedy = f"write {self.world.folder / module_name}.py"
            fact = f"{module_name}.py is missing, which has to define {name!r}"
            raise self.fault(fact, place, remedy, kind=MissingFileError)
        module = self.world.load(module_name)
        if not hasattr(module, name):
            known = [other for other, value in vars(module).items() if _may_be_meant(other, value)]
            raise self.unknown(f"{module_name}.py defines no {name!r}", place, name, known)
        return getattr(module, name)

    def make(self, found: object, params: Mapping[str, Any], kind: Any, decorator: str, place: Place) -> Any:
        """What the factory `found` makes of `params`, known to be a `kind` (a class, abstract or not)."""
        remedy = f"put {decorator} above its definition"
        if not callable(found) or not _is_factory(found, params, kind):
            raise self.fault(f"{_called(found)} is no factory", place, remedy, kind=DefinitionTypeError)
        try:
            made = found(**params)
        except (Exception, SystemExit) as error:
            raise self._told(error, place) from error
        if not isinstance(made, kind):
            fact = f"{_called(found)} gives a {type(made).__name__}"
            raise self.fault(fact, place, remedy, kind=DefinitionTypeError)
        return made

    def fault(
        self, fact: str, place: Place, remedy: str | None, *, kind: type[DefinitionError] = DefinitionError
    ) -> DefinitionError:
        """An error about the entry at `place`."""
        return kind(fact, path=self.config.path, line=place.line, key=place.key, remedy=remedy)

    def unknown(self, fact: str, place: Place, name: str, known: Iterable[str]) -> DefinitionError:
        """An error about the unknown `name` at `place`, which offers the nearest of `known`."""
        return self.fault(fact, place, nearest(name, known), kind=UnknownNameError)

    def _told(self, error: BaseException, place: Place) -> DefinitionError:
        """What a factory raised, with the place: ours in the configuration, the user's in their code."""
        if isinstance(error, DefinitionError) and not isinstance(error, UserCodeError):
            return self.fault(error.fact, place, error.remedy, kind=type(error))
        is_call_itself = error.__traceback__ is not None and error.__traceback__.tb_next is None
        if isinstance(error, TypeError) and is_call_itself:
            remedy = "give it the parameters it takes"
            return self.fault(str(error), place, remedy, kind=DefinitionTypeError)
        path, folder = self.config.path, self.world.folder
        return told_with_place(error, folder, path=path, line=place.line, key=place.key)


def _is_factory(found: object, params: Mapping[str, Any], kind: Any) -> bool:
    """False for what is made already, and for a plain function that waits for the data of a run."""
    if isinstance(found, (Factory, type)):
        return True
    if not isinstance(found, FunctionType):
        return not isinstance(found, kind)
    parameters = Parameters.of(found)
    return all(name in params or parameters.defaults.get(name) is not REQUIRED for name in parameters.positional)


def _may_be_meant(name: str, value: object) -> bool:
    home = getattr(value, "__module__", None) or ""
    return callable(value) and name[0] != "_" and home.partition(".")[0] not in ("crystallize", "typing")


def _called(found: object) -> str:
    return repr(getattr(found, "__name__", None) or type(found).__name__)
