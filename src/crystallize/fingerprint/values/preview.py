"""One line of text that shows people a value. Never decides anything, never calls a user's `__repr__`.

The same value gives the same text in every process: no memory addresses, no order of sets.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from types import FunctionType, MethodType, ModuleType
from typing import Any

from crystallize.fingerprint.origin import is_installed, type_name
from crystallize.fingerprint.secret import is_secret
from crystallize.fingerprint.values.fields import fields_of

_LENGTH = 200
_ITEMS = 8
_DEPTH = 3
_SORTED_MEMBERS = 1000


def preview(value: object) -> str:
    """`value` on one line of at most 200 characters; its type alone where it cannot be shown."""
    text = _show(value, _DEPTH).replace("\n", " ")
    return text if len(text) <= _LENGTH else text[: _LENGTH - 1] + "…"


def _show(value: Any, depth: int) -> str:
    kind = type(value)
    try:
        if kind in _LITERAL:
            return _literal(value)
        if isinstance(value, (type, FunctionType)):
            return value.__qualname__
        if isinstance(value, MethodType):
            return f"{type(value.__self__).__qualname__}.{value.__func__.__name__}"
        if isinstance(value, ModuleType):
            return value.__name__
        if depth == 0:
            return f"{kind.__qualname__}(…)"
        if kind in _BRACKETS:
            return _container(value, depth)
        if kind is dict:
            return f"{{{_join(_pairs(value, depth, ': '))}}}"
        return _object(value, kind, depth)
    except Exception:  # whatever a user's property or a broken object does, a preview must not stop a run
        return f"<{kind.__qualname__}>"


def _literal(value: Any) -> str:
    if isinstance(value, (str, bytes)):
        whole = len(value) <= _LENGTH
        return repr(value if whole else value[:_LENGTH]) + ("" if whole else "…")
    if type(value) is int and value.bit_length() > 4 * _LENGTH:
        return f"<int of {value.bit_length()} bits>"
    return repr(value)


def _container(value: Any, depth: int) -> str:
    opening, closing = _BRACKETS[type(value)]
    if isinstance(value, (set, frozenset)) and len(value) > _SORTED_MEMBERS:
        return f"{type(value).__name__} of {len(value)}"
    shown = (_show(item, depth - 1) for item in value)
    if isinstance(value, (set, frozenset)):
        return f"{opening}{_join(sorted(shown))}{closing}"
    trailing = "," if type(value) is tuple and len(value) == 1 else ""
    return f"{opening}{_join(shown)}{trailing}{closing}"


def _object(value: Any, kind: type, depth: int) -> str:
    name = kind.__qualname__
    if is_installed(kind.__module__):
        if type_name(kind) in _REPR or kind.__module__ == "typing":
            shown = repr(value)
            return shown if " at 0x" not in shown else name
        own_name = getattr(value, "__qualname__", None)
        if isinstance(own_name, str):
            return own_name
        shape = getattr(value, "shape", None)
        if isinstance(shape, tuple):
            return " ".join([name, *([str(value.dtype)] if hasattr(value, "dtype") else []), str(shape)])
    if isinstance(value, BaseException):
        return f"{name}({_join(_show(item, depth - 1) for item in value.args)})"
    if isinstance(value, Mapping):
        return f"{name}({{{_join(_pairs(value, depth, ': '))}}})"
    if isinstance(value, (tuple, list, set, frozenset)) or type_name(kind) == "collections.deque":
        items = [_show(item, depth - 1) for item in islice(value, _SORTED_MEMBERS)]
        return f"{name}({_join(sorted(items) if isinstance(value, (set, frozenset)) else items)})"
    if hasattr(kind, "__members__") and hasattr(value, "_name_"):
        return f"{name}.{value._name_}"
    if isinstance(value, (int, float, str, bytes)):
        return f"{name}({_literal(_plain(value))})"
    if hasattr(value, "as_posix"):
        return f"{name}({value.as_posix()!r})"
    if type_name(kind) == "functools.partial":
        bound = [_show(item, depth - 1) for item in (value.func, *value.args)]
        return f"partial({_join([*bound, *_pairs(value.keywords, depth, '=')])})"
    fields = {field: content for field, content in fields_of(value).items() if not field.startswith("_")}
    return f"{name}({_join(_pairs(fields, depth, '='))})"


def _plain(value: Any) -> object:
    base: Any = next(base for base in (int, float, str, bytes) if isinstance(value, base))
    return base(value)


def _pairs(mapping: Mapping[Any, object], depth: int, between: str) -> Iterator[str]:
    for key, value in mapping.items():
        hidden = isinstance(key, str) and is_secret(key)
        name = str(key) if between == "=" else _show(key, depth - 1)
        yield f"{name}{between}{'…' if hidden else _show(value, depth - 1)}"


def _join(texts: Iterable[str]) -> str:
    texts = iter(texts)
    shown = list(islice(texts, _ITEMS))
    return ", ".join([*shown, "…"] if next(texts, None) is not None else shown)


_LITERAL = frozenset({type(None), bool, int, float, complex, str, bytes, range, slice, type(...)})

_BRACKETS: Mapping[type, tuple[str, str]] = {
    tuple: ("(", ")"),
    list: ("[", "]"),
    set: ("{", "}"),
    frozenset: ("frozenset({", "})"),
}

_REPR = frozenset(
    (
        "datetime.date",
        "datetime.datetime",
        "datetime.time",
        "datetime.timedelta",
        "datetime.timezone",
        "decimal.Decimal",
        "fractions.Fraction",
        "numpy.float32",
        "numpy.float64",
        "numpy.int32",
        "numpy.int64",
        "numpy.bool",
        "numpy.bool_",
        "numpy.str_",
        "pandas.Interval",
        "pandas.NAType",
        "pandas.NaTType",
        "pandas.Period",
        "pandas.Timedelta",
        "pandas.Timestamp",
        "re.Pattern",
        "types.NotImplementedType",
        "types.UnionType",
        "types.GenericAlias",
        "uuid.UUID",
        "zoneinfo.ZoneInfo",
    )
)
"""Installed types whose `repr` shows the whole value and nothing of the process."""
