"""Two runs side by side: what each experiment gave in either, and why its trials ran in the later one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.text import Text

from crystallize.experiment.reports.archive import Archive
from crystallize.experiment.reports.candidates import candidates
from crystallize.experiment.reports.lines import line, print_indented, table
from crystallize.experiment.results.summary import describe
from crystallize.history.history import RunRow
from crystallize.words import plural

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True, slots=True)
class Compared:
    """One experiment in two runs."""

    experiment: str
    rows: Sequence[tuple[str, str, str, str]]
    """Condition, metric, and its values in the earlier and in the later run; empty where it has none."""
    reasons: Mapping[str, int]
    """Why trials of the later run ran, or where they were taken from → how many."""


def compare(archive: Archive, earlier: RunRow, later: RunRow) -> list[Compared]:
    """Every experiment that took part in either run."""
    names = dict.fromkeys(group.name for run in (earlier, later) for group in archive.groups(run.number))
    return [_compared(name, archive, earlier, later) for name in names]


def print_comparison(console: Console, earlier: RunRow, later: RunRow, compared: Sequence[Compared]) -> None:
    """One section per experiment; values that differ stand out."""
    line(console, (f"run {earlier.number} → run {later.number}", "bold"))
    for each in compared:
        differing = sum(before != after for _, _, before, after in each.rows)
        told = f"  {plural(differing, 'value')} differ" if differing != 1 else "  1 value differs"
        line(console, (each.experiment, "bold"), (told if differing else "  no value differs", "dim"))
        made = table("condition", "metric", f"run {earlier.number}", f"run {later.number}")
        for condition, metric, before, after in each.rows:
            made.add_row(condition, metric, before, Text(after, "" if before == after else "bold yellow"))
        if each.rows:
            print_indented(console, made)
        for reason, count in each.reasons.items():
            line(console, (f"  {reason} ({plural(count, 'trial')})", "dim"))


def _compared(name: str, archive: Archive, earlier: RunRow, later: RunRow) -> Compared:
    before, after = candidates(name, [earlier, later], archive.history, archive.store)
    keys = dict.fromkeys(
        (condition, metric)
        for each in (before, after)
        for condition, metrics in each.metrics.items()
        for metric in metrics
    )
    rows = [(*key, _told(before.metrics, *key), _told(after.metrics, *key)) for key in keys]
    return Compared(name, rows, after.reasons)


def _told(metrics: Mapping[str, Mapping[str, Sequence[Any]]], condition: str, metric: str) -> str:
    values = metrics.get(condition, {}).get(metric)
    return "" if values is None else describe(values)
