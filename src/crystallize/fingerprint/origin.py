"""Where a loaded module comes from: the standard library or an installed package, else the project.

Decided by the file, since a project may have a module with a name of the standard library. Knows nothing of
source text or versions.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

OWN_FOLDER = Path(__file__).parents[1]
"""Where crystallize itself lies, as the frames of its functions name it: possibly over links."""

PACKAGE_FOLDERS = frozenset({"site-packages", "dist-packages"})

_STANDARD_LIBRARY = os.__file__.removesuffix("os.py")


def is_installed(module: str) -> bool:
    """True for the standard library, installed packages and crystallize itself; False for the project.

    An editable install is project: its files lie elsewhere. A module that is not loaded is installed only if the
    standard library has one of its name.
    """
    top = module.partition(".")[0]
    if top == "crystallize":
        return True
    if top == "__main__":
        return False
    # A C module may have no file of its own; the package it is in has.
    files = (getattr(sys.modules.get(name), "__file__", None) for name in (module, top))
    file = next((file for file in files if file is not None), None)
    return top in sys.stdlib_module_names if file is None else is_installed_file(file)


def is_installed_file(file: str) -> bool:
    """True for a file of the standard library or in a folder of installed packages."""
    folders = file.replace("\\", "/").split("/")
    return file.startswith(_STANDARD_LIBRARY) or not PACKAGE_FOLDERS.isdisjoint(folders)


def installed_name(definition: object) -> str | None:
    """``module.qualname`` of an importable class or function of an installed module, else None."""
    module = getattr(definition, "__module__", None)
    qualname = getattr(definition, "__qualname__", None) or getattr(definition, "__name__", None)
    if not isinstance(module, str) or not isinstance(qualname, str) or not is_installed(module):
        return None
    found: object = sys.modules.get(module)
    for name in qualname.split("."):
        found = getattr(found, name, None)
    # Types such as NoneType have no name in builtins; there the name alone is unique.
    return f"{module}.{qualname}" if found is definition or module == "builtins" else None


def type_name(kind: type) -> str:
    """``package.qualname`` of an installed type, whichever of its modules holds it; empty for a project's."""
    module = kind.__module__
    return f"{module.partition('.')[0]}.{kind.__qualname__}" if is_installed(module) else ""
