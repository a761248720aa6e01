"""Rows that say which files of a view are ours, and whether a condition was finished when they were written.

A view is a folder and a condition; what is shown there, and why, is known above. Rows are the only thing that
tells a file of ours from one that somebody moved in, and a marker removed by the user from a run that was
killed.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from crystallize.fingerprint.digest import Digest
from crystallize.store.database import Database

NOTED_FILES = 4096
"""How many of the files written last are known without their rows."""


class ViewFile(NamedTuple):
    """One file or folder that we wrote."""

    path: str
    """Posix, relative to the root."""
    digest: Digest
    """Of the contents; for a folder, of its listing."""
    size_bytes: int
    """As the file system told when it was written; the sum over a folder's files."""
    mtime_ns: int
    """Likewise; the latest below a folder."""
    is_tree: bool = False


class View(NamedTuple):
    """What is known of one condition's files."""

    folder: str
    """Posix, relative to the root: experiment and version."""
    condition: str
    state: Literal["open", "complete"]
    """open: jobs may be running, or were interrupted; complete: all files and the marker are written."""
    key: Digest | None = None
    """Over the records shown; None while open."""
    after: int | None = None
    """Last record number when the user was seen to have removed the marker; kept until the marker is back."""
    files: tuple[ViewFile, ...] = ()


class Views:
    """The rows of one store. Threads may share it."""

    def __init__(self, root: Path, database: Database) -> None:
        self._root = root
        self._database = database
        self._noted: dict[Digest, ViewFile] = {}

    def folders(self) -> list[Path]:
        """Every folder that a view lies in."""
        return [self._root / folder for (folder,) in self._database.read("SELECT DISTINCT folder FROM views")]

    def of(self, folder: str) -> dict[str, View]:
        """Condition → view, of one folder."""
        return self.of_many([folder]).get(folder, {})

    def of_many(self, folders: Sequence[str]) -> dict[str, dict[str, View]]:
        """Folder → condition → view, of those that have any."""
        rows = list(
            self._database.read_for(
                "SELECT id, folder, condition, state, key, after FROM views WHERE folder IN ({keys})", folders
            )
        )
        files = self._files_of(row[0] for row in rows)
        found: dict[str, dict[str, View]] = {}
        for number, folder, condition, state, key, after in rows:
            view = View(folder, condition, state, key, after, tuple(files.get(number, ())))
            found.setdefault(folder, {})[condition] = view
        return found

    def put(self, views: Sequence[View]) -> None:
        """Writes the views in one commit, in place of those of the same folder and condition."""
        with self._database.transaction() as connection:
            _delete(connection, [(view.folder, view.condition) for view in views])
            for view in views:
                cursor = connection.execute(
                    "INSERT INTO views (folder, condition, state, key, after) VALUES (?, ?, ?, ?, ?)",
                    (view.folder, view.condition, view.state, view.key, view.after),
                )
                rows = ((cursor.lastrowid, *file) for file in view.files)
                connection.executemany(
                    "INSERT INTO view_files (view, path, digest, size_bytes, mtime_ns, is_tree)"
                    " VALUES (?, ?, ?, ?, ?, ?)",
                    rows,
                )

    def remove(self, folder: str, conditions: Sequence[str]) -> None:
        """Forgets the views, in one commit; the files stay. Views that are not there are no error."""
        with self._database.transaction() as connection:
            _delete(connection, [(folder, condition) for condition in conditions])

    def describe(self, path: Path, digest: Digest, *, is_tree: bool = False) -> ViewFile:
        """The row for a file or folder below the root that was just written."""
        size, mtime_ns = _seen(str(path), is_tree)
        return ViewFile(path.relative_to(self._root).as_posix(), digest, size, mtime_ns, is_tree)

    def intact(self, file: ViewFile) -> bool:
        """Whether the file is there and looks as we wrote it: size and time only, nothing is read."""
        try:
            return _seen(f"{self._root}/{file.path}", file.is_tree) == (file.size_bytes, file.mtime_ns)
        except OSError:
            return False

    def path_of(self, file: ViewFile) -> Path:
        """Where the file lies."""
        return self._root / file.path

    def note(self, file: ViewFile) -> None:
        """Lets `showing` find a file that was just written, before its row is put."""
        self._noted[file.digest] = file
        if len(self._noted) > NOTED_FILES:
            del self._noted[next(iter(self._noted))]

    def showing(self, digest: Digest, limit: int = 16) -> list[ViewFile]:
        """Some of the intact files with these contents, anywhere in the root."""
        noted = self._noted.get(digest)
        if noted is not None and self.intact(noted):
            return [noted]
        rows = self._database.read(
            "SELECT path, digest, size_bytes, mtime_ns, is_tree FROM view_files WHERE digest = ? LIMIT ?",
            (digest, limit),
        )
        files = [ViewFile(path, found, size, time, bool(tree)) for path, found, size, time, tree in rows]
        return [file for file in files if self.intact(file)]

    def _files_of(self, numbers: Iterable[int]) -> dict[int, list[ViewFile]]:
        files: dict[int, list[ViewFile]] = {}
        for number, path, digest, size, mtime_ns, is_tree in self._database.read_for(
            "SELECT view, path, digest, size_bytes, mtime_ns, is_tree FROM view_files"
            " WHERE view IN ({keys}) ORDER BY rowid",
            numbers,
        ):
            files.setdefault(number, []).append(ViewFile(path, digest, size, mtime_ns, bool(is_tree)))
        return files


def _delete(connection: sqlite3.Connection, views: Sequence[tuple[str, str]]) -> None:
    """Removes the rows of those views, by folder and condition, within the caller's transaction."""
    connection.executemany(
        "DELETE FROM view_files WHERE view IN (SELECT id FROM views WHERE folder = ? AND condition = ?)", views
    )
    connection.executemany("DELETE FROM views WHERE folder = ? AND condition = ?", views)


def _seen(path: str, is_tree: bool) -> tuple[int, int]:
    """Size and time of modification; of a folder, the sum and the latest over all it holds and itself."""
    found = os.lstat(path)
    if not is_tree:
        return found.st_size, found.st_mtime_ns
    size, latest = 0, found.st_mtime_ns
    for entry in os.scandir(path):
        inner_size, inner_latest = _seen(entry.path, entry.is_dir(follow_symlinks=False))
        size, latest = size + inner_size, max(latest, inner_latest)
    return size, latest
