"""The view of an experiment: its files under `<root>/<name>/vN/`, written from records, never read to decide.

The order of design 5.4: row *open* (committed) → marker removed → trials → files → marker → row *complete*. Only a row
that says *complete* while its marker is gone is a wish of the user. Rows are what we know we wrote; a file without a
row is never trusted, and never deleted.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Literal

from crystallize.experiment.collect import Collected
from crystallize.experiment.trial import Trial
from crystallize.experiment.view_rows import ViewRows
from crystallize.fingerprint.digest import digest_bytes, digest_of
from crystallize.store.codecs import plain
from crystallize.store.record import Output, Record
from crystallize.store.reuse import After
from crystallize.store.views import View, ViewFile

MARKER = ".crystallize_complete"
FOLDER_ROW = ""
"""Condition of the row that holds the files of the version folder itself."""


class ExperimentView:
    """The view of one experiment during one run.

    Parameters
    ----------
    name : folder name of the experiment below the store's root.
    about : what `metadata.json` holds beside the replicate count.
    versioned : each run that executes something writes a new version folder.
    conditions, replicates : what the definition has; the view of anything else disappears, while what a run merely
        leaves out stays.
    """

    def __init__(
        self,
        shared: ViewRows,
        name: str,
        *,
        about: dict[str, object],
        versioned: bool,
        conditions: Iterable[str],
        replicates: int,
    ) -> None:
        self._shared = shared
        self._store = shared.store
        self._name = name
        self._about = about
        self._versioned = versioned
        self._conditions = frozenset(conditions)
        self._replicates = replicates
        self._version = newest_version(shared.store.root / name) if versioned else 0
        self._set_paths()
        self._rows = dict(shared.of(self.folder))
        self._opened: set[str] = set()
        self._laid: dict[str, dict[str, ViewFile]] = {}
        self._restored: list[str] = []

    def _set_paths(self) -> None:
        self.folder = view_folder(self._name, self._version)
        """The version folder, relative to the root."""
        self.path = self._store.root / self.folder
        """The version folder."""

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
            return None
        if row.after is not None:
            return After(row.after, "completion marker removed")
        if row.state == "complete":
            return After(self._store.latest_number(), "completion marker removed")
        return None

    def start(self, condition: str) -> None:
        """Takes the condition's marker down before its first trial runs; harmless when called again."""
        if condition in self._opened:
            return
        if self._versioned and not self._opened and self.path.exists():
            self._version += 1
            self._set_paths()
            self._rows = {}
        wish = self.wish(condition)
        row = self._rows.get(condition)
        if row is not None:
            after = wish.number if wish else None
            self._put(replace(row, state="open", after=after), now=True)
        self._opened.add(condition)
        self._take_down(condition)

    def place(self, task: Trial, record: Record) -> None:
        """Puts a trial's artifacts where people look for them."""
        laid = self._laid.setdefault(task.condition, {})
        row = self._rows.get(task.condition)
        known = {file.path: file for file in row.files} if row is not None else {}
        for output in record.outputs:
            path = f"{self.folder}/replicate_{task.replicate}/{task.condition}/{output.step}/{output.name}"
            file = laid.get(path)
            if file is not None and file.digest == output.digest:
                continue
            file = known.get(path)
            if file is not None and file.digest == output.digest and self._store.views.intact(file):
                laid[path] = file
                continue
            if file is not None and file.digest == output.digest:
                self._restored.append(path)
            laid[path] = self._lay(output, path)

    def settle(self, collected: Collected) -> None:
        """Brings results, markers and rows in line with what the run's trials have come to."""
        for gone in self._rows.keys() - self._conditions - {FOLDER_ROW}:
            self._remove(gone)
        for condition in collected.conditions:
            self._settle(condition, collected)
        self._write_folder_files(collected)

    def _settle(self, condition: str, collected: Collected) -> None:
        records = [end.record for _, end in collected.of(condition) if end.record is not None]
        if not records and condition != "baseline":
            return
        key = digest_of("view/1", *(record.number.to_bytes(8, "little") for record in records))
        complete = collected.is_complete(condition)
        row = self._rows.get(condition)
        if row is not None and row.state == "complete" and row.key == key and complete and self._is_whole(row):
            return
        if row is not None and row.state == "complete":
            self._put(replace(row, state="open"), now=True)
            self._take_down(condition)
        for replicate, end in collected.of(condition):
            if end.record is not None:
                self.place(Trial(condition, replicate, None), end.record)
        files = dict(self._laid.get(condition, {}))
        results = f"{self.folder}/{condition}/results.json"
        metrics = {name: [plain(value) for value in values] for name, values in collected.metrics(condition).items()}
        files[results] = self._write(results, json.dumps({"metrics": metrics}).encode())
        if row is not None:
            left_out = tuple(
                f"{self.folder}/replicate_{number}/" for number in range(collected.replicates, self._replicates)
            )
            files |= {file.path: file for file in row.files if file.path.startswith(left_out)}
            self._discard(file for file in row.files if file.path not in files)
        if complete:
            marker = f"{self.folder}/{condition}/{MARKER}"
            files[marker] = self._write(marker, b"")
        state: Literal["open", "complete"] = "complete" if complete else "open"
        after = row.after if row is not None and not complete else None
        self._put(View(self.folder, condition, state, key, after, tuple(files.values())))

    def _write_folder_files(self, collected: Collected) -> None:
        """`metadata.json` and `_manifest.json`, when they differ from what we wrote last."""
        steps: dict[str, str] = {}
        for end in collected.ends.values():
            if end.record is not None:
                steps.update((output.name, output.step) for output in end.record.outputs)
        metadata = json.dumps({"replicates": collected.replicates, **self._about}).encode()
        contents = {
            "metadata.json": metadata,
            "_manifest.json": json.dumps(dict(sorted(steps.items()))).encode(),
        }
        row = self._rows.get(FOLDER_ROW)
        known = {file.path: file for file in row.files} if row is not None else {}
        files = []
        for name, data in contents.items():
            path = f"{self.folder}/{name}"
            file = known.get(path)
            if file is None or file.digest != digest_bytes(data) or not self._store.views.intact(file):
                file = self._write(path, data)
            files.append(file)
        if row is None or tuple(files) != row.files:
            self._put(View(self.folder, FOLDER_ROW, "complete", None, None, tuple(files)))

    def _is_whole(self, row: View) -> bool:
        return all(self._store.views.intact(file) for file in row.files)

    def _remove(self, condition: str) -> None:
        self._discard(self._rows[condition].files)
        self._shared.remove(self.folder, condition)
        del self._rows[condition]

    def _discard(self, files: Iterable[ViewFile]) -> None:
        """Removes files that we wrote and that are still as we wrote them, and folders that this leaves empty."""
        for file in files:
            path = self._store.root / file.path
            if file.is_tree or not self._store.views.intact(file):
                continue
            path.unlink(missing_ok=True)
            for parent in _below(path, self.path):
                try:
                    parent.rmdir()
                except OSError:
                    break

    def _lay(self, output: Output, path: str) -> ViewFile:
        stat = self._store.lay(output, self._store.root / path, verify=False)
        return ViewFile(path, output.digest, output.size_bytes, stat.st_mtime_ns, output.is_tree)

    def _write(self, path: str, data: bytes) -> ViewFile:
        target = f"{self._store.root}/{path}"
        temporary = f"{target}.{os.getpid()}.tmp"
        try:
            file = open(temporary, "wb")  # noqa: PTH123, SIM115  (hot: several per experiment)
        except FileNotFoundError:
            Path(target).parent.mkdir(parents=True, exist_ok=True)
            file = Path(temporary).open("wb")  # noqa: SIM115
        with file:
            file.write(data)
            stat = os.fstat(file.fileno()) if not data else None
        os.replace(temporary, target)  # noqa: PTH105
        stat = stat or os.stat(target)  # noqa: PTH116
        return ViewFile(path, digest_bytes(data), len(data), stat.st_mtime_ns, False)

    def _put(self, view: View, *, now: bool = False) -> None:
        self._rows[view.condition] = view
        if now:
            self._shared.put_now(view)
        else:
            self._shared.put_later(view)

    def _marker(self, condition: str) -> str:
        return f"{self.path}/{condition}/{MARKER}"

    def _take_down(self, condition: str) -> None:
        with suppress(FileNotFoundError):
            os.unlink(self._marker(condition))  # noqa: PTH108  (once per condition that runs)


def view_folder(name: str, version: int) -> str:
    """The version folder of an experiment, relative to the root."""
    return f"{name}/v{version}"


def newest_version(folder: Path) -> int:
    """The highest version in an experiment's folder; 0 when there is none."""
    return max(versions_of(folder), default=0)


def versions_of(folder: Path) -> Iterator[int]:
    """The version numbers that exist in an experiment's folder."""
    if folder.is_dir():
        for child in folder.iterdir():
            if child.name[:1] == "v" and child.name[1:].isdigit() and child.is_dir():
                yield int(child.name[1:])


def _below(path: Path, top: Path) -> Iterator[Path]:
    """The folders between `path` and `top`, innermost first, `top` excluded."""
    for parent in path.parents:
        if parent == top:
            return
        yield parent
