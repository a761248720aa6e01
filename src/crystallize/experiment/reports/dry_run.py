"""What `crystallize run --dry-run` prints: per experiment and condition what would run, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from crystallize.experiment.reports.explanation import Explanation
from crystallize.experiment.reports.lines import line, print_indented, table
from crystallize.words import count, duration, plural

if TYPE_CHECKING:
    from rich.console import Console

STATES = {"run": "would run", "reuse": "would be reused", "undecided": "undecided", "fail": "would fail"}
"""State of a foreseen trial → its words."""

LEAST_SECONDS = 0.05
"""Less is not worth telling."""


def print_foresight(console: Console, explanations: Sequence[Explanation], strategy: str) -> None:
    """One section per experiment, then the counts of all."""
    line(console, ("dry run", "bold"), (f"  strategy {strategy} · nothing is written", "dim"))
    console.print()
    for experiment, group in groupby(explanations, key=lambda each: each.experiment):
        line(console, (experiment, "bold"))
        _print_experiment(console, list(group))
        console.print()
    counts = count_states(explanations)
    told = [f"{words} {counts[state]}" for state, words in STATES.items() if counts[state] or state != "fail"]
    spent = sum(each.seconds for each in explanations if each.state == "run")
    saved = sum(each.seconds for each in explanations if each.state == "reuse")
    line(console, (", ".join(told), "bold"), f" (last time {duration(spent)}; saves {duration(saved)})")


def count_states(explanations: Sequence[Explanation]) -> Counter[str]:
    """State → trials."""
    counts: Counter[str] = Counter()
    for each in explanations:
        counts[each.state] += each.count
    return counts


def _print_experiment(console: Console, explanations: Sequence[Explanation]) -> None:
    counts: dict[str, Counter[str]] = {}
    for each in explanations:
        for condition, replicates in each.trials.items():
            counts.setdefault(condition, Counter())[each.state] += len(replicates)
    shown = [state for state in STATES if state != "fail" or any(row["fail"] for row in counts.values())]
    headings = [STATES[state] for state in shown]
    made = table("condition", *headings, numbers=headings)
    for condition, row in counts.items():
        made.add_row(condition, *(count(row[state]) for state in shown))
    print_indented(console, made)
    for each in explanations:
        line(console, "  ", *reason_parts(each))


def reason_parts(explanation: Explanation) -> list[str | tuple[str, str]]:
    """One explanation in one line: how many trials, what becomes of them, why, how long they took last time."""
    style = {"run": "green", "reuse": "blue", "fail": "red"}.get(explanation.state, "yellow")
    parts: list[str | tuple[str, str]] = [
        f"{plural(explanation.count, 'trial')} ",
        (STATES[explanation.state], style),
        f": {explanation.reason}",
    ]
    if explanation.seconds >= LEAST_SECONDS:
        parts.append((f"  (took {duration(explanation.seconds)} last time)", "dim"))
    return parts
