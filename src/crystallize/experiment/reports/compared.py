"""What `crystallize diff` prints: each thing that differs, once, with the metrics of the conditions it concerns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from crystallize.experiment.reports.comparison import Comparison, Pair
from crystallize.experiment.reports.explained import print_difference
from crystallize.experiment.reports.lines import line, print_indented, table
from crystallize.experiment.results.summary import describe, summarise

if TYPE_CHECKING:
    from rich.console import Console


def print_comparison(console: Console, comparison: Comparison) -> None:
    """One section per set of changes; conditions whose results are the very same are only named."""
    line(console, (comparison.old, "bold"), " → ", (comparison.new, "bold"))
    alike: dict[object, list[Pair]] = {}
    for pair in comparison.pairs:
        if not pair.is_same:
            alike.setdefault((pair.old.experiment, pair.new.experiment, pair.changes), []).append(pair)
    for pairs in alike.values():
        if (comparison.old, comparison.new) != (pairs[0].old.name, pairs[0].new.name):
            console.print()
            line(console, (", ".join(map(_name, pairs)), "bold"))
        _print_alike(console, pairs)
    same = [pair.new.name for pair in comparison.pairs if pair.is_same]
    if same:
        line(console, ("the same results: ", "dim"), (", ".join(same), "dim"))
    for side, names in ((comparison.old, comparison.only_old), (comparison.new, comparison.only_new)):
        if names:
            line(console, (f"only in {side}: ", "dim"), ", ".join(names))


def _print_alike(console: Console, pairs: Sequence[Pair]) -> None:
    for change in pairs[0].changes:
        print_difference(console, change)
    if not pairs[0].changes:
        line(console, ("    nothing that counts differs", "dim"))
    made = table("metric", "condition", "before", "after", "difference", numbers=["before", "after", "difference"])
    for metric in dict.fromkeys(metric for pair in pairs for metric in pair.shown):
        for pair in pairs:
            before, after = pair.shown.get(metric, ([], []))
            made.add_row(metric, _condition(pair), _told(before), _told(after), _difference(before, after))
    if made.rows:
        print_indented(console, made, 4)


def _name(pair: Pair) -> str:
    return pair.new.name if pair.old.name == pair.new.name else f"{pair.old.name} → {pair.new.name}"


def _condition(pair: Pair) -> str:
    old, new = pair.old.condition, pair.new.condition
    return new if old == new else f"{old} → {new}"


def _told(values: Sequence[Any]) -> str:
    return describe(values) if values else "·"


def _difference(before: Sequence[Any], after: Sequence[Any]) -> str:
    """Of the means, with the sign."""
    old, new = summarise(before), summarise(after)
    return "·" if old is None or new is None else f"{new.mean - old.mean:+.4g}"
