"""The contents of a memo as bytes, both ways. Knows what must not be kept: what is only of its own trial.

Classes and functions are pickled by name, never by value: a class that came back as another one of the same name would
fail every `isinstance`, and a definition that has no name is refused instead.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from crystallize.errors import NotReusableError, StoreError
from crystallize.experiment.generators import States, restore_global, restore_own
from crystallize.experiment.objects.context import FrozenContext
from crystallize.experiment.objects.datasource import DataSource
from crystallize.experiment.objects.resource import Resource
from crystallize.experiment.objects.step import PipelineStep

_OF_THE_TRIAL = (FrozenContext, DataSource, PipelineStep, Resource)
_PROTOCOL = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What a step left, beside artifacts."""

    data: Any
    """Its result, without the metrics."""
    added: list[tuple[str, Any]]
    """Keys and values of the context."""
    recorded: list[tuple[str, list[tuple[Any, Any]]]]
    """Metric → values, each with its tags or None."""
    folders: list[bool]
    """For each artifact whether it was written to a path of its own."""
    generators: States
    """Global generators that it moved → their states."""
    own_state: Any
    """State of the trial's own generator, if it drew from that; else None."""
    starts_processes: bool
    """Whether what it read could not all be seen."""

    def replay(self, ctx: FrozenContext) -> None:
        """Does to `ctx`, and to generators, what was done, once; artifacts aside."""
        for key, value in self.added:
            ctx.add(key, value)
        for metric, entries in self.recorded:
            for value, tags in entries:
                ctx.metrics.add(metric, value, tags)
        restore_global(self.generators)
        if self.own_state is not None:
            restore_own(ctx.rng, self.own_state)


_FIELDS = tuple(Contents.__slots__)


def packed(contents: Contents, passing: Iterable[str], generator: Any, *, ordered: bool = False) -> bytes:
    """The bytes of `contents`. Raises NotReusableError, which says what it is that cannot be kept.

    Parameters
    ----------
    passing : absolute paths of files and folders that may not be there, or not as they are now, the next time.
    generator : the trial's own, whose identity no pickle keeps.
    ordered : sets are written in an order of their own, so that equal ones have equal bytes in every process.
    """
    passing = tuple(passing)
    buffer = io.BytesIO()
    try:
        kind = _OrderedPickler if ordered else _Pickler
        kind(buffer, passing, generator).dump([getattr(contents, name) for name in _FIELDS])
    except NotReusableError:
        raise
    except Exception as error:  # pickling runs the value's own code
        what = f"cannot be pickled ({type(error).__name__}: {error})"
        raise NotReusableError(
            "what it gives", what, "give plain values, or instances of classes of a module"
        ) from error
    data = buffer.getvalue()
    for path in passing:
        if path.encode("utf-8", "surrogatepass") in data:
            raise _refused(path)
    return data


def unpacked(data: bytes) -> Contents:
    """What `packed` packed. Raises StoreError when it cannot be read, as when a class is gone."""
    try:
        return Contents(**dict(zip(_FIELDS, _Unpickler(io.BytesIO(data)).load(), strict=True)))
    except Exception as error:  # unpickling may raise anything
        raise StoreError(f"it cannot be read ({type(error).__name__}: {error})") from error


class _Pickler(pickle.Pickler):
    def __init__(self, file: io.BytesIO, passing: tuple[str, ...], generator: Any) -> None:
        super().__init__(file, protocol=_PROTOCOL)
        self._passing = passing
        self._generator = generator

    def reducer_override(self, value: Any) -> Any:
        """Called for everything but builtin containers, numbers and texts."""
        if isinstance(value, PurePath) and any(path in str(value) for path in self._passing):
            raise _refused(str(value))
        if value is self._generator:
            raise NotReusableError("what it gives", "holds ctx.rng", "draw from ctx.rng where the numbers are needed")
        if isinstance(value, _OF_THE_TRIAL):
            raise NotReusableError("what it gives", f"holds a {type(value).__name__} of the trial", "give its contents")
        return NotImplemented


class _OrderedPickler(_Pickler):
    def persistent_id(self, value: Any) -> Any:
        """Called for everything; stands in for a set: its members, and whether it is a frozen one."""
        if type(value) is not set and type(value) is not frozenset:
            return None
        return (type(value) is frozenset, sorted(value, key=self._bytes_of) if len(value) > 1 else list(value))

    def _bytes_of(self, member: Any) -> bytes:
        buffer = io.BytesIO()
        _OrderedPickler(buffer, self._passing, self._generator).dump(member)
        return buffer.getvalue()


class _Unpickler(pickle.Unpickler):
    def persistent_load(self, saved: Any) -> Any:
        frozen, members = saved
        return frozenset(members) if frozen else set(members)


def _refused(path: str) -> NotReusableError:
    return NotReusableError("what it gives", f"holds the path {path}, which is the trial's own", "give its contents")
