"""Fills the parameters of a user's function from what was given, the context and the defaults.

Knows nothing of steps. The order is: given > context > default.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

from crystallize.experiment.objects.annotations import names_class, signature_of
from crystallize.experiment.objects.artifact import Artifact
from crystallize.experiment.objects.context import FrozenContext
from crystallize.experiment.objects.factory import REQUIRED, Factory, Parameters
from crystallize.experiment.objects.resource import Resource

Result = TypeVar("Result")


class Injection:
    """How one function gets its arguments; reads the signature once.

    Attributes
    ----------
    parameters : those to be filled; what the caller passes by position and the context are left out.
    ctx_name : the parameter that takes the context, or None.
    """

    def __init__(self, fn: Callable[..., Any], *, leading: int = 0) -> None:
        parameters = Parameters.of(fn)
        self.owner = parameters.owner
        self.ctx_name = parameters.context(fn)
        own = (*parameters.positional[:leading], *([self.ctx_name] if self.ctx_name else []))
        self.positional = parameters.positional
        self.parameters = parameters.without(*own)

    def arguments(self, given: Mapping[str, Any], ctx: FrozenContext, taken: Collection[str] = ()) -> dict[str, Any]:
        """All arguments by name, without those `taken` by position. Unbound artifacts come bound to `ctx`.

        Raises TypeError for a parameter that is neither given nor in the context and has no default.
        """
        arguments = dict(given)
        for name, default in self.parameters.defaults.items():
            if name not in arguments and name not in taken:
                arguments[name] = self._found(name, default, ctx)
        for name, value in arguments.items():
            if isinstance(value, Artifact):
                arguments[name] = value._bound_to(ctx)
        if self.ctx_name is not None and self.ctx_name not in taken:
            arguments[self.ctx_name] = ctx
        return arguments

    def _found(self, name: str, default: Any, ctx: FrozenContext) -> Any:
        if name in ctx:
            return _supplied(ctx[name], ctx)
        if default is REQUIRED:
            raise TypeError(
                f"{self.owner}: parameter '{name}' is neither given nor in the context and has no default; "
                f"write {self.owner}({name}=...), add it to initial_ctx or a treatment, or give it a default"
            )
        return default(ctx) if isinstance(default, Resource) else default


def inject_from_ctx(fn: Callable[..., Result]) -> Callable[..., Result]:
    """Let `fn` take from the context whatever parameters it is not called with.

    The context is given by position or as ``ctx=``; to a function without a parameter for it as ``ctx=`` or
    in the second position. Raises TypeError when there is none, and for a parameter that nothing supplies.

    Examples
    --------
    >>> @inject_from_ctx
    ... def greet(name, ctx, *, greeting="hello"):
    ...     return f"{greeting} {name}"
    >>> greet(ctx=standalone_context({"name": "Ada", "greeting": "good day"}))
    'good day Ada'
    >>> greet("Ada", standalone_context())
    'hello Ada'
    """
    injection = Injection(fn)

    @functools.wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Result:
        args, kwargs, ctx = _split_context(injection, args, kwargs)
        bound = [arg._bound_to(ctx) if isinstance(arg, Artifact) else arg for arg in args]
        return fn(*bound, **injection.arguments(kwargs, ctx, injection.positional[: len(args)]))

    return call


def artifact_parameters(fn: Callable[..., Any]) -> list[str]:
    """The names of the parameters of `fn`, decorated or not, that take an `Artifact`.

    The annotation may be a text, an Optional, a union or Annotated, under whatever name `Artifact` was
    imported.
    """
    definition = fn.definition if isinstance(fn, Factory) else fn
    annotations = Parameters.of(definition).annotations
    return [name for name, annotation in annotations.items() if names_class(annotation, definition, Artifact)]


def _split_context(
    injection: Injection, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any], FrozenContext]:
    """`args` and `kwargs` as the function takes them, and the context among them."""
    name = injection.ctx_name or "ctx"
    kwargs = dict(kwargs)
    ctx = kwargs.pop(name, None)
    if ctx is None and injection.ctx_name is None:
        ctx, args = (args[1] if len(args) > 1 else None), args[:1] + args[2:]
    elif ctx is None and name in injection.positional[: len(args)]:
        ctx = args[injection.positional.index(name)]
    if not isinstance(ctx, FrozenContext):
        fact = "no context was given" if ctx is None else f"the context is a {type(ctx).__name__}"
        raise TypeError(f"{injection.owner}: {fact}; pass a FrozenContext as {name}=")
    return args, kwargs, ctx


def _supplied(value: Any, ctx: FrozenContext) -> Any:
    """A value of the context as a parameter: one that can be called with nothing but the context is called.

    A callable that asks for more is a value like any other: ``initial_ctx={"score": len}`` hands out `len`.
    """
    if isinstance(value, Resource):
        return value(ctx)
    if not callable(value):
        return value
    try:
        found = signature_of(value).parameters.values()
    except (TypeError, ValueError):
        return value
    required = {p.name for p in found if p.default is p.empty and "VAR" not in p.kind.name}
    if required - {"ctx"}:
        return value
    return value(ctx=ctx) if any(p.name == "ctx" for p in found) else value()
