"""Where a module comes from: the standard library or an installed package, else the project.

Looks at loaded modules only. Knows nothing of source text or versions.
"""

from __future__ import annotations

import sys
from pathlib import PurePath

PACKAGE_FOLDERS = frozenset({"site-packages", "dist-packages"})


def is_installed(module: str) -> bool:
    """True for the standard library, installed packages and crystallize itself; False for the project.

    An editable install is project: its files lie elsewhere. A module that is not loaded counts as project.
    """
    top = module.partition(".")[0]
    if top in sys.stdlib_module_names or top == "crystallize":
        return True
    file = getattr(sys.modules.get(module), "__file__", None) or getattr(
        sys.modules.get(top), "__file__", None
    )
    return file is not None and not PACKAGE_FOLDERS.isdisjoint(PurePath(file).parts)


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
