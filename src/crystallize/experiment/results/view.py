"""The view of an experiment: its files under `<root>/<name>/vN/`, written from records, never read to decide.

The order of design 5.4: row *open* (committed) → marker removed → trials → files → marker → row *complete*. Only a row
that says *complete* while its marker is gone is a wish of the user. Rows are what we know we wrote; a file without a
row is never trusted, and never deleted.
"""

from __future__ import annotations

import json
import os
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

from crystallize.experiment.results.collect import Collected, TrialEnd
from crystallize.experiment.results.retention import prune
from crystallize.experiment.results.view_files import discard, newest_version, versions_of, view_folder, write_file
from crystallize.experiment.results.view_rows import ViewRows
from crystallize.experiment.trial import Trial
from crystallize.fingerprint.digest import Digest, digest_bytes, digest_of
from crystallize.fingerprint.files import has_contents
from crystallize.store.codecs import plain
from crystallize.store.placing import make_folders
from crystallize.store.record import Output
from crystallize.store.reuse import After
from crystallize.store.views import View, ViewFile

MARKER = ".crystallize_complete"
FOLDER_ROW = ""
"""Condition of the row that holds the files of the version folder itself."""
_NONE: frozenset[str] = frozenset()


class ExperimentView:
    """The view of one experiment during one run.

    Parameters
    ----------
    name : folder name of the experiment below the store's root.
    named, identity : what `metadata.json` holds as name and id, which is asked for only when that is written.
    rests_on : what the id is made of.
    versioned : each run that executes something writes a new version folder.
    keep_versions, big_bytes : what older versions keep, as in `retention.prune`.
    conditions, replicates : what the definition has; the view of anything else disappears, while what a run merely
        leaves out stays.
    """

    def __init__(
        self,
        shared: ViewRows,
        name: str,
        *,
        named: str | None,
        identity: Callable[[], str],
        rests_on: str,
        versioned: bool,
        keep_versions: int = 0,
        big_bytes: int = 0,
        conditions: Iterable[str],
        replicates: int,
    ) -> None:
        self._shared = shared
        self._store = shared.store
        self._name = name
        self._named, self._identity, self._rests_on = named, identity, rests_on
        self._versioned = versioned
        self._keep, self._big_bytes = keep_versions, big_bytes
        self._conditions = tuple(conditions)
        self._replicates = replicates
        self.version = newest_version(shared.store.root / name) if versioned else 0
        """The number of the version folder."""
        self._set_paths()
        self._rows = shared.take(self.folder)
        self._marked: tuple[str, ...] = ()
        """Conditions whose markers this run has seen: one that goes from now on is a wish to the next."""
        self._opened = _NONE
        self._began = False
        self._is_new = False
        """Whether this run has made the version folder, so that no condition and no marker can lie in it yet."""
        self._placed: dict[str, _Placed] = {}
        """By condition, until it is settled."""
        self._restored: list[str] = []

    def _set_paths(self) -> None:
        self.folder = view_folder(self._name, self.version)
        """The version folder, relative to the root."""
        self.top = f"{self._store.root}/{self.folder}"
        """The version folder."""

    @property
    def path(self) -> Path:
        """The version folder."""
        return Path(self.top)

    @property
    def restored(self) -> list[str]:
        """Files that were changed or removed by hand and put back by this run, relative to the root."""
        return self._restored

    def wish(self, condition: str) -> After | None:
        """The policy that a removed completion marker asks for; None when nothing was removed."""
        row = self._rows.get(condition)
        if row is None:
            return None
        if os.path.exists(self._marker(condition)):  # noqa: PTH110  (once per condition of every run)
            self._marked += (condition,)
            return None
        if row.after is not None:
            return After(row.after, "completion marker removed")
        if row.state == "complete":
            return After(self._store.latest_number(), "completion marker removed")
        return None

    def start(self, condition: str) -> None:
        """As `open`, before the condition's first trial runs; a versioned view goes on in a new folder."""
        if not self._began:
            if self._versioned and self.path.exists():
                self.version += 1
                self._set_paths()
                self._rows = {}
            # An empty folder would count as a version, should the run be killed before anything lies in it.
            self._is_new = not self._versioned and make_folders(f"{self._store.root}", self._name, f"v{self.version}")
            self._began = True
        self.open(condition)

    def open(self, condition: str) -> None:
        """Takes the condition's marker down: it is not complete any more. Harmless when called again."""
        if condition in self._opened:
            return
        wish = self.wish(condition)
        row = self._rows.get(condition)
        if row is not None:
            after = wish.number if wish else None
            self._reopen(row, after)
        self._opened |= {condition}
        if not self._is_new:
            self._take_down(condition)

    def place(self, task: Trial, outputs: Iterable[Output]) -> None:
        """Puts a trial's artifacts where people look for them. Harmless when called again."""
        placed = self._placed.get(task.condition)
        if placed is None:
            placed = self._placed[task.condition] = _Placed(self._rows.get(task.condition), self._replicates)
        if task.replicate not in placed:
            placed.note(task.replicate, [self._place(task, output, placed.known) for output in outputs])

    def _place(self, task: Trial, output: Output, known: Mapping[str, ViewFile]) -> int:
        """Puts one artifact where it belongs, unless it is there; the time of modification that it has there."""
        path = self._path(task.condition, task.replicate, output)
        file = known.get(path)
        if file is not None and file.digest == output.digest:
            if self._store.views.intact(file):
                return file.mtime_ns
            self._restored.append(path)
        else:
            is_new = make_folders(self.top, f"replicate_{task.replicate}", task.condition, output.step)
            if not is_new and self._is_there(path, output):  # another run put it there
                return self._store.views.describe(self._store.root / path, output.digest).mtime_ns
        return self._lay(output, path).mtime_ns

    def _path(self, condition: str, replicate: int, output: Output) -> str:
        return f"{self.folder}/replicate_{replicate}/{condition}/{output.step}/{output.name}"

    def settle(self, collected: Collected) -> None:
        """Brings results, markers and rows in line with what the run's trials have come to; the last thing asked."""
        for gone in [each for each in self._rows if each != FOLDER_ROW and each not in self._conditions]:
            self._remove(gone)
        keys = [self._settle(condition, collected) for condition in collected.conditions]
        self._write_folder_files(collected, keys)
        if self._versioned and self._began:
            self._shared.flush()
            versions = list(versions_of(self._store.root / self._name))
            prune(self._store, self._name, versions, keep=self._keep, big_bytes=self._big_bytes)
        self._rows = {}  # needed no more, and a large plan has many

    def _settle(self, condition: str, collected: Collected) -> Digest:
        """Brings one condition in line; returns what tells its records from others."""
        ends = collected.of(condition)
        numbers = [end.number.to_bytes(8, "little") for _, end in ends if end.how.succeeded]
        key = digest_of("view/1", *numbers)
        if not numbers and condition != "baseline":
            return key
        complete = len(numbers) == collected.replicates
        row = self._rows.get(condition)
        if row is not None and row.state == "complete" and row.key == key and complete and self._is_whole(row):
            return key
        if row is not None and row.state == "complete":
            self._reopen(row, row.after)
            self._take_down(condition)
        files = {file.path: file for file in self._files(condition, ends)}
        self._placed.pop(condition, None)
        results = f"{self.folder}/{condition}/results.json"
        metrics = {name: [plain(value) for value in values] for name, values in collected.metrics(condition).items()}
        tags = collected.tags(condition)
        told = {"metrics": metrics, "tags": tags} if tags else {"metrics": metrics}
        if self._is_new:
            make_folders(self.top, condition)
        files[results] = write_file(self._store.root, results, json.dumps(told).encode())
        if row is not None:
            left_out = tuple(
                f"{self.folder}/replicate_{number}/" for number in range(collected.replicates, self._replicates)
            )
            files |= {file.path: file for file in row.files if file.path.startswith(left_out)}
            discard(self._store, self.path, [file for file in row.files if file.path not in files])
        if complete:
            marker = f"{self.folder}/{condition}/{MARKER}"
            files[marker] = write_file(self._store.root, marker, b"")
        state: Literal["open", "complete"] = "complete" if complete else "open"
        after = row.after if row is not None and not complete else None
        self._shared.put_later(View(self.folder, condition, state, key, after, tuple(files.values())))
        return key

    def _files(self, condition: str, ends: Iterable[tuple[int, TrialEnd]]) -> Iterator[ViewFile]:
        """The artifacts of a condition, placed where they are not."""
        for replicate, end in ends:
            outputs = end.outputs
            self.place(Trial(condition, replicate, None), outputs)
            times = self._placed[condition].times(replicate, len(outputs))
            for output, time in zip(outputs, times, strict=True):
                path = self._path(condition, replicate, output)
                yield ViewFile(path, output.digest, output.size_bytes, time, output.is_tree)

    def _write_folder_files(self, collected: Collected, keys: Sequence[Digest]) -> None:
        """`metadata.json` and `_manifest.json`, when they differ from what we wrote last.

        `keys` tell the records of each condition from others.
        """
        row = self._rows.get(FOLDER_ROW)
        decides = repr((collected.replicates, self._named, self._rests_on)).encode()
        key = digest_of("folder/2", decides, *keys)
        if row is not None and row.key == key and self._is_whole(row):
            return
        steps: dict[str, str] = {}
        for _, _, end in collected.all():
            steps.update((name, step) for name, step, _ in end.how.files)
        about = {"replicates": collected.replicates, "id": self._identity(), "name": self._named}
        metadata = json.dumps(about).encode()
        contents = {
            "metadata.json": metadata,
            "_manifest.json": json.dumps(dict(sorted(steps.items()))).encode(),
        }
        known = {file.path: file for file in row.files} if row is not None else {}
        files = []
        for name, data in contents.items():
            path = f"{self.folder}/{name}"
            file = known.get(path)
            if file is None or file.digest != digest_bytes(data) or not self._store.views.intact(file):
                file = write_file(self._store.root, path, data)
            files.append(file)
        # A key alone is only worth a row where rows may be written.
        if row is None or tuple(files) != row.files or self._store.database.writable:
            self._shared.put_later(View(self.folder, FOLDER_ROW, "complete", key, None, tuple(files)))

    def _is_whole(self, row: View) -> bool:
        marker = f"{self.folder}/{row.condition}/{MARKER}" if row.condition in self._marked else None
        return all(map(self._store.views.intact, [file for file in row.files if file.path != marker]))

    def _remove(self, condition: str) -> None:
        discard(self._store, self.path, self._rows[condition].files)
        self._shared.remove(self.folder, condition)
        del self._rows[condition]

    def _is_there(self, path: str, output: Output) -> bool:
        place = f"{self._store.root}/{path}"
        return os.path.isfile(place) and has_contents(Path(place), output.digest)  # noqa: PTH113  (once per trial)

    def _lay(self, output: Output, path: str) -> ViewFile:
        stat = self._store.lay(output, f"{self._store.root}/{path}", verify=False)
        file = ViewFile(path, output.digest, output.size_bytes, stat.st_mtime_ns, output.is_tree)
        self._store.views.note(file)
        return file

    def _reopen(self, row: View, after: int | None) -> None:
        self._rows[row.condition] = row = row._replace(state="open", after=after)
        self._shared.put_now(row)

    def _marker(self, condition: str) -> str:
        return f"{self.top}/{condition}/{MARKER}"

    def _take_down(self, condition: str) -> None:
        with suppress(FileNotFoundError):
            os.unlink(self._marker(condition))  # noqa: PTH108  (once per condition that runs)


class _Placed:
    """What a run has placed of one condition. Of each file only what the record does not tell: a run has very many."""

    def __init__(self, row: View | None, replicates: int) -> None:
        self.known = {} if row is None else {file.path: file for file in row.files}
        """Path → the file that we wrote there last."""
        self._times = array("q")
        """When each file was modified, trial by trial as they were placed."""
        self._starts = array("q", [-1]) * replicates
        """By replicate, where its times begin; -1: nothing is placed yet."""

    def __contains__(self, replicate: int) -> bool:
        return self._starts[replicate] >= 0

    def note(self, replicate: int, times: Iterable[int]) -> None:
        """The artifacts of a replicate are in place, and were modified at `times`."""
        start = len(self._times)
        self._times.extend(times)
        self._starts[replicate] = start

    def times(self, replicate: int, count: int) -> Sequence[int]:
        """When each of its `count` artifacts was modified."""
        start = self._starts[replicate]
        return self._times[start : start + count]
