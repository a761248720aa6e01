"""Treatments: what one condition of an experiment changes in the context. Knows nothing of runs."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any, overload

from crystallize.errors import DefinitionTypeError
from crystallize.experiment.objects.context import FrozenContext
from crystallize.experiment.objects.names import check_name
from crystallize.experiment.objects.portable import pack, unpack

Change = Callable[[FrozenContext], Any]


class Treatment:
    """A named change of the context.

    Parameters
    ----------
    name : the condition's name. Raises DefinitionError when no folder may be called so.
    apply : keys and values to add to the context, or a function that adds them.

    Attributes
    ----------
    apply_map : the keys and values; empty for a function.
    definition : the function as the user wrote it; None for keys and values.
    """

    def __init__(self, name: str, apply: Mapping[str, Any] | Change) -> None:
        self.name = check_name("condition", name)
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

    def apply(self, ctx: FrozenContext) -> None:
        """Change `ctx`. Raises ContextMutationError when a key is set already."""
        if self.definition is not None:
            self.definition(ctx)
        for key, value in self.apply_map.items():
            ctx.add(key, value)

    def __deepcopy__(self, memo: object) -> Treatment:
        return Treatment(self.name, self.definition or deepcopy(self.apply_map))

    def __crystallize_contents__(self) -> tuple[object, ...]:
        return ("treatment", self.name, self.apply_map, self.definition)

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
    """A treatment; without `apply` a decorator that turns ``fn(ctx)`` into a factory of treatments."""
    if apply is None:
        return functools.partial(TreatmentFactory, name)
    return Treatment(name, apply)


def _checked(name: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    for key in payload:
        if not isinstance(key, str):
            raise DefinitionTypeError(f"treatment '{name}': key {key!r} is no text", remedy="put it in quotes")
    return dict(payload)
