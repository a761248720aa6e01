"""Handlers for the types of the language and the standard library. Knows no other packages.

Types outside `builtins` are known by name, so that none is imported for the sake of being recognised.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from operator import itemgetter
from types import EllipsisType, MappingProxyType, NoneType, NotImplementedType, SimpleNamespace
from typing import Any

from crystallize.fingerprint.values.encoder import Encoder, Handler, unclear
from crystallize.fingerprint.values.preview import preview

_pack_float = struct.Struct("<d").pack
_pack_complex = struct.Struct("<dd").pack
_NAN = _pack_float(float("nan"))


def index_place(index: int) -> str:
    """How a message names an item of a sequence."""
    return f"[{index}]"


def _member_place(index: int) -> str:
    return " (a member)"


def _none(encoder: Encoder, value: None) -> bytes:
    return b"none:"


def _ellipsis(encoder: Encoder, value: EllipsisType) -> bytes:
    return b"ellipsis:"


def _not_implemented(encoder: Encoder, value: NotImplementedType) -> bytes:
    return b"not implemented:"


def _bool(encoder: Encoder, value: bool) -> bytes:
    return b"bool:1" if value else b"bool:0"


def _int(encoder: Encoder, value: int) -> bytes:
    return encoder.framed(b"int:", value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True))


def _float(encoder: Encoder, value: float) -> bytes:
    return b"float:" + (_pack_float(value) if value == value else _NAN)


def _complex(encoder: Encoder, value: complex) -> bytes:
    return b"complex:" + _float(encoder, value.real) + _float(encoder, value.imag)


def _str(encoder: Encoder, value: str) -> bytes:
    below = encoder.below_root(value)
    if below is not None:
        return encoder.framed(b"str below root:", below.encode("utf-8", "surrogatepass"))
    return encoder.framed(b"str:", value.encode("utf-8", "surrogatepass"))


def _bytes(encoder: Encoder, value: bytes) -> bytes:
    return encoder.framed(b"bytes:", value)


SCALARS: dict[type, Handler] = {
    NoneType: _none,
    EllipsisType: _ellipsis,
    NotImplementedType: _not_implemented,
    bool: _bool,
    int: _int,
    float: _float,
    complex: _complex,
    str: _str,
    bytes: _bytes,
}
"""Values that contain no others, by exact type: no cycle can pass through them."""


def _sequence(tag: bytes) -> Handler:
    def write(encoder: Encoder, value: Iterable[object]) -> bytes:
        return encoder.framed(tag, b"".join(encoder.each(list(value), index_place)))

    return write


def _unordered(tag: bytes) -> Handler:
    def write(encoder: Encoder, value: Iterable[object]) -> bytes:
        return encoder.framed(tag, b"".join(sorted(encoder.each_unordered(list(value), _member_place))))

    return write


def _pairs(encoder: Encoder, items: list[tuple[object, object]], *, ordered: bool) -> bytes:
    def key_place(index: int) -> str:
        return f" (the key {preview(items[index][0])})"

    keys = encoder.each_unordered([key for key, _ in items], key_place)
    rows = list(zip(keys, items, strict=True))
    if not ordered:
        rows.sort(key=itemgetter(0))

    def value_place(index: int) -> str:
        return f"[{preview(rows[index][1][0])}]"

    values = encoder.each([item[1] for _, item in rows], value_place)
    return b"".join(key + value for (key, _), value in zip(rows, values, strict=True))


def _dict(encoder: Encoder, value: dict[object, object]) -> bytes:
    return encoder.framed(b"dict:", _pairs(encoder, list(value.items()), ordered=False))


def _ordered_dict(encoder: Encoder, value: Any) -> bytes:
    return encoder.framed(b"ordered dict:", _pairs(encoder, list(value.items()), ordered=True))


def _default_dict(encoder: Encoder, value: Any) -> bytes:
    factory = encoder.parts({".default_factory": value.default_factory})
    return encoder.framed(b"defaultdict:", factory + _pairs(encoder, list(value.items()), ordered=False))


def _counter(encoder: Encoder, value: Any) -> bytes:
    return encoder.framed(b"counter:", _pairs(encoder, list(value.items()), ordered=False))


def _mapping_proxy(encoder: Encoder, value: MappingProxyType[object, object]) -> bytes:
    return encoder.framed(b"mappingproxy:", encoder.encode(dict(value)))


def _deque(encoder: Encoder, value: Any) -> bytes:
    return encoder.framed(b"deque:", encoder.encode(value.maxlen) + encoder.encode(list(value)))


def _bytearray(encoder: Encoder, value: bytearray) -> bytes:
    return encoder.framed(b"bytearray:", bytes(value))


def _memoryview(encoder: Encoder, value: memoryview) -> bytes:
    shape = (value.format, value.shape)
    return encoder.framed(b"memoryview:", encoder.encode(shape) + encoder.framed(b"bytes:", value.tobytes()))


def _namespace(encoder: Encoder, value: SimpleNamespace) -> bytes:
    return encoder.framed(b"namespace:", encoder.fields(vars(value)))


def by_attributes(tag: bytes, *names: str) -> Handler:
    """A handler that writes the attributes `names`, which say all there is to say of the value."""

    def write(encoder: Encoder, value: object) -> bytes:
        return encoder.framed(tag, encoder.parts({f".{name}": getattr(value, name) for name in names}))

    return write


def by_text(tag: bytes, text: Callable[[Any], str] = str) -> Handler:
    """A handler that writes `text(value)`, which tells any two values apart."""

    def write(encoder: Encoder, value: object) -> bytes:
        return encoder.framed(tag, text(value).encode())

    return write


def by_state(tag: bytes, state: Callable[[Any], object]) -> Handler:
    """A handler that writes `state(value)`, the whole state as values that can be encoded."""

    def write(encoder: Encoder, value: object) -> bytes:
        return encoder.framed(tag, encoder.encode(state(value)))

    return write


def _path(encoder: Encoder, value: Any) -> bytes:
    text = value.as_posix()
    below = encoder.below_root(text)
    if below is not None:
        return encoder.framed(b"path below root:", below.encode("utf-8", "surrogatepass"))
    return encoder.framed(b"path:", text.encode("utf-8", "surrogatepass"))


def _zone(encoder: Encoder, value: Any) -> bytes:
    if value.key is None:
        raise unclear("a time zone read from a file", "use ZoneInfo(key)")
    return encoder.framed(b"zone:", value.key.encode())


def _random(encoder: Encoder, value: Any) -> bytes:
    try:
        state = value.getstate()
    except NotImplementedError:
        raise unclear("a random generator without a state", "use random.Random(seed) or ctx.rng") from None
    return encoder.framed(b"random:", encoder.encode(state))


def _partial(encoder: Encoder, value: Any) -> bytes:
    parts = {".func": value.func, ".args": value.args, ".keywords": value.keywords, "": vars(value)}
    return encoder.framed(b"partial:", encoder.parts(parts))


def _reduced(value: Any) -> object:
    """For C types whose `__reduce__` gives exactly what they were made with."""
    return value.__reduce__()


COMPOSITES: dict[type, Handler] = {
    tuple: _sequence(b"tuple:"),
    list: _sequence(b"list:"),
    dict: _dict,
    set: _unordered(b"set:"),
    frozenset: _unordered(b"frozenset:"),
    bytearray: _bytearray,
    memoryview: _memoryview,
    range: by_attributes(b"range:", "start", "stop", "step"),
    slice: by_attributes(b"slice:", "start", "stop", "step"),
    MappingProxyType: _mapping_proxy,
    SimpleNamespace: _namespace,
}
"""Builtin types that contain others, by exact type."""

NAMED: dict[str, Handler] = {
    "array.array": by_state(b"array:", lambda value: (value.typecode, value.tobytes())),
    "collections.Counter": _counter,
    "collections.OrderedDict": _ordered_dict,
    "collections.defaultdict": _default_dict,
    "collections.deque": _deque,
    "datetime.date": by_attributes(b"date:", "year", "month", "day"),
    "datetime.datetime": by_attributes(
        b"datetime:", "year", "month", "day", "hour", "minute", "second", "microsecond", "fold", "tzinfo"
    ),
    "datetime.time": by_attributes(b"time:", "hour", "minute", "second", "microsecond", "fold", "tzinfo"),
    "datetime.timedelta": by_attributes(b"timedelta:", "days", "seconds", "microseconds"),
    "datetime.timezone": by_state(b"timezone:", lambda value: (value.utcoffset(None), value.tzname(None))),
    "decimal.Decimal": by_text(b"decimal:"),
    "fractions.Fraction": by_attributes(b"fraction:", "numerator", "denominator"),
    "functools.partial": _partial,
    "operator.attrgetter": by_state(b"attrgetter:", _reduced),
    "operator.itemgetter": by_state(b"itemgetter:", _reduced),
    "operator.methodcaller": by_state(b"methodcaller:", _reduced),
    "pathlib.PosixPath": _path,
    "pathlib.PurePosixPath": by_text(b"pure posix path:"),
    "pathlib.PureWindowsPath": by_text(b"pure windows path:"),
    "pathlib.WindowsPath": _path,
    "random.Random": _random,
    "re.Pattern": by_attributes(b"pattern:", "pattern", "flags"),
    "uuid.UUID": by_attributes(b"uuid:", "int"),
    "zoneinfo.ZoneInfo": _zone,
}
"""Types of the standard library by top-level module and qualified name."""

EXACT: dict[type, Callable[[Any], object]] = {
    int: int.__int__,
    float: float.__float__,
    complex: complex.__complex__,
    str: str.__str__,
    bytes: lambda value: b"".join((value,)),
    bytearray: lambda value: bytearray(memoryview(value)),
    tuple: lambda value: tuple(tuple.__iter__(value)),
    list: lambda value: list(list.__iter__(value)),
    dict: lambda value: dict(dict.items(value)),
    set: lambda value: set(set.__iter__(value)),
    frozenset: lambda value: frozenset(frozenset.__iter__(value)),
}
"""The builtin value inside an instance of a subclass, whatever the subclass overrides."""
