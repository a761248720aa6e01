"""Writes pieces of syntax into a node: normalised, with our own decorators out and names of modules hidden.

Knows how syntax is written and where its names lead; knows no objects. What it notices on the way goes into the node:
environment variables read by a literal name, calls whose reach cannot be followed, docstrings.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Mapping

from crystallize.fingerprint.code.bindings import Head, Statement
from crystallize.fingerprint.code.modules import Module, Modules, Outside
from crystallize.fingerprint.code.nodes import Held, Name, Node, Whole
from crystallize.fingerprint.code.resolve import Found, Resolver
from crystallize.fingerprint.code.scopes import Reading, read
from crystallize.fingerprint.code.syntax import dump
from crystallize.fingerprint.code.uses import Use, imported_names

_ENVIRON = frozenset(
    {("os", "getenv"), ("os", "environ")}
    | {("os", "environ", method) for method in ("get", "pop", "setdefault", "__getitem__", "__contains__")}
)
_IMPORTERS = frozenset({("importlib", "import_module"), ("importlib", "__import__")})
_UNFOLLOWED = frozenset({"getattr", "eval", "exec", "globals", "__import__"})
_PLACE = frozenset({"__file__", "__path__", "__spec__", "__loader__", "__package__"})
_PLACE_TELLERS = frozenset(
    {("importlib", "resources"), ("pkgutil", "get_data"), ("sys", "_getframe")}
    | {("inspect", name) for name in ("currentframe", "getabsfile", "getfile", "getsourcefile", "stack")}
)
"""Names of a module, and functions outside, that tell code where it lies."""
_MODULE = "(module)"


class Shaper:
    """Writes syntax of project modules into nodes."""

    def __init__(self, modules: Modules, resolver: Resolver) -> None:
        self._modules = modules
        self._resolver = resolver

    def statements(self, node: Node, module: Module, statements: Iterable[Statement]) -> None:
        """Writes statements, each with the heads it stands in."""
        for statement in statements:
            for head in statement.heads:
                self._head(node, module, head)
            if statement.kind == "import":
                node.written.append("(import)")
            if statement.node is not None:
                self.syntax(node, module, statement.node, walrus=module.source.has_walrus)
                node.lines.append(module.source.segment(statement.node))
            else:
                head = statement.heads[-1]
                words = " ".join(ast.unparse(part) for part in head.parts)
                node.lines.append(f"{head.word} {words}".strip())

    def syntax(
        self,
        node: Node,
        module: Module,
        part: ast.AST,
        *,
        hidden: Collection[str] = (),
        local_modules: Mapping[str, Module | Outside] | None = None,
        walrus: bool = True,
    ) -> None:
        """Writes one piece of syntax and follows what it reads.

        Parameters
        ----------
        hidden : names that a closure gives it: they are not the module's.
        local_modules : those of them that stand for modules.
        walrus : False where the text it comes from has no `:=`.
        """
        context = _Context(self._resolver, module, hidden, local_modules or {})
        reading = read(part, lambda use: context.find(use).is_ours, walrus=walrus)
        replaced = {id(decorator): "" for decorator in reading.dropped}
        replaced.update(self._imports(module, reading))
        for use in reading.uses:
            found = context.find(use)
            self.follow(node, module, use, found)
            if found.prefix and use.chain:
                replaced[id(use.chain[found.prefix - 1])] = _MODULE
        node.reads_prose |= reading.reads_prose
        if reading.asks_subclasses:
            self._lead_to_subclasses(node, module)
        node.written.append(dump(part, replaced, node.prose))

    def uses(self, node: Node, module: Module, uses: Iterable[Use], hidden: Collection[str] = ()) -> None:
        """Follows uses that were read from a code object."""
        context = _Context(self._resolver, module, hidden, {})
        for use in uses:
            self.follow(node, module, use, context.find(use))

    def follow(self, node: Node, module: Module, use: Use, found: Found) -> None:
        """Leads `node` where a use of `module` leads, and notes what cannot be followed."""
        label = use.name if not found.prefix else ".".join(use.attributes[found.prefix - 1 : found.prefix]) or "*"
        for place in found.places:
            node.lead(label, place)
        for path in found.outside:
            if path in _ENVIRON and use.literal is not None:
                node.environ.append(use.literal)
            elif path in _IMPORTERS and use.called:
                self._import_by_name(node, module, use)
            elif path[:2] == ("sys", "modules"):
                self._module_by_name(node, module, use)
            elif path[:2] in _PLACE_TELLERS:
                _hold_place(node, module)
        if use.name in _PLACE and not found.places:
            _hold_place(node, module)
        if use.called and use.name in _UNFOLLOWED and not use.attributes and not found.places:
            if use.name == "__import__":
                self._import_by_name(node, module, use)
            elif use.name == "globals":
                node.lead("*", Whole(module))
            elif use.name != "getattr" or use.literal is None:
                self._note(node, use.name)

    def _import_by_name(self, node: Node, module: Module, use: Use) -> None:
        called = use.attributes[-1] if use.attributes else use.name
        if use.literal is None or use.literal.startswith("."):
            self._note(node, called)
            return
        target = self._modules.named(use.literal, module, late=use.late)
        if isinstance(target, Module):
            node.lead("*", Whole(target))
        else:
            for place in self._resolver.object(target, use.literal, ()).places:
                node.lead("*", place)

    def _module_by_name(self, node: Node, module: Module, use: Use) -> None:
        """``sys.modules[…]``: the module that is named, else every one that may be."""
        if use.literal is not None:
            self._import_by_name(node, module, use)
            return
        for other in self._modules.near(module):
            node.lead("*", Whole(other))
        _add_note(node, f"reads sys.modules in {node.name}: every loaded module beside it counts, others do not")

    def _lead_to_subclasses(self, node: Node, module: Module) -> None:
        """Which class is asked is not known, so every class with a base counts that lies near."""
        for other in self._modules.near(module):
            for name, binding in other.source.bindings.names.items():
                if any(isinstance(each.node, ast.ClassDef) and each.node.bases for each in binding.statements):
                    node.lead(name, Name(other, name))
        _add_note(
            node,
            f"calls __subclasses__() in {node.name}: every class with a base in the loaded modules beside it counts, "
            f"others do not",
        )

    def _imports(self, module: Module, reading: Reading) -> Mapping[int, str]:
        """How imports inside a function are written: without the names of project modules."""
        replaced: dict[int, str] = {}
        for statement in reading.imports:
            written = []
            for name, what in imported_names(statement):
                found = self._resolver.imported(module, what)
                if found.outside:
                    written.append(f"(import {what.text} {name})")
                else:
                    written.append("(import)" if found.prefix else f"(import {name})")
            replaced[id(statement)] = "".join(written)
        return replaced

    def _head(self, node: Node, module: Module, head: Head) -> None:
        node.written.append(f"({head.word})")
        for part in head.parts:
            self.syntax(node, module, part)

    def _note(self, node: Node, called: str) -> None:
        self._unfollowed(node, f"calls {called}(...)")

    def _unfollowed(self, node: Node, what: str) -> None:
        _add_note(node, f"{what} in {node.name}: what it reaches is not followed")


def _add_note(node: Node, note: str) -> None:
    if note not in node.notes:
        node.notes.append(note)


def _hold_place(node: Node, module: Module) -> None:
    """Lets the place of a module count: a file beside it is another file for the same code in another folder."""
    path = module.path
    if path is not None and all(held.slot != "__file__" for held in node.held):
        name = f"{module.display}.__file__"
        # no bare path: that would name a file that counts as read
        node.held.append(Held(name, module.holder, "__file__", lambda: (path.absolute(),), must=False))


class _Context:
    """Where the uses of one piece of syntax lead; each name is looked up once."""

    def __init__(
        self,
        resolver: Resolver,
        module: Module,
        hidden: Collection[str],
        local_modules: Mapping[str, Module | Outside],
    ) -> None:
        self._resolver = resolver
        self._module = module
        self._hidden = hidden
        self._local_modules = local_modules
        self._known: dict[tuple[str, tuple[str, ...]], Found] = {}

    def find(self, use: Use) -> Found:
        """Where a use leads; nowhere for what a closure gives, unless that is a module."""
        if use.imports:
            return self._resolver.use(self._module, use)
        key = (use.name, use.attributes)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._find(use)
        return found

    def _find(self, use: Use) -> Found:
        if use.name in self._local_modules:
            return self._resolver.object(self._local_modules[use.name], use.name, use.attributes)
        if use.name in self._hidden:
            return Found()
        return self._resolver.use(self._module, use)
