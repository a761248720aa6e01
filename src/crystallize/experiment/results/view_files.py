"""The files and folders of a view: how they are called, written whole, and removed without touching anybody else's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from crystallize.errors import MissingFileError
from crystallize.experiment.objects.constants import METADATA_FILENAME
from crystallize.fingerprint.digest import digest_bytes
from crystallize.store.placing import write_whole
from crystallize.store.store import Store
from crystallize.store.views import ViewFile


def view_folder(name: str, version: int) -> str:
    """The version folder of an experiment, relative to the root."""
    return f"{name}/v{version}"


def versions_of(folder: Path) -> Iterator[int]:
    """The version numbers that exist in an experiment's folder."""
    if folder.is_dir():
        for child in folder.iterdir():
            if child.name[:1] == "v" and child.name[1:].isdigit() and child.is_dir():
                yield int(child.name[1:])


def newest_version(folder: Path) -> int:
    """The highest version in an experiment's folder; 0 when there is none."""
    return max(versions_of(folder), default=0)


def check_shown(folder: Path) -> None:
    """Raises MissingFileError unless the newest version in an experiment's folder tells what it shows."""
    path = folder / f"v{newest_version(folder)}" / METADATA_FILENAME
    if not path.is_file():
        raise MissingFileError("the experiment has no results yet", path=path, remedy="run it first")


def write_file(root: Path, path: str, data: bytes) -> ViewFile:
    """Writes `data` to `path`, posix and relative to `root`, at once; parents are made."""
    folder, _, name = path.rpartition("/")
    stat = write_whole(f"{root}/{folder}", name, data)
    return ViewFile(path, digest_bytes(data), len(data), stat.st_mtime_ns, False)


def discard(store: Store, top: Path, files: Iterable[ViewFile]) -> None:
    """Removes files and folders that are still as we wrote them, and the folders below `top` that this leaves empty."""
    import shutil

    for file in files:
        path = store.root / file.path
        if not store.views.intact(file):
            continue
        if file.is_tree:
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        for parent in _below(path, top):
            try:
                parent.rmdir()
            except OSError:
                break


def _below(path: Path, top: Path) -> Iterator[Path]:
    """The folders between `path` and `top`, innermost first, `top` excluded."""
    for parent in path.parents:
        if parent == top:
            return
        yield parent
