"""Grids and lists of values: one payload per combination, under a name that is made of its values alone.

So adding a value, or putting values in another order, names none of the others anew: their results stay. Knows nothing
of treatments.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

from crystallize.errors import DefinitionError, DefinitionTypeError
from crystallize.experiment.objects.names import FORBIDDEN
from crystallize.fingerprint.digest import digest_of, short
from crystallize.store.codecs import plain

LONGEST_VALUE = 24
LONGEST_NAME = 120
"""Characters; what is longer is cut, and told apart by its digest."""


class Point(NamedTuple):
    """One combination of values."""

    name: str
    """``lr=0.1,depth=2``."""
    values: dict[str, Any]


def points_of_grid(name: str, grid: Mapping[str, Iterable[Any]], **place: Any) -> Iterator[Point]:
    """Every combination of the values of a grid, the last key varying fastest.

    Parameters
    ----------
    name : before the names of the points; may be empty.
    grid : key → its values.
    place : for the DefinitionError (a ValueError) that is raised where a key has no values; a TypeError where they are
        no list.
    """
    listed = {key: _listed(key, values, place) for key, values in grid.items()}
    if not listed:
        raise DefinitionError("the grid has no keys", remedy="write key: [value, ...]", **place)
    for values in product(*listed.values()):
        yield _point(name, dict(zip(listed, values, strict=True)))


def points_of_list(name: str, payloads: Iterable[Mapping[str, Any]], **place: Any) -> Iterator[Point]:
    """The payloads as they are listed. Raises what `points_of_grid` raises."""
    listed = _listed("list", payloads, place)
    for payload in listed:
        if not isinstance(payload, Mapping) or not payload:
            remedy = "write a list of mappings: [{key: value}, ...]"
            raise DefinitionTypeError(f"{payload!r} is no mapping of keys to values", remedy=remedy, **place)
        yield _point(name, dict(payload))


def _listed(key: str, values: Any, place: Mapping[str, Any]) -> Sequence[Any]:
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        fact = f"'{key}' has the value {values!r}, which is no list"
        raise DefinitionTypeError(fact, remedy="write [value, ...]", **place)
    listed = list(values)
    if not listed:
        raise DefinitionError(f"'{key}' has no values", remedy="list at least one", **place)
    return listed


def _point(name: str, values: dict[str, Any]) -> Point:
    told = ",".join(f"{key}={_told(value)}" for key, value in values.items())
    whole = _cut(f"{name}-{told}" if name else told, LONGEST_NAME, values)
    return Point(whole, values)


def _told(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return str(value).lower()
    text = str(value)
    is_safe = isinstance(value, str | int | float) and not FORBIDDEN.intersection(text) and text.isprintable()
    return _cut(text, LONGEST_VALUE, value) if is_safe and text.strip(" .") == text and text else _digest(value)


def _cut(text: str, longest: int, value: Any) -> str:
    return text if len(text) <= longest else f"{text[: longest - 7]}~{_digest(value)}"


def _digest(value: Any) -> str:
    return short(digest_of("point/1", json.dumps(plain(value), sort_keys=True).encode()))[:6]
