"""What `crystallize explain` prints: each cause once, with its trials, the code as a diff, what was read."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from crystallize.experiment.reports.difference import Difference
from crystallize.experiment.reports.dry_run import reason_parts
from crystallize.experiment.reports.explanation import Explanation
from crystallize.experiment.reports.lines import line
from crystallize.words import ranges

if TYPE_CHECKING:
    from rich.console import Console

SHOWN = 20
"""How many of the files that an experiment reads are listed."""


def print_explanations(console: Console, explanations: Sequence[Explanation]) -> None:
    """One section per experiment; in it each cause once, with the trials that it concerns."""
    for experiment, group in groupby(explanations, key=lambda each: each.experiment):
        alike = list(group)
        line(console, (experiment, "bold"))
        for each in alike:
            _print_explanation(console, each)
        read = list(dict.fromkeys(name for each in alike for name in each.read))
        for name in read[:SHOWN]:
            line(console, ("  read: ", "dim"), (name, "dim"))
        if len(read) > SHOWN:
            line(console, (f"  read: … and {len(read) - SHOWN} more (--format json lists all)", "dim"))
        for note in dict.fromkeys(note for each in alike for note in each.notes):
            line(console, ("  note: ", "dim"), (note, "dim"))
        console.print()


def _print_explanation(console: Console, explanation: Explanation) -> None:
    line(console, "  ", *reason_parts(explanation))
    if explanation.state != "reuse":
        by_replicates: dict[str, list[str]] = {}
        for condition, replicates in explanation.trials.items():
            by_replicates.setdefault(ranges(replicates), []).append(condition)
        for replicates_told, conditions in by_replicates.items():
            noun = "replicate" if replicates_told.isdecimal() else "replicates"
            line(console, (f"    {', '.join(conditions)} · {noun} {replicates_told}", "dim"))
    for change in explanation.changes:
        print_difference(console, change)


def print_difference(console: Console, change: Difference) -> None:
    """A diff of code, or a value before and after."""
    if not change.diff:
        told = [text if text is not None else "(nothing)" for text in (change.old, change.new)]
        line(console, f"    {change.name}: ", (told[0], "red"), " → ", (told[1], "green"))
        return
    for row in change.diff.splitlines():
        style = {"+": "green", "-": "red", "@": "cyan"}.get(row[:1], "")
        line(console, "    ", (row, style))
