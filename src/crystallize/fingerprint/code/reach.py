"""The node of each place: what is written of it and where it leads, each made once.

Puts together statements, objects and values; the walk over the nodes is in `code.py`. Values come last, because a
value may hold a function that reads the very name it stands under.
"""

from __future__ import annotations

import ast
from functools import partial
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from weakref import WeakKeyDictionary

from crystallize.errors import NotReusableError
from crystallize.fingerprint.code.bindings import Binding, Statement
from crystallize.fingerprint.code.loaded import (
    MISSING,
    assigned_in,
    functions_behind,
    inner_of,
    is_generated,
    methods_of,
)
from crystallize.fingerprint.code.modules import Module, Modules, Outside
from crystallize.fingerprint.code.nodes import External, Held, Name, Node, Place, Thing, Whole
from crystallize.fingerprint.code.objects import Objects
from crystallize.fingerprint.code.places import Places
from crystallize.fingerprint.code.resolve import Resolver
from crystallize.fingerprint.code.shape import Shaper
from crystallize.fingerprint.code.source import Source
from crystallize.fingerprint.digest import Digest, digest_bytes, digest_of
from crystallize.fingerprint.left import LeftStates
from crystallize.fingerprint.manifest import Piece
from crystallize.fingerprint.values import canonical as values

VALUE_LIMIT_BYTES = 1 << 20
"""A module-level value whose canonical form is longer counts by its statements alone."""

_REACHED: WeakKeyDictionary[LeftStates, dict[Digest, tuple[object, ...]]] = WeakKeyDictionary()
"""Beside what jobs left: compiled digest of a value → the definitions it then held. It may change as LEFT does."""


class Reach:
    """Makes nodes. One per compile of a plan: what it has read stays as it was.

    Parameters
    ----------
    root : project root; paths and texts under it count relative to it.
    left : how jobs left mutable values.
    """

    def __init__(self, root: Path, left: LeftStates) -> None:
        self._root = root
        self._left = left
        modules = self._modules = Modules()
        self._resolver = Resolver(modules)
        self._shaper = Shaper(modules, self._resolver)
        self._places = Places(modules)
        self._objects = Objects(modules, self._places, self._resolver, self._shaper)
        self._nodes: dict[Place, Node] = {}

    def place(self, definition: object) -> Place:
        """The place that stands for a definition."""
        return self._places.of(definition)

    def name(self, module: str, name: str) -> Name | None:
        """The place of a name of a project module; None when the module is none of the project's."""
        found = self._modules.named(module)
        return Name(found, name) if isinstance(found, Module) else None

    def node(self, place: Place) -> Node:
        """The node of a place, with the values it holds."""
        node = self._written(place)
        if not node.is_filled:
            node.is_filled = True
            for held in node.held:
                self._fill(node, held)
        return node

    def home(self, place: Place) -> tuple[Module, Source] | None:
        """The project module that a place lies in, and the text that it stands in; None where there is no text."""
        if isinstance(place, Name | Whole):
            return place.module, place.module.source
        if not isinstance(place, Thing) or not isinstance(place.value, FunctionType):
            return None
        module = self._modules.holding(place.value.__globals__)
        source = self._modules.source_of(module, place.value.__code__) if isinstance(module, Module) else None
        return None if source is None or isinstance(module, Outside) else (module, source)

    def _written(self, place: Place) -> Node:
        """The node of a place before its values: this reads no other node, so circles end."""
        node = self._nodes.get(place)
        if node is None:
            node = self._nodes[place] = self._make(place)
        return node

    def _make(self, place: Place) -> Node:
        match place:
            case Name(module, name):
                return self._name(module, name)
            case Whole(module):
                return self._whole(module)
            case External(text):
                return Node(name="", written=[f"(external {text})"])
            case Thing():
                return self._objects.node(place)

    def _name(self, module: Module, name: str) -> Node:
        node = Node(name=f"{module.display}.{name}")
        value = module.namespace.get(name, MISSING)
        binding = module.source.bindings.names.get(name)
        if binding is None:
            self._unbound(node, module, name, value)
            return node
        stale = self._places.stale(module, name) if binding.has("define") else None
        statements = [
            statement
            for statement in binding.statements
            if not (statement.kind == "decorate" and binding.imports)
            and not (statement.kind == "define" and stale is not None)
        ]
        self._shaper.statements(node, module, statements)
        if stale is not None:
            node.lead(name, Thing(stale))
        elif binding.has("define"):
            self._hold_definition(node, binding, name, value)
            self._lead_to_replacement(node, module, name, value)
        elif module.is_late:
            if binding.has("assign") and not all(_is_literal(statement) for statement in statements):
                node.notes.append(f"{node.name} counts by initialiser")
        elif binding.has("assign") and not isinstance(value, ModuleType) and not _is_ours(value):
            self._hold_value(node, module, name)
        return node

    def _unbound(self, node: Node, module: Module, name: str, value: object) -> None:
        """A name without a statement, as everything in a notebook is: what stands under it now."""
        is_definition = isinstance(value, FunctionType | BuiltinFunctionType | MethodType | type)
        if is_definition or next(inner_of(value), None) is not None:
            node.name = ""
            node.lead(name, self.place(value))
        elif not module.is_late:
            node.lead(name, self.place(type(value)))
            self._hold_value(node, module, name)

    def _hold_value(self, node: Node, module: Module, name: str) -> None:
        read = partial(module.namespace.get, name, MISSING)
        node.held.append(Held(node.name, module.holder, name, read, must=False))

    def _hold_definition(self, node: Node, binding: Binding, name: str, value: object) -> None:
        """Defaults and class data as they are loaded, which may be older than the statement."""
        if isinstance(value, type) and value.__qualname__ == name:
            for statement in binding.statements:
                if isinstance(statement.node, ast.ClassDef):
                    self._objects.hold_data(node, value, assigned_in(statement.node), must=False)
            for _, method in methods_of(value):
                self._objects.hold_defaults(node, method, must=False)
            return
        for function in functions_behind(value):
            if function.__code__.co_qualname == name:
                self._objects.hold_defaults(node, function, must=False)

    def _lead_to_replacement(self, node: Node, module: Module, name: str, value: object) -> None:
        """What another statement or another module put in place of a definition, or of a method of it."""
        if not isinstance(value, type):
            if self._is_foreign(module, list(functions_behind(value))):
                node.lead(name, self.place(value))
        elif (value.__module__, value.__qualname__) != (module.name, name):
            node.lead(name, self.place(value))
        else:
            for member, content in vars(value).items():
                functions = [each for each in functions_behind(content) if not is_generated(value, each)]
                if self._is_foreign(module, functions):
                    node.lead(member, self.place(functions[0]))

    def _is_foreign(self, module: Module, functions: list[FunctionType]) -> bool:
        """Whether functions are the project's, and none of them was made by `module`."""
        if not functions or any(each.__globals__ is module.live for each in functions):
            return False
        return isinstance(self.place(functions[0]), Name | Thing)

    def _whole(self, module: Module) -> Node:
        node = Node(name=module.display)
        if module.is_binary and module.path is not None:
            node.written.append(f"(binary {digest_bytes(module.path.read_bytes()).hex()})")
            return node
        if module.source.broken:
            node.written.append(module.source.text)
            return node
        bindings = module.source.bindings
        self._shaper.statements(node, module, bindings.loose)
        typed = [name for name in module.namespace if not name.startswith("__")]
        for name in bindings.names if module.source.text else typed:
            for place in self._resolver.name(module, name).places:
                node.lead(name, place)
        for star in bindings.stars:
            for place in self._resolver.imported(module, star._replace(name=None)).places:
                node.lead("*", place)
        return node

    def _fill(self, node: Node, held: Held) -> None:
        """Adds the digest of a held value, and leads to the definitions in it."""
        try:
            found, definitions = self._contents(held)
        except NotReusableError as error:
            if held.must:
                node.unclear = node.unclear or error
            else:
                node.notes.append(f"{held.name} counts by initialiser")
            return
        digest = self._left.key(held.holder, held.slot, found, lambda: self._contents(held)[0])
        reached = _REACHED.setdefault(self._left, {})
        if digest == found:
            reached[digest] = definitions
        else:
            # as jobs left it: what they put in does not count, what was compiled does
            definitions = reached.get(digest, ())
        name = f"{held.name} (value)" if held.name == node.name else held.name
        node.values.append(Piece(name, digest, values.preview(held.read())))
        for definition in definitions:
            node.lead("value", self.place(definition), holds=held.must)

    def _contents(self, held: Held) -> tuple[Digest, tuple[object, ...]]:
        """The digest of a value, in which each definition counts by what is written of it, and those definitions."""
        value = held.read()
        if value is MISSING:
            # a job may give it one: then it is as jobs left it
            return digest_of("missing/1"), ()
        met: dict[int, tuple[Digest, object]] = {}

        def code_of(definition: object) -> Digest:
            if id(definition) not in met:
                met[id(definition)] = (self._written(self.place(definition)).local_digest(), definition)
            return met[id(definition)][0]

        limit = None if held.must else VALUE_LIMIT_BYTES
        encoded = values.encode(value, code_of, root=self._root, where=held.name, limit=limit)
        # in an order that no set and no dict decides
        ordered = sorted(met.values(), key=lambda pair: pair[0])
        return digest_of("held/1", encoded), tuple(definition for _, definition in ordered)


def _is_ours(value: object) -> bool:
    """Whether a value is an object of crystallize, which its statement tells best."""
    return value is not MISSING and type(value).__module__.partition(".")[0] == "crystallize"


def _is_literal(statement: Statement) -> bool:
    """Whether a statement assigns a constant, so that it says all there is to know."""
    return isinstance(getattr(statement.node, "value", None), ast.Constant) and not statement.heads
