"""Putting a file at a path at once: whoever looks sees the old contents or the new, never half of them.

Knows no store. Copies share their blocks where the file system can (reflinks).
"""

# Several small files are written for every trial, and a Path costs more than the rest of a write.
# ruff: noqa: PTH102, PTH104, PTH105, PTH108, PTH110, PTH112, PTH116, PTH120

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from crystallize.fingerprint.sparse import copy_sparse, has_holes

try:
    import fcntl
except ImportError:  # pragma: no cover
    fcntl = None  # type: ignore[assignment]

NEW = ".new-"
"""How the names of temporary neighbours begin; those of killed processes are found by it."""
LINK_BYTES = 1 << 20
"""Files above this size are linked rather than copied where blocks cannot be shared."""
_FICLONE = 0x40049409
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_counter = itertools.count()


def write_whole(folder: str, name: str, data: bytes) -> os.stat_result:
    """Puts a file with the contents `data` into `folder`, in place of what has its `name` there; returns its stat.

    The folder and those above it are created. When it raises, what was there is as before.
    """
    path = f"{folder}/{name}"
    new = neighbour(folder)
    try:
        descriptor = os.open(new, _NEW_FILE, 0o666)
    except FileNotFoundError:
        make_folder(folder)
        descriptor = os.open(new, _NEW_FILE, 0o666)
    try:
        try:
            while data:
                data = data[os.write(descriptor, data) :]
        finally:
            os.close(descriptor)
        _take_place(new, path)
    except BaseException:
        os.unlink(new)
        raise
    return os.stat(path)


def make_folder(path: str) -> bool:
    """Creates the folder at `path`, and those above it; False, and nothing is done, when it is there."""
    try:
        os.mkdir(path)
    except FileNotFoundError:
        make_folder(os.path.dirname(path))
        return make_folder(path)
    except FileExistsError:
        if not os.path.isdir(path):
            raise
        return False
    return True


def make_folders(top: str, *names: str) -> bool:
    """Creates a folder in `top`, in that the next, and so on; whether the last is new, so that nothing is in it.

    As `make_folder`, for places where most of them are missing.
    """
    path, is_new = top, False
    for name in names:
        path = f"{path}/{name}"
        is_new = make_folder(path)
    return is_new


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """A path beside `target` to write a file or folder to; after the block it takes `target`'s place.

    Parent folders are created. When the block raises, `target` is as before.
    """
    make_folder(str(target.parent))
    new = Path(neighbour(str(target.parent)))
    try:
        yield new
        _take_place(str(new), str(target))
    finally:
        # Also after success: renaming one name of a file over another name of it does nothing (POSIX).
        discard(new)


def place_file(source: Path, target: Path, *, link: bool) -> None:
    """Makes `target`, which must not exist, a file with `source`'s contents, not its modes and times.

    Blocks are shared where the file system can, and holes stay holes. Where it cannot, with `link` a large file
    becomes another name of `source` if one device holds both.
    """
    if _clone(source, target):
        return
    found = source.stat()
    if link and found.st_size > LINK_BYTES:
        with suppress(OSError):
            target.hardlink_to(source)
            return
    if has_holes(found):
        copy_sparse(source, target)
    else:
        import shutil

        shutil.copyfile(source, target)


def discard(path: Path) -> None:
    """Removes a file or a folder with all it holds; does nothing when it is absent."""
    try:
        path.unlink(missing_ok=True)
    except (IsADirectoryError, PermissionError):  # the latter is what macOS says of a folder
        import shutil

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


def _take_place(new: str, target: str) -> None:
    try:
        os.replace(new, target)
    except OSError:
        if not os.path.exists(target):
            raise
        # A folder on either side: it cannot be renamed over, so what is there steps aside first.
        old = neighbour(os.path.dirname(target))
        os.rename(target, old)
        try:
            os.replace(new, target)
        except BaseException:
            os.replace(old, target)
            raise
        discard(Path(old))
