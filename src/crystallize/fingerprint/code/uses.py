"""What reading a name is, and what an import statement binds: the words in which scopes and bindings are told.

Plain data. Knows nothing of scopes or modules.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple


class Import(NamedTuple):
    """What one import statement binds to one name."""

    level: int
    """How many dots it begins with."""
    module: str
    """The module the name is bound to or taken from; dotted, empty in ``from . import x``."""
    name: str | None
    """What is taken from the module (`*`: all); None where the module itself is bound."""
    text: str
    """What was written, in one form: ``os.path`` or ``numpy:array``."""


class Use(NamedTuple):
    """A free name where it is read: ``helpers.scale`` is `name` helpers, `attributes` (scale,)."""

    name: str
    attributes: tuple[str, ...]
    chain: tuple[ast.expr, ...]
    """The nodes of the name and of each attribute; empty when it was read from a code object."""
    imports: tuple[Import, ...]
    """The imports inside a function that bind the name; empty for a name of the module."""
    literal: str | None
    """The text it is called or indexed with: ``os.environ["X"]``, ``getattr(x, "y")``."""
    called: bool
    late: bool
    """Whether it is read when a function runs, not when its module is imported."""


def imported_names(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, Import]]:
    """Each name that an import statement binds, with what it is bound to (`*` for a star import)."""
    for alias in node.names:
        if isinstance(node, ast.ImportFrom):
            module = node.module or ""
            text = f"{'.' * node.level}{module}:{alias.name}"
            yield alias.asname or alias.name, Import(node.level, module, alias.name, text)
        elif alias.asname:
            yield alias.asname, Import(0, alias.name, None, alias.name)
        else:
            top = alias.name.partition(".")[0]
            yield top, Import(0, top, None, alias.name)
