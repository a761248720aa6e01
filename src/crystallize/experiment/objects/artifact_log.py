"""The artifacts that the steps of one trial wrote, before anyone keeps them.

Knows nothing of stores and folders of results: the runner reads the log after each trial. Bytes are held
here; what a step writes to a path of its own stays there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from crystallize.errors import ContextMutationError
from crystallize.experiment.objects.names import check_name


class WrittenArtifact(NamedTuple):
    """One artifact of one step."""

    name: str
    """The file name, as declared; unique per step."""
    data: bytes | Path
    """The contents, or the file or folder that holds them (nothing is there if the step wrote nothing)."""
    step_name: str
    """Class name of the step that wrote it; empty outside of a step."""


class ArtifactLog:
    """What the steps of a trial wrote, in order: a context has one as `ctx.artifacts`.

    Examples
    --------
    >>> ctx = standalone_context()
    >>> ctx.artifacts.add("note.txt", "hello")
    >>> [(written.name, written.data) for written in ctx.artifacts]
    [('note.txt', b'hello')]
    """

    __slots__ = ("__weakref__", "_folder_for", "_looked", "_records", "_step_name")

    def __init__(self, looked: set[str] | None = None) -> None:
        self._records: dict[tuple[str, str], WrittenArtifact] = {}
        self._step_name = ""
        self._folder_for: Callable[[str], Path] | None = None
        """Set by the runner: artifact name → an existing, empty folder, a new one at each call."""
        self._looked: set[str] = set() if looked is None else looked
        """Holds ``artifacts`` once anybody has looked at the log."""

    def add(self, name: str, data: bytes | str) -> None:
        """Add an artifact of the running step. Text is kept as UTF-8.

        Raises ContextMutationError when this step wrote `name` before, TypeError when `data` is neither bytes
        nor text, DefinitionError when no file may be called `name`.
        """
        if isinstance(data, str):
            data = data.encode()
        elif isinstance(data, (bytearray, memoryview)):
            data = bytes(data)
        elif not isinstance(data, bytes):
            raise TypeError(
                f"artifact '{name}': a {type(data).__name__} is neither bytes nor text; "
                f"give the artifact a writer that turns it into bytes"
            )
        self._append(name, data)

    def path_for(self, name: str) -> Path:
        """A path that the running step may write a file or a folder to; its contents become the artifact.

        The same step gets the same path however often it asks. Raises ContextMutationError when it has
        already added bytes under `name`.
        """
        known = self._records.get((self._step_name, name))
        if known is not None and isinstance(known.data, Path):
            return known.data
        check_name("artifact", name)
        path = (self._folder_for or self._temporary_folder)(name) / name
        self._append(name, path)
        return path

    def clear(self) -> None:
        """Forget what was written."""
        self._looked.add("artifacts")
        self._records.clear()

    def __iter__(self) -> Iterator[WrittenArtifact]:
        self._looked.add("artifacts")
        return iter(tuple(self._records.values()))

    def __len__(self) -> int:
        self._looked.add("artifacts")
        return len(self._records)

    def _append(self, name: str, data: bytes | Path) -> None:
        check_name("artifact", name)
        record = WrittenArtifact(name, data, self._step_name)
        if self._records.setdefault((self._step_name, name), record) is not record:
            place = f"step {self._step_name}: " if self._step_name else ""
            raise ContextMutationError(
                f"{place}artifact '{name}' is written twice; write it once, or give the second another name"
            )

    def _temporary_folder(self, name: str) -> Path:
        """A folder that goes with this log: outside of a run nobody else would remove it."""
        import shutil
        import tempfile
        import weakref

        folder = tempfile.mkdtemp(prefix="crystallize-")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return Path(folder)
