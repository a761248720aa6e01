"""Callables on their way to another process: lambdas and local functions too, which plain pickle refuses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_whole: ContextVar[bool] = ContextVar("crystallize_packed_whole", default=False)


def pack(fn: Callable[..., Any]) -> Any:
    """`fn` as bytes: by name where the other process can import it, by value elsewhere.

    Itself inside `packing_whole`.
    """
    if _whole.get():
        return fn
    import cloudpickle

    return cloudpickle.dumps(fn)


def unpack(packed: Any) -> Callable[..., Any]:
    """The callable that `pack` packed."""
    import pickle

    fn: Callable[..., Any] = pickle.loads(packed) if isinstance(packed, bytes) else packed
    return fn


@contextmanager
def packing_whole() -> Iterator[None]:
    """Inside, what is pickled is pickled by cloudpickle, which needs no callable packed for it.

    Functions of one module that travel by value then have one namespace there, as they have here.
    """
    token = _whole.set(True)
    try:
        yield
    finally:
        _whole.reset(token)
