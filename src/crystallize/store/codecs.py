"""Values as the store keeps them, with their exact types, and the plain forms that files show.

What JSON can say exactly is written as JSON, which is fast; anything else is written as JSON with tags
(``{"decimal": "1.5"}``). Pickle is the last resort, and is loaded only from the user's own store.
"""

from __future__ import annotations

import json
import json.encoder
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from crystallize.errors import NotReusableError, StoreError

_SCALARS = frozenset({int, float, str, bool, type(None)})
_TAGGED = b"t"
"""First byte of a payload with tags; a plain one begins as JSON does."""
_PLAIN_DTYPES = "biufcSUmM"
"""Kinds of numpy dtypes whose bytes say everything."""
_INT_BITS = 4096
"""Python refuses to write much longer integers in decimal."""
_PICKLE_PROTOCOL = 5


def encode_payload(metrics: Mapping[str, Sequence[Any]], facts: Mapping[str, Any]) -> bytes:
    """Metrics (name → values) and facts as bytes that `decode_payload` turns back with the same types.

    Raises NotReusableError naming the metric or fact that cannot be kept.
    """
    named = {name: values if type(values) is list else list(values) for name, values in metrics.items()}
    try:
        if _is_plain(named) and _is_plain(facts):
            return to_json([named, facts]).encode()
    except (ValueError, RecursionError):
        pass  # an integer with more digits than Python writes, or a list that holds itself
    tagged_metrics = [[name, _tag_whole(f"metric '{name}'", values)] for name, values in named.items()]
    tagged_facts = [[name, _tag_whole(f"fact '{name}'", value)] for name, value in facts.items()]
    return _TAGGED + to_json([tagged_metrics, tagged_facts]).encode()


def decode_payload(payload: bytes) -> tuple[dict[str, list[Any]], dict[str, Any]]:
    """Metrics and facts. Raises StoreError when a value cannot be read back, as when its class is gone."""
    try:
        if payload[:1] != _TAGGED:
            metrics, facts = _from_json(payload)
            return metrics, facts
        tagged_metrics, tagged_facts = json.loads(payload[1:].decode())
        return {k: _untag(v) for k, v in tagged_metrics}, {k: _untag(v) for k, v in tagged_facts}
    except Exception as error:  # unpickling may raise anything
        raise StoreError(f"its metrics cannot be read ({type(error).__name__}: {error}); its job runs again") from error


def pack(digests: Sequence[bytes], rest: Any) -> bytes:
    """Digests (32 bytes each) and a JSON-able rest in one cell of a row."""
    return b"".join((len(digests).to_bytes(4, "little"), *digests, to_json(rest).encode()))


def unpack(packed: bytes) -> tuple[list[bytes], Any]:
    """What `pack` packed. Raises ValueError for bytes that it cannot have made."""
    count = int.from_bytes(packed[:4], "little")
    if 4 + 32 * count > len(packed):
        raise ValueError("a cell is shorter than it says")
    return _digests_of(packed, count), _from_json(packed[4 + 32 * count :])


def packed_digests(cell: bytes) -> list[bytes]:
    """The digests that a cell holds if `pack` made it; none when it cannot have."""
    count = int.from_bytes(cell[:4], "little")
    return _digests_of(cell, count) if 4 + 32 * count <= len(cell) else []


def holds_pickle(payload: bytes) -> bool:
    """Whether decoding the payload would load a pickle, which may run any code. Loads nothing."""
    return payload[:1] == _TAGGED and _has_pickle(json.loads(payload[1:].decode()))


def plain(value: Any) -> Any:
    """`value` as JSON can show it: numbers, texts, lists and dicts; numpy values too; the rest as text.

    Not a number stays a float (``NaN``), as in crystallize 0.27.
    """
    kind = type(value)
    if kind in _SCALARS:
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (set, frozenset)):
        return [plain(inner) for inner in sorted(value, key=repr)]
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.ndarray):
        return plain(value.tolist())
    if numpy is not None and isinstance(value, numpy.generic):
        return float(value) if kind is numpy.longdouble else plain(value.item())
    return str(value)


def to_json(value: Any) -> str:
    """`value` as compact JSON, in its `plain` form where JSON has no other."""
    return "".join(_chunks(value, 0))


_chunks: Callable[[Any, int], Iterable[str]] = vars(json.encoder)["c_make_encoder"](
    None, plain, json.encoder.encode_basestring_ascii, None, ":", ",", False, False, True
)
"""What `json.dumps` does after it has looked at its options, which takes as long as a small value."""
_scan: Callable[[str, int], tuple[Any, int]] = vars(json.JSONDecoder())["scan_once"]
"""What `json.loads` does after it has looked at its options and for spaces, which takes as long as a small text."""


def _from_json(data: bytes) -> Any:
    """What `to_json` wrote. Raises ValueError for anything else."""
    text = data.decode()
    try:
        value, end = _scan(text, 0)
    except StopIteration as error:
        raise ValueError("no JSON") from error
    if end != len(text):
        raise ValueError("more than one JSON text")
    return value


def _digests_of(packed: bytes, count: int) -> list[bytes]:
    return [packed[at : at + 32] for at in range(4, 4 + 32 * count, 32)]


def _is_plain(value: Any) -> bool:
    """Whether JSON says `value` exactly. A subclass (a numpy float) would not come back as one."""
    kind = type(value)
    if kind is list:
        return set(map(type, value)) <= _SCALARS or all(map(_is_plain, value))
    if kind is dict:
        return set(map(type, value)) <= {str} and all(map(_is_plain, value.values()))
    return kind in _SCALARS


def _tag_whole(where: str, value: Any) -> Any:
    try:
        try:
            return _tag(value)
        except RecursionError:
            return _tag_pickle(value)
    except Exception as error:  # pickling runs the value's own code
        raise NotReusableError(
            where, f"cannot be kept ({error})", "record numbers, texts or plain containers"
        ) from error


def _tag(value: Any) -> Any:
    kind = type(value)
    if kind is list:
        return [_tag(inner) for inner in value]
    if kind is int:
        return value if value.bit_length() <= _INT_BITS else {"int": hex(value)}
    if kind in _SCALARS:
        return value
    numpy = sys.modules.get("numpy")
    if numpy is not None and (kind is numpy.ndarray or isinstance(value, numpy.generic)):
        return _tag_numpy(value, numpy.ndarray)
    decimal = sys.modules.get("decimal")
    if decimal is not None and kind is decimal.Decimal:
        return {"decimal": str(value)}
    tag = _TAGS.get(kind)
    return {tag[0]: tag[1](value)} if tag else _tag_pickle(value)


def _tag_numpy(value: Any, array_type: Any) -> Any:
    dtype = value.dtype
    if dtype.kind not in _PLAIN_DTYPES or not dtype.itemsize:
        return _tag_pickle(value)
    shape = list(value.shape) if type(value) is array_type else None
    return {"numpy": [dtype.str, shape, _to_text(value.tobytes())]}


def _tag_pickle(value: Any) -> Any:
    import pickle

    return {"pickle": _to_text(pickle.dumps(value, protocol=_PICKLE_PROTOCOL))}


def _tag_datetime(value: datetime) -> Any:
    """Local times with a zone are pickled, since the text keeps the offset only."""
    if value.fold or value.tzinfo not in (None, UTC):
        return _tag_pickle(value)
    return value.isoformat()


def _tag_all(values: Any) -> list[Any]:
    return [_tag(value) for value in values]


def _has_pickle(value: Any) -> bool:
    if type(value) is list:
        return any(map(_has_pickle, value))
    return type(value) is dict and ("pickle" in value or any(map(_has_pickle, value.values())))


def _untag(value: Any) -> Any:
    if type(value) is list:
        return [_untag(inner) for inner in value]
    if type(value) is dict:
        ((name, body),) = value.items()
        return _UNTAGS[name](body)
    return value


def _untag_all(body: Any) -> Any:
    return map(_untag, body)


def _untag_numpy(body: Any) -> Any:
    import numpy

    dtype, shape, text = body
    array = numpy.frombuffer(bytearray(_from_text(text)), dtype=dtype)
    return array[0] if shape is None else array.reshape(shape)


def _untag_datetime(body: Any) -> Any:
    return datetime.fromisoformat(body) if type(body) is str else _untag(body)


def _untag_decimal(body: str) -> Any:
    from decimal import Decimal

    return Decimal(body)


def _untag_pickle(body: str) -> Any:
    import pickle

    return pickle.loads(_from_text(body))


def _to_text(data: bytes) -> str:
    import base64

    return base64.b64encode(data).decode("ascii")


def _from_text(text: str) -> bytes:
    import base64

    return base64.b64decode(text)


_TAGS: dict[type, tuple[str, Callable[[Any], Any]]] = {
    dict: ("dict", lambda value: [[_tag(key), _tag(inner)] for key, inner in value.items()]),
    tuple: ("tuple", _tag_all),
    set: ("set", _tag_all),
    frozenset: ("frozenset", _tag_all),
    bytes: ("bytes", _to_text),
    datetime: ("datetime", _tag_datetime),
}
_UNTAGS: dict[str, Callable[[Any], Any]] = {
    "dict": lambda body: {_untag(key): _untag(inner) for key, inner in body},
    "tuple": lambda body: tuple(_untag_all(body)),
    "set": lambda body: set(_untag_all(body)),
    "frozenset": lambda body: frozenset(_untag_all(body)),
    "bytes": _from_text,
    "decimal": _untag_decimal,
    "datetime": _untag_datetime,
    "int": lambda body: int(body, 16),
    "numpy": _untag_numpy,
    "pickle": _untag_pickle,
}
