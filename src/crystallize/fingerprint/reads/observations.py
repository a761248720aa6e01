"""Observations: what a job read, by contents, and whether it is all still so.

What an observer saw becomes rows for a record; later the same questions are asked again and the answers compared.
Knows nothing of jobs and of where records are kept.
"""

# This runs for every file that a reused run rests on, and a Path costs more than all the rest.
# ruff: noqa: PTH100, PTH109, PTH113, PTH118

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, Protocol

from crystallize.errors import NotReusableError
from crystallize.fingerprint.digest import Digest, digest_of
from crystallize.fingerprint.files import StatMemory, file_digest, is_ignored, is_settled
from crystallize.fingerprint.origin import OWN_FOLDER, is_installed, is_installed_file
from crystallize.fingerprint.reads.looks import Key, Kind, Look, is_counted, look_at
from crystallize.fingerprint.reads.observe import Observer, Seen

ABSENT = Digest(b"")

_SYSTEM = (
    *("/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/proc", "/run", "/sbin", "/sys", "/usr", "/var/lib"),
    *("/System", "/Library", "/private/etc", "/opt/homebrew"),
)
_TOLD = 2


class Observation(NamedTuple):
    """One thing that was read."""

    kind: Kind
    name: str
    """Posix path or pattern, relative to the project root where it lies below it; ``module:qualname`` of code."""
    digest: Digest
    """Of the contents, the names listed or matched, or the code reached; ABSENT when it was not there."""


class Concluded(NamedTuple):
    """What became of an observer's reads."""

    observations: tuple[Observation, ...]
    doubt: str | None
    """Why the result must not be reused; None: it may."""


NOTHING_READ = Concluded((), None)


class CodeDigests(Protocol):
    """Tells the code behind a name that unpickling asked for."""

    def named_digest(self, module: str, qualname: str) -> Digest:
        """Of the project code it reaches; ABSENT when nothing has the name. NotReusableError when it is unclear."""


class Surveyor:
    """Looks at files, folders and code as they are now.

    Parameters
    ----------
    root : the project root, absolute and without links.
    memory : remembers digests of files.
    left_out : further folders in which nothing counts.
    """

    def __init__(self, root: Path, memory: StatMemory, code: CodeDigests, *, left_out: Iterable[Path] = ()) -> None:
        self._root = str(root)
        self._working_folder = os.getcwd()
        self._memory = memory
        self._code = code
        self._known: dict[str, tuple[Look, Digest]] = {}
        """Path → how a settled file looked, and its digest."""
        self._left_out_besides = tuple(left_out)

    def __reduce__(self) -> tuple[Any, ...]:
        """Where it arrives it leaves out the folders of that system."""
        return _surveyor_there, (self._root, self._memory, self._code, self._left_out_besides)

    def conclude(
        self,
        observer: Observer,
        *,
        before: Iterable[Seen] = (),
        named: Sequence[Observation] = (),
        inputs: Collection[str] = (),
        ignore: Sequence[str] = (),
    ) -> Concluded:
        """What `observer` and `before` saw, as observations; doubt where it is not as it was any more.

        Parameters
        ----------
        before : what was read earlier and is held since.
        named : files as they were at the beginning, which count as read unless the observer wrote them.
        inputs : absolute paths of files and folders that are told apart in another way.
        ignore : globs of what does not count.
        """
        looks = observer.all_seen(before)
        if not looks and not named:
            return NOTHING_READ
        rows: list[Observation] = []
        mixed: list[str] = []
        changed: list[str] = []
        held: list[str] = []
        below = tuple(f"{path}/" for path in inputs)
        for key, look in looks.items():
            kind, path = key
            if path in inputs or path.startswith(below) or not self._counts(key):
                continue
            name = self._name(key)
            if ignore and kind not in ("code", "cwd") and is_ignored(PurePosixPath(name), ignore):
                continue
            if path in observer.mixed:
                mixed.append(name)
            try:
                digest = self.digest(kind, name)
            except NotReusableError as error:
                return Concluded((), str(error))
            if look_at(key) != look:
                (changed if observer.seen.get(key) == look else held).append(name)
            rows.append(Observation(kind, name, digest))
        seen = {row[:2] for row in rows}
        rows += [row for row in named if row[:2] not in seen and not observer.wrote(self._path(row.name))]
        return Concluded(tuple(sorted(rows)), _doubt(mixed, changed, held))

    def files_named(self, texts: Iterable[str], ignore: Sequence[str] = ()) -> Iterator[str]:
        """The names of the project's files that `texts` name, from its root or the working directory; each once."""
        found: dict[str, None] = {}
        starts = dict.fromkeys((self._root, os.getcwd()))
        for text in texts:
            for start in starts:
                path = os.path.abspath(os.path.join(start, text))
                if path.startswith(f"{self._root}/") and os.path.isfile(path) and self._counts(("file", path)):
                    found[path[len(self._root) + 1 :]] = None
        return (name for name in found if not is_ignored(PurePosixPath(name), ignore))

    def digest(self, kind: Kind, name: str) -> Digest:
        """Of what `name` is now."""
        if kind == "code":
            module, _, qualname = name.partition(":")
            return self._code.named_digest(module, qualname)
        if kind == "cwd":
            return digest_of("cwd/1", os.fsencode(os.path.relpath(self._working_folder, self._root)))
        path = self._path(name)
        if kind == "glob":
            path = f"{glob.escape(self._root)}/{name}" if not PurePosixPath(name).is_absolute() else name
        if kind != "file":
            look = look_at((kind, path))
            return look if isinstance(look, bytes) else ABSENT
        return self._contents(path)

    def _contents(self, path: str) -> Digest:
        look = look_at(("file", path))
        if not isinstance(look, tuple):
            return ABSENT
        known = self._known.get(path)
        if known is not None and known[0] == look:
            return known[1]
        settled = is_settled(look[1], look[2])
        try:
            digest = file_digest(Path(path), self._memory)
        except OSError:
            return digest_of("unreadable/1")
        if settled and look_at(("file", path)) == look:
            self._known[path] = (look, digest)
        return digest

    def changes(self, observations: Iterable[Observation]) -> list[str]:
        """A sentence on each that is not so any more."""
        told = []
        for observation in observations:
            now = self._now(observation)
            if now != observation.digest:
                told.append(_change(observation, now))
        return told

    def key(self, observation: Observation) -> Key:
        """What an observer saw when it came to `observation`."""
        is_path = observation.kind not in ("code", "cwd")
        return observation.kind, self._path(observation.name) if is_path else observation.name

    def names_counted(self, paths: Iterable[str], ignore: Sequence[str] = ()) -> list[str]:
        """The names of those files, by absolute path, that count when they are read."""
        names = [self._name(("file", path)) for path in paths if self._counts(("file", path))]
        return [name for name in names if not is_ignored(PurePosixPath(name), ignore)]

    def _now(self, observation: Observation) -> Digest:
        try:
            return self.digest(observation.kind, observation.name)
        except (NotReusableError, OSError):
            return digest_of("unclear/1")

    @cached_property
    def _left_out(self) -> tuple[str, ...]:
        """The folders in which nothing counts, each with a slash behind it."""
        return tuple(f"{folder.rstrip('/')}/" for folder in (*_elsewhere(), *map(str, self._left_out_besides)))

    @cached_property
    def _left_out_below(self) -> tuple[str, ...]:
        """Those that lie in the project."""
        return tuple(folder for folder in self._left_out if folder.startswith(f"{self._root}/"))

    def _counts(self, key: Key) -> bool:
        kind, name = key
        if kind == "code":
            return not is_installed(name.partition(":")[0])
        if kind == "cwd":
            return True
        below = self._below(key)
        if below is not None:
            return is_counted(below) and not name.startswith(self._left_out_below)
        return is_counted(name) and not is_installed_file(name) and not name.startswith(self._left_out)

    def _name(self, key: Key) -> str:
        kind, path = key
        if kind in ("code", "cwd"):
            return path
        # A link outside may lead into the project.
        name = self._below(key) or self._below((kind, os.path.realpath(path)))
        return path if name is None else name

    def _below(self, key: Key) -> str | None:
        """The path or pattern relative to the root; None for what lies outside."""
        kind, path = key
        root = glob.escape(self._root) if kind == "glob" else self._root
        return (path[len(root) + 1 :] or ".") if f"{path}/".startswith(f"{root}/") else None

    def _path(self, name: str) -> str:
        return os.path.normpath(os.path.join(self._root, name))


def _elsewhere() -> Iterator[str]:
    """Folders of the system, of Python and its packages, and of temporary files; a project may lie in one of them."""
    import tempfile

    yield from _SYSTEM
    yield from (sys.prefix, sys.base_prefix, sys.exec_prefix, str(OWN_FOLDER.resolve()))
    temporary = tempfile.gettempdir()
    yield from (temporary, os.path.realpath(temporary))


def _surveyor_there(root: str, memory: StatMemory, code: CodeDigests, left_out: Sequence[Path]) -> Surveyor:
    return Surveyor(Path(root), memory, code, left_out=left_out)


def told(changes: Sequence[str]) -> str:
    """The changes in one line, the first few in words."""
    more = len(changes) - _TOLD
    return "; ".join([*changes[:_TOLD], *([f"and {more} more"] if more > 0 else [])])


def _change(observation: Observation, now: Digest) -> str:
    kind, name, then = observation
    if kind == "code":
        module, _, qualname = name.partition(":")
        return f"code of {module.rpartition('.')[2]}.{qualname}, unpickled by the last run, changed since"
    if kind == "cwd":
        return "the working directory: the last run read relative paths from another one"
    if kind == "glob":
        return f"{name}: matches other files than in the last run"
    if not then:
        return f"{name}: looked for by the last run, there since"
    read = "read" if kind == "file" else "listed"
    return f"{name}: {read} by the last run, {'changed' if now else 'gone'} since"


def _doubt(mixed: Sequence[str], changed: Sequence[str], held: Sequence[str]) -> str | None:
    if mixed:
        return f"{_listed(mixed)}: read and written by the same trial; leave it out with ignore: [{mixed[0]!r}]"
    if changed:
        return f"{_listed(changed)}: changed while it was read; run again when nothing writes it"
    if held:
        return f"{_listed(held)}: changed since this process read it, which may hold the old contents; start it anew"
    return None


def _listed(names: Sequence[str]) -> str:
    return ", ".join([*names[:_TOLD], *(["…"] if len(names) > _TOLD else [])])


def describe(observation: Observation) -> str:
    """One line for people: ``table/a.csv``, ``pictures/ (its listing)``."""
    kind, name, digest = observation
    if kind == "code":
        module, _, qualname = name.partition(":")
        return f"{module.rpartition('.')[2]}.{qualname} (unpickled)"
    if kind == "cwd":
        return "relative paths, which begin at the working directory"
    if kind == "tree":
        return "the whole source tree"
    if kind == "folder":
        name = f"{name}/ (its listing)"
    return name if digest else f"{name} (absent)"
