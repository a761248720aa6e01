"""Where a name of a project module leads: through imports, re-exports and attributes of modules.

Knows which statements bind a name and which module an import means; knows nothing of what is written there. A name
bound by an import alone is transparent: it leads to what is imported, so moving a definition changes nothing.
"""

from __future__ import annotations

from types import ModuleType

from crystallize.fingerprint.code.bindings import Binding
from crystallize.fingerprint.code.modules import Module, Modules, Outside
from crystallize.fingerprint.code.nodes import External, Name, Place, Whole
from crystallize.fingerprint.code.uses import Import, Use

_OWN_NAMES = frozenset({"__name__", "__file__", "__doc__", "__package__", "__spec__", "__builtins__"})


class Found:
    """What a use leads to."""

    __slots__ = ("is_ours", "outside", "places", "prefix")

    def __init__(self) -> None:
        self.places: list[Place] = []
        self.prefix = 0
        """How many links of the chain, the name included, only name project modules."""
        self.outside: list[tuple[str, ...]] = []
        """Full dotted names outside the project: ``("os", "environ", "get")``."""
        self.is_ours = False
        """Whether it leads to crystallize itself."""

    def add(self, place: Place) -> None:
        """Adds a place, once."""
        if place not in self.places:
            self.places.append(place)


class Resolver:
    """Follows names through the modules of a project."""

    def __init__(self, modules: Modules) -> None:
        self._modules = modules

    def use(self, module: Module, use: Use) -> Found:
        """Where a use in `module` leads."""
        walk = _Walk(self._modules)
        if use.imports:
            for what in use.imports:
                walk.imported(module, what, use.attributes, 1, late=use.late)
        else:
            walk.name(module, use.name, use.attributes, 1)
        return walk.found

    def name(self, module: Module, name: str) -> Found:
        """Where a bare name of `module` leads."""
        walk = _Walk(self._modules)
        walk.name(module, name, (), 1)
        return walk.found

    def object(self, target: Module | Outside, name: str, attributes: tuple[str, ...]) -> Found:
        """Where attributes of a module lead that stands under a local name."""
        walk = _Walk(self._modules)
        walk.target(target, name, attributes, 1)
        return walk.found

    def imported(self, module: Module, what: Import) -> Found:
        """Where an import statement in `module` leads."""
        walk = _Walk(self._modules)
        walk.imported(module, what, (), 1)
        return walk.found


class _Walk:
    """One resolution. `links` counts how much of the chain was taken to get here."""

    def __init__(self, modules: Modules) -> None:
        self._modules = modules
        self._seen: set[tuple[Module, str]] = set()
        self.found = Found()

    def name(self, module: Module, name: str, rest: tuple[str, ...], links: int) -> None:
        if (module, name) in self._seen:
            return
        self._seen.add((module, name))
        binding = module.source.bindings.names.get(name)
        if binding is not None:
            if _counts(binding):
                self.found.add(Name(module, name))
            for what in binding.imports:
                self.imported(module, what, rest, links)
        starred = self._starred(module, name, rest, links)
        if not starred and (binding is None or not (binding.imports or binding.has("define") or binding.has("assign"))):
            self._unbound(module, name, rest, links)

    def _starred(self, module: Module, name: str, rest: tuple[str, ...], links: int) -> bool:
        """Follows a name into every project module that a star import may take it from: the last of them wins."""
        known = len(self.found.places)
        for star in module.source.bindings.stars:
            target = self._modules.relative(module, star.level, star.module)
            if isinstance(target, Module):
                chosen = "__all__" in target.source.bindings.names
                if chosen or not name.startswith("_"):
                    self.name(target, name, rest, links)
                if chosen and len(self.found.places) > known:
                    self.found.add(Name(target, "__all__"))
        return len(self.found.places) > known

    def imported(self, module: Module, what: Import, rest: tuple[str, ...], links: int, *, late: bool = False) -> None:
        target = self._modules.relative(module, what.level, what.module, late=late)
        if what.name is None:
            self.target(target, what.text, rest, links)
        elif isinstance(target, Module):
            # `from . import x` in a package itself means the submodule
            self.member(target, what.name, rest, links)
        else:
            whole = self._modules.relative(module, what.level, f"{what.module}.{what.name}".strip("."), late=late)
            if isinstance(whole, Module):
                self.target(whole, what.text, rest, links)
            else:
                self._leave(target, what.text, rest)

    def target(self, target: Module | Outside, text: str, rest: tuple[str, ...], links: int) -> None:
        """A module by itself, or an attribute of it."""
        if isinstance(target, Outside):
            self._leave(target, text, rest)
            return
        self.found.prefix = max(self.found.prefix, links)
        if rest and not target.is_binary:
            self.member(target, rest[0], rest[1:], links + 1)
        else:
            self.found.add(Whole(target))

    def member(self, module: Module, name: str, rest: tuple[str, ...], links: int) -> None:
        """An attribute of a project module: a name bound there, else a submodule."""
        if module.is_binary or module.source.broken:
            self.found.add(Whole(module))
        elif name in module.source.bindings.names and (module, name) not in self._seen:
            self.name(module, name, rest, links)
        else:
            inner = self._modules.inside(module, name)
            if inner is not None:
                self.target(inner, f"{module.name}.{name}", rest, links)
            elif module.namespace.get(name) is None and "__getattr__" in module.source.bindings.names:
                self.name(module, "__getattr__", (), links)
            else:
                known = len(self.found.places)
                self.name(module, name, rest, links)
                if module.is_late and len(self.found.places) == known and not self.found.is_ours:
                    # no statement binds it and no value is looked at
                    self.found.add(Whole(module))

    def _unbound(self, module: Module, name: str, rest: tuple[str, ...], links: int) -> None:
        """A name that no statement binds: from a star import, or put there at run time."""
        for star in module.source.bindings.stars:
            target = self._modules.relative(module, star.level, star.module)
            if isinstance(target, Outside) and (name in module.namespace or module.is_late):
                self._leave(target, star.text, (name, *rest))
                return
        if name in module.namespace and name not in _OWN_NAMES:
            value = module.namespace[name]
            if isinstance(value, ModuleType):
                self.target(self._modules.holding(vars(value)), value.__name__, rest, links)
            else:
                self.found.add(Name(module, name))

    def _leave(self, target: Outside, text: str, rest: tuple[str, ...]) -> None:
        if target.kind == "crystallize":
            self.found.is_ours = True
            return
        package = text.partition(":")[0].partition(".")[0]
        self.found.add(External(text, package if target.kind == "installed" else None))
        # `import os.path` binds `os`
        written = text.partition(":")
        path = (*written[0].split("."), written[2]) if written[2] else (written[0].partition(".")[0],)
        self.found.outside.append((*path, *rest))


def _counts(binding: Binding) -> bool:
    """Whether there is more to a name than transparent imports.

    A decorator taken from an imported object registers there, and what is registered counts by that object's contents.
    """
    return any(statement.kind != "decorate" or not binding.imports for statement in binding.statements)
