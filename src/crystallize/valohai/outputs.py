"""What an execution leaves in its outputs folder: files, and what sidecars say about them.

A sidecar ``<file>.metadata.json`` beside a file, and ``valohai.metadata.jsonl``, are no outputs themselves.
Live outputs (made read-only while the command runs) are taken out of its way at once.
"""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crystallize.valohai.objects import parse_object

SIDECAR = ".metadata.json"
PROPERTIES = "valohai.metadata.jsonl"


@dataclass(slots=True)
class Collected:
    """The outputs of one execution."""

    files: dict[str, Path] = field(default_factory=dict)
    """Relative path with slashes → where the file lies, by name."""
    metadata: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Relative path → what was said about it; absent where nothing was."""
    notices: list[str] = field(default_factory=list)
    """What was left out, and why."""


def collect(folder: Path, live: Path) -> Collected:
    """The outputs in `folder`, and those that were moved to `live` before; the former win over their live namesakes.

    Nothing is moved. Links count as the files that they lead to, when those are outputs as well.
    """
    found = Collected()
    for root in (live, folder):
        found.files.update(_files(root, found.notices))
    _read_properties(found)
    for name in [name for name in found.files if name.endswith(SIDECAR)]:
        about = name.removesuffix(SIDECAR)
        if about in found.files:
            said = _read_object(found.files.pop(name), name, found.notices)
            found.metadata[about] = {**found.metadata.get(about, {}), **said}
    found.files = dict(sorted(found.files.items()))
    return found


def take_live(folder: Path, live: Path) -> list[str]:
    """Moves the files that nobody may write any more from `folder` to `live`; returns their names.

    The command goes on meanwhile: what it takes away before it is moved is none.
    """
    taken = []
    for name, path in _files(folder, []):
        with suppress(FileNotFoundError):
            status = path.lstat()
            if stat.S_ISREG(status.st_mode) and not status.st_mode & 0o222:
                target = live / name
                target.parent.mkdir(parents=True, exist_ok=True)
                path.replace(target)
                taken.append(name)
    return taken


def _files(root: Path, notices: list[str]) -> Iterator[tuple[str, Path]]:
    """Relative name and path of each file below `root`, by name; why others are none goes to `notices`."""
    if root.is_symlink():
        notices.append("no output was taken: the outputs folder was replaced by a link")
        return
    yield from _files_in(str(root), "", root, notices)


def _files_in(folder: str, below: str, root: Path, notices: list[str]) -> Iterator[tuple[str, Path]]:
    try:
        with os.scandir(folder) as listed:
            entries = sorted(listed, key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return
    except PermissionError:
        notices.append(f"outputs in '{below}' were left out: the folder may not be read")
        return
    for entry in entries:
        name = below + entry.name
        if not _is_text(name):
            notices.append(f"output {os.fsencode(name)!r} was left out: its name is not UTF-8")
        elif entry.is_symlink() and not _stays_inside(entry.path, root):
            notices.append(f"output '{name}' was left out: it is a link that leads out of the outputs")
        elif entry.is_dir(follow_symlinks=False):
            yield from _files_in(entry.path, f"{name}/", root, notices)
        elif not entry.is_file():
            notices.append(f"output '{name}' was left out: it is neither a file nor a folder")
        else:
            yield name, Path(entry.path)


def _stays_inside(link: str, root: Path) -> bool:
    try:
        return Path(link).resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError):  # a link that leads to itself
        return False


def _is_text(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _read_properties(found: Collected) -> None:
    path = found.files.pop(PROPERTIES, None)
    if path is None:
        return
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        if not line.strip():
            continue
        try:
            entry = parse_object(line)
            name, said = posixpath.normpath(entry["file"]), dict(entry["metadata"])
        except (ValueError, TypeError, KeyError):
            found.notices.append(f"{PROPERTIES}, line {number}: not of the form {{'file': …, 'metadata': {{…}}}}")
            continue
        found.metadata[name] = {**found.metadata.get(name, {}), **said}


def _read_object(path: Path, name: str, notices: list[str]) -> dict[str, Any]:
    try:
        return parse_object(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        notices.append(f"{name} is no JSON object: {error}")
        return {}
