"""What a result depends on beside the project's code and data: interpreter, platform, installed packages.

A package counts by the version of its distribution, one installed from a path or a repository by its contents too.
Knows nothing of which code imports what: it is given top-level import names.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from crystallize.fingerprint.digest import digest_of
from crystallize.fingerprint.files import file_digest, tree_digest
from crystallize.fingerprint.manifest import Part

if TYPE_CHECKING:
    from importlib.metadata import Distribution

_MACHINES = {"amd64": "x86_64", "x64": "x86_64", "arm64": "aarch64"}
_REQUIREMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_EXTRA = re.compile(r"\bextra\s*==")
_OWN = "crystallize-dag"


def environment_parts(packages: Iterable[str]) -> list[Part]:
    """Parts for the interpreter, the platform, and all that `packages` need, sorted by name.

    Parameters
    ----------
    packages : top-level import names of installed packages, such as ``numpy`` or ``yaml``.

    A distribution is read once per process: what is loaded does not change when a package is upgraded under it.
    """
    parts = {part.name: part for package in packages for part in _package_parts(package)}
    return [_python(), _platform(), *(parts[name] for name in sorted(parts))]


def environment_part(name: str) -> Part:
    """The part called `name` as it is in this process; its preview says so when there is no such package here."""
    known = {"env.python": _python, "env.platform": _platform}.get(name)
    if known is not None:
        return known()
    found = _distribution(name.removeprefix("env."))
    return _unversioned(name.removeprefix("env.")) if found is None else found[0]


def own_version() -> str:
    """Of crystallize, as it is installed; empty when it is not."""
    found = _distribution(_OWN)
    return "" if found is None else found[0].preview.rpartition(" ")[2]


@cache
def _python() -> Part:
    name = {"cpython": "python"}.get(sys.implementation.name, sys.implementation.name)
    return _part("env.python", f"{name} {sys.version_info.major}.{sys.version_info.minor}")


@cache
def _platform() -> Part:
    machine = _machine().lower()
    return _part("env.platform", f"{sys.platform}-{_MACHINES.get(machine, machine)}")


def _machine() -> str:
    if hasattr(os, "uname"):
        return os.uname().machine
    import platform  # slow to import, so only where os.uname is missing

    return platform.machine()


@cache
def _package_parts(package: str) -> tuple[Part, ...]:
    """Parts of the distributions that provide `package` and of all they require that is installed."""
    waiting = _providers(package)
    if not waiting:
        return (_unversioned(package),)
    parts: dict[str, Part] = {}
    while waiting:
        name = waiting.pop()
        found = _distribution(name)
        if name in parts or name == _OWN or found is None:
            continue
        parts[name], required = found
        waiting += required
    return tuple(parts.values())


def _providers(package: str) -> list[str]:
    """Names of the distributions that hold the import name `package`: usually one of the same name."""
    several = package in sys.modules and getattr(sys.modules[package], "__file__", None) is None
    if not several and _distribution(_normal(package)) is not None:
        return [_normal(package)]
    return [_normal(name) for name in _distributions_by_package().get(package, ())]


@cache
def _distributions_by_package() -> dict[str, list[str]]:
    from importlib.metadata import packages_distributions

    return dict(packages_distributions())


@cache
def _distribution(name: str) -> tuple[Part, tuple[str, ...]] | None:
    """The part of the distribution `name` and the names it requires, extras left out; None if not installed."""
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        found = distribution(name)
    except PackageNotFoundError:
        return None
    required = [text for text in found.requires or () if not _EXTRA.search(text)]
    names = (match.group() for match in map(_REQUIREMENT.match, required) if match)
    part = _part(f"env.{name}", f"{found.name} {found.version}", *_local_contents(found))
    return part, tuple(_normal(name) for name in names)


def _local_contents(found: Distribution) -> list[bytes]:
    """The lines of RECORD that name code, if the distribution came from a path, a repository or an address."""
    origin = found.read_text("direct_url.json")
    if origin is None or _is_editable(origin):
        return []
    lines = (found.read_text("RECORD") or "").splitlines()
    return [line.encode() for line in sorted(lines) if ".dist-info/" not in line and ".pyc" not in line]


def _is_editable(origin: str) -> bool:
    import json

    return bool(json.loads(origin).get("dir_info", {}).get("editable", False))


def _unversioned(package: str) -> Part:
    """The part of a module that no distribution claims: by its contents."""
    from importlib.util import find_spec

    module = sys.modules.get(package)
    spec = module.__spec__ if module is not None else find_spec(package)
    origin = Path(spec.origin) if spec is not None and spec.origin and spec.has_location else None
    if origin is None:
        return _part(f"env.{package}", f"{package} (not found)")
    if spec is not None and spec.submodule_search_locations:
        contents = tree_digest(origin.parent, skip=lambda path: path.name == "__pycache__")
    else:
        contents = file_digest(origin)
    return _part(f"env.{package}", f"{package} (version unknown)", contents)


def _normal(name: str) -> str:
    """The name as PEP 503 compares names."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _part(name: str, preview: str, *contents: bytes) -> Part:
    return Part(name, digest_of("env/1", preview.encode(), *contents), preview)
