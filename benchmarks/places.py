"""Where the benchmarks write: a folder of their own on a RAM disk, or on the disk, gone when they end."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory

RAM_DISK = Path("/dev/shm")


class Place:
    """A folder to run workloads in. Every run gets a new, empty one below it, or one that an earlier run has filled."""

    def __init__(self, root: Path, name: str) -> None:
        self.name = name
        self._root = root
        self._count = 0

    def new(self) -> Path:
        """An empty folder."""
        self._count += 1
        folder = self._root / str(self._count)
        folder.mkdir()
        return folder


@contextmanager
def places() -> Iterator[list[Place]]:
    """The place that counts first: a RAM disk where there is one; then the disk."""
    with TemporaryDirectory(prefix="crystallize-bench-") as disk:
        if not RAM_DISK.is_dir():
            yield [Place(Path(disk), "disk")]
            return
        with TemporaryDirectory(prefix="crystallize-bench-", dir=RAM_DISK) as ram:
            yield [Place(Path(ram), "RAM disk"), Place(Path(disk), "disk")]


def record_files(folder: Path) -> Path:
    """A recording, for `replay.py`, of the files that a run wrote for its user in `folder`. The store is left out."""
    data = folder / "data"
    files = [
        (str(path.relative_to(folder)), path.read_bytes())
        for path in sorted(data.rglob("*"))
        if path.is_file() and ".crystallize" not in path.relative_to(data).parts
    ]
    recorded = folder / "files.pickle"
    recorded.write_bytes(pickle.dumps(files))
    return recorded


def removed(folder: Path) -> None:
    """Frees the folder of a run that nobody needs any more."""
    rmtree(folder)
