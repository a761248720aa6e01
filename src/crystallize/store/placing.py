"""Putting a file at a path at once: whoever looks sees the old contents or the new, never half of them.

Knows no store. Copies share their blocks where the file system can (reflinks).
"""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # pragma: no cover
    fcntl = None  # type: ignore[assignment]

NEW = ".new-"
"""How the names of temporary neighbours begin; those of killed processes are found by it."""
LINK_BYTES = 1 << 20
"""Files above this size are linked rather than copied where blocks cannot be shared."""
_FICLONE = 0x40049409
_counter = itertools.count()


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """A path beside `target` to write a file or folder to; after the block it takes `target`'s place.

    Parent folders are created. When the block raises, `target` is as before.
    """
    if not target.parent.is_dir():
        target.parent.mkdir(parents=True, exist_ok=True)
    new = _neighbour(target)
    try:
        yield new
        _take_place(new, target)
    finally:
        # Also after success: renaming one name of a file over another name of it does nothing (POSIX).
        discard(new)


def place_file(source: Path, target: Path, *, link: bool) -> None:
    """Makes `target`, which must not exist, a file with `source`'s contents, not its modes and times.

    Blocks are shared where the file system can. Where it cannot, with `link` a large file becomes another
    name of `source` if one device holds both.
    """
    if _clone(source, target):
        return
    if link and source.stat().st_size > LINK_BYTES:
        with suppress(OSError):
            target.hardlink_to(source)
            return
    shutil.copyfile(source, target)


def discard(path: Path) -> None:
    """Removes a file or a folder with all it holds; does nothing when it is absent."""
    try:
        path.unlink(missing_ok=True)
    except (IsADirectoryError, PermissionError):  # the latter is what macOS says of a folder
        shutil.rmtree(path)


def _clone(source: Path, target: Path) -> bool:
    """Makes `target` a copy that shares `source`'s blocks; False, and no target, where that cannot be."""
    if fcntl is None:
        return False
    with source.open("rb") as reader, target.open("wb") as writer:
        try:
            fcntl.ioctl(writer, _FICLONE, reader.fileno())
        except OSError:
            target.unlink()
            return False
    return True


def neighbour(folder: str) -> str:
    """A path in `folder` that nobody else writes to, for what shall take the place of something there."""
    return f"{folder}/{NEW}{os.getpid()}-{next(_counter)}"


def _neighbour(target: Path) -> Path:
    return Path(neighbour(str(target.parent)))


def _take_place(new: Path, target: Path) -> None:
    try:
        new.replace(target)
    except OSError:
        if not target.exists():
            raise
        # A folder on either side: it cannot be renamed over, so what is there steps aside first.
        old = _neighbour(target)
        target.rename(old)
        try:
            new.replace(target)
        except BaseException:
            old.replace(target)
            raise
        discard(old)
