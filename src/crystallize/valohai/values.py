"""Values of parameters: typed by the step's definition, whoever wrote them, and checked against its limits.

``"64"`` from a command line, ``64`` from YAML and ``64.0`` from a JSON payload are one integer. Unset values are left
out everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from crystallize.errors import DefinitionError, UnknownNameError, nearest

if TYPE_CHECKING:
    from valohai_yaml.objs import Parameter

Atom: TypeAlias = str | int | float | bool
Value: TypeAlias = Atom | list[Atom]

_TRUE = frozenset(("true", "yes", "on", "1"))
_FALSE = frozenset(("false", "no", "off", "0"))


def typed_values(
    parameters: Mapping[str, Parameter],
    given: Mapping[str, Any],
    *,
    path: Path,
    key: str,
    undeclared: bool = False,
) -> dict[str, Value]:
    """Every parameter that has a value, in the order of their definitions: what is given, else the default.

    Parameters
    ----------
    given : name → value as somebody wrote it; None: unset, whatever the default.
    path, key : for messages.
    undeclared : names that no parameter has are kept as they are (an edge may bring one); else they are refused.

    Raises UnknownNameError and DefinitionError.
    """
    values: dict[str, Value] = {}
    for name, parameter in parameters.items():
        raw = given.get(name, parameter.default)
        value = typed(parameter, raw, path=path, key=f"{key}.{name}")
        if value is not None:
            values[name] = value
    for name, raw in given.items():
        if name in parameters:
            continue
        if not undeclared:
            raise UnknownNameError(
                f"there is no parameter '{name}'", path=path, key=key, remedy=nearest(name, parameters)
            )
        if raw is not None:
            values[name] = raw
    return values


def typed(parameter: Parameter, raw: Any, *, path: Path, key: str) -> Value | None:
    """One value by the type of its parameter; None when it is unset. Raises DefinitionError."""
    if raw is None:
        return None
    if parameter.multiple:
        return [_atom(parameter, each, path, key) for each in (raw if isinstance(raw, (list, tuple)) else [raw])]
    if isinstance(raw, (list, tuple)):
        if len(raw) != 1:
            remedy = "give one value, or define it with 'multiple: repeat'"
            raise DefinitionError(f"{list(raw)!r} is a list", path=path, key=key, remedy=remedy)
        raw = raw[0]
    return _atom(parameter, raw, path, key)


def _atom(parameter: Parameter, raw: Any, path: Path, key: str) -> Atom:
    value = _cast(parameter.type, raw, path, key)
    if parameter.type == "flag":
        return value
    if (
        parameter.choices is not None
        and value not in parameter.choices
        and str(value) not in map(str, parameter.choices)
    ):
        remedy = "choose one of " + ", ".join(map(str, parameter.choices))
        raise DefinitionError(f"{value!r} is not among its choices", path=path, key=key, remedy=remedy)
    for limit, is_beyond, word in ((parameter.min, _is_less, "least"), (parameter.max, _is_more, "most")):
        if limit is not None and not isinstance(value, str) and is_beyond(value, limit):
            raise DefinitionError(
                f"{value!r} is beyond its limit", path=path, key=key, remedy=f"give it at {word} {limit}"
            )
    return value


def _is_less(value: Any, limit: Any) -> bool:
    return bool(value < limit)


def _is_more(value: Any, limit: Any) -> bool:
    return bool(value > limit)


def _cast(kind: str, raw: Any, path: Path, key: str) -> Atom:
    if kind == "flag":
        word = str(raw).strip().lower()
        if word in _TRUE | _FALSE:
            return word in _TRUE
        raise DefinitionError(f"{raw!r} is neither true nor false", path=path, key=key, remedy="write true or false")
    if kind == "integer":
        text = str(raw).strip()
        if isinstance(raw, float) and raw.is_integer():
            return int(raw)
        if not isinstance(raw, bool) and re.fullmatch(r"[-+]?\d+", text):
            return int(text)
        raise DefinitionError(f"{raw!r} is no integer", path=path, key=key, remedy="write a whole number")
    if kind == "float":
        try:
            return float(str(raw))
        except ValueError:
            raise DefinitionError(f"{raw!r} is no number", path=path, key=key, remedy="write a number") from None
    if isinstance(raw, bool):
        return "true" if raw else "false"
    return str(raw)


def interpolated(text: str, values: Mapping[str, Value]) -> str:
    """A URI with each ``{parameter:NAME}`` replaced by the value of that parameter, where it has one."""

    def value_of(match: re.Match[str]) -> str:
        value = values.get(match[1])
        if value is None:
            return match[0]
        return ",".join(map(str, value)) if isinstance(value, list) else str(value)

    return re.sub(r"\{parameter:([^}]+)\}", value_of, text)
