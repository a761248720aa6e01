"""Which names of its module a piece of syntax reads, by the scope rules of the language.

Locals, parameters, comprehensions, class bodies, `global`, `nonlocal`, walrus targets and imports inside
functions are told apart; what is left are the free names, each with the attributes asked of it. Knows nothing
of other modules or of what a name stands for. After the language reference, chapter "Naming and binding".
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator

from crystallize.fingerprint.code.syntax import children
from crystallize.fingerprint.code.uses import Import, Use, imported_names

Definition = ast.FunctionDef | ast.AsyncFunctionDef
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_OPENERS = frozenset({*_DEFINITIONS, ast.ClassDef})
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp)


class Reading:
    """What a piece of syntax reads, in the order it stands there."""

    __slots__ = ("asks_subclasses", "dropped", "imports", "reads_prose", "uses")

    def __init__(self) -> None:
        self.uses: list[Use] = []
        self.imports: list[ast.Import | ast.ImportFrom] = []
        """Import statements inside it."""
        self.dropped: list[ast.expr] = []
        """Decorators that do not count."""
        self.reads_prose = False
        """Whether it asks for a `__doc__`."""
        self.asks_subclasses = False
        """Whether it asks a class for its `__subclasses__`."""


def read(node: ast.AST, drop: Callable[[Use], bool], *, walrus: bool = True) -> Reading:
    """What `node`, as it stands at the top of a module, reads.

    Parameters
    ----------
    drop : decorators whose name it accepts do not count.
    walrus : False where the text has no `:=`, so that expressions bind nothing; only faster.
    """
    reader = _Reader(drop, walrus)
    reader.visit(node, None)
    return reader.reading


class _Scope:
    __slots__ = ("bound", "globals", "imports", "is_class", "parent")

    def __init__(self, parent: _Scope | None, *, is_class: bool = False) -> None:
        self.parent = parent
        self.is_class = is_class
        self.bound: set[str] = set()
        self.globals: set[str] = set()
        self.imports: dict[str, list[Import]] = {}

    def bind_body(self, body: Iterable[ast.AST], *, walrus: bool) -> None:
        """Finds the names that the statements of a function bind, not entering scopes below."""
        outer: set[str] = set()
        stack = list(body)
        while stack:
            node = stack.pop()
            kind = node.__class__
            if kind is ast.Name:
                if node.ctx.__class__ is not ast.Load:  # type: ignore[attr-defined]
                    self.bound.add(node.id)  # type: ignore[attr-defined]
            elif isinstance(node, ast.expr):
                # the only expressions that bind are targets and, where there are any, walrus expressions
                if walrus or not isinstance(getattr(node, "ctx", None), ast.Load | None):
                    stack.extend(_same_scope(node))
            elif kind in _OPENERS:
                self.bound.add(node.name)  # type: ignore[attr-defined]
            elif isinstance(node, ast.Import | ast.ImportFrom):
                self.bind_imports(node)
            elif isinstance(node, ast.Global):
                self.globals.update(node.names)
            elif isinstance(node, ast.Nonlocal):
                outer.update(node.names)
            else:
                self._bind_captures(node)
                stack.extend(children(node))
        self.bound -= outer | self.globals

    def bind_imports(self, node: ast.Import | ast.ImportFrom) -> None:
        for name, what in imported_names(node):
            self.imports.setdefault(name, []).append(what)

    def _bind_captures(self, node: ast.AST) -> None:
        if isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            self.bound.add(node.name)
        elif isinstance(node, ast.MatchMapping) and node.rest:
            self.bound.add(node.rest)


def walrus_names(node: ast.AST) -> Iterator[str]:
    """The names that `:=` binds anywhere in an expression."""
    return (part.target.id for part in ast.walk(node) if isinstance(part, ast.NamedExpr))


def _same_scope(node: ast.expr) -> list[ast.AST]:
    """The parts of an expression that bind where it stands: not a lambda's body, not a comprehension's targets."""
    if isinstance(node, ast.Lambda):
        return []
    parts = children(node)
    if isinstance(node, _COMPREHENSIONS):
        for generator in node.generators:
            parts.remove(generator)
            parts.extend((generator.iter, *generator.ifs))
    return parts


class _Reader:
    def __init__(self, drop: Callable[[Use], bool], walrus: bool) -> None:
        self.reading = Reading()
        self._walrus = walrus
        self._drop = drop
        self._handlers: dict[type[ast.AST], Callable[..., None]] = {
            ast.Name: self._chain,
            ast.Attribute: self._chain,
            ast.Call: self._call,
            ast.Subscript: self._subscript,
            ast.Compare: self._compare,
            ast.Assign: self._assign,
            ast.AugAssign: self._augmented,
            ast.AnnAssign: self._annotated,
            ast.FunctionDef: self._function,
            ast.AsyncFunctionDef: self._function,
            ast.Lambda: self._lambda,
            ast.ClassDef: self._class,
            ast.Import: self._import,
            ast.ImportFrom: self._import,
            **dict.fromkeys(_COMPREHENSIONS, self._comprehension),
        }

    def visit(self, node: ast.AST, scope: _Scope | None) -> None:
        # a stack, not recursion: a sum of a thousand terms is a tree a thousand deep
        stack = [node]
        while stack:
            part = stack.pop()
            handler = self._handlers.get(part.__class__)
            if handler is not None:
                handler(part, scope)
            elif part.__class__ is not ast.Constant:
                stack.extend(reversed(children(part)))

    def _visit_all(self, nodes: Iterable[ast.AST | None], scope: _Scope | None) -> None:
        for node in nodes:
            if node is not None:
                self.visit(node, scope)

    def _chain(self, node: ast.expr, scope: _Scope | None, literal: str | None = None, called: bool = False) -> None:
        use = _use(node, scope, literal, called)
        if use is not None:
            self.reading.uses.append(use)
        links, root = _links(node)
        for link in links:
            self.reading.reads_prose |= link.attr == "__doc__"
            self.reading.asks_subclasses |= link.attr == "__subclasses__"
        if not isinstance(root, ast.Name):
            self.visit(root, scope)
        elif root.id == "__doc__":
            self.reading.reads_prose = True
        elif scope is not None and scope.is_class and not isinstance(root.ctx, ast.Load):
            scope.bound.add(root.id)

    def _call(self, node: ast.Call, scope: _Scope | None) -> None:
        if isinstance(node.func, ast.Name | ast.Attribute):
            place = 1 if isinstance(node.func, ast.Name) and node.func.id == "getattr" else 0
            literal = _literal(node.args[place]) if len(node.args) > place else None
            self._chain(node.func, scope, literal, called=True)
        else:
            self.visit(node.func, scope)
        self._visit_all(node.args, scope)
        self._visit_all(node.keywords, scope)

    def _subscript(self, node: ast.Subscript, scope: _Scope | None) -> None:
        if isinstance(node.value, ast.Name | ast.Attribute):
            self._chain(node.value, scope, _literal(node.slice))
        else:
            self.visit(node.value, scope)
        self.visit(node.slice, scope)

    def _compare(self, node: ast.Compare, scope: _Scope | None) -> None:
        literal = _literal(node.left)
        first, *others = node.comparators
        self.visit(node.left, scope)
        if isinstance(node.ops[0], ast.In | ast.NotIn) and isinstance(first, ast.Name | ast.Attribute):
            self._chain(first, scope, literal)
        else:
            self.visit(first, scope)
        self._visit_all(others, scope)

    def _assign(self, node: ast.Assign, scope: _Scope | None) -> None:
        self.visit(node.value, scope)
        self._visit_all(node.targets, scope)

    def _augmented(self, node: ast.AugAssign, scope: _Scope | None) -> None:
        if isinstance(node.target, ast.Name):
            read_first = ast.copy_location(ast.Name(node.target.id, ast.Load()), node.target)
            self.visit(read_first, scope)
        self.visit(node.target, scope)
        self.visit(node.value, scope)

    def _annotated(self, node: ast.AnnAssign, scope: _Scope | None) -> None:
        if scope is not None and scope.is_class:
            # dataclass-like classes make their fields from annotations: what these name counts
            self._annotation(node.annotation, scope)
        self._visit_all((node.value, node.target), scope)

    def _annotation(self, node: ast.expr, scope: _Scope) -> None:
        self.visit(node, scope)
        for part in ast.walk(node):
            text = _literal(part)
            if text is None:
                continue
            try:
                self.visit(ast.parse(text, mode="eval").body, scope)
            except (SyntaxError, ValueError):
                continue  # a text that is no type, as in Literal["low rate"]

    def _function(self, node: Definition, scope: _Scope | None) -> None:
        self._decorators(node, scope)
        inner = self._enter(node.args, scope, getattr(node, "type_params", ()))
        inner.bind_body(node.body, walrus=self._walrus)
        self._visit_all(node.body, inner)
        if scope is not None and scope.is_class:
            scope.bound.add(node.name)

    def _lambda(self, node: ast.Lambda, scope: _Scope | None) -> None:
        inner = self._enter(node.args, scope, ())
        inner.bind_body((node.body,), walrus=self._walrus)
        self.visit(node.body, inner)

    def _enter(self, args: ast.arguments, scope: _Scope | None, type_params: Iterable[ast.AST]) -> _Scope:
        """Reads the defaults where the function stands, and opens its scope with its parameters bound."""
        self._visit_all(args.defaults, scope)
        self._visit_all(args.kw_defaults, scope)
        inner = _Scope(scope)
        for arg in (*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg):
            if arg is not None:
                inner.bound.add(arg.arg)
        self._type_params(type_params, inner)
        return inner

    def _type_params(self, params: Iterable[ast.AST], scope: _Scope) -> None:
        for param in params:
            scope.bound.add(param.name)  # type: ignore[attr-defined]
            self._visit_all(children(param), scope)

    def _class(self, node: ast.ClassDef, scope: _Scope | None) -> None:
        self._decorators(node, scope)
        outer = scope
        if params := getattr(node, "type_params", ()):
            outer = _Scope(scope)
            self._type_params(params, outer)
        self._visit_all(node.bases, outer)
        self._visit_all(node.keywords, outer)
        inner = _Scope(outer, is_class=True)
        inner.globals.update(name for part in node.body if isinstance(part, ast.Global) for name in part.names)
        self._visit_all(node.body, inner)
        if scope is not None and scope.is_class:
            scope.bound.add(node.name)

    def _decorators(self, node: Definition | ast.ClassDef, scope: _Scope | None) -> None:
        for decorator in node.decorator_list:
            name = decorator.func if isinstance(decorator, ast.Call) else decorator
            use = _use(name, scope, None, True) if isinstance(name, ast.Name | ast.Attribute) else None
            if use is not None and self._drop(use):
                self.reading.dropped.append(decorator)
            else:
                self.visit(decorator, scope)

    def _comprehension(self, node: ast.ListComp | ast.DictComp, scope: _Scope | None) -> None:
        self.visit(node.generators[0].iter, scope)
        inner = _Scope(scope)
        for generator in node.generators:
            inner.bind_body((generator.target,), walrus=False)
        for generator in node.generators:
            self.visit(generator.target, inner)
            if generator is not node.generators[0]:
                self.visit(generator.iter, inner)
            self._visit_all(generator.ifs, inner)
        self._visit_all((part for part in children(node) if isinstance(part, ast.expr)), inner)

    def _import(self, node: ast.Import | ast.ImportFrom, scope: _Scope | None) -> None:
        self.reading.imports.append(node)
        if scope is not None and scope.is_class:
            # what a class imports is an attribute of it, whoever reads it
            scope.bind_imports(node)
            for name, what in imported_names(node):
                self.reading.uses.append(Use(name, (), (), (what,), None, False, _is_late(scope)))


def _use(node: ast.expr, scope: _Scope | None, literal: str | None, called: bool) -> Use | None:
    """The use that a chain of attributes makes of the name at its root; None for a local or no name."""
    links, root = _links(node)
    if not isinstance(root, ast.Name) or not isinstance(root.ctx, ast.Load):
        return None
    imports = _lookup(root.id, scope)
    if imports is None:
        return None
    attributes = tuple(link.attr for link in links)
    return Use(root.id, attributes, (root, *links), tuple(imports), literal, called, _is_late(scope))


def _is_late(scope: _Scope | None) -> bool:
    """Whether code in a scope runs later than the import of its module: not at its top, not in a class there."""
    while scope is not None and scope.is_class:
        scope = scope.parent
    return scope is not None


def _links(node: ast.expr) -> tuple[list[ast.Attribute], ast.expr]:
    """The attributes of a chain, outermost last, and what they are asked of."""
    links: list[ast.Attribute] = []
    while isinstance(node, ast.Attribute):
        links.append(node)
        node = node.value
    links.reverse()
    return links, node


def _lookup(name: str, scope: _Scope | None) -> Iterable[Import] | None:
    """None for a local name, the imports that bind it inside a function, or nothing at all for a free one."""
    direct = True
    while scope is not None:
        if name in scope.globals:
            return ()
        if direct or not scope.is_class:
            if name in scope.imports:
                return scope.imports[name]
            if name in scope.bound:
                return None
        direct = False
        scope = scope.parent
    return ()


def _literal(node: ast.AST) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None
