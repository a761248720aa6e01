"""Places and nodes of live objects: functions, classes, partials, methods, wrappers, instances.

A function or class that a name of its module stands for is that name; anything else (a closure, a lambda, what was
typed into a notebook, an older object than the file holds) is a thing of its own, read from the source that compiles
to it, else from its code object.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from functools import partial
from types import (
    BuiltinFunctionType,
    CodeType,
    FunctionType,
    MethodDescriptorType,
    MethodType,
    MethodWrapperType,
    ModuleType,
    WrapperDescriptorType,
)
from typing import Any

from crystallize.fingerprint.bytecode import code_text, code_uses
from crystallize.fingerprint.loaded import (
    MISSING,
    assigned_in,
    cells_of,
    data_of,
    functions_behind,
    inner_of,
    is_generated,
    is_own,
    methods_of,
    named_from,
)
from crystallize.fingerprint.modules import Module, Modules, Outside
from crystallize.fingerprint.nodes import External, Held, Name, Node, Place, Thing, Whole
from crystallize.fingerprint.resolve import Resolver
from crystallize.fingerprint.shape import Shaper
from crystallize.fingerprint.source import Source

_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE: made by a class statement or by type(...)
_BUILTIN = (BuiltinFunctionType, MethodDescriptorType, MethodWrapperType, WrapperDescriptorType)


class Objects:
    """Tells what a live object is as code."""

    def __init__(self, modules: Modules, resolver: Resolver, shaper: Shaper) -> None:
        self._modules = modules
        self._resolver = resolver
        self._shaper = shaper

    def place(self, value: object) -> Place:
        """The place that stands for a function, class, module or other definition."""
        if isinstance(value, FunctionType):
            return self._function_place(value)
        if isinstance(value, type):
            return self._class_place(value)
        if isinstance(value, ModuleType):
            module = self._modules.holding(vars(value))
            return Whole(module) if isinstance(module, Module) else _external(module, value.__name__, "")
        if isinstance(value, _BUILTIN) and isinstance(getattr(value, "__self__", None), ModuleType | None):
            return self._external(value)
        return Thing(value)

    def node(self, thing: Thing) -> Node:
        """The node of an object that no name stands for."""
        value = thing.value
        if isinstance(value, FunctionType):
            return self._function(value)
        if isinstance(value, type):
            return self._class(value)
        if isinstance(value, MethodType):
            return self._method(value)
        if isinstance(value, partial):
            node = Node(name="", written=["(partial)"])
            node.lead("func", self.place(value.func), holds=True)
            self._hold(node, _label(value.func), value, "arguments", lambda: (value.args, value.keywords))
            return node
        module = self._module_of(type(value))
        inner = next(inner_of(value), None)
        if inner is not None and isinstance(module, Outside):
            node = Node(name="", written=[f"(wrapper {type(value).__qualname__})"])
            node.lead("type", self.place(type(value)))
            node.lead("wrapped", self.place(inner), holds=True)
            self._lead_to_statements(node, value)
            return node
        node = Node(name="", written=["(instance)"])
        node.lead("type", self.place(type(value)), holds=True)
        self._hold(node, type(value).__qualname__, value, "self", lambda: value)
        return node

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

    def stale(self, module: Module, name: str) -> FunctionType | type | None:
        """What stands loaded behind a defined name and is not what the source now says; None when it is the same."""
        value = module.namespace.get(name, MISSING)
        if isinstance(value, type) and value.__qualname__ == name:
            own = [method for method in methods_of(value).values() if module.is_file(method.__code__.co_filename)]
            return None if all(module.source.has(method.__code__) for method in own) else value
        for function in functions_behind(value):
            code = function.__code__
            if code.co_qualname == name and module.is_file(code.co_filename) and not module.source.has(code):
                return function
        return None

    def _function_place(self, function: FunctionType) -> Place:
        module = self._modules.holding(function.__globals__)
        code = function.__code__
        if isinstance(module, Outside):
            return Thing(function) if function.__closure__ else self._external(function)
        binding = module.source.bindings.names.get(code.co_qualname)
        if binding is None or binding.imports or not module.is_file(code.co_filename):
            return Thing(function)
        only = binding.statements[0] if len(binding.statements) == 1 else None
        if only is None or only.kind != "define" or not module.source.has(code):
            return Thing(function)
        standing = functions_behind(module.namespace.get(code.co_qualname, MISSING))
        if any(other is function for other in standing):
            return Name(module, code.co_qualname)
        return Thing(function)

    def _class_place(self, kind: type) -> Place:
        module = self._module_of(kind)
        if isinstance(module, Outside):
            external = self._external(kind)
            named = sys.modules.get(kind.__module__)
            found = named is not None and named_from(vars(named), kind.__qualname__) is kind
            # types of C have no source, whatever name they go by
            return external if found or not kind.__flags__ & _HEAP_TYPE else Thing(kind)
        head = kind.__qualname__.partition(".")[0]
        if head in module.source.bindings.names and named_from(module.namespace, kind.__qualname__) is kind:
            return Name(module, head)
        return Thing(kind)

    def _function(self, function: FunctionType) -> Node:
        module = self._modules.holding(function.__globals__)
        code = function.__code__
        node = Node(name=_label(function, module))
        if isinstance(module, Outside):
            # made by a decorator of a package: its name, and what it closes over
            node.name = ""
            node.written.append(f"(external {'' if module.kind == 'crystallize' else code.co_qualname})")
            node.lead("maker", self._external(function, function.__globals__["__name__"]))
            must = not self._lead_to_statements(node, function)
            self._hold_cells(node, function, must=must)
            self.hold_defaults(node, function, must=must)
            return node
        source = self._modules.source_of(module, code)
        definition = source.definition(code) if source is not None else None
        if source is None or definition is None:
            self._write_code(node, module, code)
            repeats = False
        else:
            cells = cells_of(function)
            local = {
                name: self._modules.holding(vars(value))
                for name, value in cells.items()
                if isinstance(value, ModuleType)
            }
            self._shaper.syntax(node, module, definition, hidden=cells, local_modules=local)
            node.lines.append(source.segment(definition))
            binding = module.source.bindings.names.get(code.co_qualname)
            repeats = binding is not None and any(statement.repeats for statement in binding.statements)
        self._lead_to_statements(node, function)
        self._hold_cells(node, function, must=True)
        self.hold_defaults(node, function, must=repeats or "<" in code.co_qualname)
        return node

    def _class(self, kind: type) -> Node:
        module = self._module_of(kind)
        node = Node(name=_label(kind, module))
        is_local = "<" in kind.__qualname__
        own = [function for _, function in methods_of(kind) if is_own(kind, function)]
        source = self._source_of_class(module, own)
        definition = None if source is None else source.class_definition(kind.__qualname__, [f.__code__ for f in own])
        if isinstance(module, Module) and source is not None and definition is not None:
            hidden = {name for function in own for name in function.__code__.co_freevars}
            self._shaper.syntax(node, module, definition, hidden=hidden)
            node.lines.append(source.segment(definition))
            self.hold_data(node, kind, assigned_in(definition), must=is_local)
        else:
            node.written.append(f"(class {kind.__name__})")
            self._write_methods(node, kind)
            self.hold_data(node, kind, None, must=is_local)
        for base in kind.__bases__:
            if base is not object:
                node.lead("base", self.place(base), holds=True)
        self._lead_to_statements(node, kind)
        for name, function in methods_of(kind):
            self._hold_cells(node, function, must=is_local)
            self.hold_defaults(node, function, must=is_local)
            if is_local and function not in own and not is_generated(function):
                node.lead(name, self.place(function), holds=True)
        return node

    def _method(self, method: MethodType) -> Node:
        owner = method.__self__
        node = Node(name="", written=[f"(method {method.__func__.__name__})"])
        node.lead("function", self.place(method.__func__), holds=True)
        if isinstance(owner, type):
            node.lead("self", self.place(owner), holds=True)
        else:
            node.lead("self", self.place(type(owner)), holds=True)
            self._hold(node, f"{type(owner).__qualname__} instance", owner, "self", lambda: owner)
        return node

    def _hold(self, node: Node, name: str, holder: object, slot: str, read: Any) -> None:
        node.held.append(Held(name, holder, slot, read, True))

    def _hold_cells(self, node: Node, function: FunctionType, *, must: bool) -> None:
        """What a closure holds: definitions are followed as code, modules through their attributes, the rest counts."""
        for cell, (name, value) in zip(function.__closure__ or (), cells_of(function).items(), strict=True):
            if value is MISSING or isinstance(value, ModuleType):
                continue
            if isinstance(value, FunctionType | type | MethodType | partial | BuiltinFunctionType):
                node.lead(name, self.place(value), holds=must)
            else:
                where = f"{node.name or function.__qualname__}.{name}"
                node.held.append(Held(where, cell, "cell", partial(getattr, cell, "cell_contents", MISSING), must))

    def _source_of_class(self, module: Module | Outside, methods: list[FunctionType]) -> Source | None:
        """The text that all methods of a class were compiled from, if there is one."""
        if isinstance(module, Outside):
            return None
        codes = [method.__code__ for method in methods]
        source = next((self._modules.source_of(module, code) for code in codes), module.source)
        return source if source is not None and all(source.has(code) for code in codes) else None

    def _write_methods(self, node: Node, kind: type) -> None:
        """The code objects of a class without a text."""
        for name, function in sorted(methods_of(kind), key=lambda method: method[0]):
            module = self._modules.holding(function.__globals__)
            node.written.append(f"(method {name})")
            if isinstance(module, Module):
                self._write_code(node, module, function.__code__)
            else:
                node.lead(name, self._external(function))

    def _write_code(self, node: Node, module: Module, code: CodeType) -> None:
        node.written.append(code_text(code))
        self._shaper.uses(node, module, code_uses(code), code.co_freevars)
        fact = "edited since import" if module.is_file(code.co_filename) else "counts by its compiled code"
        note = f"{node.name}: {fact}"
        if note not in node.notes:
            node.notes.append(note)

    def _lead_to_statements(self, node: Node, value: Any) -> bool:
        """Leads to the statements of the module-level name that an object goes by; False when there is none."""
        qualname = str(getattr(value, "__qualname__", None) or getattr(value, "__name__", ""))
        module = self._module_of(value)
        head = qualname.partition(".")[0]
        if "<" in qualname or isinstance(module, Outside) or head not in module.source.bindings.names:
            return False
        for place in self._resolver.name(module, head).places:
            node.lead(head, place)
        return True

    def _module_of(self, value: Any) -> Module | Outside:
        """The module that says it defines an object; that of its own functions, when `sys.modules` has a newer one."""
        name = str(getattr(value, "__module__", None))
        functions = [function for _, function in methods_of(value)] if isinstance(value, type) else [value]
        for function in functions:
            namespace = getattr(function, "__globals__", None)
            if namespace is not None and namespace.get("__name__") == name:
                return self._modules.holding(namespace)
        loaded = sys.modules.get(name)
        return self._modules.holding(vars(loaded)) if isinstance(loaded, ModuleType) else Outside("missing")

    def _external(self, value: Any, module_name: str | None = None) -> External:
        name = module_name or str(getattr(value, "__module__", None) or "builtins")
        loaded = sys.modules.get(name)
        module = self._modules.holding(vars(loaded)) if loaded is not None else Outside("missing")
        kind = module if isinstance(module, Outside) else Outside("missing")
        return _external(kind, name, str(getattr(value, "__qualname__", "")))


def _external(outside: Outside, module: str, qualname: str) -> External:
    text = f"{module}:{qualname}" if qualname else module
    return External(text, module.partition(".")[0] if outside.kind == "installed" else None)


def _label(value: Any, module: Module | Outside | None = None) -> str:
    """How the user calls a definition: ``steps.train``."""
    code = getattr(value, "__code__", None)
    qualname = str(getattr(code, "co_qualname", None) or getattr(value, "__qualname__", type(value).__qualname__))
    return f"{module.display}.{qualname}" if isinstance(module, Module) else qualname
