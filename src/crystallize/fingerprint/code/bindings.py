"""Which statements of a module bind or change each of its names.

A name leads to every statement that binds it at the top of its module, inside `if`, `for`, `with`, `try` and
`match` as well; such a statement carries the heads of what it stands in. Plain changes (``CONFIG["x"] = 3``,
``REGISTRY.append(f)``, ``f.mode = …``, ``@REGISTRY.add``) belong to the name they change. Reads one tree; knows no
other module and no values.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from crystallize.fingerprint.code.scopes import walrus_names
from crystallize.fingerprint.code.syntax import children, is_prose
from crystallize.fingerprint.code.uses import Import, imported_names

Kind = Literal["define", "assign", "import", "change", "decorate"]


class Head(NamedTuple):
    """The head of a compound statement: ``if`` and its test, ``for`` with its target and iterable."""

    word: str
    parts: tuple[ast.AST, ...]


class Statement(NamedTuple):
    """One statement as far as it concerns one name."""

    kind: Kind
    node: ast.stmt | None
    """None where the head itself binds the name (``for x in …``) and for imports, which are told apart elsewhere."""
    heads: tuple[Head, ...]
    """What it stands in, outermost first."""

    @property
    def repeats(self) -> bool:
        """Whether it stands in a loop, so that one statement may make many objects."""
        return any(head.word in ("for", "while") for head in self.heads)


class Binding:
    """All that binds or changes one name of a module, in the order of the source."""

    __slots__ = ("imports", "statements")

    def __init__(self) -> None:
        self.statements: list[Statement] = []
        """All but imports outside of any compound statement, which are transparent."""
        self.imports: list[Import] = []

    def has(self, kind: Kind) -> bool:
        """Whether a statement of that kind is among them."""
        return any(statement.kind == kind for statement in self.statements)

    def definitions(self) -> list[ast.stmt]:
        """The `def` and `class` statements of the name."""
        return [s.node for s in self.statements if s.kind == "define" and s.node is not None]


class Bindings:
    """The names of one module."""

    __slots__ = ("imports", "loose", "names", "stars")

    def __init__(self, tree: ast.Module, text: str) -> None:
        collector = _Collector(walrus=":=" in text, declares_globals="global " in text)
        collector.block(tree.body, ())
        self.names: dict[str, Binding] = collector.names
        self.imports: list[ast.stmt] = collector.imports
        """Its import statements."""
        self.stars: list[Import] = collector.stars
        """Its ``from … import *``."""
        self.loose: list[Statement] = collector.loose
        """Statements that concern no name: calls, assertions."""


class _Collector:
    def __init__(self, *, walrus: bool, declares_globals: bool) -> None:
        self.names: dict[str, Binding] = {}
        self.imports: list[ast.stmt] = []
        self.stars: list[Import] = []
        self.loose: list[Statement] = []
        self._walrus = walrus
        self._declares_globals = declares_globals

    def block(self, body: Iterable[ast.stmt], heads: tuple[Head, ...]) -> None:
        for node in body:
            self._statement(node, heads)

    def _statement(self, node: ast.stmt, heads: tuple[Head, ...]) -> None:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            self._define(node, heads)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            self._import(node, heads)
        elif isinstance(node, ast.If | ast.While):
            word = "if" if isinstance(node, ast.If) else "while"
            self._compound(Head(word, (node.test,)), node.body, heads)
            self._compound(Head("else", (node.test,)), node.orelse, heads)
        elif isinstance(node, ast.For | ast.AsyncFor):
            head = Head("for", (node.target, node.iter))
            self._bind_targets([node.target], Statement("assign", None, (*heads, head)))
            self._compound(head, [*node.body, *node.orelse], heads)
        elif isinstance(node, ast.With | ast.AsyncWith):
            head = Head("with", tuple(node.items))
            targets = [item.optional_vars for item in node.items if item.optional_vars is not None]
            self._bind_targets(targets, Statement("assign", None, (*heads, head)))
            self._compound(head, node.body, heads)
        elif isinstance(node, ast.Try | ast.TryStar):
            self._try(node, heads)
        elif isinstance(node, ast.Match):
            self._match(node, heads)
        elif not is_prose(node):
            self._simple(node, heads)

    def _compound(self, head: Head, body: Iterable[ast.stmt], heads: tuple[Head, ...]) -> None:
        inner = (*heads, head)
        if self._walrus:
            self._bind_walrus(head.parts, Statement("assign", None, inner))
        self.block(body, inner)

    def _try(self, node: ast.Try | ast.TryStar, heads: tuple[Head, ...]) -> None:
        self.block(node.body, (*heads, Head("try", ())))
        for handler in node.handlers:
            caught = () if handler.type is None else (handler.type,)
            self.block(handler.body, (*heads, Head("except", caught)))
        self.block(node.orelse, (*heads, Head("try else", ())))
        self.block(node.finalbody, (*heads, Head("finally", ())))

    def _match(self, node: ast.Match, heads: tuple[Head, ...]) -> None:
        for case in node.cases:
            guard = () if case.guard is None else (case.guard,)
            head = Head("match", (node.subject, case.pattern, *guard))
            for part in ast.walk(case.pattern):
                name = getattr(part, "rest" if isinstance(part, ast.MatchMapping) else "name", None)
                if isinstance(name, str):
                    self._bind(name, Statement("assign", None, (*heads, head)))
            self._compound(head, case.body, heads)

    def _define(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, heads: tuple[Head, ...]) -> None:
        self._bind(node.name, Statement("define", node, heads))
        for decorator in node.decorator_list:
            called = decorator.func if isinstance(decorator, ast.Call) else decorator
            if isinstance(called, ast.Attribute) and (root := _root(called)):
                self._bind(root, Statement("decorate", node, heads))
        if self._declares_globals:
            self._bind_globals(node, heads)

    def _bind_globals(self, node: ast.stmt, heads: tuple[Head, ...]) -> None:
        """The names that a function or class binds for the module, by assignment or by import."""
        parts = list(ast.walk(node))
        declared = {name: None for part in parts if isinstance(part, ast.Global) for name in part.names}
        for name in declared:
            self._bind(name, Statement("assign", node, heads))
        for part in parts:
            for name, what in imported_names(part) if isinstance(part, ast.Import | ast.ImportFrom) else ():
                if name in declared:
                    self.names[name].imports.append(what)

    def _import(self, node: ast.Import | ast.ImportFrom, heads: tuple[Head, ...]) -> None:
        self.imports.append(node)
        for name, what in imported_names(node):
            if name == "*":
                self.stars.append(what)
                continue
            self.names.setdefault(name, Binding()).imports.append(what)
            if heads:
                self._bind(name, Statement("import", None, heads))

    def _simple(self, node: ast.stmt, heads: tuple[Head, ...]) -> None:
        concerned = False
        if not isinstance(node, ast.AnnAssign) or node.value is not None:
            concerned = self._bind_targets(_targets(node), Statement("assign", node, heads))
            for root in _changed(node):
                concerned = True
                self._bind(root, Statement("change", node, heads))
        if self._walrus:
            self._bind_walrus(children(node), Statement("assign", node, heads))
        if not concerned:
            self.loose.append(Statement("change", node, heads))

    def _bind_targets(self, targets: Iterable[ast.AST], statement: Statement) -> bool:
        names = [
            part.id
            for target in targets
            for part in ast.walk(target)
            if isinstance(part, ast.Name) and not isinstance(part.ctx, ast.Load)
        ]
        for name in names:
            self._bind(name, statement)
        return bool(names)

    def _bind_walrus(self, nodes: Iterable[ast.AST], statement: Statement) -> None:
        for node in nodes:
            for name in walrus_names(node):
                self._bind(name, statement)

    def _bind(self, name: str, statement: Statement) -> None:
        statements = self.names.setdefault(name, Binding()).statements
        if statement.node is None or not statements or statements[-1].node is not statement.node:
            statements.append(statement)


def _targets(node: ast.stmt) -> list[ast.expr]:
    if isinstance(node, ast.Assign | ast.Delete):
        return node.targets
    if isinstance(node, ast.AugAssign | ast.AnnAssign):
        return [node.target]
    return [node.name] if node.__class__.__name__ == "TypeAlias" else []  # type: ignore[attr-defined]


def _changed(node: ast.stmt) -> Iterator[str]:
    """The names whose objects a simple statement changes: by item, by attribute or by a method called for effect."""
    for target in _targets(node):
        for part in ast.walk(target):
            if isinstance(part, ast.Attribute | ast.Subscript) and not isinstance(part.ctx, ast.Load):
                root = _root(part)
                if root:
                    yield root
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        called = node.value.func
        if isinstance(called, ast.Name) and called.id in ("setattr", "delattr") and node.value.args:
            called = node.value.args[0]
        elif not isinstance(called, ast.Attribute):
            return
        root = _root(called)
        if root:
            yield root


def _root(node: ast.expr) -> str | None:
    """The name that a chain of attributes and items begins with."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else None
