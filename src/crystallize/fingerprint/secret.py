"""Which names look as if a secret stood under them: such values are never shown, and only hashed with a key.

Goes by names alone. ``api_key``, ``authToken`` and ``db-password`` are secrets, ``max_tokens`` and ``keyboard`` not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from crystallize.fingerprint.values.fields import fields_of

HIDDEN = "(hidden)"
"""What is shown in a secret's place."""

_ANYWHERE = ("secret", "password", "passwd", "passphrase", "apikey", "credential")
_AS_A_WORD = frozenset({"key", "keys", "token", "pwd"})
_MENTIONED = (*_ANYWHERE, "key", "token", "pwd")
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_DEEPEST = 8


@lru_cache(1024)
def is_secret(name: str) -> bool:
    """Whether a value of this name is a secret."""
    lower = name.lower()
    if any(part in lower for part in _ANYWHERE):
        return True
    return any(word in lower for word in _AS_A_WORD) and any(w.lower() in _AS_A_WORD for w in _WORDS.findall(name))


def mentions_secret(text: str) -> bool:
    """Whether a text may hold the name of a secret: quick to ask, before looking more closely."""
    lower = text.lower()
    return any(part in lower for part in _MENTIONED)


def holds_secret(value: object, depth: int = _DEEPEST) -> bool:
    """Whether anything inside `value` has the name of a secret: a key of a mapping, a field of an object."""
    kind = type(value)
    if kind in _FLAT or depth == 0:
        return False
    if isinstance(value, (list, tuple, set, frozenset)):
        return any(type(item) not in _FLAT and holds_secret(item, depth - 1) for item in value)
    if isinstance(value, Mapping):
        named: Mapping[Any, Any] = value
    elif isinstance(kind, type) and kind.__module__ not in ("builtins", "numpy") and not isinstance(value, type):
        named = fields_of(value)
    else:
        return False
    return any((isinstance(key, str) and is_secret(key)) or holds_secret(of, depth - 1) for key, of in named.items())


def without_secrets(value: Any) -> Any:
    """`value`, made of dicts and lists, with what lies under the name of a secret hidden."""
    if isinstance(value, Mapping):
        return {key: HIDDEN if _hides(key, of) else without_secrets(of) for key, of in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_secrets(item) for item in value]
    return value


def _hides(key: object, value: object) -> bool:
    return isinstance(key, str) and is_secret(key) and value is not None


_FLAT = frozenset({type(None), bool, int, float, complex, str, bytes, range, slice, type(...)})
