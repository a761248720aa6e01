"""Which place a live object stands for: a name of its module, something outside the project, or a thing of its own.

A function or class is a name when that name alone stands for it: the statement compiles to it and leads to it. A
closure, a lambda, what was typed into a notebook and an object older than its file are things of their own. Knows
nothing of what is written of them.
"""

from __future__ import annotations

import sys
from types import (
    BuiltinFunctionType,
    FunctionType,
    MethodDescriptorType,
    MethodWrapperType,
    ModuleType,
    WrapperDescriptorType,
)
from typing import Any

from crystallize.fingerprint.code.loaded import MISSING, functions_behind, methods_of, named_from
from crystallize.fingerprint.code.modules import Module, Modules, Outside
from crystallize.fingerprint.code.nodes import External, Name, Place, Thing, Whole

_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE: made by a class statement or by type(...)
_BUILTIN = (BuiltinFunctionType, MethodDescriptorType, MethodWrapperType, WrapperDescriptorType)


class Places:
    """Tells where live objects belong."""

    def __init__(self, modules: Modules) -> None:
        self._modules = modules

    def of(self, value: object) -> Place:
        """The place that stands for a function, class, module or other definition."""
        if isinstance(value, FunctionType):
            return self._of_function(value)
        if isinstance(value, type):
            return self._of_class(value)
        if isinstance(value, ModuleType):
            module = self._modules.holding(vars(value))
            return Whole(module) if isinstance(module, Module) else external(module, value.__name__)
        if isinstance(value, _BUILTIN) and isinstance(getattr(value, "__self__", None), ModuleType | None):
            return self._outside(value)
        return Thing(value)

    def module_of(self, value: Any) -> Module | Outside:
        """The module that says it defines an object; that of its own functions, when `sys.modules` has a newer one."""
        name = str(getattr(value, "__module__", None))
        functions = [function for _, function in methods_of(value)] if isinstance(value, type) else [value]
        for function in functions:
            namespace = getattr(function, "__globals__", None)
            if namespace is not None and namespace.get("__name__") == name:
                return self._modules.holding(namespace)
        loaded = sys.modules.get(name)
        return self._modules.holding(vars(loaded)) if isinstance(loaded, ModuleType) else Outside("missing")

    def stale(self, module: Module, name: str) -> FunctionType | type | None:
        """What stands loaded behind a defined name and is not what the source now says; None when it is the same."""
        value = module.live.get(name, MISSING)
        if isinstance(value, type) and value.__qualname__ == name:
            codes = [method.__code__ for _, method in methods_of(value)]
            own = [code for code in codes if module.is_file(code.co_filename)]
            return None if all(module.source.has(code) for code in own) else value
        for function in functions_behind(value):
            code = function.__code__
            if code.co_qualname == name and module.is_file(code.co_filename) and not module.source.has(code):
                return function
        return None

    def _of_function(self, function: FunctionType) -> Place:
        module = self._modules.holding(function.__globals__)
        code = function.__code__
        if isinstance(module, Outside):
            return Thing(function) if function.__closure__ else self._outside(function)
        binding = module.source.bindings.names.get(code.co_qualname)
        if binding is None or binding.imports or len(binding.statements) != 1 or not binding.has("define"):
            return Thing(function)
        if not module.is_file(code.co_filename) or not module.source.has(code):
            return Thing(function)
        standing = functions_behind(module.namespace.get(code.co_qualname, MISSING))
        return Name(module, code.co_qualname) if any(other is function for other in standing) else Thing(function)

    def _of_class(self, kind: type) -> Place:
        module = self.module_of(kind)
        if isinstance(module, Outside):
            loaded = sys.modules.get(kind.__module__)
            found = loaded is not None and named_from(vars(loaded), kind.__qualname__) is kind
            # types of C have no source, whatever name they go by
            return self._outside(kind) if found or not kind.__flags__ & _HEAP_TYPE else Thing(kind)
        head = kind.__qualname__.partition(".")[0]
        if head in module.source.bindings.names and named_from(module.namespace, kind.__qualname__) is kind:
            return Name(module, head)
        return Thing(kind)

    def _outside(self, value: Any) -> External:
        name = str(getattr(value, "__module__", None) or "builtins")
        loaded = sys.modules.get(name)
        module = self._modules.holding(vars(loaded)) if loaded is not None else Outside("missing")
        outside = module if isinstance(module, Outside) else Outside("missing")
        return external(outside, name, f":{getattr(value, '__qualname__', '')}")


def external(outside: Outside, module: str, rest: str = "") -> External:
    """The place of something outside the project; where crystallize keeps its own is its own affair."""
    top = module.partition(".")[0]
    text = top if outside.kind == "crystallize" else module
    return External(text + rest, top if outside.kind == "installed" else None)
