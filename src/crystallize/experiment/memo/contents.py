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
from crystallize.experiment.generators import States
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


_FIELDS = tuple(Contents.__slots__)


def packed(contents: Contents, passing: Iterable[str], generator: Any) -> bytes:
    """The bytes of `contents`. Raises NotReusableError, which says what it is that cannot be kept.

    Parameters
    ----------
    passing : absolute paths of files and folders that may not be there, or not as they are now, the next time.
    generator : the trial's own, whose identity no pickle keeps.
    """
    passing = tuple(passing)
    buffer = io.BytesIO()
    try:
        _Pickler(buffer, passing, generator).dump([getattr(contents, name) for name in _FIELDS])
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
        return Contents(**dict(zip(_FIELDS, pickle.loads(data), strict=True)))
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


def _refused(path: str) -> NotReusableError:
    return NotReusableError("what it gives", f"holds the path {path}, which is the trial's own", "give its contents")
