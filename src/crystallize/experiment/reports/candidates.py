"""The runs whose results of one experiment may be pinned: when, what differed, metrics, records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from crystallize.experiment.pinning import trial_of
from crystallize.experiment.reports.lines import line, print_indented, table
from crystallize.experiment.results.ends import ends_of
from crystallize.experiment.results.structs import Samples, merged
from crystallize.experiment.results.summary import describe
from crystallize.history.history import History, RunRow
from crystallize.store.pins import pinned_records
from crystallize.store.record import Record
from crystallize.store.store import Store
from crystallize.words import duration, plural, ranges

if TYPE_CHECKING:
    from rich.console import Console

REASONS_SHOWN = 3


@dataclass(slots=True)
class Candidate:
    """What one run had of one experiment."""

    run: RunRow
    reasons: dict[str, int]
    """Why trials ran, or from which run they were taken → how many."""
    metrics: dict[str, Samples] = field(default_factory=dict)
    """Condition → metric → values, in the order of replicates."""
    shown: dict[str, Samples] = field(default_factory=dict)
    """The same as tables have it: of curves their ends."""
    records: dict[str, list[int]] = field(default_factory=dict)
    """Condition → numbers of the records, in the order of replicates."""
    pinned: bool = False
    """Whether any of the records is pinned, so that it is never swept."""

    def told(self, condition: str) -> str:
        """The metrics of a condition in a line."""
        return ", ".join(f"{name} {describe(values)}" for name, values in self.shown.get(condition, {}).items())


def candidates(experiment: str, runs: Iterable[RunRow], history: History, store: Store) -> list[Candidate]:
    """One per run, in the order of `runs`."""
    known: dict[int, Record | None] = {}
    pinned = pinned_records(store.database)
    found = []
    for run in runs:
        served = history.served.of(run.number, experiment)
        for number in served.values():
            if number not in known:
                known[number] = store.record(number)
        trials = {trial_of(label): known[number] for label, number in served.items()}
        candidate = Candidate(run, _reasons(experiment, run.number, history, known, served.values()))
        ordered: dict[str, list[Record]] = {}
        for (condition, _), record in sorted(trials.items(), key=lambda item: (item[0][0] != "baseline", item[0])):
            if record is not None:
                ordered.setdefault(condition, []).append(record)
                candidate.pinned |= record.number in pinned
        for condition, records in ordered.items():
            _add(candidate, condition, records)
        found.append(candidate)
    return found


def print_candidates(console: Console, listed: Sequence[Candidate]) -> None:
    """One section per run, newest first: what differed, then a row per condition."""
    for candidate in listed:
        run = candidate.run
        about = f"  {moment(run.started)} · {run.state} · {duration(run.seconds)}"
        line(console, (f"run {run.number}", "bold"), (about, "dim"), "  pinned" if candidate.pinned else "")
        condition_word, job_word = ("node", "execution") if run.is_pipeline else ("condition", "trial")
        for reason in _told(candidate.reasons, job_word):
            line(console, f"  {reason}")
        if candidate.records:
            made = table(condition_word, "metrics", "records", folded="metrics")
            for condition, numbers in candidate.records.items():
                made.add_row(condition, candidate.told(condition), _numbers(numbers))
            print_indented(console, made, 4)


def moment(seconds: float) -> str:
    """``2026-05-01 14:03``, in local time."""
    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M")


def _add(candidate: Candidate, condition: str, records: Sequence[Record]) -> None:
    candidate.records[condition] = [record.number for record in records]
    candidate.metrics[condition] = merged(record.metrics for record in records)
    candidate.shown[condition] = ends_of(records)


def _reasons(
    experiment: str, run: int, history: History, known: dict[int, Record | None], numbers: Iterable[int]
) -> dict[str, int]:
    rows = [job for job in history.jobs(run) if job.group == experiment]
    counts = Counter(job.error or job.reason for job in rows)
    told = {job.record for job in rows}
    earlier = [known[number] for number in numbers if number not in told]
    counts.update(f"nothing since run {record.run}" for record in earlier if record is not None)
    return dict(counts)


def _told(reasons: Mapping[str, int], job_word: str) -> Iterator[str]:
    """The most frequent reasons, one a line."""
    ordered = sorted(reasons.items(), key=lambda item: -item[1])
    yield from (f"{reason} ({plural(count, job_word)})" for reason, count in ordered[:REASONS_SHOWN])
    if len(ordered) > REASONS_SHOWN:
        yield f"and {plural(len(ordered) - REASONS_SHOWN, 'other reason')}"


def _numbers(records: Sequence[int]) -> str:
    text = ranges(set(records))
    parts = text.split(", ")
    return text if len(parts) <= 3 else f"{parts[0]}, … {parts[-1]}"
