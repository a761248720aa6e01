"""The private packages of module worlds: how they are called, and how Python finds them by their full names.

The state is `sys.modules` itself: the package of a world carries it as ``__crystallize_world__``.
"""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

TOP_PACKAGE = "_crystallize_worlds"
"""Worlds of a second project root in the same process live under ``_crystallize_worlds_2``."""


class WorldLoader(SourceFileLoader):
    """Serves a module of a world: its text as it was read, and itself to who imports it by its full name."""

    def __init__(self, name: str, path: str, text: str) -> None:
        super().__init__(name, path)
        self.text = text
        self.module: ModuleType | None = None

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.module

    def exec_module(self, module: ModuleType) -> None:
        """Does nothing: the world ran the code."""

    def get_source(self, fullname: str) -> str:
        return self.text


class _WorldFinder:
    """Finds modules of the present worlds by their full names, as unpickling asks for them."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if not name.startswith(TOP_PACKAGE):
            return None
        package = sys.modules.get(name.rpartition(".")[0])
        world: Any = getattr(package, "__crystallize_world__", None)
        if world is None:
            return None
        inner = name[len(world.package) + 1 :]
        return world._load(inner).__spec__ if world.provides(inner) else None


def install_finder() -> None:
    """Make the worlds' modules importable by their full names; once is enough."""
    if _WorldFinder not in sys.meta_path:
        sys.meta_path.insert(0, _WorldFinder)


def make_room(folder: Path, root: Path) -> str:
    """The name of the package of `folder`; its parents are there then, and an older world of it is gone."""
    base = root if folder.is_relative_to(root) else folder.parent
    name, place = _top_package(base), base
    for part in folder.relative_to(base).parts:
        _ensure_package(name, place)
        name, place = f"{name}.{_escaped(part)}", place / part
    _withdraw_older(name)
    return name


def take_room(name: str, folder: Path) -> None:
    """The room that another process has made under `name` for `folder` is made here as well."""
    _withdraw_older(name)
    while "." in name:
        name, folder = name.rpartition(".")[0], folder.parent
        _ensure_package(name, folder)


def _withdraw_older(name: str) -> None:
    older = getattr(sys.modules.get(name), "__crystallize_world__", None)
    if older is not None:
        older.withdraw()


def _top_package(base: Path) -> str:
    """The first top package that is free or that `base` already has."""
    name, number = TOP_PACKAGE, 1
    while name in sys.modules and list(sys.modules[name].__path__) != [str(base)]:
        number += 1
        name = f"{TOP_PACKAGE}_{number}"
    return name


def _ensure_package(name: str, place: Path) -> None:
    if name not in sys.modules:
        module = ModuleType(name)
        module.__path__ = [str(place)]
        sys.modules[name] = module


def _escaped(part: str) -> str:
    """A folder's name as one part of a dotted name; no two folders share it."""
    return part.replace("%", "%25").replace(".", "%2e")
