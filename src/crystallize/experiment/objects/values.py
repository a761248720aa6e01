"""The user's values: copies of them, so that what is frozen stays frozen, and whether two are the same.

Knows nothing of contexts and results. Copying is the price of every read of a context, so what cannot change
is not copied, and plain containers of such values are copied in one go.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, TypeVar

Value = TypeVar("Value")

_UNCHANGING = frozenset({type(None), bool, int, float, complex, str, bytes, type(Ellipsis), range})
"""Exact types: a subclass may carry fields that change."""


def copied(value: Value) -> Value:
    """A value of its own, equal to `value`; `value` itself when it cannot change or cannot be copied.

    Locks, connections and open files have no copies, so they (and whatever holds them) are handed out as
    they are.
    """
    kind = type(value)
    if kind in _UNCHANGING:
        return value
    if (kind is list or kind is set) and _UNCHANGING.issuperset(map(type, value)):  # type: ignore[call-overload]
        return value.copy()  # type: ignore[attr-defined, no-any-return]
    if kind is dict and _UNCHANGING.issuperset(map(type, value.values())):  # type: ignore[attr-defined]
        return value.copy()  # type: ignore[attr-defined, no-any-return]
    try:
        return deepcopy(value)
    except Exception:
        # A user's __deepcopy__ or a C object may raise anything; all of it means that there is no copy.
        return value


def is_same(one: Any, other: Any) -> bool:
    """Whether two values are equal, all the way down; NaN is the same as NaN, arrays are compared by contents."""
    if one is other:
        return True
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(is_same(value, other[key]) for key, value in one.items())
    if isinstance(one, (list, tuple)) and type(one) is type(other):
        return len(one) == len(other) and all(map(is_same, one, other))
    if isinstance(one, BaseException) and isinstance(other, BaseException):
        return type(one) is type(other) and str(one) == str(other)
    if hasattr(one, "equals"):
        return type(one) is type(other) and bool(one.equals(other))
    if getattr(one, "shape", ()) != getattr(other, "shape", ()):
        return False
    equal = (one == other) | ((one != one) & (other != other))
    return bool(equal.all() if hasattr(equal, "all") else equal)
