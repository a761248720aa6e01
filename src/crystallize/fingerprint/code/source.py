"""One text of Python code: parsed, compiled and searched for the definition behind a code object.

A file edited since it was imported does not compile to the code that is loaded; then nothing is found, and who asks
must take the code object itself. Knows no modules and no names beyond its text.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterable, Iterator
from functools import cached_property
from types import CodeType

from crystallize.fingerprint.code.bindings import Bindings
from crystallize.fingerprint.code.bytecode import same_code
from crystallize.fingerprint.code.syntax import children

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)

_COMPILED_APART = 8


class Source:
    """A text of code, each view of it made once. A text that does not parse holds nothing and is `broken`."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def broken(self) -> bool:
        """Whether the text does not parse."""
        return self._parsed is None

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree."""
        return self._parsed or ast.Module(body=[], type_ignores=[])

    @cached_property
    def bindings(self) -> Bindings:
        """Its names."""
        return Bindings(self.tree, self.text)

    @cached_property
    def has_walrus(self) -> bool:
        """Whether expressions may bind names."""
        return ":=" in self.text

    def segment(self, node: ast.AST) -> str:
        """The lines of a definition or statement, decorators included."""
        first, last = _first_line(node), getattr(node, "end_lineno", None)
        return "\n".join(self._lines[first - 1 : last])

    def has(self, code: CodeType) -> bool:
        """Whether compiling the text gives this code object."""
        return bool(self._same(code))

    def definition(self, code: CodeType) -> Definition | None:
        """The function or lambda that compiles to `code`; of several, the one that stands where `code` does."""
        same = self._same(code)
        if not same:
            return None
        nodes = self._definitions.get(code.co_qualname, [])
        return _standing_at(min(same, key=lambda known: _distance(known, code)), nodes)

    def class_definition(self, qualname: str, codes: Iterable[CodeType]) -> ast.ClassDef | None:
        """The class called `qualname`; of several, the last that holds all of `codes`, its methods."""
        lines = {code.co_firstlineno for code in codes}
        found = [node for node in self._definitions.get(qualname, ()) if isinstance(node, ast.ClassDef)]
        holding = [node for node in found if all(_spans(node, line) for line in lines)]
        found = holding or found
        return found[-1] if found else None

    @cached_property
    def _parsed(self) -> ast.Module | None:
        with warnings.catch_warnings():
            # the user has seen them when the module was imported
            warnings.simplefilter("ignore")
            try:
                return ast.parse(self.text)
            except (SyntaxError, ValueError):
                return None

    @cached_property
    def _lines(self) -> list[str]:
        return self.text.split("\n")

    def _same(self, code: CodeType) -> list[CodeType]:
        """The code objects of the text that do the same as `code`, in the order of the text.

        First only the statements that define the name are compiled, for a few names: all of a module costs more.
        """
        head = code.co_qualname.partition(".")[0]
        for part in (head, "") if head in self._codes or len(self._codes) < _COMPILED_APART else ("",):
            same = [known for known in self._compiled(part).get(code.co_qualname, ()) if same_code(known, code)]
            if same:
                return same
        return []

    def _compiled(self, name: str) -> dict[str, list[CodeType]]:
        """Qualified name → code objects, of what defines `name`; of the whole text when it is empty."""
        if name not in self._codes:
            binding = self.bindings.names.get(name)
            defined = [] if binding is None else binding.definitions()
            # a call of `x.f()` compiles to other instructions where the module imports `x`
            part = ast.Module([*self.bindings.imports, *defined], type_ignores=[])
            self._codes[name] = _compile(part if name else self.text)
        return self._codes[name]

    @cached_property
    def _codes(self) -> dict[str, dict[str, list[CodeType]]]:
        """What `_compiled` has compiled."""
        return {}

    @cached_property
    def _definitions(self) -> dict[str, list[Definition]]:
        """Qualified name → definitions, in the order of the text."""
        found: dict[str, list[Definition]] = {}
        for qualname, node in _definitions_below(self.tree):
            found.setdefault(qualname, []).append(node)
        return found


def _compile(text: ast.Module | str) -> dict[str, list[CodeType]]:
    """Qualified name → code objects of a text or tree; nothing where it does not compile.

    A text may parse and not compile (`return` outside a function); a tree may be too deep where its text is not.
    """
    found: dict[str, list[CodeType]] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            _collect_codes(compile(text, "<source>", "exec", dont_inherit=True), found)
        except (SyntaxError, ValueError, RecursionError):
            return {}
    return found


def _collect_codes(code: CodeType, found: dict[str, list[CodeType]]) -> None:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            found.setdefault(constant.co_qualname, []).append(constant)
            _collect_codes(constant, found)


def _definitions_below(tree: ast.AST) -> Iterator[tuple[str, Definition]]:
    """Each definition with its qualified name, in the order of the text."""
    stack = [(tree, "")]
    while stack:
        node, prefix = stack.pop()
        if isinstance(node, _DEFINITIONS):
            name = prefix + ("<lambda>" if isinstance(node, ast.Lambda) else node.name)
            yield name, node
            prefix = f"{name}." if isinstance(node, ast.ClassDef) else f"{name}.<locals>."
        stack.extend((child, prefix) for child in reversed(children(node)))


def _standing_at(code: CodeType, nodes: list[Definition]) -> Definition | None:
    """The one of `nodes` that compiles to `code`, a code object of the same text."""
    starting = [node for node in nodes if _first_line(node) == code.co_firstlineno]
    if len(starting) > 1:
        # lambdas on one line: the one whose body is among the positions
        positions = set(code.co_positions())
        starting = [
            node for node in starting if isinstance(node, ast.Lambda) and _position(node.body) in positions
        ] or starting
    return starting[0] if starting else None


def _distance(known: CodeType, code: CodeType) -> tuple[bool, int]:
    """How far apart two equal code objects stand."""
    elsewhere = known.co_linetable != code.co_linetable or known.co_firstlineno != code.co_firstlineno
    return elsewhere, abs(known.co_firstlineno - code.co_firstlineno)


def _position(node: ast.expr) -> tuple[int, int | None, int, int | None]:
    return node.lineno, node.end_lineno, node.col_offset, node.end_col_offset


def _first_line(node: ast.AST) -> int:
    lines: list[int] = [decorator.lineno for decorator in getattr(node, "decorator_list", ())]
    return min([getattr(node, "lineno", 1), *lines])


def _spans(node: ast.AST, line: int) -> bool:
    return _first_line(node) <= line <= (getattr(node, "end_lineno", None) or line)
