"""What an instance is made of: its fields, and whether there is more that Python cannot see.

Reads past whatever the class overrides. Knows nothing of how values are written or shown.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from types import MemberDescriptorType

from crystallize.fingerprint.origin import is_installed

_POINTER_BYTES = struct.calcsize("P")
_MANAGED_DICT = 1 << 4  # Py_TPFLAGS_MANAGED_DICT: the dict pointer lies before the object, outside `__basicsize__`
_REDUCERS = ("__reduce__", "__reduce_ex__")


def fields_of(value: object) -> dict[str, object]:
    """The fields of an instance by name: those of `__dict__`, then slots that are set."""
    kind = type(value)
    fields: dict[str, object] = {}
    if kind.__dictoffset__:
        fields.update(object.__getattribute__(value, "__dict__"))
    for base in kind.__mro__:
        for name, member in _slots(base).items():
            try:
                content = member.__get__(value, kind)
            except AttributeError:
                continue
            fields[name if name not in fields else f"{base.__qualname__}.{name}"] = content
    if hasattr(kind, "__attrs_attrs__"):
        # attrs keeps a hash there, which differs from process to process.
        fields.pop("_attrs_cached_hash", None)
    return fields


def has_hidden_state(kind: type, base: type) -> bool:
    """True if an instance of `kind` may be more than its fields and what `base` holds.

    Either it is larger than `base` with a dict, a weak reference and slots (the rule by which CPython refuses
    to pickle), or an installed class between `kind` and `base` says by `__reduce__` how it is to be rebuilt.
    """
    expected_bytes = base.__basicsize__
    if kind.__dictoffset__ and not base.__dictoffset__ and not kind.__flags__ & _MANAGED_DICT:
        expected_bytes += _POINTER_BYTES
    if kind.__weakrefoffset__ > 0 and not base.__weakrefoffset__:
        expected_bytes += _POINTER_BYTES
    expected_bytes += _POINTER_BYTES * sum(len(_slots(part)) for part in kind.__mro__)
    larger = kind.__basicsize__ > expected_bytes or kind.__itemsize__ != base.__itemsize__
    return larger or any(_reduces_itself(part) for part in kind.__mro__ if not issubclass(base, part))


def _reduces_itself(kind: type) -> bool:
    return not vars(kind).keys().isdisjoint(_REDUCERS) and is_installed(kind.__module__)


def _slots(kind: type) -> Mapping[str, MemberDescriptorType]:
    contents = vars(kind)
    if "__slots__" not in contents:
        return {}
    return {name: member for name, member in contents.items() if isinstance(member, MemberDescriptorType)}
