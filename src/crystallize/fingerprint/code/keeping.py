"""Whether a text of code keeps state between calls: caches, globals, attributes of modules and classes.

A syntactic guess on the safe side: a needless yes lets earlier reads count for later trials, a wrong no would hide
them. Knows nothing of values and of other modules.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable

from crystallize.fingerprint.code.source import Source
from crystallize.fingerprint.code.syntax import children

_CACHES = frozenset({"cache", "lru_cache", "cached", "cached_property", "memoize", "memoise"})
_CHANGERS = frozenset(
    {"add", "append", "appendleft", "extend", "insert", "setdefault", "update", "__setitem__", "setattr"}
)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


class Keeping:
    """Answers for many texts, for each once."""

    def __init__(self) -> None:
        self._known: dict[Source, bool] = {}

    def keeps_state(self, source: Source) -> bool:
        """Whether a function in `source` leaves something behind that a later call may find."""
        if source not in self._known:
            self._known[source] = keeps_state(source.tree)
        return self._known[source]


def keeps_state(tree: ast.Module) -> bool:
    """Whether a function in `tree` leaves something behind that a later call may find."""
    imported = frozenset(_imported(tree))
    waiting: list[tuple[ast.AST, frozenset[str] | None]] = [(tree, None)]
    while waiting:
        node, local = waiting.pop()
        if isinstance(node, _FUNCTIONS):
            if any(isinstance(default, ast.List | ast.Dict | ast.Set) for default in _defaults(node.args)):
                return True
            local = (local or frozenset()) | _bound(node)
        elif _is_cache(node) or (local is not None and _keeps(node, local, imported)):
            return True
        waiting.extend((child, local) for child in children(node))
    return False


def _is_cache(node: ast.AST) -> bool:
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    return name in _CACHES


def _keeps(node: ast.AST, local: frozenset[str], imported: frozenset[str]) -> bool:
    if isinstance(node, ast.Global | ast.Nonlocal):
        return True
    if isinstance(node, ast.Attribute | ast.Subscript) and not isinstance(node.ctx, ast.Load):
        return _outlives(node, local)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _CHANGERS:
        # np.append(...) changes nothing of numpy's
        of_module = isinstance(node.func.value, ast.Name) and node.func.value.id in imported
        return not of_module and _outlives(node.func, local)
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "setattr"


def _outlives(node: ast.expr, local: frozenset[str]) -> bool:
    """Whether what a chain of attributes and indices begins with outlives the call."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        if isinstance(node, ast.Attribute) and node.attr == "__class__":
            return True
        node = node.value
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id in ("type", "globals", "vars")
    return isinstance(node, ast.Name) and (node.id == "cls" or node.id not in local)


def _bound(function: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> frozenset[str]:
    args = function.args
    listed = (*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg)
    names = {arg.arg for arg in listed if arg is not None}
    names |= {
        node.id for node in ast.walk(function) if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)
    }
    return frozenset(names)


def _defaults(args: ast.arguments) -> Iterable[ast.expr | None]:
    return (*args.defaults, *args.kw_defaults)


def _imported(tree: ast.Module) -> Iterable[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                yield alias.asname or alias.name.partition(".")[0]
