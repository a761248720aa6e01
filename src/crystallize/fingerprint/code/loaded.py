"""What is loaded, seen through decorators: functions behind wrappers, methods of a class, data in its body.

Looks at live objects only; knows no source and no modules.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from types import CellType, FunctionType, ModuleType
from typing import Any

INNER = ("__wrapped__", "py_func", "func", "definition", "__func__", "fget", "fset", "fdel")
"""Where wrappers keep the function they stand for: functools, numba, partials, our own factories, descriptors."""


class _Missing:
    def __repr__(self) -> str:
        return "(no value yet)"


MISSING: Any = _Missing()
"""Stands for a cell, attribute or name that has no value."""


def functions_behind(value: object) -> Iterator[FunctionType]:
    """The functions that a decorated object stands for or closes over, itself first."""
    stack: list[object] = [value]
    seen: set[int] = set()
    while stack:
        item = stack.pop()
        if id(item) in seen or isinstance(item, type | ModuleType):
            continue
        seen.add(id(item))
        if isinstance(item, FunctionType):
            yield item
            stack.extend(content for content in cells_of(item).values() if callable(content))
        stack.extend(inner_of(item))


def inner_of(value: object) -> Iterator[object]:
    """What a wrapper says it stands for; objects that answer to every name say nothing."""
    if not callable(value) and not hasattr(type(value), "__get__"):
        return
    if attribute_of(value, "_crystallize_no_such_name") is not MISSING:
        return
    for name in INNER:
        inner = attribute_of(value, name)
        if inner is not MISSING and callable(inner):
            yield inner


def attribute_of(value: object, name: str) -> Any:
    """An attribute of any object, MISSING when it has none or a property of the user's raises."""
    try:
        return getattr(value, name, MISSING)
    except Exception:
        return MISSING


def cells_of(function: FunctionType) -> dict[str, Any]:
    """Name of a closure variable → its value, MISSING while it has none."""
    return {
        name: cell_value(cell)
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    }


def cell_value(cell: CellType) -> Any:
    """What a cell of a closure holds, MISSING while that is nothing."""
    try:
        return cell.cell_contents
    except ValueError:
        return MISSING


def methods_of(kind: type) -> list[tuple[str, FunctionType]]:
    """Name and function of each method, property and function in a class body, bases left out."""
    return [(name, function) for name, value in vars(kind).items() for function in functions_behind(value)]


def is_own(kind: type, function: FunctionType) -> bool:
    """Whether a function stands in the body of a class."""
    return function.__code__.co_qualname.startswith(f"{kind.__qualname__}.")


def is_generated(kind: type, function: FunctionType) -> bool:
    """Whether a function of a class has no text because a class decorator wrote it, as dataclasses do."""
    return function.__code__.co_filename.startswith("<") and not is_own(kind, function)


def data_of(kind: type, names: Iterable[str] | None = None) -> list[str]:
    """Those of `names` (else all but special ones) under which a class holds plain data, in order."""
    contents = vars(kind)
    asked = [name for name in contents if not name.startswith("__")] if names is None else names
    return [
        name
        for name in asked
        if name in contents and not callable(contents[name]) and not hasattr(type(contents[name]), "__get__")
    ]


def assigned_in(node: ast.ClassDef) -> Iterator[str]:
    """The names that the body of a class assigns."""
    for statement in node.body:
        targets: list[ast.expr] = []
        if isinstance(statement, ast.Assign):
            targets = statement.targets
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            targets = [statement.target]
        for target in targets:
            for part in ast.walk(target):
                if isinstance(part, ast.Name):
                    yield part.id


def named_from(namespace: Any, qualname: str) -> Any:
    """What a dotted name leads to from a namespace, or MISSING."""
    head, *rest = qualname.split(".")
    found = namespace.get(head, MISSING)
    for name in rest:
        found = getattr(found, name, MISSING)
    return found
