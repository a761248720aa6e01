"""Digests of files and folders, by contents only, and of what `reads=[...]` declares.

A file's digest is that of its raw bytes, the same as its blob has. Knows nothing of the store: it is handed a
`StatMemory` that remembers digests by stat, after git's index, with its remedy for files changed just now.
"""

from __future__ import annotations

import stat
import time
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from os import stat_result
from pathlib import Path, PurePosixPath
from typing import NamedTuple, Protocol

from blake3 import blake3

from crystallize.errors import NotReusableError
from crystallize.fingerprint.digest import Digest, digest_bytes, digest_of, short
from crystallize.fingerprint.sparse import has_holes, sparse_digest

StatKey = tuple[str, int, int, int, int, int]
"""Path, size in bytes, mtime_ns, ctime_ns, inode, device."""

_SETTLED_NS = 2_000_000_000
_MAPPED_BYTES = 1 << 20
_NEVER_DECLARED = (".crystallize", ".git", ".ipynb_checkpoints", "__pycache__")


class StatMemory(Protocol):
    """Remembers digests of files by their stat. The store's; a dict in tests.

    `recall` is asked once for each file, before it is read; `remember` is called after a file was read whole, only
    if it last changed 2 s or more before and did not change meanwhile. Losing what was remembered costs time only.
    """

    def recall(self, key: StatKey) -> Digest | None: ...

    def remember(self, key: StatKey, digest: Digest) -> None: ...


class Declared(NamedTuple):
    """One file or folder that a `reads=` entry names."""

    name: str
    """Posix path relative to the project root where it lies below it."""
    digest: Digest
    """Of contents, or of the fact that nothing is there; a file, a folder and an absence never have the same."""
    preview: str


def file_digest(path: Path, memory: StatMemory | None = None) -> Digest:
    """The digest of the bytes of the file at `path`; OSError if it cannot be read."""
    return _digest_at(path, path.stat(), memory)


def tree_digest(
    folder: Path, memory: StatMemory | None = None, *, skip: Callable[[Path], bool] | None = None
) -> Digest:
    """The digest of a folder: the names in it, empty folders included, and the contents of its files.

    A link counts as what it leads to. `skip` says which paths do not count. NotReusableError for a link that leads
    out of the folder or back to where it lies, and for what is neither file nor folder.
    """
    return _tree(folder, memory, skip).digest


def declared(
    pattern: str, root: Path, memory: StatMemory | None = None, *, ignore: Sequence[str] = ()
) -> list[Declared]:
    """What one `reads=` entry names below `root`: a file, a folder, or each match of a glob; absent if there is none.

    Parameters
    ----------
    ignore : globs of what does not count, matched against the path relative to `root` and against each name in it.

    Raises NotReusableError if something declared cannot be read. The store, ``.git`` and Python's caches inside a
    declared folder never count.
    """

    def skip(path: Path) -> bool:
        name = PurePosixPath(_name(path, root))
        return name.name in _NEVER_DECLARED or is_ignored(name, ignore)

    try:
        rows = [_declared(path, root, memory, skip) for path in _matches(pattern, root) if not skip(path)]
    except OSError as error:
        place, fact = f"reads '{pattern}'", f"{error.filename} cannot be read ({error.strerror})"
        raise NotReusableError(place, fact, "make it readable, or leave it out with ignore=[...]") from error
    return rows or [Declared(pattern, digest_of("absent/1"), "absent")]


def is_ignored(path: PurePosixPath, patterns: Sequence[str]) -> bool:
    """True if a glob in `patterns` matches `path`, a folder it lies in, or the bare name of one of these."""
    candidates = [path, *path.parents][:-1]
    return any(
        fnmatchcase(str(candidate), pattern.rstrip("/")) or fnmatchcase(candidate.name, pattern.rstrip("/"))
        for pattern in patterns
        for candidate in candidates
    )


def is_settled(mtime_ns: int, ctime_ns: int) -> bool:
    """Whether a file of these times changed long enough ago to be known by its stat.

    A write within the clock's grain of an earlier one may leave the stat as it was, so a fresh file is not trusted.
    """
    return time.time_ns() - max(mtime_ns, ctime_ns) >= _SETTLED_NS


def _digest_at(path: Path, before: stat_result, memory: StatMemory | None) -> Digest:
    if memory is None:
        return _hash(path, before)
    key = stat_key(path, before)
    known = memory.recall(key)
    if known is not None:
        return known
    settled = is_settled(before.st_mtime_ns, before.st_ctime_ns)
    digest = _hash(path, before)
    if settled and stat_key(path, path.stat()) == key:
        memory.remember(key, digest)
    return digest


def _hash(path: Path, found: stat_result) -> Digest:
    if found.st_size < _MAPPED_BYTES:
        return digest_bytes(path.read_bytes())
    if has_holes(found):
        return sparse_digest(path)
    return Digest(blake3(max_threads=blake3.AUTO).update_mmap(path).digest())


def stat_key(path: Path, found: stat_result) -> StatKey:
    """How a file looks, by its stat."""
    return (
        str(path.absolute()),
        found.st_size,
        found.st_mtime_ns,
        found.st_ctime_ns,
        found.st_ino,
        found.st_dev,
    )


class _Tree(NamedTuple):
    digest: Digest
    files: int
    size_bytes: int


def _tree(folder: Path, memory: StatMemory | None, skip: Callable[[Path], bool] | None) -> _Tree:
    top = folder.resolve(strict=True)
    pieces: list[bytes] = []
    files = size_bytes = 0
    for path, found in sorted(_walk(top, top, (top,), skip), key=lambda entry: _posix(entry[0], top)):
        is_file = stat.S_ISREG(found.st_mode)
        digest = _digest_at(path, found, memory) if is_file else b""
        pieces += (b"file" if is_file else b"folder", _posix(path, top), digest)
        files += is_file
        size_bytes += found.st_size if is_file else 0
    return _Tree(digest_of("tree/1", *pieces), files, size_bytes)


def _walk(
    folder: Path, top: Path, above: tuple[Path, ...], skip: Callable[[Path], bool] | None
) -> Iterator[tuple[Path, stat_result]]:
    """Each path below `folder` with the stat of what it leads to; `above`: the real folders it is inside of."""
    for path in folder.iterdir():
        if skip is not None and skip(path):
            continue
        real = _target(path, top, above) if path.is_symlink() else path
        found = real.stat()
        if stat.S_ISDIR(found.st_mode):
            yield from _walk(path, top, (*above, real), skip)
        elif not stat.S_ISREG(found.st_mode):
            raise NotReusableError(str(path), "neither a file nor a folder", "move it out of the folder")
        yield path, found


def _target(link: Path, top: Path, above: tuple[Path, ...]) -> Path:
    try:
        real = link.resolve(strict=True)
    except (OSError, RuntimeError):
        raise NotReusableError(str(link), "a link that leads nowhere", "remove it") from None
    if not real.is_relative_to(top):
        raise NotReusableError(str(link), "a link that leads out of the folder", "put the file itself there")
    if real in above:
        raise NotReusableError(str(link), "a link that leads back to a folder it is in", "remove it")
    return real


def _matches(pattern: str, root: Path) -> list[Path]:
    literal = root / pattern
    if literal.exists():
        return [literal]
    parts = PurePosixPath(pattern).parts
    fixed = next((index for index, part in enumerate(parts) if any(sign in part for sign in "*?[")), None)
    if fixed is None:
        return []
    start = root.joinpath(*parts[:fixed])
    # Whether a closing ** matches files depends on the version of Python; with /* it does everywhere.
    below = "/".join(parts[fixed:] + (("*",) if parts[-1] == "**" else ()))
    # Under ** the files of a folder match by themselves; the folder would count them twice.
    return sorted(path for path in start.glob(below) if "**" not in parts or path.is_file())


def _declared(path: Path, root: Path, memory: StatMemory | None, skip: Callable[[Path], bool]) -> Declared:
    name, found = _name(path, root), path.stat()
    if stat.S_ISDIR(found.st_mode):
        tree = _tree(path, memory, skip)
        preview = f"{tree.files} files, {tree.size_bytes:,} bytes, {short(tree.digest)}"
        return Declared(name, tree.digest, preview)
    if not stat.S_ISREG(found.st_mode):
        raise NotReusableError(str(path), "neither a file nor a folder", "leave it out of reads=[...]")
    digest = _digest_at(path, found, memory)
    return Declared(name, digest_of("file/1", digest), f"{found.st_size:,} bytes, {short(digest)}")


def _name(path: Path, root: Path) -> str:
    return (path.relative_to(root) if path.is_relative_to(root) else path).as_posix()


def _posix(path: Path, top: Path) -> bytes:
    return path.relative_to(top).as_posix().encode("utf-8", "surrogateescape")


def has_contents(path: Path, digest: Digest) -> bool:
    """Whether a file is there with these contents; it is read whole."""
    try:
        return file_digest(path) == digest
    except OSError:
        return False
