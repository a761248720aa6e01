"""The normalised text of a syntax tree: what stays when layout, comments and docstrings are taken away.

Positions, `ctx` fields, string prefixes and prose (strings standing alone as statements) are left out; every
constant carries its type, so `1`, `1.0` and `True` differ. Knows nothing of names or modules: what a node must
be replaced by is told from outside. After the `ast` module's own dump, with what does not count left out.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

_IGNORED = frozenset({"ctx", "kind", "type_comment", "type_ignores"})
_FIELDS: dict[type[ast.AST], tuple[str, ...]] = {
    kind: tuple(field for field in kind._fields if field not in _IGNORED)
    for kind in vars(ast).values()
    if isinstance(kind, type) and issubclass(kind, ast.AST)
}


def dump(node: ast.AST, replaced: Mapping[int, str], prose: list[str]) -> str:
    """The normalised text of `node`, the same for the same code however it is laid out.

    Parameters
    ----------
    replaced : id of a node → the text to write instead of it (empty: the node is left out).
    prose : the strings that stand alone as statements are appended here instead of being written.
    """
    out: list[str] = []
    # a stack, not recursion: a sum of a thousand terms is a tree a thousand deep
    stack: list[ast.AST | str] = [node]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            out.append(item)
        elif id(item) in replaced:
            out.append(replaced[id(item)])
        elif isinstance(item, ast.Constant):
            out.append(_constant(item.value))
        elif is_prose(item):
            prose.append(item.value.value)  # type: ignore[attr-defined]
        else:
            out.append(f"({item.__class__.__name__}")
            stack.append(")")
            for field in reversed(_FIELDS[item.__class__]):
                value = getattr(item, field, None)
                if value.__class__ is list:
                    stack.append("]")
                    stack.extend(_told(part) for part in reversed(value))
                    stack.append("[")
                else:
                    stack.append(_told(value))
    return "".join(out)


def children(node: ast.AST) -> list[ast.AST]:
    """The nodes directly below `node`, in the order of its fields."""
    found: list[ast.AST] = []
    for field in _FIELDS[node.__class__]:
        value = getattr(node, field, None)
        if value.__class__ is list:
            found.extend(item for item in value if isinstance(item, ast.AST))
        elif isinstance(value, ast.AST):
            found.append(value)
    return found


def is_prose(node: ast.AST) -> bool:
    """Whether `node` is a string that stands alone as a statement, as docstrings do."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _told(value: Any) -> ast.AST | str:
    """A node as it is, anything else as text."""
    if isinstance(value, ast.AST):
        return value
    return " ~" if value is None else f" {value!r}"


def _constant(value: object) -> str:
    # hex: repr refuses integers of more than 4,300 digits
    shown = hex(value) if type(value) is int else repr(value)
    return f"<{type(value).__name__} {shown}>"
