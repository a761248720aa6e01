"""Project modules on their way to a process that lies elsewhere: as the text that was fingerprinted, under their names.

There they are imported when something asks for them, so a class has the same name on both sides, and what one side
pickles the other can load. Knows nothing of who carries them; modules of worlds travel with their worlds.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib.machinery import ModuleSpec, SourceFileLoader
from types import CodeType, ModuleType
from typing import NamedTuple

from crystallize.fingerprint.code.modules import SOURCE, Module, Modules
from crystallize.fingerprint.code.source import Source

TYPED = ("__main__", "__mp_main__")
"""Modules that each process has one of its own: what they define travels by value."""


class Carried(NamedTuple):
    """One module."""

    path: str | None
    search: tuple[str, ...] | None
    """Where its submodules lie; None when it is no package."""
    text: str


def project_modules(reached: Iterable[tuple[Module, Source]]) -> dict[str, Carried]:
    """Name → module, of those that are loaded, and of those that are `reached` with the text that was."""
    modules = Modules()
    found = {}
    for name, loaded in list(sys.modules.items()):
        if isinstance(loaded, ModuleType) and loaded.__name__ == name and loaded.__spec__ is not None:
            module = modules.holding(vars(loaded))
            if isinstance(module, Module) and travels(module):
                found[name] = _carried(module, module.source)
    return found | {module.name: _carried(module, source) for module, source in reached if travels(module)}


def travels(module: Module) -> bool:
    """Whether a module is carried as text, by itself."""
    has_place = module.search is not None if module.path is None else module.path.exists()
    return has_place and module.world is None and not module.is_binary and module.name not in TYPED


def _carried(module: Module, source: Source) -> Carried:
    search = None if module.search is None else tuple(module.search)
    return Carried(None if module.path is None else str(module.path), search, source.text)


_here: dict[str, Carried] = {}
"""What has been carried to this process."""


def unload(modules: Mapping[str, Carried]) -> None:
    """Makes `modules` importable here; when one that is here has another text by now, all are loaded anew."""
    if any(_here.get(name, module) != module for name, module in modules.items()):
        _forget(_here)
        _here.clear()
    _forget(modules.keys() - _here.keys())
    _here.update(modules)
    if _CarriedFinder not in sys.meta_path:
        sys.meta_path.insert(0, _CarriedFinder)


def _forget(names: Iterable[str]) -> None:
    for name in names:
        sys.modules.pop(name, None)


class _CarriedLoader(SourceFileLoader):
    """Loads a module from its text, whatever lies at its path on this machine."""

    def __init__(self, name: str, path: str, text: str) -> None:
        super().__init__(name, path)
        self.text = text

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = ModuleType(spec.name)
        vars(module)[SOURCE] = self.text
        return module

    def get_code(self, fullname: str) -> CodeType:
        return compile(self.text, self.path, "exec", dont_inherit=True)

    def get_source(self, fullname: str) -> str:
        return self.text


class _CarriedFinder:
    """Finds what was carried here, before anything that this machine may have under the same name."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: object = None) -> ModuleSpec | None:
        carried = _here.get(name)
        if carried is None:
            return None
        loader = _CarriedLoader(name, carried.path or f"<{name}>", carried.text)
        spec = ModuleSpec(name, loader, origin=carried.path, is_package=carried.search is not None)
        spec.has_location = carried.path is not None
        if spec.submodule_search_locations is not None and carried.search is not None:
            spec.submodule_search_locations.extend(carried.search)
        return spec
