"""How what can be read looks without reading it: the stat of a file, the names in a folder, the matches of a glob.

Two looks that are equal mean that nothing happened between them. Knows nothing of who reads.
"""

# This runs for every file that is opened, and a Path costs more than all the rest.
# ruff: noqa: PTH100, PTH115, PTH116, PTH120, PTH207

from __future__ import annotations

import glob
import os
import stat
from pathlib import PurePath
from typing import Any, Literal

from crystallize.fingerprint.digest import Digest, digest_of

Kind = Literal["file", "folder", "glob", "code", "cwd", "tree"]
Key = tuple[Kind, str]
"""What is read: an absolute path, an absolute pattern, ``module:qualname``, or WORKING_FOLDER."""
Look = tuple[int, ...] | Digest | None
"""Size, mtime_ns, ctime_ns, inode and device of a file; digest of the names in a folder or glob; None: not there."""

WORKING_FOLDER: Key = ("cwd", ".")
"""That a path was given relative to the working directory: in another one it is another file."""

LOADED = "__crystallize_loaded__"
"""In a module's namespace: how its file looked when its text was loaded."""

NEVER_COUNTED = frozenset(
    {".crystallize", ".git", ".hg", ".svn", "__pycache__", ".ipynb_checkpoints", ".mypy_cache", ".ruff_cache"}
    | {".pytest_cache", ".hypothesis", ".tox", ".nox", "site-packages", "dist-packages", "node_modules"}
)
"""Folders that tools keep for themselves, wherever they lie."""

_CACHES = (
    "/.cache/fontconfig/",
    "/.cache/matplotlib/",
    "/.matplotlib/fontlist",
    "/.cache/pip/",
    "/.cache/uv/",
    "/.nv/",
)


def look_at(key: Key) -> Look:
    """How it looks now. OSError for a folder that is there and cannot be listed."""
    kind, name = key
    if kind == "file":
        return _file(name)
    if kind == "folder":
        return _folder(name)
    return _matches(name) if kind == "glob" else None


def is_plain(path: str) -> bool:
    """Whether there is a regular file, or nothing, at `path`: pipes, devices and folders have no contents."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except OSError:
        return True


def is_counted(name: str) -> bool:
    """False for what lies in a folder of a tool or of the store."""
    return NEVER_COUNTED.isdisjoint(name.split("/")) and not any(cache in name for cache in _CACHES)


def path_of(given: Any) -> str | None:
    """The absolute path that a call was given; None for a file descriptor that has none any more."""
    if isinstance(given, int):
        try:
            given = os.readlink(f"/proc/self/fd/{given}")
        except OSError:
            return None
    return os.path.abspath(os.fsdecode(given))


def full_pattern(pattern: Any, folder: Any) -> str:
    """The absolute pattern of a call to glob, in the signs of `glob.glob` with ``recursive`` and ``include_hidden``."""
    text = os.fsdecode(pattern)
    if PurePath(text).is_absolute():
        return text
    start = path_of("." if folder is None else folder)
    return f"{glob.escape(start or '')}/{text}"


def _file(path: str) -> Look:
    try:
        found = os.stat(path)
    except OSError:
        return None
    # Beside a database lies its log: without contents it says nothing.
    if not found.st_size and path.endswith("-wal"):
        return None
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_dev


def _folder(path: str) -> Look:
    try:
        with os.scandir(path) as entries:
            names = [f"{entry.name}/" if entry.is_dir() else entry.name for entry in entries]
    except (FileNotFoundError, NotADirectoryError):
        return None
    return _digest("listing/1", [name for name in names if name.rstrip("/") not in NEVER_COUNTED])


def _matches(pattern: str) -> Look:
    found = glob.glob(pattern, recursive=True, include_hidden=True)
    # Relative to what holds no signs, so that a moved project has the same matches.
    start = os.path.dirname(pattern)
    while glob.has_magic(start):
        start = os.path.dirname(start)
    return _digest("matches/1", [name for name in (os.path.relpath(path, start) for path in found) if is_counted(name)])


def _digest(kind: str, names: list[str]) -> Digest:
    return digest_of(kind, *(os.fsencode(name) for name in sorted(names)))
