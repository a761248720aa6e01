"""Small projects written, imported and thrown away again, so that one test can compare several versions of one."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent
from types import ModuleType

from crystallize.fingerprint.code.codebase import Code, Codebase
from crystallize.fingerprint.left import LeftStates

Files = Mapping[str, str]


class Project:
    """Versions of a project below `folder`, one at a time importable."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._versions = 0

    def write(self, files: Files) -> Path:
        """A new folder with `files`; a key without suffix is a module."""
        self._versions += 1
        root = self._folder / f"v{self._versions}"
        for name, text in files.items():
            path = root / (name if "." in name else f"{name}.py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(text), encoding="utf-8")
        return root

    @contextmanager
    def imported(self, files: Files, module: str = "steps") -> Iterator[ModuleType]:
        """`module` of a new version, imported; afterwards nothing of it is."""
        root = self.write(files)
        before = set(sys.modules)
        sys.path.insert(0, str(root))
        importlib.invalidate_caches()
        try:
            yield importlib.import_module(module)
        finally:
            sys.path.remove(str(root))
            for name in [name for name in set(sys.modules) - before if _lies_below(sys.modules[name], root)]:
                del sys.modules[name]

    def code(self, files: Files | str, target: str = "steps:step") -> Code:
        """The code of `target` (``module:dotted name``) in a new version; a text is that of ``steps.py``."""
        if isinstance(files, str):
            files = {"steps": files}
        module_name, _, names = target.partition(":")
        with self.imported(files, module_name) as module:
            definition: object = module
            for name in names.split("."):
                definition = getattr(definition, name)
            return codebase(self._folder / f"v{self._versions}").of(definition)

    def same(self, one: Files | str, other: Files | str, target: str = "steps:step") -> bool:
        """Whether `target` reaches the same code in both versions."""
        return self.code(one, target).digest == self.code(other, target).digest


def codebase(root: Path) -> Codebase:
    """A codebase with a memory of its own."""
    return Codebase(root, LeftStates())


def _lies_below(module: ModuleType, root: Path) -> bool:
    places = [module.__file__] if getattr(module, "__file__", None) else list(getattr(module, "__path__", ()))
    return any(Path(str(place)).is_relative_to(root) for place in places)
