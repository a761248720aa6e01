"""Pipelines: steps in order. `arun` is the one loop that executes the steps of a trial.

Knows nothing of runs, stores and plugins; whoever wants to watch gives an observer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

from crystallize.engine.watchdog import limited
from crystallize.errors import DefinitionError, DefinitionTypeError, PipelineExecutionError
from crystallize.experiment.objects.context import FrozenContext, LoggingContext, current_context
from crystallize.experiment.objects.factory import Factory
from crystallize.experiment.objects.legacy_cache import compute_hash
from crystallize.experiment.objects.plugins import PluginHooks
from crystallize.experiment.objects.step import PipelineStep

if TYPE_CHECKING:
    from logging import Logger


class Observer(Protocol):
    """Watches the steps of one trial. What it raises ends the trial, and is no failure of the step."""

    def before_step(self, step: Any) -> None:
        """Called before each step, once the context names it."""

    def after_step(self, step: Any, data: Any, ctx: FrozenContext) -> None:
        """Called after each step that succeeded, with its data; its metrics are recorded."""


class Call(Protocol):
    """One call of a cacheable step that is about to happen."""

    @property
    def found(self) -> object:
        """Not None: `replay` takes the place of the call. None: the step runs `watching`, then `keep` is called."""

    @property
    def input_hash(self) -> str:
        """Hexadecimal, of the data that the step is given."""

    def output_hash(self, data: Any) -> str | None:
        """Likewise of the data that it gave; None when they cannot be told apart."""

    def replay(self) -> Any:
        """Does what the step once did; its data."""

    def watching(self) -> AbstractContextManager[None]:
        """The step runs inside."""

    def keep(self, data: Any) -> None:
        """Keeps what the step did, given its data. Called unless the step failed; raises nothing."""


class Memo(Protocol):
    """Knows what cacheable steps gave before."""

    def call(self, step: Any, data: Any, ctx: FrozenContext) -> Call | None:
        """Asked before each call of a cacheable step; None when nothing can be known of it."""


class Pipeline:
    """Steps that each work on the data the one before gave.

    Raises ValueError without steps, TypeError for a step that is none.

    Examples
    --------
    >>> @pipeline_step
    ... def shift(data, *, by=1):
    ...     return data + by
    >>> both = Pipeline([shift(), shift(by=5)])
    >>> both.run(0, standalone_context())
    6
    >>> both.signature()
    "ShiftStep{}|ShiftStep{'by': 5}"
    >>> [step["ctx_changes"]["metrics"] for step in both.get_provenance()]
    [{}, {}]
    """

    def __init__(self, steps: Iterable[PipelineStep]) -> None:
        if not isinstance(steps, Iterable):
            raise DefinitionTypeError(f"{steps!r} is no list of steps", remedy="write Pipeline([step, ...])")
        self.steps = list(steps)
        if not self.steps:
            raise DefinitionError("a pipeline has no steps", remedy="give it at least one")
        for step in self.steps:
            _check_step(step)
        self._provenance: Sequence[dict[str, Any]] = ()

    def run(self, data: Any, ctx: FrozenContext, **settings: Any) -> Any:
        """As `arun`, in an event loop of its own. Raises RuntimeError inside a running loop."""
        import asyncio

        if asyncio._get_running_loop() is not None:
            raise RuntimeError("an event loop is already running; write: await pipeline.arun(data, ctx)")
        return asyncio.run(self.arun(data, ctx, **settings))

    async def arun(
        self,
        data: Any,
        ctx: FrozenContext,
        *,
        verbose: bool = False,
        progress: bool = False,
        rep: int | None = None,
        condition: str | None = None,
        logger: Logger | None = None,
        return_provenance: bool = False,
        experiment: Any = None,
        observer: Observer | None = None,
        memo: Memo | None = None,
    ) -> Any:
        """Execute the steps on `data`; what the last one gave, with the provenance if asked for.

        Raises PipelineExecutionError from what a step raised.

        Parameters
        ----------
        verbose : log what steps read from the context and keep it in the provenance.
        progress : log each step before it runs, with `rep` and `condition`.
        logger : for the above, else the context's.
        experiment : its plugins are called before and after each step.
        observer : called before and after each step, after the plugins.
        memo : may stand in for cacheable steps; without one they all run.
        """
        if verbose and not isinstance(ctx, LoggingContext):
            ctx = LoggingContext(ctx, logger)
        observers = [each for each in (experiment and PluginHooks(experiment), observer) if each]
        provenance: list[dict[str, Any]] = []
        token = current_context.set(ctx)
        try:
            for number, step in enumerate(self.steps, 1):
                if progress:
                    place = f"replicate {rep}, {condition}: step {number} of {len(self.steps)}"
                    (logger or ctx.logger).info("%s, %s", place, type(step).__name__)
                data, record = await _execute(step, data, ctx, observers, memo)
                provenance.append(record)
        finally:
            current_context.reset(token)
            self._provenance = provenance
        return (data, provenance) if return_provenance else data

    def signature(self) -> str:
        """Class names and parameters of the steps, in order, joined by a bar."""
        return "|".join(type(step).__name__ + repr(step.params) for step in self.steps)

    def get_provenance(self) -> list[dict[str, Any]]:
        """One record per step of the last run of this object."""
        return list(self._provenance)

    def __repr__(self) -> str:
        return f"Pipeline({self.steps!r})"


def pipeline(*steps: PipelineStep) -> Pipeline:
    """A pipeline of `steps`.

    Examples
    --------
    >>> @pipeline_step
    ... def shift(data, *, by=1):
    ...     return data + by
    >>> pipeline(shift(), shift(by=5)).run(0, standalone_context())
    6
    """
    return Pipeline(steps)


async def _execute(
    step: PipelineStep, data: Any, ctx: FrozenContext, observers: Iterable[Observer], memo: Memo | None
) -> tuple[Any, dict[str, Any]]:
    """The data that `step` gave, and its provenance record. Awaits nothing unless the step does."""
    name = type(step).__name__
    ctx._enter_step(name)
    record: dict[str, Any] = {
        "step": name,
        "params": step.params,
        "step_hash": step.step_hash,
        "input_hash": None,
    }
    for observer in observers:
        observer.before_step(step)
    mark = ctx._mark()
    call = memo.call(step, data, ctx) if memo is not None and step.cacheable else None
    is_hit = call is not None and call.found is not None
    hashed = _content_hash if step.cacheable else _no_hash
    # Before the step runs: it may change its data in place.
    record["input_hash"] = hashed(data) if call is None else call.input_hash
    if call is None:
        data = await _called(step, data, ctx)
    elif is_hit:
        data = call.replay()
    else:
        with call.watching():
            data = await _called(step, data, ctx)
        call.keep(data)
    output_hash = hashed(data) if call is None else call.output_hash(data)
    for observer in observers:
        observer.after_step(step, data, ctx)
    changes = ctx._changes_since(mark)
    if isinstance(ctx, LoggingContext):
        changes["reads"] = ctx.reads
    record.update(output_hash=output_hash, cache_hit=is_hit, ctx_changes=changes)
    return data, record


async def _called(step: PipelineStep, data: Any, ctx: FrozenContext) -> Any:
    try:
        with limited(f"step {type(step).__name__}", step.limits.timeout):
            result = step(data, ctx)
            if hasattr(type(result), "__await__"):
                result = await result
        return _unpacked(result, ctx)
    except Exception as error:
        raise PipelineExecutionError(type(step).__name__, error) from error


def _unpacked(result: Any, ctx: FrozenContext) -> Any:
    """The data of a step's result; the metrics beside it are recorded."""
    if isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], Mapping):
        for name, value in result[1].items():
            ctx.metrics.add(name, value)
        return result[0]
    return result


def _content_hash(data: Any) -> str | None:
    try:
        return compute_hash(data)
    except Exception:
        # Data that no pickle can hold has no such hash, and it is for people only.
        return None


def _no_hash(data: Any) -> None:
    return None


def _check_step(step: object) -> None:
    if isinstance(step, PipelineStep):
        return
    if isinstance(step, (Factory, type)):
        raise DefinitionTypeError(f"step {step.__name__} is not called", remedy=f"write {step.__name__}()")
    raise DefinitionTypeError(
        f"{step!r} is no step",
        remedy="use @pipeline_step() on a function, or a class that extends PipelineStep",
    )
