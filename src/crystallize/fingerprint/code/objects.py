"""Nodes of live objects that no name stands for: closures, lambdas, partials, methods, wrappers, instances.

What is written of a function or class comes from the source that compiles to it, else from its code object; what it
holds (cells, defaults, arguments, fields) counts by contents.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from crystallize.fingerprint.code.bytecode import code_text, code_uses
from crystallize.fingerprint.code.loaded import (
    MISSING,
    assigned_in,
    cell_value,
    cells_of,
    data_of,
    inner_of,
    is_generated,
    is_own,
    methods_of,
)
from crystallize.fingerprint.code.modules import Module, Modules, Outside
from crystallize.fingerprint.code.nodes import Held, Node, Thing
from crystallize.fingerprint.code.places import Places, external
from crystallize.fingerprint.code.resolve import Resolver
from crystallize.fingerprint.code.shape import Shaper
from crystallize.fingerprint.code.source import Source


class Objects:
    """Tells what a live object is as code."""

    def __init__(self, modules: Modules, places: Places, resolver: Resolver, shaper: Shaper) -> None:
        self._modules = modules
        self._places = places
        self._resolver = resolver
        self._shaper = shaper

    def node(self, thing: Thing) -> Node:
        """The node of an object that no name stands for."""
        value = thing.value
        if isinstance(value, FunctionType):
            outside = isinstance(self._modules.holding(value.__globals__), Outside)
            return self._made_outside(value) if outside else self._function(value)
        if isinstance(value, type):
            return self._class(value)
        if isinstance(value, MethodType):
            return self._method(value)
        if isinstance(value, partial):
            return self._partial(value)
        inner = next(inner_of(value), None)
        if inner is not None and isinstance(self._places.module_of(type(value)), Outside):
            return self._wrapper(value, inner)
        return self._instance(value)

    def hold_defaults(self, node: Node, function: FunctionType, *, must: bool) -> None:
        """The defaults of a function as they are now, which its statement may only compute."""
        if function.__defaults__ or function.__kwdefaults__:
            name = f"{function.__module__.rpartition('.')[2]}.{function.__qualname__}.__defaults__"
            node.held.append(
                Held(name, function, "defaults", lambda: (function.__defaults__, function.__kwdefaults__), must)
            )

    def hold_data(self, node: Node, kind: type, names: Iterable[str] | None, *, must: bool) -> None:
        """The plain data that a class holds under `names` (None: all) as it is now."""
        for name in data_of(kind, names):
            where = f"{node.name or kind.__qualname__}.{name}"
            node.held.append(Held(where, kind, name, partial(vars(kind).get, name, MISSING), must))

    def _function(self, function: FunctionType) -> Node:
        module = self._modules.holding(function.__globals__)
        assert isinstance(module, Module)
        code = function.__code__
        node = Node(name=f"{module.display}.{code.co_qualname}")
        source = self._modules.source_of(module, code)
        definition = None if source is None else source.definition(code)
        if source is None or definition is None:
            self._write_code(node, module, code)
        else:
            cells = cells_of(function)
            self._shaper.syntax(node, module, definition, hidden=cells, local_modules=self._modules_in(cells))
            node.lines.append(source.segment(definition))
        binding = module.source.bindings.names.get(code.co_qualname)
        repeats = binding is not None and any(statement.repeats for statement in binding.statements)
        self._lead_to_statements(node, function)
        self._hold_cells(node, function, must=True)
        self.hold_defaults(node, function, must=repeats or "<" in code.co_qualname)
        return node

    def _made_outside(self, function: FunctionType) -> Node:
        """A function that a decorator of a package made: its maker's code is the package's, what it holds is not."""
        namespace = function.__globals__
        module = self._modules.holding(namespace)
        node = Node(name="", written=[f"(made by {function.__code__.co_qualname})"])
        if isinstance(module, Outside):
            node.lead("maker", external(module, str(namespace["__name__"]).partition(".")[0]))
        must = not self._lead_to_statements(node, function)
        self._hold_cells(node, function, must=must)
        self.hold_defaults(node, function, must=must)
        return node

    def _class(self, kind: type) -> Node:
        module = self._places.module_of(kind)
        is_local = "<" in kind.__qualname__
        node = Node(name=f"{module.display}.{kind.__qualname__}" if isinstance(module, Module) else kind.__qualname__)
        own = [function for _, function in methods_of(kind) if is_own(kind, function)]
        codes = [function.__code__ for function in own]
        source = self._source_of_class(module, codes)
        definition = None if source is None else source.class_definition(kind.__qualname__, codes)
        if isinstance(module, Module) and source is not None and definition is not None:
            hidden = {name for code in codes for name in code.co_freevars}
            self._shaper.syntax(node, module, definition, hidden=hidden)
            node.lines.append(source.segment(definition))
            self.hold_data(node, kind, assigned_in(definition), must=is_local)
        else:
            own = []
            self._write_members(node, kind)
            self.hold_data(node, kind, None, must=is_local)
        for base in kind.__bases__:
            if base is not object:
                node.lead("base", self._places.of(base), holds=True)
        self._lead_to_statements(node, kind)
        generated = {name for name, function in methods_of(kind) if is_generated(kind, function)}
        for name, function in methods_of(kind):
            if function in own:
                self._hold_cells(node, function, must=is_local)
            elif (is_local or not own) and name not in generated:
                node.lead(name, self._places.of(function), holds=is_local)
            self.hold_defaults(node, function, must=is_local)
        return node

    def _write_members(self, node: Node, kind: type) -> None:
        """What is known of a class without a text; its functions are followed one by one."""
        members = sorted(name for name, _ in methods_of(kind))
        annotations: dict[str, object] = vars(kind).get("__annotations__", {})
        fields = [f"{name}: {getattr(told, '__qualname__', None) or told}" for name, told in annotations.items()]
        node.written.append(f"(class {kind.__name__} {fields} {members})")
        node.notes.append(f"{node.name}: counts by what it holds, its text is not known")

    def _source_of_class(self, module: Module | Outside, codes: list[CodeType]) -> Source | None:
        """The text that all methods of a class were compiled from, if there is one."""
        if isinstance(module, Outside):
            return None
        source = next((self._modules.source_of(module, code) for code in codes), module.source)
        return source if source is not None and all(source.has(code) for code in codes) else None

    def _method(self, method: MethodType) -> Node:
        owner = method.__self__
        node = Node(name="", written=[f"(method {method.__func__.__name__})"])
        node.lead("function", self._places.of(method.__func__), holds=True)
        if isinstance(owner, type):
            node.lead("self", self._places.of(owner), holds=True)
        else:
            node.lead("self", Thing(owner), holds=True)
        return node

    def _partial(self, value: partial[Any]) -> Node:
        node = Node(name="", written=["(partial)"])
        node.lead("func", self._places.of(value.func), holds=True)
        name = f"partial of {getattr(value.func, '__qualname__', type(value.func).__qualname__)}"
        node.held.append(Held(name, value, "arguments", lambda: (value.args, value.keywords), must=True))
        return node

    def _wrapper(self, value: object, inner: object) -> Node:
        """An object of a package that stands for a function: numba's, `functools.lru_cache`'s."""
        node = Node(name="", written=[f"(wrapper {type(value).__qualname__})"])
        node.lead("type", self._places.of(type(value)))
        node.lead("wrapped", self._places.of(inner), holds=True)
        self._lead_to_statements(node, value)
        return node

    def _instance(self, value: object) -> Node:
        node = Node(name="", written=["(instance)"])
        node.lead("type", self._places.of(type(value)), holds=True)
        node.held.append(Held(f"{type(value).__qualname__} instance", value, "self", lambda: value, must=True))
        return node

    def _modules_in(self, cells: dict[str, Any]) -> dict[str, Module | Outside]:
        return {
            name: self._modules.holding(vars(value)) for name, value in cells.items() if isinstance(value, ModuleType)
        }

    def _hold_cells(self, node: Node, function: FunctionType, *, must: bool) -> None:
        """What a closure holds: definitions are followed as code, modules through their attributes, the rest counts."""
        for cell, (name, value) in zip(function.__closure__ or (), cells_of(function).items(), strict=True):
            if isinstance(value, ModuleType):
                continue
            if isinstance(value, FunctionType | type | MethodType | partial | BuiltinFunctionType):
                node.lead(name, self._places.of(value), holds=must)
            else:
                where = f"{node.name or function.__qualname__}.{name}"
                node.held.append(Held(where, cell, "cell", partial(cell_value, cell), must))

    def _write_code(self, node: Node, module: Module, code: CodeType) -> None:
        node.written.append(code_text(code))
        self._shaper.uses(node, module, code_uses(code), code.co_freevars)
        edited = module.is_file(code.co_filename)
        node.notes.append(f"{node.name}: {'edited since import' if edited else 'counts by its compiled code'}")

    def _lead_to_statements(self, node: Node, value: Any) -> bool:
        """Leads to the statements of the module-level name that an object goes by; False when there is none."""
        qualname = str(getattr(value, "__qualname__", None) or getattr(value, "__name__", ""))
        module = self._places.module_of(value)
        head = qualname.partition(".")[0]
        if "<" in qualname or isinstance(module, Outside) or head not in module.source.bindings.names:
            return False
        for place in self._resolver.name(module, head).places:
            node.lead(head, place)
        return True
