"""What stands under the name of a decorated function: a factory that is called with parameters.

Knows how the parameters of the user's function are named and which of them must be given; knows nothing of
what is made. Shared by datasources, steps and verifiers.
"""

from __future__ import annotations

import functools
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Generic, NamedTuple, Never, Self, TypeVar

from crystallize.errors import DefinitionTypeError, NotReusableError, nearest
from crystallize.experiment.objects.annotations import names_class, signature_of
from crystallize.experiment.objects.context import FrozenContext
from crystallize.experiment.objects.portable import pack, unpack

Made = TypeVar("Made")

REQUIRED: Final = object()
"""Stands for the default of a parameter that has none."""


class Declared(NamedTuple):
    """What a decorator says of its function: each part only adds to what a result depends on."""

    reads: tuple[str | Path, ...] = ()
    """Files, folders and globs that the function reads."""
    version: str | None = None
    """Changed by the user when results shall not be reused though nothing visible changed."""
    depends_on: tuple[object, ...] = ()
    """Further values and definitions that count."""
    volatile: bool = False
    """Outside state is read, so earlier results are never reused."""

    @classmethod
    def of(
        cls,
        reads: str | Path | Iterable[str | Path],
        version: str | None,
        depends_on: Iterable[object],
        volatile: bool,
    ) -> Self:
        """As a decorator's arguments give it; a single path counts as a list of one."""
        paths = (reads,) if isinstance(reads, (str, Path)) else tuple(reads)
        return cls(paths, version, tuple(depends_on), volatile)


class Parameters(NamedTuple):
    """The parameters of a user's function."""

    owner: str
    """The function's name, for messages."""
    positional: tuple[str, ...]
    """Those that can be given by position, in order."""
    defaults: Mapping[str, Any]
    """Those that can be given by name → the default, or REQUIRED."""
    takes_any_position: bool
    takes_any_name: bool
    annotations: Mapping[str, object]
    """As written: objects or texts; only of annotated parameters."""

    @classmethod
    def of(cls, fn: Callable[..., Any]) -> Self:
        """Read from `fn`. Raises DefinitionTypeError when it is no function or hides its parameters."""
        owner = getattr(fn, "__name__", type(fn).__name__)
        try:
            found = signature_of(fn).parameters.values()
        except (TypeError, ValueError) as error:
            raise DefinitionTypeError(
                f"the parameters of {owner} cannot be read ({error})", remedy="wrap it in a function of yours"
            ) from error
        kinds = {parameter.kind for parameter in found}
        return cls(
            owner,
            tuple(p.name for p in found if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)),
            {
                p.name: REQUIRED if p.default is p.empty else p.default
                for p in found
                if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)
            },
            any(kind.name == "VAR_POSITIONAL" for kind in kinds),
            any(kind.name == "VAR_KEYWORD" for kind in kinds),
            {p.name: p.annotation for p in found if p.annotation is not p.empty},
        )

    def without(self, *names: str) -> Self:
        """The same but for `names`, which the caller passes itself."""
        return self._replace(defaults={k: v for k, v in self.defaults.items() if k not in names})

    def context(self, fn: Callable[..., Any]) -> str | None:
        """The parameter that takes the context: the one called ``ctx``, else one annotated FrozenContext."""
        if "ctx" in self.positional or "ctx" in self.defaults:
            return "ctx"
        return next((n for n, a in self.annotations.items() if names_class(a, fn, FrozenContext)), None)

    def check_known(self, given: Iterable[str]) -> None:
        """Raise DefinitionTypeError when a name is given that the function does not take."""
        if self.takes_any_name:
            return
        for name in given:
            if name not in self.defaults:
                raise DefinitionTypeError(
                    f"there is no parameter '{name}'", key=self.owner, remedy=nearest(name, self.defaults)
                )

    def check_complete(self, given: Iterable[str]) -> None:
        """Raise DefinitionTypeError when a parameter without a default is not among `given`."""
        missing = [n for n, d in self.defaults.items() if d is REQUIRED and n not in set(given)]
        if missing:
            listed = ", ".join(f"'{name}'" for name in missing)
            call = ", ".join(f"{name}=..." for name in missing)
            raise DefinitionTypeError(
                f"missing parameter {listed}", key=self.owner, remedy=f"write {self.owner}({call})"
            )


class Factory(ABC, Generic[Made]):
    """A decorated function: call it with parameters to get what the decorator makes.

    Attributes
    ----------
    definition : the function as the user wrote it.
    parameters : those that a call may give.
    reads, version, depends_on, volatile : what the decorator declared.
    """

    __name__: str
    __qualname__: str
    parameters: Parameters

    def __init__(self, fn: Callable[..., Any], declared: Declared = Declared()) -> None:  # noqa: B008
        functools.update_wrapper(self, fn)
        self.definition = fn
        self.declared = declared
        self.reads: Sequence[str | Path] = declared.reads
        self.version = declared.version
        self.depends_on: Sequence[object] = declared.depends_on
        self.volatile = declared.volatile

    def __call__(self, /, *unnamed: Never, **overrides: Any) -> Made:
        """What the decorator makes, with these parameters. Raises TypeError for one that is unknown or not named."""
        if unnamed:
            raise DefinitionTypeError(
                "parameters are given by name, never by position",
                key=self.__name__,
                remedy=f"write {self.__name__}(parameter=...), or call the function itself: "
                f"{self.__name__}.definition(...)",
            )
        self.parameters.check_known(overrides)
        return self._make(overrides)

    @abstractmethod
    def _make(self, overrides: Mapping[str, Any]) -> Made:
        """What the decorator makes, of parameters that are known."""

    def __crystallize_contents__(self) -> tuple[object, ...]:
        return ("factory", type(self).__name__, self.definition, tuple(self.declared))

    @property
    def __orig_source__(self) -> str:
        """The source text of the function, for editors; empty when there is none."""
        return source_of(self.definition)[0]

    @property
    def __orig_lineno__(self) -> int:
        """The line that text begins at, counted from 1; 0 when there is none."""
        return source_of(self.definition)[1]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.__qualname__}>"

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> str | tuple[Any, ...]:
        """By name where another process can import it; with the function's contents elsewhere."""
        if self.__module__ != "__main__" and _found(self.__module__, self.__qualname__) is self:
            return self.__qualname__
        return _revive, (type(self), pack(self.definition), self._settings())

    def _settings(self) -> dict[str, Any]:
        """What the constructor needs beside the function."""
        return {"declared": self.declared}


@functools.lru_cache(maxsize=1024)
def source_of(definition: Callable[..., Any] | type) -> tuple[str, int]:
    """The text of a definition and the line it begins at; ``("", 0)`` when there is none (REPL, exec)."""
    import inspect
    import textwrap

    try:
        lines, number = inspect.getsourcelines(definition)
    except (OSError, TypeError):
        return "", 0
    return textwrap.dedent("".join(lines)), number


def made_class(base: type, factory: Factory[Any], ending: str) -> type:
    """A subclass of `base`, called after the function of `factory`: ``load_csv`` → ``Load_CsvStep``."""
    name = getattr(factory, "__name__", "function").title() + ending
    fields = {
        "__module__": getattr(factory, "__module__", base.__module__),
        "__qualname__": name,
        "__doc__": factory.__doc__,
        "factory": factory,
        "__crystallize_contents__": contents_of,
        **factory.declared._asdict(),
    }
    return type(base)(name, (base,), fields)


def contents_of(made: Any) -> tuple[object, ...]:
    """What tells one of the things that a factory made from another.

    Raises NotReusableError for what only counts where the runner sees it: volatile sources and declared files.
    """
    if made.volatile or made.reads:
        what = "volatile" if made.volatile else "reading declared files"
        raise NotReusableError(
            "", f"{made!r}, which is {what}, inside another value", "give it to the experiment itself"
        )
    return ("made", made.definition, made.explicit_params, made.version, made.depends_on)


def make(factory: Callable[..., Any], params: Mapping[str, Any]) -> Any:
    """What `factory` makes of `params`; for unpickling."""
    return factory(**params)


def _found(module: str, qualname: str) -> object:
    holder: object = sys.modules.get(module)
    for name in qualname.split("."):
        holder = getattr(holder, name, None)
    return holder


def _revive(kind: type[Factory[Any]], fn: bytes, settings: Mapping[str, Any]) -> Factory[Any]:
    return kind(unpack(fn), **settings)
