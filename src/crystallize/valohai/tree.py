"""Which files a project's source tree consists of, and what they hold.

The working tree as it is: what git tracks and what it would track, or without git all that is not hidden; without what
`.vhignore` names, and without what crystallize itself writes. Or the tree of a commit. Contents and the executable bit
count; times, owners and names of commits do not.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from crystallize.errors import DefinitionError
from crystallize.fingerprint.digest import Digest, digest_bytes
from crystallize.fingerprint.files import StatMemory, file_digest
from crystallize.valohai.ignore import Rule, is_left_out, is_left_out_with_parents, rules_of

_NEVER = ("__pycache__", ".crystallize", ".git")


class TreeFile(NamedTuple):
    """One file of a source tree."""

    path: str
    """Relative to the root, with slashes."""
    digest: Digest
    """Of its bytes; of the text of a link."""
    size_bytes: int
    mode: str
    """``file``, ``program`` (executable) or ``link``."""


def working_tree(root: Path, memory: StatMemory | None = None, *, left_out: Iterable[Path] = ()) -> list[TreeFile]:
    """The files of the working tree below `root`, by path.

    Parameters
    ----------
    left_out : folders that are no part of it.

    Raises DefinitionError when a file cannot be read.
    """
    skipped = [f"{_posix(path, root)}/" for path in left_out if path.is_relative_to(root) and path != root]
    names = _listed_by_git(root)
    if names is None:
        names = list(_walked(root, "", []))
    ignored = _rules_at(root / ".vhignore", "")
    found: list[TreeFile] = []
    for name in names:
        parts = name.split("/")
        if any(part in _NEVER for part in parts) or any(name.startswith(folder) for folder in skipped):
            continue
        if not ignored or not is_left_out_with_parents(name, ignored):
            found += _files_at(root, name, memory)
    return sorted(found)


def committed_tree(root: Path, commit: str) -> tuple[list[TreeFile], Callable[[str], bytes]]:
    """The files of a commit below `root`, by path, and what yields the bytes of one of them.

    Raises DefinitionError when git does not know the commit.
    """
    listing = _git(root, "ls-tree", "-r", "-z", "--full-name", commit, ".")
    prefix = _git(root, "rev-parse", "--show-prefix").decode().strip()
    contents: dict[str, bytes] = {}
    found = []
    for entry in listing.decode("utf-8", "surrogateescape").split("\0"):
        if not entry:
            continue
        about, _, name = entry.partition("\t")
        mode, kind, blob = about.split()
        if kind != "blob":
            continue
        data = _git(root, "cat-file", "blob", blob)
        path = name.removeprefix(prefix)
        contents[path] = data
        modes = {"100755": "program", "120000": "link"}
        found.append(TreeFile(path, digest_bytes(data), len(data), modes.get(mode, "file")))
    return sorted(found), contents.__getitem__


def commit_of(root: Path, name: str) -> str:
    """The full identifier of the commit that `name` means. Raises DefinitionError when git knows none."""
    return _git(root, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}", wanted=name).decode().strip()


def text_of(root: Path, commit: str, name: str) -> str:
    """The text of a file below `root` as a commit has it. Raises DefinitionError when it has none."""
    return _git(root, "show", f"{commit}:./{name}").decode("utf-8-sig")


def _listed_by_git(root: Path) -> list[str] | None:
    """What git tracks or would track below `root`; None where there is no repository, or no git."""
    if not any((folder / ".git").exists() for folder in (root, *root.parents)):
        return None
    command = ["git", "-C", str(root), "ls-files", "-coz", "--exclude-standard", "--", "."]
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except FileNotFoundError:
        return None
    if done.returncode:
        return None
    names = done.stdout.decode("utf-8", "surrogateescape").split("\0")
    return list(dict.fromkeys(name for name in names if name))


def _walked(folder: Path, below: str, rules: Sequence[Rule]) -> Iterator[str]:
    rules = [*rules, *_rules_at(folder / ".gitignore", below)]
    for entry in os.scandir(folder):
        name = below + entry.name
        is_folder = entry.is_dir(follow_symlinks=False)
        if entry.name.startswith(".") or is_left_out(name, is_folder, rules):
            continue
        if is_folder:
            yield from _walked(Path(entry.path), f"{name}/", rules)
        else:
            yield name


def _rules_at(path: Path, base: str) -> list[Rule]:
    return rules_of(path.read_text(encoding="utf-8", errors="replace"), base) if path.is_file() else []


def _files_at(root: Path, name: str, memory: StatMemory | None) -> Iterator[TreeFile]:
    """The file of this name; those in it where it is a folder (a submodule); none where it is gone."""
    path = root / name
    try:
        if path.is_symlink():
            target = os.fsencode(path.readlink())
            yield TreeFile(name, digest_bytes(target), len(target), "link")
        elif path.is_dir():
            for inner in _walked(path, f"{name.rstrip('/')}/", []):
                yield from _files_at(root, inner, memory)
        elif path.is_file():
            stat = path.stat()
            mode = "program" if stat.st_mode & 0o100 else "file"
            yield TreeFile(name, file_digest(path, memory), stat.st_size, mode)
    except OSError as error:
        fact = f"a file of the source tree cannot be read: {error.strerror}"
        raise DefinitionError(fact, path=path, remedy="make it readable, or name it in .vhignore") from error


def _git(root: Path, *arguments: str, wanted: str = "") -> bytes:
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, check=False)
    except FileNotFoundError as error:
        raise DefinitionError("a commit needs git, which is not installed", path=root, remedy="install git") from error
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        fact = f"git knows no commit '{wanted}' here" if wanted else f"git: {said[-1] if said else 'failed'}"
        raise DefinitionError(fact, path=root, remedy="name a commit, branch or tag of this repository")
    return done.stdout


def _posix(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()
