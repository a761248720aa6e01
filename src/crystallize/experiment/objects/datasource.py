"""Datasources: what gives a trial its data, as a class or as a decorated function, and the registry of names.

Knows nothing of runs: `fetch` is called once per trial with the trial's context.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, overload

from crystallize.errors import DefinitionError
from crystallize.experiment.objects.annotations import names_class
from crystallize.experiment.objects.context import FrozenContext
from crystallize.experiment.objects.factory import REQUIRED, Declared, Factory, Parameters, made_class, make


class DataSource(ABC):
    """Gives a trial its data.

    A source may have an attribute ``replicates`` (int): the number of replicates of an experiment that reads
    it, unless the experiment says otherwise.

    Examples
    --------
    >>> class Numbers(DataSource):
    ...     replicates = 2
    ...     def fetch(self, ctx):
    ...         return [ctx["replicate"], 10]
    >>> Numbers().fetch(standalone_context({"replicate": 1}))
    [1, 10]
    """

    reads: Sequence[str | Path] = ()
    """Files, folders and globs that `fetch` reads: their contents count."""
    version: str | None = None
    """Changed by the user when earlier results shall not be reused."""
    depends_on: Sequence[object] = ()
    """Further values and definitions that count."""
    volatile: bool = False
    """Outside state is read (a query, a download): it is fetched anew in every run, and counts by its contents."""
    takes_context: bool = True
    """Whether `fetch` looks at the trial's context."""

    @abstractmethod
    def fetch(self, ctx: FrozenContext) -> Any:
        """The data of the trial that `ctx` belongs to."""


def data_of(source: Any, ctx: FrozenContext) -> Any:
    """What `source` gives the trial of `ctx`: what was fetched for it beforehand, where outside state was."""
    fetched = ctx._fetched.get(id(source)) if ctx._fetched else None
    return source.fetch(ctx) if fetched is None else fetched()


class FunctionSource(DataSource):
    """A datasource made of a function and its parameters.

    Attributes
    ----------
    params : all parameters, name → value.
    explicit_params : those that were given.
    """

    factory: SourceFactory

    def __init__(self, explicit: Mapping[str, Any]) -> None:
        self.explicit_params = dict(explicit)
        defaults = self.factory.parameters.defaults
        self.params = {name: value for name, value in defaults.items() if value is not REQUIRED} | self.explicit_params

    @property
    def definition(self) -> Callable[..., Any]:
        """The function as the user wrote it."""
        return self.factory.definition

    @property
    def takes_context(self) -> bool:  # type: ignore[override]
        """Whether the function has a parameter for the context."""
        return self.factory.ctx_name is not None

    def fetch(self, ctx: FrozenContext) -> Any:
        ctx_name = self.factory.ctx_name
        if ctx_name is None:
            return self.definition(**self.params)
        if ctx_name == "":
            return self.definition(ctx, **self.params)
        return self.definition(**{ctx_name: ctx}, **self.params)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.params!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return make, (self.factory, self.explicit_params), self.__dict__


class SourceFactory(Factory["FunctionSource"]):
    """A decorated function; called with all parameters that have no default it gives a `DataSource`."""

    def __init__(self, fn: Callable[..., Any], declared: Declared = Declared()) -> None:  # noqa: B008
        super().__init__(fn, declared)
        parameters = Parameters.of(fn)
        self.ctx_name = _context_parameter(parameters, fn)
        """The keyword that takes the context; empty: the first position does; None: nothing does."""
        first = parameters.positional[:1] if self.ctx_name == "" else (self.ctx_name or "",)
        self.parameters = parameters.without(*first)
        self.made = made_class(FunctionSource, self, "Source")

    def _make(self, overrides: Mapping[str, Any]) -> FunctionSource:
        self.parameters.check_complete(overrides)
        source: FunctionSource = self.made(overrides)
        return source


@overload
def data_source(name: Callable[..., Any], /) -> SourceFactory: ...


@overload
def data_source(
    name: str | None = None,
    /,
    *,
    register: bool = False,
    reads: str | Path | Iterable[str | Path] = (),
    version: str | None = None,
    depends_on: Iterable[object] = (),
    volatile: bool = False,
) -> Callable[[Callable[..., Any]], SourceFactory]: ...


def data_source(
    name: Callable[..., Any] | str | None = None,
    /,
    *,
    register: bool = False,
    reads: str | Path | Iterable[str | Path] = (),
    version: str | None = None,
    depends_on: Iterable[object] = (),
    volatile: bool = False,
) -> SourceFactory | Callable[[Callable[..., Any]], SourceFactory]:
    """Turn ``fn(ctx, **params)`` (or ``fn(**params)``) into a factory of datasources.

    The factory takes the parameters by name, all that have no default; it raises TypeError for one that is missing or
    unknown.

    Parameters
    ----------
    name : the name to register under; else the function's.
    register : register an instance with default parameters, unless a parameter has no default.
    reads, version, depends_on, volatile : as the attributes of `DataSource`.

    Examples
    --------
    >>> @data_source
    ... def numbers(ctx, *, upto, start=0):
    ...     return list(range(start, upto))
    >>> numbers(upto=3).fetch(standalone_context())
    [0, 1, 2]
    >>> numbers()
    Traceback (most recent call last):
    crystallize.errors.DefinitionTypeError: numbers: missing parameter 'upto'; write numbers(upto=...)
    """
    if callable(name):
        return SourceFactory(name)

    def decorate(fn: Callable[..., Any]) -> SourceFactory:
        factory = SourceFactory(fn, Declared.of(reads, version, depends_on, volatile))
        if register and REQUIRED not in factory.parameters.defaults.values():
            _register_latest(name or factory.__name__, factory())
        return factory

    return decorate


_REGISTRY: dict[str, DataSource] = {}
"""Name → source, for the whole process: modules register while they are imported."""


def register_datasource(name: str, source: DataSource) -> None:
    """Make `source` known as `name`, in this process. Raises ValueError when the name is taken.

    Examples
    --------
    >>> @data_source
    ... def numbers():
    ...     return [1, 2, 3]
    >>> register_datasource("numbers", numbers())
    >>> register_datasource("numbers", numbers())
    Traceback (most recent call last):
    crystallize.errors.DefinitionError: datasource 'numbers' is already registered; choose another name, ...
    """
    if name in _REGISTRY:
        raise DefinitionError(
            f"datasource '{name}' is already registered",
            remedy="choose another name, or call unregister_datasource first",
        )
    _REGISTRY[name] = source


def get_datasource(name: str) -> DataSource:
    """The source registered as `name`. Raises KeyError, listing what is there.

    Examples
    --------
    >>> @data_source("numbers", register=True)
    ... def some_numbers():
    ...     return [1, 2, 3]
    >>> get_datasource("numbers").fetch(standalone_context())
    [1, 2, 3]
    >>> get_datasource("letters")
    Traceback (most recent call last):
    KeyError: "No datasource registered under 'letters'; available: numbers"
    """
    if name not in _REGISTRY:
        known = ", ".join(list_datasources()) or "none"
        raise KeyError(f"No datasource registered under '{name}'; available: {known}")
    return _REGISTRY[name]


def unregister_datasource(name: str) -> DataSource | None:
    """Forget `name`; what was registered under it, or None.

    Examples
    --------
    >>> register_datasource("both", ExperimentInput(notes=Artifact("notes.txt")))
    >>> unregister_datasource("both")
    ExperimentInput(notes=Artifact('notes.txt'))
    >>> unregister_datasource("both") is None
    True
    """
    return _REGISTRY.pop(name, None)


def list_datasources() -> list[str]:
    """The registered names, sorted.

    Examples
    --------
    >>> register_datasource("test", Artifact("test.csv"))
    >>> register_datasource("seen", Artifact("seen.csv"))
    >>> list_datasources()
    ['seen', 'test']
    """
    return sorted(_REGISTRY)


def clear_registry() -> None:
    """Forget all names.

    Examples
    --------
    >>> register_datasource("test", Artifact("test.csv"))
    >>> clear_registry()
    >>> list_datasources()
    []
    """
    _REGISTRY.clear()


def _register_latest(name: str, source: DataSource) -> None:
    """Register `source` in place of what its definition registered before the module was loaded again."""
    known = _REGISTRY.get(name)
    if isinstance(known, FunctionSource) and isinstance(source, FunctionSource):
        old, new = known.definition, source.definition
        if (old.__module__, old.__qualname__) == (new.__module__, new.__qualname__):
            unregister_datasource(name)
    register_datasource(name, source)


def _context_parameter(parameters: Parameters, fn: Callable[..., Any]) -> str | None:
    if not parameters.positional:
        return "" if parameters.takes_any_position else parameters.context(fn)
    first = parameters.positional[0]
    annotation = parameters.annotations.get(first)
    if first.strip("_") in ("", "ctx", "context") or names_class(annotation, fn, FrozenContext):
        return ""
    return parameters.context(fn)
