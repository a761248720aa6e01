"""Callables on their way to another process: lambdas and local functions too, which plain pickle refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def pack(fn: Callable[..., Any]) -> bytes:
    """`fn` as bytes: by name where the other process can import it, by value elsewhere."""
    import cloudpickle

    packed: bytes = cloudpickle.dumps(fn)
    return packed


def unpack(data: bytes) -> Callable[..., Any]:
    """The callable that `pack` packed."""
    import pickle

    fn: Callable[..., Any] = pickle.loads(data)
    return fn
