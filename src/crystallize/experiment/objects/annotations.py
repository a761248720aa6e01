"""Does an annotation name a class? Answered without evaluating what else stands in it.

Annotations may be objects or texts (``from __future__ import annotations``), and a text may hold names that
exist for type checkers only; so texts are parsed, and only the names that can matter are looked up.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ast
    import inspect

_UNKNOWN = object()


def signature_of(fn: Callable[..., Any]) -> inspect.Signature:
    """The signature of `fn`; annotations stay as written where they cannot be evaluated.

    Raises TypeError or ValueError when `fn` has none (some builtins).
    """
    import inspect

    if sys.version_info >= (3, 14):
        import annotationlib

        return inspect.signature(fn, annotation_format=annotationlib.Format.FORWARDREF)
    return inspect.signature(fn)


def names_class(annotation: object, fn: Callable[..., Any], wanted: type) -> bool:
    """Whether a value of `annotation` may be a `wanted`.

    It may when it is the class or a subclass, and when one of these is in an Optional, a union or Annotated.
    Names in texts are looked up where `fn` was written. A name that exists for type checkers only counts as
    `wanted` when it is called so.
    """
    import typing
    from types import UnionType

    if isinstance(annotation, type):
        return issubclass(annotation, wanted)
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__forward_arg__", None)
    if isinstance(text, str):
        return _text_names_class(text, fn, wanted)
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return names_class(typing.get_args(annotation)[0], fn, wanted)
    if origin is typing.Union or origin is UnionType:
        return any(names_class(choice, fn, wanted) for choice in typing.get_args(annotation))
    return False


def _text_names_class(text: str, fn: Callable[..., Any], wanted: type) -> bool:
    import ast

    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except SyntaxError:
        return False
    return _node_names_class(tree, fn, wanted)


def _node_names_class(node: ast.expr, fn: Callable[..., Any], wanted: type) -> bool:
    import ast
    import typing

    match node:
        case ast.Constant(value=str(text)):
            return _text_names_class(text, fn, wanted)
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _node_names_class(left, fn, wanted) or _node_names_class(right, fn, wanted)
        case ast.Subscript(value=head, slice=inner):
            choices = inner.elts if isinstance(inner, ast.Tuple) else [inner]
            form = _look_up(head, fn)
            if form is typing.Annotated or _is_unknown(form, head, "Annotated"):
                return _node_names_class(choices[0], fn, wanted)
            if form in (typing.Optional, typing.Union) or _is_unknown(form, head, "Optional", "Union"):
                return any(_node_names_class(choice, fn, wanted) for choice in choices)
            return False
        case ast.Name() | ast.Attribute():
            found = _look_up(node, fn)
            if _is_unknown(found, node, wanted.__name__):
                return True
            # A name may stand for a whole annotation: ``MaybeArtifact = Artifact | None``.
            return found is not _UNKNOWN and not isinstance(found, str) and names_class(found, fn, wanted)
    return False


def _is_unknown(found: object, node: ast.expr, *called: str) -> bool:
    """Whether `node` leads to nothing at run time but is `called` so in the source."""
    return found is _UNKNOWN and (getattr(node, "attr", None) or getattr(node, "id", None)) in called


def _look_up(node: ast.expr, fn: Callable[..., Any]) -> object:
    """The object that a dotted name has where `fn` was written; `_UNKNOWN` when there is none."""
    import ast

    if isinstance(node, ast.Attribute):
        holder = _look_up(node.value, fn)
        return _UNKNOWN if holder is _UNKNOWN else getattr(holder, node.attr, _UNKNOWN)
    if not isinstance(node, ast.Name):
        return _UNKNOWN
    code = getattr(fn, "__code__", None)
    for name, cell in zip(getattr(code, "co_freevars", ()), getattr(fn, "__closure__", None) or (), strict=False):
        if name == node.id:
            try:
                return cell.cell_contents
            except ValueError:
                return _UNKNOWN
    return getattr(fn, "__globals__", {}).get(node.id, _UNKNOWN)
