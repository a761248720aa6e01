"""What the project's store remembers of earlier runs and results, opened for reading. Loads none of the user's code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from crystallize.errors import DefinitionError, UnknownNameError, nearest
from crystallize.experiment.objects.constants import BASELINE_CONDITION
from crystallize.experiment.reports.candidates import Candidate, candidates
from crystallize.fingerprint.digest import Digest
from crystallize.fingerprint.manifest import Part, Piece
from crystallize.history.history import GroupRow, History, RunRow
from crystallize.history.stats import Stats
from crystallize.plan.standing import Standing
from crystallize.session import Session
from crystallize.settings import Settings
from crystallize.store.record import Record
from crystallize.store.store import Store

LATEST = "latest"
"""In place of the number of a run: the newest that is going on, else the newest."""
UNFINISHED = ("running", "killed")
"""States of runs that have not told the history what became of them."""


class Archive:
    """The history of one artifact root, and the folders of results in it."""

    def __init__(self, store: Store, history: History) -> None:
        self.root = store.root
        """The artifact root."""
        self.history = history
        self.store = store

    def runs(self, experiment: str | None, limit: int) -> list[tuple[RunRow, list[GroupRow]]]:
        """The last runs with their counts, newest first; those of one experiment, when given, with its counts."""
        runs = self.history.runs(experiment, limit)
        return [(run, self.groups(run.number, experiment) or self.so_far(run)) for run in runs]

    def run(self, what: str, *, running: bool = False) -> RunRow:
        """The run of a number, or the `LATEST`; only one that is going on where it must be `running`.

        Raises UnknownNameError when there is none, DefinitionError when it is over.
        """
        if what == LATEST:
            found = self.history.last_running()
            if found is None and running:
                raise UnknownNameError("no run is going on", path=self.root, remedy="see: crystallize history")
            found = found or next(iter(self.history.runs(limit=1)), None)
        else:
            found = self.history.run(int(what)) if what.isdecimal() else None
        if found is None:
            last = self.history.runs(limit=1)
            remedy = f"the last one is {last[0].number}" if last else "start one with: crystallize run"
            fact = f"there is no run {what}" if last else "there were no runs yet"
            raise UnknownNameError(fact, path=self.root, remedy=remedy)
        if running and found.state != "running":
            raise DefinitionError(
                f"run {what} is over ({found.state})", path=self.root, remedy="there is nothing to do"
            )
        return found

    def standing(self, run: RunRow) -> Standing | None:
        """How a run stands that is going on, or how it stood when it was killed; None where nobody can say."""
        standing = self.history.live(run.number).read() if run.state in UNFINISHED else None
        if standing is not None and run.state == "killed":
            return standing._replace(per_second=0.0, seconds_left=None)
        return standing

    def so_far(self, run: RunRow) -> list[GroupRow]:
        """The counts of such a run, all experiments together."""
        standing = self.standing(run)
        if standing is None:
            return []
        counts = (standing.ran, standing.reused, standing.failed, standing.blocked)
        return [GroupRow("", *counts, seconds_saved=standing.seconds_saved)]

    def candidates(self, experiment: str, limit: int) -> list[Candidate]:
        """What the last runs had of an experiment, newest first."""
        return candidates(experiment, self.history.runs(experiment, limit), self.history, self.store)

    def served(self, run: int, experiment: str) -> dict[str, Record]:
        """Label → the record that served the trial, for the trials of an experiment in a run."""
        numbers = self.history.served.of(run, experiment)
        records = {label: self.store.record(number) for label, number in numbers.items()}
        return {label: record for label, record in records.items() if record is not None}

    def parts_of(self, record: Record) -> list[Part]:
        """What a trial was made of."""
        _, parts = self.store.manifest_of(record.number) or ("", [])
        return parts

    def pieces_of(self, digest: Digest) -> list[Piece]:
        """The definitions behind a part of code, as they were recorded; none where that is not known."""
        return self.store.pieces_of(digest)

    def groups(self, run: int, experiment: str | None = None) -> list[GroupRow]:
        """The counts of a run by experiment; of one of them, when given."""
        return [group for group in self.history.groups(run) if experiment in (None, group.name)]

    def stats(self, experiment: str | None) -> Stats:
        """All runs together; what they did with one experiment, when given."""
        return Stats.of(self.store, experiment)

    def names(self) -> list[str]:
        """The experiments that have results here."""
        if not self.root.is_dir():
            return []
        return sorted(path.name for path in self.root.iterdir() if path.is_dir() and path.name[0] != ".")

    def artifacts(self, experiment: str, version: int) -> dict[str, dict[str, list[Path]]]:
        """File name → condition → the path in each replicate, in order; of one version of an experiment."""
        found: dict[str, dict[str, dict[int, Path]]] = {}
        for condition, view in self.store.views.of(f"{experiment}/v{version}").items():
            for file in view.files:
                _, _, replicate, *inner = file.path.split("/")
                if replicate.startswith("replicate_") and len(inner) > 1:
                    number = int(replicate.removeprefix("replicate_"))
                    found.setdefault(inner[-1], {}).setdefault(condition, {})[number] = self.root / file.path
        return {
            name: {
                condition: [paths[number] for number in sorted(paths)]
                for condition, paths in sorted(by_condition.items(), key=lambda item: item[0] != BASELINE_CONDITION)
            }
            for name, by_condition in found.items()
        }

    def check_known(self, experiment: str) -> None:
        """Raises UnknownNameError when the experiment neither ran nor has results."""
        names = self.names()
        if experiment not in names and not self.history.runs(experiment, 1):
            raise UnknownNameError(
                f"there are no results of '{experiment}'",
                path=self.root,
                remedy=nearest(experiment, names)
                if names
                else "there are none at all yet; start with: crystallize run",
            )


@contextmanager
def open_archive(start: Path | None = None) -> Iterator[Archive]:
    """The archive of the project around `start`, by default the working directory. Nothing is created."""
    settings = Settings.load(start)
    root = settings.results_root
    with Session(settings, write=False) as session:
        yield Archive(session.store(root), session.history(root))
