"""Workspaces: what one running job may touch. Its inputs as files, its outputs on their way into the store.

Knows the store, not what the job is.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from crystallize.fingerprint.digest import Digest, digest_of
from crystallize.fingerprint.files import has_contents
from crystallize.store.record import Output
from crystallize.store.store import Store
from crystallize.store.views import ViewFile

DRIVER = "driver"
"""Where a job runs that no worker process has taken."""
ATTEMPT = "attempt-"
"""What the folders of attempts begin with, see `Workspace.step_aside`."""
MOST_EMITTED = 1_000
"""So many of the last events are taken along where nobody listens."""
_WHERE = "where"
"""A link in a job's temporary folder that leads nowhere: its target are the words."""


class Workspace:
    """One job's inputs and outputs. Made by the engine, closed by the engine; used by one job only.

    Parameters
    ----------
    store : where the outputs go.
    inputs : port → the artifacts to read, each with the store that holds it; a list for a port that gathers.
    run : number of the present run in the history of the store; 0 outside a run.
    only_this_run : the job is forced: nothing that an earlier run left may serve in place of a part of it.
    """

    __slots__ = (
        *("_along", "_emitted", "_folder", "_inputs", "_outputs", "_placed", "_small"),
        *("devices", "only_this_run", "run", "store", "tell"),
    )

    def __init__(
        self,
        store: Store,
        inputs: Mapping[str, tuple[Store, Output] | list[tuple[Store, Output]]],
        *,
        run: int = 0,
        only_this_run: bool = False,
    ) -> None:
        self.store = store
        self.run = run
        self.only_this_run = only_this_run
        self.devices: tuple[str, ...] = ()
        """The GPUs that the job has to itself, as CUDA numbers them."""
        self.tell: Callable[[Any], None] | None = None
        """Takes what the job emits while it runs, in this process; None: it is taken along with what the job left."""
        self._emitted: deque[Any] = deque(maxlen=MOST_EMITTED)
        self._inputs = inputs
        self._along: dict[Digest, bytes] = {}
        self._folder: Path | None = None
        self._placed: list[tuple[Store, ViewFile]] = []
        self._outputs: list[Output] = []
        self._small: dict[Digest, bytes] = {}

    def input(self, port: str) -> Path | list[Path]:
        """The file (or folder) that `port` reads, under its original name; a list for a port that gathers.

        Contents are verified when they are laid out. Raises StoreError when they are damaged.
        """
        found = self._inputs[port]
        if isinstance(found, list):
            return [self._lay(store, output, f"{port}.{i}") for i, (store, output) in enumerate(found)]
        return self._lay(found[0], found[1], port)

    def read(self, port: str) -> bytes:
        """The contents of the one file that `port` reads. Raises StoreError when they are damaged."""
        found = self._inputs[port]
        assert not isinstance(found, list), "a port that gathers has several"
        store, output = found
        return store.read_bytes(output, self._along)

    def inputs_digest(self) -> Digest:
        """Of the contents of all inputs, by port."""
        pieces: list[bytes] = []
        for port, found in self._inputs.items():
            outputs = [output for _, output in found] if isinstance(found, list) else [found[1]]
            pieces += (port.encode(), digest_of("port/1", *(output.digest for output in outputs)))
        return digest_of("inputs/1", *pieces)

    def write(self, name: str, step: str, data: bytes) -> None:
        """Keeps `data` as the output `name` of `step`."""
        output, small = self.store.keep_bytes(name, step, data)
        self._outputs.append(output)
        self._small.update(small)

    def take(self, name: str, step: str, path: Path) -> None:
        """Moves the file or folder at `path` into the store as the output `name` of `step`."""
        output, small = self.store.keep_path(name, step, path)
        self._outputs.append(output)
        self._small.update(small)

    def emit(self, event: Any) -> None:
        """Tells those who watch the run, from any thread; nothing is kept of it."""
        if self.tell is None:
            self._emitted.append(event)
        else:
            self.tell(event)

    def scratch(self, *names: str) -> Path:
        """A folder below the job's own temporary folder; created, on the store's file system, gone with the job."""
        if self._folder is None:
            self._folder = _new_folder("job-", self.store.scratch_folder())
        folder = self._folder.joinpath(*names)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def changed_input(self) -> str | None:
        """Which file of a view was changed by somebody while the job read it; None when none was.

        One that another run put there anew, with the same contents, was not.
        """
        for store, file in self._placed:
            if not store.views.intact(file) and not has_contents(store.views.path_of(file), file.digest):
                return f"{store.views.path_of(file)} was changed while it was read"
        return None

    @property
    def outputs(self) -> tuple[Output, ...]:
        """What was written so far, in order."""
        return tuple(self._outputs)

    @property
    def small_blobs(self) -> Mapping[Digest, bytes]:
        """Contents of those outputs that the record itself must carry into the database."""
        return self._small

    def run_here(self, machine: str = "") -> None:
        """Leaves word that a worker process, the present one, has taken the job; `machine`: when it may be another."""
        place = self.scratch() / _WHERE
        place.unlink(missing_ok=True)
        place.symlink_to(f"{machine} worker {os.getpid()}".lstrip())

    def where(self) -> str:
        """Where the job runs, as far as is known by now: ``driver``, or ``worker 4711``. From any thread."""
        folder = self._folder
        try:
            return DRIVER if folder is None else str((folder / _WHERE).readlink())
        except OSError:
            return DRIVER

    def take_along(self) -> None:
        """Takes what is small of the inputs along, for a process that has no database. Raises StoreError."""
        for found in self._inputs.values():
            for store, output in found if isinstance(found, list) else [found]:
                self._along.update(store.small_of(output))

    def step_aside(self) -> None:
        """Works in a folder of its own from now on: another attempt at the job may still be writing."""
        self._folder = _new_folder(ATTEMPT, self.scratch())

    def left(self, sendable: Callable[[Any], Any] = lambda event: event) -> Workspace:
        """What the job left, without what it was given: all that `accept` needs.

        `sendable` makes of an event what can travel.
        """
        left = Workspace(self.store, {})
        left._outputs, left._small, left._placed = self._outputs, self._small, self._placed
        left._emitted.extend(map(sendable, self._emitted))
        return left

    def accept(self, there: Workspace) -> None:
        """Takes over what the job left in its workspace in another process."""
        self._outputs, self._small, self._placed = there._outputs, there._small, there._placed
        self.store.note_kept(self._outputs, self._small)
        for event in there._emitted:
            self.emit(event)

    def restart(self) -> None:
        """Forgets what an attempt that failed has left."""
        self.close()
        self._placed, self._outputs, self._small = [], [], {}

    def close(self) -> None:
        """Removes the temporary folder. Harmless when called twice."""
        if self._folder is not None:
            import shutil

            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def __getstate__(self) -> tuple[None, dict[str, Any]]:
        """Who listens stays where it is."""
        return None, {name: None if name == "tell" else getattr(self, name) for name in self.__slots__}

    def _lay(self, store: Store, output: Output, port: str) -> Path:
        placed = store.placed(output)
        if placed is not None:
            self._placed.append((store, placed))
            return store.views.path_of(placed)
        target = self.scratch("inputs", port) / output.name
        store.lay(output, target, pending=self._along)
        return target


def _new_folder(prefix: str, parent: Path) -> Path:
    import tempfile

    return Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
