"""Which names are safe: experiments, conditions, artifact files and aliases (design 5.8).

Names become folders and files, so they are checked where they enter, and nothing is ever written outside the
root. Knows nothing of YAML; the caller says where a name stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from crystallize.errors import DefinitionError, DefinitionTypeError

Kind = Literal["experiment", "condition", "artifact", "alias"]

FORBIDDEN = frozenset('/\\#:*?"<>|')
_UNSAFE = re.compile(f"[{re.escape(''.join(sorted(FORBIDDEN)))}\\x00-\\x1f\\x7f-\\x9f\\ud800-\\udfff]")
"""Those, control characters, and halves of characters."""
LONGEST_BYTES = 200
"""File systems allow 255 bytes; the rest is for the endings of temporary neighbours."""

_CONDITION_BEGINNING = "replicate_"
_CONDITION_FILES = frozenset({"metadata.json", "_manifest.json"})
"""What lies beside the condition folders of a version."""


def check_name(
    kind: Kind,
    name: object,
    *,
    path: Path | str | None = None,
    line: int | None = None,
    key: str | None = None,
) -> str:
    """`name` itself, once it is known to be safe.

    Raises DefinitionTypeError when it is no text, DefinitionError when no file may be called so.
    """
    if not isinstance(name, str):
        remedy = "put it in quotes" if isinstance(name, (bool, int, float)) else "give it a text"
        fact = f"{kind} name {name!r} is no text"
        raise DefinitionTypeError(fact, path=path, line=line, key=key, remedy=remedy)
    flaw = _flaw(kind, name)
    if flaw is not None:
        remedy = "choose a name of letters, digits, '_', '-' and inner dots"
        raise DefinitionError(f"{kind} name {name!r} {flaw}", path=path, line=line, key=key, remedy=remedy)
    return name


def check_distinct(
    kind: Kind,
    names: Iterable[str],
    *,
    path: Path | str | None = None,
    line: int | None = None,
    key: str | None = None,
) -> None:
    """Raise DefinitionError when two of `names` are equal or differ by case only (one folder on macOS)."""
    seen: dict[str, str] = {}
    for name in names:
        other = seen.get(folded(name))
        if other is not None:
            fact = (
                f"{kind} name {name!r} is given twice"
                if other == name
                else f"{kind} names {other!r} and {name!r} differ by case only"
            )
            raise DefinitionError(fact, path=path, line=line, key=key, remedy="rename one of them")
        seen[folded(name)] = name


def folded(name: str) -> str:
    """What two names share when a file system may take one for the other."""
    if name.isascii():
        return name.lower()
    from unicodedata import normalize

    return normalize("NFC", name).casefold()


def _flaw(kind: Kind, name: str) -> str | None:
    if not name:
        return "is empty"
    if name[0] in ". " or name[-1] in ". ":
        return "begins or ends with a dot or a space"
    unsafe = _UNSAFE.search(name)
    if unsafe is not None:
        return f"contains {unsafe[0]!r}"
    if len(name.encode()) > LONGEST_BYTES:
        return f"is longer than {LONGEST_BYTES} bytes"
    if kind == "condition" and (name.startswith(_CONDITION_BEGINNING) or name in _CONDITION_FILES):
        return "is reserved for what lies beside the conditions"
    return None
