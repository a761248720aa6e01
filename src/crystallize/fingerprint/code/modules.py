"""The project's modules as text and, when loaded, as namespaces; and what lies outside the project.

Tells which module an import means without running anything: what is loaded is asked first (in the module world of
who imports, if it has one), then the finders of Python for the file. Knows nothing of names inside a module.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path, PurePath
from types import CodeType, ModuleType
from typing import Any, Literal, NamedTuple, Protocol

from crystallize.fingerprint.code.source import Source
from crystallize.fingerprint.code.staleness import is_edited
from crystallize.fingerprint.origin import PACKAGE_FOLDERS
from crystallize.fingerprint.reads.looks import LOADED, Look, look_at

Namespace = Mapping[str, Any]


class World(Protocol):
    """The modules of one experiment folder, as they name each other; a module of it holds it by WORLD."""

    package: str
    """What the names of its modules begin with in `sys.modules`."""

    def find(self, name: str) -> ModuleType | None:
        """The loaded module that its siblings call `name`; the package itself is ``""``."""

    def path_of(self, name: str) -> Path | None:
        """The file of that module, loaded or not."""

    def text_of(self, name: str) -> str:
        """Its text, which is loaded when it is not yet. Raises SyntaxError when it is in no known encoding."""


WORLD = "__crystallize_world__"
SOURCE = "__crystallize_source__"
"""In a module's namespace: its text as it was loaded."""


class Outside(NamedTuple):
    """A module that is no project code."""

    kind: Literal["installed", "stdlib", "crystallize", "missing"]


class Module:
    """A module of the project. Equal only to itself.

    A module that only functions import may be loaded in one run and not yet in the next, so of such a *late* module
    the statements count and no values: it has no namespace, even when it is loaded.
    """

    def __init__(
        self,
        name: str,
        *,
        path: Path | None,
        namespace: Namespace | None = None,
        package: str = "",
        search: Sequence[str] | None = None,
        world: World | None = None,
        live: Namespace | None = None,
        text: str | None = None,
    ) -> None:
        self.name = name
        self.path = path
        """Its file; None for namespace packages and what was typed into an interpreter."""
        self.namespace: Namespace = {} if namespace is None else namespace
        """Its names as they are now; empty when it is late."""
        self.live: Namespace = self.namespace if live is None else live
        """Its names as they are now; empty when it is not loaded."""
        self.is_late = namespace is None
        self.package = package
        """What its relative imports begin with."""
        self.search = search
        """Where its submodules lie; None when it is no package."""
        self.world = world
        self._text = text
        """What will be loaded; None: its file as it is then."""

    @property
    def display(self) -> str:
        """Its name as the user knows it: ``steps``."""
        if self.name in ("__main__", "__mp_main__") and self.path is not None:
            return self.path.stem
        return self.name.rpartition(".")[2]

    @property
    def holder(self) -> object:
        """The object that its names are attributes of, the same in each compile of a process."""
        module = sys.modules.get(self.name)
        return module if getattr(module, "__dict__", None) is self.namespace else self.namespace

    def as_late(self) -> Module:
        """The same module without its values; itself where these are all that is known of it."""
        is_made_by_hand = self.path is None and self.search is None
        if self.is_late or is_made_by_hand or self.is_binary:
            return self
        return Module(
            self.name, path=self.path, package=self.package, search=self.search, world=self.world, live=self.namespace
        )

    @cached_property
    def source(self) -> Source:
        """Its text as loaded, else as the file is now; empty when there is none."""
        text = self.live.get(SOURCE, self._text)
        self._look = self._now()
        return Source(text if isinstance(text, str) else _read(self.path))

    @cached_property
    def is_edited(self) -> bool:
        """Whether its file was edited after it was loaded, and nobody kept the text that was."""
        if self.path is None or not self.live or SOURCE in self.live:
            return False
        if LOADED in self.live:
            return bool(self._now() != self.live[LOADED])
        return is_edited(self.path, self.live.get("__cached__"))

    def was_loaded_otherwise(self) -> bool:
        """Whether it was loaded after its text was read here, and from another text; False while it is not loaded."""
        if self.live or self.path is None or "source" not in vars(self):
            return False
        names = self._names_by_now()
        if SOURCE in names:
            return bool(names[SOURCE] != self.source.text)
        return bool(names) and names.get(LOADED, self._now()) != self._look

    def _names_by_now(self) -> Namespace:
        inner = self.name[len(self.world.package) + 1 :] if self.world else ""
        loaded = self.world.find(inner) if self.world else sys.modules.get(self.name)
        return getattr(loaded, "__dict__", {})

    def _now(self) -> Look:
        """How its file looks."""
        return None if self.path is None else look_at(("file", str(self.path)))

    @property
    def is_binary(self) -> bool:
        """Whether its file holds machine code instead of text."""
        return self.path is not None and self.path.suffix not in _TEXT_SUFFIXES

    def is_file(self, filename: str) -> bool:
        """Whether code that says it comes from `filename` stands in this module's text."""
        if self.path is None:
            return False
        return filename == str(self.path) or Path(filename).absolute() == self.path.absolute()


class Modules:
    """Finds modules, each once."""

    def __init__(self) -> None:
        self._by_namespace: dict[int, tuple[Namespace, Module | Outside]] = {}
        self._by_name: dict[tuple[int, str, bool], Module | Outside] = {}
        self._typed: dict[str, Source] = {}

    def holding(self, namespace: Namespace) -> Module | Outside:
        """The module whose names `namespace` holds, as `__globals__` of a function does."""
        known = self._by_namespace.get(id(namespace))
        if known is None:
            # the namespace is kept beside the answer, so its id cannot be given to another
            known = self._by_namespace[id(namespace)] = (namespace, _loaded(namespace))
        return known[1]

    def named(self, name: str, importer: Module | None = None, *, late: bool = False) -> Module | Outside:
        """What ``import name`` means in `importer`, `name` being absolute; `late`: when it stands in a function."""
        if name.partition(".")[0] == "crystallize":
            return Outside("crystallize")
        world = None if importer is None else importer.world
        late = late or (importer is not None and importer.is_late)
        key = (id(world), name, late)
        if key not in self._by_name:
            found = (self._in_world(world, name) if world else None) or self._anywhere(name)
            self._by_name[key] = found.as_late() if late and isinstance(found, Module) else found
        return self._by_name[key]

    def near(self, module: Module) -> list[Module]:
        """The loaded modules of its world, else of its top-level package or its folder; by name, itself among them."""
        found = {id(module): module}
        for loaded in list(sys.modules.values()):
            namespace = getattr(loaded, "__dict__", None)
            if isinstance(namespace, dict) and namespace.get(WORLD) is module.world:
                other = self.holding(namespace)
                if isinstance(other, Module) and (module.world is not None or _are_neighbours(module, other)):
                    found.setdefault(id(other), other)
        return sorted(found.values(), key=lambda each: each.name)

    def inside(self, package: Module, name: str) -> Module | Outside | None:
        """The submodule `name` of `package`, or None."""
        if package.search is None:
            return None
        found = self.named(f"{package.name}.{name}", package)
        return None if found == Outside("missing") else found

    def relative(self, importer: Module, level: int, name: str, *, late: bool = False) -> Module | Outside:
        """What ``from ..name import`` means in `importer`, `level` being the number of dots."""
        if level == 0:
            return self.named(name, importer, late=late)
        base = importer.package.split(".")
        base = base[: len(base) - level + 1]
        full = ".".join([*base, *([name] if name else [])])
        return self.named(full, importer, late=late) if full else Outside("missing")

    def source_of(self, module: Module, code: CodeType) -> Source | None:
        """The text that a loaded code object of `module` was compiled from; None when nobody kept it."""
        if module.is_file(code.co_filename):
            return module.source
        if code.co_filename not in self._typed:
            import linecache  # only for what was typed into an interpreter or a notebook

            self._typed[code.co_filename] = Source("".join(linecache.getlines(code.co_filename)))
        typed = self._typed[code.co_filename]
        return typed if typed.text else None

    def _in_world(self, world: World, name: str) -> Module | Outside | None:
        inner = name
        if name == world.package or name.startswith(f"{world.package}."):
            inner = name[len(world.package) + 1 :]
        loaded = world.find(inner)
        if loaded is not None:
            return self.holding(vars(loaded))
        path = world.path_of(inner)
        if path is None:
            return None
        full = f"{world.package}.{inner}" if inner else world.package
        search = [str(path.parent)] if path.stem == "__init__" else None
        return _unloaded(full, path, search, world, _text_in(world, inner))

    def _anywhere(self, name: str) -> Module | Outside:
        loaded = sys.modules.get(name)
        if isinstance(getattr(loaded, "__dict__", None), dict):
            return self.holding(vars(loaded))
        parent, _, _ = name.rpartition(".")
        search: Sequence[str] | None = None
        if parent:
            package = self.named(parent)
            if isinstance(package, Outside):
                return package
            if package.search is None:
                return Outside("missing")
            search = package.search
        spec = _spec(name, search)
        if spec is None:
            return Outside("missing")
        origin = spec.origin if spec.has_location else None
        kind = _kind(name, origin, spec.submodule_search_locations)
        if kind is not None:
            return Outside(kind)
        places = spec.submodule_search_locations
        text = getattr(spec.loader, "text", None)  # of loaders of ours, who keep it
        return _unloaded(name, origin and Path(origin), None if places is None else list(places), None, text)


def _loaded(namespace: Namespace) -> Module | Outside:
    name = str(namespace.get("__name__") or "")
    file = namespace.get("__file__")
    search = namespace.get("__path__")
    kind = _kind(name, file, search)
    if kind is not None:
        return Outside(kind)
    package = namespace.get("__package__")
    if package is None:
        package = name if search is not None else name.rpartition(".")[0]
    return Module(
        name,
        path=Path(file) if isinstance(file, str) else None,
        namespace=namespace,
        package=package,
        search=None if search is None else list(search),
        world=namespace.get(WORLD),
    )


def _unloaded(
    name: str, path: Path | None, search: Sequence[str] | None, world: World | None, text: str | None
) -> Module:
    package = name if search is not None else name.rpartition(".")[0]
    return Module(name, path=path, package=package, search=search, world=world, text=text)


def _text_in(world: World, name: str) -> str:
    try:
        return world.text_of(name)
    except (OSError, SyntaxError):
        return ""


def _spec(name: str, search: Sequence[str] | None) -> Any:
    """Where Python would find `name`; unlike `importlib.util.find_spec` it imports no parent."""
    for finder in sys.meta_path:
        find: Callable[..., Any] | None = getattr(finder, "find_spec", None)
        spec = find(name, search, None) if find else None
        if spec is not None:
            return spec
    return None


def _are_neighbours(one: Module, other: Module) -> bool:
    if one.name.partition(".")[0] == other.name.partition(".")[0]:
        return True
    return one.path is not None and other.path is not None and one.path.parent == other.path.parent


_Kind = Literal["installed", "stdlib", "crystallize"] | None


def _kind(name: str, file: str | None, search: Any) -> _Kind:
    """What a module is by its file; None for the project's."""
    top = name.partition(".")[0]
    if top == "crystallize":
        return "crystallize"
    places = [file] if file else [str(place) for place in search or ()]
    if not places:
        return "stdlib" if top in sys.stdlib_module_names else None
    kinds = {_kind_of_place(place) for place in places}
    return kinds.pop() if len(kinds) == 1 else None


def _kind_of_place(place: str) -> _Kind:
    if not PACKAGE_FOLDERS.isdisjoint(PurePath(place).parts):
        return "installed"
    return "stdlib" if PurePath(place).is_relative_to(_STDLIB) else None


_TEXT_SUFFIXES = (".py", ".pyw", "")
_STDLIB = PurePath(os.__file__).parent


def _read(path: Path | None) -> str:
    if path is None or path.suffix not in _TEXT_SUFFIXES:
        return ""
    try:
        return importlib.util.decode_source(path.read_bytes())
    except (OSError, SyntaxError, UnicodeDecodeError):
        return ""
