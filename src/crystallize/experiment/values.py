"""Copies of the user's values, so that what is frozen stays frozen.

Knows nothing of contexts. Copying is the price of every read of a context, so what cannot change is not
copied, and plain containers of such values are copied in one go.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TypeVar

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
