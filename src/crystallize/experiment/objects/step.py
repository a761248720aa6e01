"""Pipeline steps: one operation on the data of a trial, as a class or as a decorated function.

Knows nothing of pipelines and runs. A step made of a function takes its parameters from what it was given,
then from the context (so a treatment can set them), then from the defaults.
"""

from __future__ import annotations

import functools
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, overload

from crystallize.errors import DefinitionTypeError
from crystallize.experiment.objects.context import FrozenContext
from crystallize.experiment.objects.factory import Declared, Factory, made_class, make, source_of
from crystallize.experiment.objects.injection import Injection
from crystallize.experiment.objects.limits import NO_LIMITS, Limits

_SHOWN = json.JSONEncoder(sort_keys=True, default=repr)
"""Writes the parameters of a step for its hash."""


class PipelineStep(ABC):
    """One operation of a pipeline.

    A result that is a tuple of two whose second is a mapping counts as (data, metrics), also when both are
    dicts; anything else is the data for the next step.

    Examples
    --------
    >>> class Shift(PipelineStep):
    ...     def __init__(self, by):
    ...         self.by = by
    ...     @property
    ...     def params(self):
    ...         return {"by": self.by}
    ...     def __call__(self, data, ctx):
    ...         return data + self.by, {"shifted": self.by}
    >>> ctx = standalone_context()
    >>> Pipeline([Shift(1), Shift(2)]).run(10, ctx)
    13
    >>> ctx.metrics["shifted"]
    (1, 2)
    """

    cacheable: bool = False
    """Whether the step's own result may be kept and reused between trials."""
    reads: Sequence[str | Path] = ()
    """Files, folders and globs that the step reads: their contents count."""
    version: str | None = None
    """Changed by the user when earlier results shall not be reused."""
    depends_on: Sequence[object] = ()
    """Further values and definitions that count."""
    volatile: bool = False
    """Outside state is read: earlier results are never reused."""
    limits: Limits = NO_LIMITS
    """How long it may take, how often it is tried, what it needs; decides no result and is part of no key."""

    @abstractmethod
    def __call__(self, data: Any, ctx: FrozenContext) -> Any:
        """The data for the next step; may be a coroutine function."""

    @property
    @abstractmethod
    def params(self) -> dict[str, Any]:
        """The parameters that tell this step from another of its class."""

    def setup(self, ctx: FrozenContext) -> None:  # noqa: B027
        """Called before the trials of a run; keys added to `ctx` reach every trial."""

    def teardown(self, ctx: FrozenContext) -> None:  # noqa: B027
        """Called after the trials of a run, also when one of them or `setup` failed."""

    @property
    def step_hash(self) -> str:
        """SHA-256, hexadecimal, over the class name, the parameters and the source of `__call__`."""
        return _hash(type(self).__name__, self.params, _call_text(type(self)))


class FunctionStep(PipelineStep):
    """A step made of a function and its parameters.

    Attributes
    ----------
    explicit_params : the parameters that were given; all others are filled when the step is called.
    """

    factory: StepFactory

    def __init__(self, explicit: Mapping[str, Any]) -> None:
        self.explicit_params = dict(explicit)
        self.cacheable = self.factory.cacheable

    def __call__(self, data: Any, ctx: FrozenContext) -> Any:
        factory = self.factory
        return factory.definition(data, **factory.injection.arguments(self.explicit_params, ctx))

    async def __acall__(self, data: Any, ctx: FrozenContext) -> Any:
        """The result, awaited when the function is a coroutine function."""
        result = self(data, ctx)
        return await result if hasattr(type(result), "__await__") else result

    @property
    def params(self) -> dict[str, Any]:
        """The parameters that were given."""
        return dict(self.explicit_params)

    @property
    def definition(self) -> Callable[..., Any]:
        """The function as the user wrote it."""
        return self.factory.definition

    @property
    def __orig_source__(self) -> str:
        return self.factory.__orig_source__

    @property
    def __orig_lineno__(self) -> int:
        return self.factory.__orig_lineno__

    @functools.cached_property
    def step_hash(self) -> str:
        """SHA-256, hexadecimal, over the class name, the parameters and the source of the function."""
        return _hash(type(self).__name__, self.explicit_params, _text(self.definition))

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self.explicit_params.items())
        return f"{type(self).__name__}({given})"

    def __reduce__(self) -> tuple[Any, ...]:
        return make, (self.factory, self.explicit_params), self.__dict__


class StepFactory(Factory[FunctionStep]):
    """A decorated function; called with parameters it gives a `PipelineStep`.

    A parameter without a default may be left to the context; it is missed when the step runs.
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        declared: Declared = Declared(),  # noqa: B008
        cacheable: bool = False,
        limits: Limits = NO_LIMITS,
    ) -> None:
        super().__init__(fn, declared)
        self.cacheable = cacheable
        self.limits = limits
        self.injection = Injection(fn, leading=1)
        self.parameters = self.injection.parameters
        _check_takes_data(fn, self.injection)
        self.made = made_class(FunctionStep, self, "Step")
        self.made.limits = limits  # type: ignore[attr-defined]

    def _make(self, overrides: Mapping[str, Any]) -> FunctionStep:
        step: FunctionStep = self.made(overrides)
        return step

    def _settings(self) -> dict[str, Any]:
        return {**super()._settings(), "cacheable": self.cacheable, "limits": self.limits}


@overload
def pipeline_step(fn: Callable[..., Any], /) -> StepFactory: ...


@overload
def pipeline_step(
    *,
    cacheable: bool = False,
    reads: str | Path | Iterable[str | Path] = (),
    version: str | None = None,
    depends_on: Iterable[object] = (),
    volatile: bool = False,
    timeout: float | str | None = None,
    retries: int = 0,
    resources: Mapping[str, float | str] | None = None,
) -> Callable[[Callable[..., Any]], StepFactory]: ...


def pipeline_step(
    fn: Callable[..., Any] | None = None,
    /,
    *,
    cacheable: bool = False,
    reads: str | Path | Iterable[str | Path] = (),
    version: str | None = None,
    depends_on: Iterable[object] = (),
    volatile: bool = False,
    timeout: float | str | None = None,
    retries: int = 0,
    resources: Mapping[str, float | str] | None = None,
) -> StepFactory | Callable[[Callable[..., Any]], StepFactory]:
    """Turn ``fn(data, [ctx,] *, params...)`` into a factory of steps; with or without parentheses.

    A parameter has the value that the factory was given, else the one that the context has under its name, else its
    default. The factory raises TypeError for an unknown parameter, the call for one that nothing supplies.

    Parameters
    ----------
    cacheable, reads, version, depends_on, volatile : as the attributes of `PipelineStep`.
    timeout, retries, resources : see `Limits.of`.

    Examples
    --------
    >>> @pipeline_step(cacheable=True)
    ... def scale(data, ctx, *, factor=1):
    ...     ctx.record("largest", factor * max(data))
    ...     return [factor * value for value in data]
    >>> ctx = standalone_context({"factor": 3})
    >>> scale()([1, 2], ctx), scale(factor=10)([1, 2], ctx)
    ([3, 6], [10, 20])
    >>> scale(facto=10)
    Traceback (most recent call last):
    crystallize.errors.DefinitionTypeError: scale: there is no parameter 'facto'; did you mean 'factor'?
    """
    if fn is not None:
        return StepFactory(fn)
    declared = Declared.of(reads, version, depends_on, volatile)
    limits = Limits.of(timeout=timeout, retries=retries, resources=resources)
    return lambda fn: StepFactory(fn, declared, cacheable, limits)


def _check_takes_data(fn: Callable[..., Any], injection: Injection) -> None:
    if not injection.positional and not injection.parameters.takes_any_position:
        raise DefinitionTypeError(
            "a step takes the data by position, this one has no place for it",
            key=injection.owner,
            remedy=f"write def {injection.owner}(data, ...)",
        )
    if injection.positional and injection.positional[0] == injection.ctx_name:
        raise DefinitionTypeError(
            "the first parameter of a step takes the data, not the context",
            key=injection.owner,
            remedy=f"write def {injection.owner}(data, {injection.ctx_name}, ...)",
        )


def _hash(name: str, params: Mapping[str, Any], text: str) -> str:
    import hashlib

    shown = _SHOWN.encode(params)
    return hashlib.sha256("\0".join((name, shown, text)).encode()).hexdigest()


@functools.lru_cache(maxsize=1024)
def _call_text(kind: type) -> str:
    return _text(kind.__call__)


def _text(definition: Callable[..., Any]) -> str:
    """The source of a definition, or what its bytecode is made of when it has none."""
    source, _ = source_of(definition)
    code = getattr(definition, "__code__", None)
    if source or code is None:
        return source
    return repr(
        (
            code.co_code,
            code.co_names,
            code.co_varnames,
            [c for c in code.co_consts if not hasattr(c, "co_code")],
        )
    )
