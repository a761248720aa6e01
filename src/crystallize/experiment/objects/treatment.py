"""Treatments: what one condition of an experiment changes in the context. Knows nothing of runs."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from types import MappingProxyType
from typing import Any, overload

from crystallize.errors import DefinitionTypeError
from crystallize.experiment.objects.context import FrozenContext
from crystallize.experiment.objects.datasource import DataSource
from crystallize.experiment.objects.grid import points_of_grid, points_of_list
from crystallize.experiment.objects.names import check_name
from crystallize.experiment.objects.portable import pack, unpack

Change = Callable[[FrozenContext], Any]


class Treatment:
    """A named change of the context.

    Parameters
    ----------
    name : the condition's name. Raises DefinitionError when no folder may be called so.
    apply : keys and values to add to the context, or a function that adds them.
    datasource : what gives the data in this condition, in place of the experiment's own.

    Attributes
    ----------
    apply_map : the keys and values; empty for a function.
    definition : the function as the user wrote it; None for keys and values.

    Examples
    --------
    >>> ctx = standalone_context({"replicate": 2})
    >>> Treatment("doubled", {"factor": 2}).apply(ctx)
    >>> Treatment("late", lambda ctx: ctx.add("start", 10 * ctx["replicate"])).apply(ctx)
    >>> ctx["factor"], ctx["start"]
    (2, 20)
    >>> Treatment.grid({"lr": [0.1, 0.01], "depth": [2]})
    [Treatment('lr=0.1,depth=2'), Treatment('lr=0.01,depth=2')]
    """

    def __init__(
        self,
        name: str,
        apply: Mapping[str, Any] | Change = MappingProxyType({}),
        *,
        datasource: DataSource | None = None,
    ) -> None:
        self.name = check_name("condition", name)
        self.datasource = _checked_source(name, datasource)
        self.apply_map: dict[str, Any] = {}
        self.definition: Change | None = None
        if isinstance(apply, Mapping):
            self.apply_map = _checked(name, apply)
        elif callable(apply):
            self.definition = apply
        else:
            raise DefinitionTypeError(
                f"treatment '{name}' is a {type(apply).__name__}",
                remedy="give it a mapping of context keys to values, or a function of the context",
            )

    @staticmethod
    def grid(
        values: Mapping[str, Iterable[Any]],
        *,
        name: str = "",
        fixed: Mapping[str, Any] = MappingProxyType({}),
        datasource: DataSource | None = None,
    ) -> list[Treatment]:
        """A treatment for every combination of values, called ``lr=0.1,depth=2`` after them.

        Raises DefinitionError (a ValueError) for a key without values, DefinitionTypeError (a TypeError) for one whose
        values are no list.

        Parameters
        ----------
        values : key → the values that it takes.
        name : in front of the names.
        fixed : further keys and values, the same for all.
        datasource : in place of the experiment's own, for all.
        """
        points = points_of_grid(name, values)
        return [Treatment(point.name, {**fixed, **point.values}, datasource=datasource) for point in points]

    @staticmethod
    def each(
        payloads: Iterable[Mapping[str, Any]],
        *,
        name: str = "",
        fixed: Mapping[str, Any] = MappingProxyType({}),
        datasource: DataSource | None = None,
    ) -> list[Treatment]:
        """A treatment for each of several payloads, called after their values; parameters and errors as of `grid`."""
        points = points_of_list(name, payloads)
        return [Treatment(point.name, {**fixed, **point.values}, datasource=datasource) for point in points]

    def apply(self, ctx: FrozenContext) -> None:
        """Change `ctx`. Raises ContextMutationError when a key is set already."""
        if self.definition is not None:
            self.definition(ctx)
        for key, value in self.apply_map.items():
            ctx.add(key, value)

    def without_source(self) -> Treatment:
        """The treatment without a datasource of its own."""
        return Treatment(self.name, self.definition or self.apply_map)

    def __deepcopy__(self, memo: object) -> Treatment:
        return Treatment(self.name, self.definition or deepcopy(self.apply_map), datasource=self.datasource)

    def __crystallize_contents__(self) -> tuple[object, ...]:
        swapped = () if self.datasource is None else (self.datasource,)
        return ("treatment", self.name, self.apply_map, self.definition, *swapped)

    def __repr__(self) -> str:
        return f"Treatment({self.name!r})"

    def __getstate__(self) -> dict[str, Any]:
        packed = None if self.definition is None else pack(self.definition)
        return {**self.__dict__, "definition": packed}

    def __setstate__(self, state: dict[str, Any]) -> None:
        packed = state["definition"]
        self.__dict__.update({**state, "definition": None if packed is None else unpack(packed)})


class TreatmentFactory:
    """A decorated function; called without arguments it gives the `Treatment`."""

    def __init__(self, name: str, fn: Change) -> None:
        functools.update_wrapper(self, fn)
        self.name = check_name("condition", name)
        self.definition = fn

    def __call__(self) -> Treatment:
        return Treatment(self.name, self.definition)


@overload
def treatment(name: str, apply: Mapping[str, Any] | Change) -> Treatment: ...


@overload
def treatment(name: str, apply: None = None) -> Callable[[Change], TreatmentFactory]: ...


def treatment(
    name: str, apply: Mapping[str, Any] | Change | None = None
) -> Treatment | Callable[[Change], TreatmentFactory]:
    """A treatment; without `apply` a decorator that turns ``fn(ctx)`` into a factory of treatments.

    Examples
    --------
    >>> treatment("doubled", {"factor": 2})
    Treatment('doubled')
    >>> @treatment("late")
    ... def late(ctx):
    ...     ctx["start"] = 10 * ctx["replicate"]
    >>> late()
    Treatment('late')
    """
    if apply is None:
        return functools.partial(TreatmentFactory, name)
    return Treatment(name, apply)


def _checked_source(name: str, source: Any) -> DataSource | None:
    if source is not None and not isinstance(source, DataSource):
        called = getattr(source, "__name__", None)
        remedy = f"is {called}() meant?" if callable(source) and called else "give a DataSource"
        raise DefinitionTypeError(f"treatment '{name}': {source!r} is no datasource", key="datasource", remedy=remedy)
    return source


def _checked(name: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    for key in payload:
        if not isinstance(key, str):
            raise DefinitionTypeError(f"treatment '{name}': key {key!r} is no text", remedy="put it in quotes")
    return dict(payload)
