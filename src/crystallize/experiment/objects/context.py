"""What a trial hands to its datasource and steps: values set once, metrics, artifacts, random numbers.

Knows nothing of experiments. The runner builds one context per trial, so building is cheap and what few steps
ask for is made when it is asked for. Names that begin with an underscore are for the runner:

    `_fork`        a context of its own that shares the values
    `_enter_step`  names the running step
    `_asked`       the keys that anything read, looked for or listed
    `_looked`      what else was looked at: ``keys``, ``rng``, ``metrics``, ``metric:NAME``, ``artifacts``
    `_inputs`      id of a source object → the path (or list of paths) that it reads in this trial
    `_tell`        takes what is emitted; None outside a run
    `_fetched`     id of a source object → what gives the data that was fetched for this trial
    `_mark`, `_changes_since`   what a step added
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from crystallize.errors import ContextMutationError
from crystallize.experiment.generators import make_own
from crystallize.experiment.objects.artifact_log import ArtifactLog
from crystallize.experiment.objects.constants import SEED_USED_KEY, STEP_NAME_KEY, STEP_TAG
from crystallize.experiment.objects.values import copied

if TYPE_CHECKING:
    from logging import Logger

Inputs = Mapping[int, "Path | list[Path]"]

Fetched = Mapping[int, Callable[[], Any]]

_NO_INPUTS: Inputs = MappingProxyType({})
_NOTHING_FETCHED: Fetched = MappingProxyType({})


class Mark(NamedTuple):
    """How much a context held at one moment."""

    keys: int
    metrics: dict[str, int]
    """Metric → number of values."""


class ContextMetrics:
    """Metrics of one trial: name → the values recorded, in order. Appending from several threads is safe.

    Examples
    --------
    >>> metrics = standalone_context().metrics
    >>> for epoch, loss in enumerate([0.9, 0.4]):
    ...     metrics.add("loss", loss, step=epoch)
    >>> metrics["loss"], metrics.get_tags("loss")
    ((0.9, 0.4), ({'step': 0}, {'step': 1}))
    >>> metrics["typing error"], list(metrics.as_dict())
    ((), ['loss'])
    """

    __slots__ = ("_entries", "_looked")

    def __init__(self, looked: set[str] | None = None) -> None:
        self._entries: dict[str, list[tuple[Any, Mapping[str, Any] | None]]] = {}
        self._looked: set[str] = set() if looked is None else looked

    def add(
        self, key: str, value: Any, tags: Mapping[str, Any] | None = None, *, step: int | float | None = None
    ) -> None:
        """Append `value` to the metric `key`. Raises TypeError when `key` is no text.

        Parameters
        ----------
        tags : what tells this value from the others of the metric.
        step : the epoch, iteration or time that the value belongs to, a point of a curve; kept as the tag ``step``.
        """
        if not isinstance(key, str):
            raise TypeError(f"metric name {key!r} is no text; give the metric a name that is text")
        beside = None if tags is None else dict(tags)
        if step is not None:
            beside = {**(beside or {}), STEP_TAG: step}
        entry = (copied(value), beside)
        # One dictionary call and one append, each atomic, so no lock.
        self._entries.setdefault(key, []).append(entry)

    def __getitem__(self, key: str) -> tuple[Any, ...]:
        self._looked.add(f"metric:{key}")
        return tuple([value for value, _ in self._entries.get(key, ())])

    def get_tags(self, key: str) -> tuple[dict[str, Any], ...]:
        """The tags beside the values of `key`, one dict per value, empty where none were given."""
        self._looked.add(f"metric:{key}")
        return tuple([dict(tags or {}) for _, tags in self._entries.get(key, ())])

    def as_dict(self) -> Mapping[str, tuple[Any, ...]]:
        """A read-only mapping: metric → its values."""
        self._looked.add("metrics")
        return MappingProxyType({key: self[key] for key in tuple(self._entries)})

    def _lists(self) -> dict[str, list[Any]]:
        """Metric → its values."""
        return {key: [value for value, _ in entries] for key, entries in self._entries.copy().items()}

    def _tagged(self) -> dict[str, tuple[dict[str, Any], ...]]:
        """Metric → its tags, for the metrics that have any."""
        tagged = {}
        for key, entries in self._entries.copy().items():
            if any(tags for _, tags in entries):
                tagged[key] = self.get_tags(key)
        return tagged

    def _counts(self) -> dict[str, int]:
        return {key: len(entries) for key, entries in self._entries.copy().items()}


class FrozenContext:
    """Values that are set once and never change, and what the steps of a trial record.

    Parameters
    ----------
    initial : the first keys and values; copied, so a later change of the original changes nothing here.
    logger : given to steps as `ctx.logger`; else the logger ``crystallize``.

    Examples
    --------
    >>> ctx = FrozenContext({"factor": 2})
    >>> ctx["factor"], ctx.get("offset", 0), "offset" in ctx
    (2, 0, False)
    >>> ctx.add("offset", 1)
    >>> ctx["offset"] = 5
    Traceback (most recent call last):
    crystallize.errors.ContextMutationError: Cannot mutate existing key: 'offset'; a key of the context is set once, ...
    >>> ctx.record("loss", 0.5, tags={"split": "test"})
    >>> ctx.metrics["loss"]
    (0.5,)
    """

    __slots__ = (
        "__weakref__",
        "_asked",
        "_fetched",
        "_inputs",
        "_logger",
        "_looked",
        "_rng",
        "_tell",
        "_values",
        "artifacts",
        "metrics",
    )

    def __init__(self, initial: Mapping[str, Any], logger: Logger | None = None) -> None:
        self._values: dict[str, Any] = {key: copied(value) for key, value in initial.items()}
        self._logger = logger
        self._asked: set[str] = set()
        self._inputs: Inputs = _NO_INPUTS
        self._fetched: Fetched = _NOTHING_FETCHED
        self._rng: Any = None
        self._tell: Callable[[Any], None] | None = None
        self._looked: set[str] = set()
        self.metrics = ContextMetrics(self._looked)
        self.artifacts = ArtifactLog(self._looked)

    def __getitem__(self, key: str) -> Any:
        """A copy of the value of `key`. Raises KeyError when it was never set."""
        self._asked.add(key)
        return copied(self._values[key])

    def get(self, key: str, default: Any = None) -> Any:
        """A copy of the value of `key`, or of `default` when it was never set."""
        self._asked.add(key)
        return copied(self._values.get(key, default))

    def __contains__(self, key: object) -> bool:
        if isinstance(key, str):
            self._asked.add(key)
        return key in self._values

    def __iter__(self) -> Iterator[str]:
        self._asked.update(self._values)
        self._looked.add("keys")
        return iter(tuple(self._values))

    def __len__(self) -> int:
        self._looked.add("keys")
        return len(self._values)

    def __bool__(self) -> bool:
        """True, empty or not: ``if ctx`` asks whether there is a context."""
        return True

    def as_dict(self) -> Mapping[str, Any]:
        """A read-only mapping over copies of all values."""
        self._asked.update(self._values)
        self._looked.add("keys")
        return MappingProxyType({key: copied(value) for key, value in self._values.copy().items()})

    def __setitem__(self, key: str, value: Any) -> None:
        self.add(key, value)

    def add(self, key: str, value: Any) -> None:
        """Set a new `key` to a copy of `value`. Raises ContextMutationError when the key is set already."""
        if key in self._values:
            self._asked.add(key)
            raise ContextMutationError(
                f"Cannot mutate existing key: '{key}'; a key of the context is set once, choose another name"
            )
        self._values[key] = copied(value)

    def record(
        self, name: str, value: Any, tags: Mapping[str, Any] | None = None, *, step: int | float | None = None
    ) -> None:
        """Append `value` to the metric `name`, as `metrics.add` does."""
        self.metrics.add(name, value, tags, step=step)

    def emit(self, event: Any) -> None:
        """Tell whoever watches the run of `event`, now, from any thread: a text, a number, a mapping, any value.

        Plugins get it in `on_emit`, and progress displays show it beside the trial. Nothing is kept of it, no result
        depends on it, and outside a run nobody hears it. From a worker process it travels pickled, as its text where
        that cannot be.
        """
        if self._tell is not None:
            self._tell(event)

    @property
    def logger(self) -> Logger:
        """The logger for messages of steps."""
        if self._logger is None:
            from logging import getLogger

            self._logger = getLogger("crystallize")
        return self._logger

    @property
    def rng(self) -> Any:
        """Random numbers of this trial alone: a numpy Generator, or `random.Random` where numpy is missing.

        Seeded with `seed_used`, so a trial that draws only from here has the same numbers in whatever
        process, thread or order it runs.
        """
        self._looked.add("rng")
        if self._rng is None:
            self._rng = make_own(self.get(SEED_USED_KEY))
        return self._rng

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(str, self._values))})"

    def _fork(self, extra: Mapping[str, Any]) -> FrozenContext:
        """A context with these values and `extra`, which win; nothing recorded, nothing asked.

        Values are shared: whoever reads one gets a copy, so none of them can change.
        """
        child = FrozenContext({}, self._logger)
        child._values = {**self._values, **extra}
        return child

    @contextmanager
    def _asking(self) -> Iterator[set[str]]:
        """The keys that are asked for inside; filled when the block ends."""
        asked: set[str] = set()
        before = self._asked.copy()
        # Emptied in place: who watches a context shares the set.
        self._asked.clear()
        try:
            yield asked
        finally:
            asked.update(self._asked)
            self._asked.update(before)

    @property
    def _plain(self) -> FrozenContext:
        """The context itself, without what only watches it."""
        return self

    def _enter_step(self, name: str) -> None:
        """From now on `name` is the running step, for readers and for the artifacts they write."""
        self._values[STEP_NAME_KEY] = name
        self.artifacts._step_name = name

    def _mark(self) -> Mark:
        return Mark(len(self._values), self.metrics._counts())

    def _changes_since(self, mark: Mark) -> dict[str, dict[str, Any]]:
        """What was added after `mark`: ``wrote`` and ``metrics``, each name → ``before`` and ``after``."""
        wrote = {
            key: {"before": None, "after": copied(value)}
            for key, value in islice(self._values.copy().items(), mark.keys, None)
        }
        metrics = {}
        for name, count in self.metrics._counts().items():
            known = mark.metrics.get(name, 0)
            if count > known:
                values = self.metrics[name]
                metrics[name] = {"before": values[:known], "after": values}
        return {"wrote": wrote, "metrics": metrics}


class LoggingContext(FrozenContext):
    """A context over `ctx` that remembers and logs every value read through it; all else is `ctx` itself.

    Parameters
    ----------
    ctx : the context that is read; metrics, artifacts and values are shared with it.
    logger : told of every read at the level DEBUG; else the one of `ctx`.

    Examples
    --------
    >>> ctx = LoggingContext(standalone_context({"factor": 2}))
    >>> ctx["factor"], ctx.get("offset", 0)
    (2, 0)
    >>> ctx.reads
    {'factor': 2}
    """

    __slots__ = ("_wrapped", "reads")

    def __init__(self, ctx: FrozenContext, logger: Logger | None = None) -> None:
        self._wrapped = ctx
        self._values = ctx._values
        self._asked = ctx._asked
        self._looked = ctx._looked
        self._inputs = ctx._inputs
        self._fetched = ctx._fetched
        self._tell = ctx._tell
        self._logger = logger or ctx._logger
        self.metrics = ctx.metrics
        self.artifacts = ctx.artifacts
        self.reads: dict[str, Any] = {}
        """Key → the value that was read, since the running step began."""

    def __getitem__(self, key: str) -> Any:
        value = super().__getitem__(key)
        self._saw(key, value)
        return value

    def get(self, key: str, default: Any = None) -> Any:
        value = super().get(key, default)
        if key in self._values:
            self._saw(key, value)
        return value

    @property
    def rng(self) -> Any:
        return self._wrapped.rng

    @property
    def _plain(self) -> FrozenContext:
        return self._wrapped

    def _enter_step(self, name: str) -> None:
        super()._enter_step(name)
        self.reads = {}

    def _saw(self, key: str, value: Any) -> None:
        self.reads[key] = value
        self.logger.debug("Read %s -> %r", key, value)


current_context: ContextVar[FrozenContext | None] = ContextVar("current_context", default=None)
"""The context of the trial that runs here; an artifact that no step was given writes to it."""


def standalone_context(initial: Mapping[str, Any] | None = None, *, logger: Logger | None = None) -> FrozenContext:
    """A context for calling steps and datasources without an experiment; empty unless `initial` is given.

    Examples
    --------
    >>> @pipeline_step
    ... def scale(data, *, factor):
    ...     return factor * data
    >>> scale()(21, standalone_context({"factor": 2}))
    42
    """
    return FrozenContext(initial or {}, logger)
