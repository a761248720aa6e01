"""Typed access to one mapping of a YAML document; every complaint has file, line and key.

Knows nothing of experiments. Null counts as absent everywhere.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, NoReturn

from crystallize.errors import DefinitionError, DefinitionTypeError, UnknownNameError, nearest
from crystallize.yaml_lines import Document, KeyPath


class Section:
    """The mapping at `keys` of `document`.

    Parameters
    ----------
    known : the keys it may have, beside the user's own that begin with ``x-``; None: any.
    """

    def __init__(self, document: Document, keys: KeyPath, value: object, known: Collection[str] | None = None) -> None:
        self.document = document
        self.keys = keys
        if value is None:
            value = {}
        if not isinstance(value, dict):
            self.fail_type("a mapping", value)
        self.value: dict[str, Any] = value
        for key in value:
            if not isinstance(key, str):
                self.fail_type("a text as key", key, key, remedy=f"write '{key}' in quotes")
            if known is not None and key not in known and not key.startswith("x-"):
                self._fail_unknown(key, known)

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        return iter(self.value.items())

    def line(self, *keys: object) -> int:
        """The line of the entry at `keys` below this mapping, else of what is around it."""
        return self.document.line(*self.keys, *keys)

    def dotted(self, *keys: object) -> str:
        """The entry at `keys` as messages name it: ``outputs.summary.writer``."""
        return ".".join(str(key) for key in (*self.keys, *keys))

    def child(self, key: str, known: Collection[str] | None = None) -> Section:
        """The mapping under `key`; an empty one when there is none."""
        return Section(self.document, (*self.keys, key), self.value.get(key), known)

    def text(self, key: str) -> str | None:
        """The text under `key`."""
        value = self.value.get(key)
        if value is not None and not isinstance(value, str):
            self.fail_type("a text", value, key, remedy="put it in quotes")
        return value

    def flag(self, key: str) -> bool:
        """The truth value under `key`; False when there is none."""
        value = self.value.get(key)
        if value is not None and not isinstance(value, bool):
            self.fail_type("true or false", value, key)
        return bool(value)

    def integer(
        self, key: str, *, least: int | None = None, most: int | None = None, digits: bool = False
    ) -> int | None:
        """The whole number under `key`, from `least` to `most`; with `digits` a text of digits counts as well."""
        value = self.value.get(key)
        if digits and isinstance(value, str) and value.isdecimal() and len(value) < 10:
            value = int(value)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            self.fail_type("a whole number", value, key)
        if least is not None and value < least:
            self.fail(f"{value} is below {least}", key, remedy=f"write a whole number from {least} up")
        if most is not None and value > most:
            self.fail(f"{value} is above {most}", key, remedy=f"write a whole number up to {most}")
        return value

    def choice(self, key: str, choices: Collection[str]) -> str | None:
        """The text under `key`, one of `choices`."""
        value = self.text(key)
        if value is not None and value not in choices:
            self.fail(f"{value!r} is not known", key, remedy=nearest(value, choices))
        return value

    def items(self, key: str) -> list[Any]:
        """The list under `key`; an empty one when there is none."""
        value = self.value.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            self.fail_type("a list", value, key, remedy="begin each item with '- '")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """The list of texts under `key`."""
        items = self.items(key)
        for index, item in enumerate(items):
            if not isinstance(item, str):
                self.fail_type("a text", item, key, index, remedy="put it in quotes")
        return tuple(items)

    def fail(self, fact: str, *keys: object, remedy: str) -> NoReturn:
        """Raise a DefinitionError about the entry at `keys`."""
        raise DefinitionError(
            fact, path=self.document.path, line=self.line(*keys), key=self.dotted(*keys), remedy=remedy
        )

    def fail_type(self, wanted: str, value: object, *keys: object, remedy: str | None = None) -> NoReturn:
        """Raise a DefinitionTypeError: `value` at `keys` is not what is `wanted`."""
        fact = f"{_shown(value)} is not {wanted}"
        raise DefinitionTypeError(
            fact,
            path=self.document.path,
            line=self.line(*keys),
            key=self.dotted(*keys) or None,
            remedy=remedy or f"write {wanted}",
        )

    def _fail_unknown(self, key: str, known: Collection[str]) -> NoReturn:
        raise UnknownNameError(
            f"the key {key!r} is not known",
            path=self.document.path,
            line=self.line(key),
            key=self.dotted() or None,
            remedy=nearest(key, known) + " (keys of your own begin with 'x-')",
        )


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return "null" if value is None else repr(value)
