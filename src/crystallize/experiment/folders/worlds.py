"""Module worlds: each experiment folder has modules of its own (design 5.13).

`steps.py` and the helpers beside it are loaded under a private package whose name depends only on where the
folder lies below the project root, so pickles of their classes survive a moved checkout. From inside,
siblings are importable as top-level names (`import helpers`) through an `__import__` of the world's own; from
outside they are not. What a world has loaded stays so: functions of an older world still import its modules.

`importlib.import_module("helpers")` asks Python, not the world; `import_module(".helpers", __package__)` asks
the world. Knows nothing of experiments.
"""

from __future__ import annotations

import builtins
import importlib.util
import linecache
import os
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from io import StringIO
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from crystallize.errors import MissingFileError, nearest
from crystallize.experiment.folders.user_code import UserCodeError, told_with_place
from crystallize.experiment.folders.world_packages import WorldLoader, install_finder, make_room, take_room
from crystallize.fingerprint.reads import observe

_NEVER_SIBLINGS = frozenset({"crystallize", *sys.builtin_module_names})


class World:
    """The modules of one experiment folder, each read once, as its file is when it is first needed.

    Parameters
    ----------
    folder : where `steps.py` and the others lie.
    root : the project root. It and the working directory are importable while the modules load and run.

    A new world of the same folder takes the older one's place in `sys.modules` and reads every file anew.
    A pickled world holds the texts that it has read: elsewhere it has the same modules under the same names, whatever
    lies there.
    """

    def __init__(self, folder: Path, root: Path) -> None:
        self.folder = folder.resolve()
        self.root = root.resolve()
        self._token = os.urandom(8)
        """Tells this world, here and wherever it is carried, from others of the same folder."""
        self._siblings, self._plain_folders = _importable(self.folder)
        self._paths: dict[str, Path | None] = {}
        self._texts: dict[str, str] = {}
        self.package = make_room(self.folder, self.root)
        self._begin()

    def _begin(self) -> None:
        self._modules: dict[str, ModuleType] = {}
        """Dotted name below the package → module that ran to its end; the package itself is ``""``."""
        self._loading: dict[str, ModuleType] = {}
        self._lock = threading.RLock()
        self._builtins = {**vars(builtins), "__import__": self._import}
        _make_importable(self.root, Path.cwd())
        install_finder()
        # What a module reads while it is imported counts for the trials that reach it.
        observe.install()
        try:
            self._run("")
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            raise self._told(error, "") from error

    def load(self, name: str) -> ModuleType:
        """The module `name` (``steps``, ``helpers.text``), loaded when it is not yet.

        Raises MissingFileError when there is no such file, UserCodeError when its code raises.
        """
        if self.path_of(name) is None:
            path = self.folder.joinpath(*name.split(".")).with_suffix(".py")
            raise MissingFileError("there is no such file", path=path, remedy="write it")
        try:
            return self._load(name)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            raise self._told(error, name) from error

    def find(self, name: str) -> ModuleType | None:
        """The module `name` when it is loaded."""
        return self._modules.get(name)

    def path_of(self, name: str) -> Path | None:
        """The file that `name` is loaded from; None when this folder has none, as for folders of modules."""
        if name not in self._paths:
            self._paths[name] = self._find_path(name)
        return self._paths[name]

    def text_of(self, name: str) -> str:
        """The text of the module `name`, read once; empty for folders without `__init__.py`.

        SyntaxError that names the file when nobody can tell its encoding.
        """
        if name not in self._texts:
            path = self.path_of(name)
            with observe.unobserved():
                self._texts[name] = _text(path) if path else ""
        return self._texts[name]

    def provides(self, name: str) -> bool:
        """Whether `name` is a module, a package or a folder of modules of this world."""
        if self.path_of(name) is not None or not name or name in self._texts:
            return True
        return self._is_sibling(name.partition(".")[0]) and self._place(name).is_dir()

    def full_name(self, name: str) -> str:
        """What `sys.modules` calls the module `name`."""
        return f"{self.package}.{name}" if name else self.package

    def withdraw(self) -> None:
        """Leave `sys.modules` to a newer world of the same folder; what is loaded goes on working."""
        for module in list(self._modules.values()):
            name = module.__name__
            if sys.modules.get(name) is module:
                del sys.modules[name]

    def __reduce__(self) -> tuple[Any, ...]:
        state = {name: vars(self)[name] for name in _CARRIED}
        return _arrive, (state,)

    def _place(self, name: str) -> Path:
        return self.folder.joinpath(*name.split(".")) if name else self.folder

    def _find_path(self, name: str) -> Path | None:
        if name and not self._is_sibling(name.partition(".")[0]):
            return None
        stem = self._place(name)
        candidates = [stem / "__init__.py", stem.with_name(f"{stem.name}.py")] if name else [stem / "__init__.py"]
        return next((path for path in candidates if path.is_file()), None)

    def _is_sibling(self, top: str) -> bool:
        """Whether `top` means a module of this folder: a plain folder gives way to an installed package."""
        if top in self._plain_folders:
            installed = PathFinder.find_spec(top)
            if installed is None or installed.origin is None:
                self._siblings.add(top)
            self._plain_folders.discard(top)
        return top in self._siblings

    def _import(
        self,
        name: str,
        globals: Mapping[str, object] | None = None,
        locals: Mapping[str, object] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        """What `import` does in the modules of this world."""
        inner = self._inner(name, globals or {}, level)
        if inner is None:
            return builtins.__import__(name, globals, locals, fromlist or (), level)
        module = self._load(inner)
        if not fromlist:
            return self._load(inner.partition(".")[0])
        if hasattr(module, "__path__"):
            names = getattr(module, "__all__", ()) if "*" in fromlist else fromlist
            self._load_children(module, inner, names)
        return module

    def _inner(self, name: str, globals: Mapping[str, object], level: int) -> str | None:
        """The name below the package that an import statement means; None when it means no module of ours."""
        if level == 0:
            return name if self._is_sibling(name.partition(".")[0]) else None
        parts = str(globals.get("__package__") or "").split(".")
        base = parts[: len(parts) - level + 1]
        own = self.package.split(".")
        if base[: len(own)] != own:
            return None
        return ".".join([*base[len(own) :], *([name] if name else [])])

    def _load_children(self, module: ModuleType, inner: str, names: Iterable[str]) -> None:
        for child in names:
            full = f"{inner}.{child}" if inner else child
            if not hasattr(module, child) and self.provides(full):
                self._load(full)

    def _load(self, name: str) -> ModuleType:
        """The module `name` after its parents; the user's exceptions come as they are."""
        done = self._modules.get(name)
        if done is not None:
            return done
        with self._lock:
            if not name:
                return self._loading[name]
            parent_name, _, tail = name.rpartition(".")
            parent = self._load(parent_name)
            module = self._modules.get(name) or self._loading.get(name)
            if module is None:
                module = self._run(name)
                setattr(parent, tail, module)
            return module

    def _run(self, name: str) -> ModuleType:
        """The module `name` after its code ran; what raises leaves no trace in `sys.modules`."""
        module, code = self._read(name)
        shown = not name or self._is_current()
        self._loading[name] = module
        if shown:
            sys.modules[module.__name__] = module
        writes_bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True
        try:
            # Python would take its cache of a project module for current that was edited within the same second.
            exec(code, module.__dict__)
        except BaseException:
            if shown:
                sys.modules.pop(module.__name__, None)
            self._texts.pop(name)  # who mends it may import it again
            raise
        finally:
            sys.dont_write_bytecode = writes_bytecode
            del self._loading[name]
        self._modules[name] = module
        return module

    def _read(self, name: str) -> tuple[ModuleType, CodeType]:
        """The module `name` before its code runs, and that code; none for folders without `__init__.py`."""
        if not self.provides(name):
            raise ModuleNotFoundError(f"No module named {name!r} in {self.folder}", name=name)
        path = self.path_of(name)
        place = str(path or self._place(name))
        text = self.text_of(name)
        code = compile(text, place, "exec", dont_inherit=True)
        loader = WorldLoader(self.full_name(name), place, text)
        spec = ModuleSpec(loader.name, loader, origin=place, is_package=path is None or path.stem == "__init__")
        spec.has_location = path is not None
        if spec.submodule_search_locations is not None:
            spec.submodule_search_locations.append(str(self._place(name)))
        loader.module = module = importlib.util.module_from_spec(spec)
        module.__dict__.update(__builtins__=self._builtins, __crystallize_world__=self, __crystallize_source__=text)
        if path is not None:
            # Without a time of change it is never compared with the file: tracebacks show what was loaded.
            linecache.cache[place] = (len(text), None, StringIO(text).readlines(), place)
        return module, code

    def _is_current(self) -> bool:
        return getattr(sys.modules.get(self.package), "__crystallize_world__", None) is self

    def _told(self, error: BaseException, name: str) -> UserCodeError:
        remedy = None
        if isinstance(error, ModuleNotFoundError) and error.name:
            remedy = f"install what provides it, or write {error.name}.py beside this file"
            close = nearest(error.name, self._siblings)
            remedy = close if close.startswith("did") else remedy
        return told_with_place(error, self.folder, path=self.path_of(name) or self.folder, remedy=remedy)


_CARRIED = ("folder", "root", "package", "_token", "_siblings", "_plain_folders", "_paths", "_texts")
"""What there is of a world that is not made of the rest."""


def _arrive(state: dict[str, Any]) -> World:
    """The world that was carried here; the one that is here already, when it is the same."""
    here = getattr(sys.modules.get(state["package"]), "__crystallize_world__", None)
    if isinstance(here, World) and here._token == state["_token"]:
        here._paths.update(state["_paths"])
        here._texts.update(state["_texts"])
        return here
    world = World.__new__(World)
    vars(world).update(state)
    take_room(world.package, world.folder)
    world._begin()
    return world


def _importable(folder: Path) -> tuple[set[str], set[str]]:
    """The names of modules and packages in `folder`, and of its plain folders that are no experiments."""
    modules: set[str] = set()
    plain: set[str] = set()
    for path in folder.iterdir():
        if path.suffix == ".py":
            modules.add(path.stem)
        elif path.name.isidentifier() and path.is_dir() and not (path / "config.yaml").exists():
            (modules if (path / "__init__.py").exists() else plain).add(path.name)
    return modules - _NEVER_SIBLINGS, plain - modules - _NEVER_SIBLINGS


def _text(path: Path) -> str:
    """The text of a module, read as its first lines say, else as UTF-8; a SyntaxError that names the file otherwise."""
    try:
        return importlib.util.decode_source(path.read_bytes())
    except (SyntaxError, UnicodeDecodeError):
        fact = "this is not UTF-8, and no line '# -*- coding: … -*-' says what it is"
        raise SyntaxError(fact, (str(path), 1, None, None)) from None


def _make_importable(*folders: Path) -> None:
    for folder in folders:
        if str(folder) not in sys.path:
            sys.path.append(str(folder))
