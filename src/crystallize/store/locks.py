"""Locks: no two jobs with one fingerprint at once on one machine.

A lock is one byte of one file, at an offset given by the fingerprint (`fcntl.lockf`): there is nothing to
clean up after a crash, because the system frees the locks of a process that ends, and a process forked by
user code inherits none. Such locks belong to the process and are all lost when *any* descriptor of the file
is closed, so a process opens the file once, however many stores it opens, and remembers itself which bytes it
holds.

Where the system has no `fcntl` (Windows), locks hold within one process only: two processes may then do a job
twice, which costs time and corrupts nothing.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from crystallize.errors import StoreError
from crystallize.fingerprint.digest import Digest

try:
    import fcntl
except ImportError:  # pragma: no cover
    fcntl = None  # type: ignore[assignment]


class Locks:
    """The locks that one store holds. Never blocks; threads may share it.

    Parameters
    ----------
    path : the lock file, created when the first lock is taken; None: locks that hold within this object only.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file: _LockFile | None = None
        self._held: set[Digest] = set()

    def try_lock(self, fingerprint: Digest) -> bool:
        """Takes the lock; False when anybody holds it, this object included."""
        if not self._opened().try_lock(_offset(fingerprint)):
            return False
        self._held.add(fingerprint)
        return True

    def unlock(self, fingerprint: Digest) -> None:
        """Frees a lock that this object holds; does nothing when it does not hold it."""
        if self._file is not None and fingerprint in self._held:
            self._held.discard(fingerprint)
            self._file.unlock(_offset(fingerprint))

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """Holds every lock there is during the block, so that no job begins; yields False when any is held."""
        file = self._opened()
        taken = file.try_lock_all()
        try:
            yield taken
        finally:
            if taken:
                file.unlock_all()

    def close(self) -> None:
        """Frees all locks that this object holds. Harmless when called twice."""
        for fingerprint in tuple(self._held):
            self.unlock(fingerprint)
        if self._file is not None:
            _leave(self._file)
            self._file = None

    def _opened(self) -> _LockFile:
        if self._file is None:
            self._file = _LockFile() if self._path is None else _use(self._path)
        return self._file


def is_locked(path: Path, fingerprint: Digest) -> bool:
    """Whether anybody on this machine, this process included, holds the lock. Creates nothing, writes nothing."""
    offset = _offset(fingerprint)
    with _open_files_guard:
        try:
            stat = path.stat()
            ours = _open_files.get((os.getpid(), stat.st_dev, stat.st_ino))
            # A descriptor of our own would, when it is closed, take the locks with it that this process holds.
            return _is_locked(path, offset) if ours is None else ours.is_locked(offset)
        except OSError:
            return False


def _is_locked(path: Path, offset: int) -> bool:
    if fcntl is None:  # pragma: no cover
        return False
    with path.open("rb") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB, 1, offset)
        except (BlockingIOError, PermissionError):
            return True
    return False


class _LockFile:
    """The bytes that this process holds of one lock file; without a descriptor, of no file at all."""

    def __init__(self, descriptor: int | None = None) -> None:
        self.descriptor = descriptor
        self.users = 0
        self._offsets: set[int] = set()
        self._all = False
        self._guard = threading.Lock()

    def try_lock(self, offset: int) -> bool:
        with self._guard:
            if self._all or offset in self._offsets:
                return False
            if self.descriptor is not None and fcntl is not None:
                try:
                    fcntl.lockf(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, offset)
                except (BlockingIOError, PermissionError):
                    return False
            self._offsets.add(offset)
            return True

    def unlock(self, offset: int) -> None:
        with self._guard:
            self._offsets.discard(offset)
            if self.descriptor is not None and fcntl is not None:
                fcntl.lockf(self.descriptor, fcntl.LOCK_UN, 1, offset)

    def is_locked(self, offset: int) -> bool:
        if not self.try_lock(offset):
            return True
        self.unlock(offset)
        return False

    def try_lock_all(self) -> bool:
        """Takes every byte there is or will be; False when anybody, this process included, holds one."""
        with self._guard:
            if self._all or self._offsets:
                return False
            if self.descriptor is not None and fcntl is not None:
                try:
                    fcntl.lockf(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except (BlockingIOError, PermissionError):
                    return False
            self._all = True
            return True

    def unlock_all(self) -> None:
        with self._guard:
            self._all = False
            if self.descriptor is not None and fcntl is not None:
                fcntl.lockf(self.descriptor, fcntl.LOCK_UN)


_open_files: dict[tuple[int, int, int], _LockFile] = {}
"""(process, device, inode) → the open lock file; why this is known process-wide is said above."""
_open_files_guard = threading.Lock()


def _use(path: Path) -> _LockFile:
    """The process's one lock file at `path`, open until as many have left it as use it. Raises StoreError."""
    with _open_files_guard:
        try:
            path.touch()
            stat = path.stat()
            key = (os.getpid(), stat.st_dev, stat.st_ino)
            if key not in _open_files:
                _open_files[key] = _LockFile(os.open(path, os.O_RDWR))
        except OSError as error:
            raise StoreError(f"{path}: {error.strerror}; make the folder writable") from error
        _open_files[key].users += 1
        return _open_files[key]


def _leave(file: _LockFile) -> None:
    """Closes the file when nobody in this process uses it any more."""
    with _open_files_guard:
        file.users -= 1
        if file.descriptor is not None and not file.users:
            os.close(file.descriptor)
            for key in [key for key, other in _open_files.items() if other is file]:
                del _open_files[key]


def _offset(fingerprint: Digest) -> int:
    """62 bits of the fingerprint: offsets are signed, and two that collide only wait for one another."""
    return int.from_bytes(fingerprint[:8], "little") >> 2
