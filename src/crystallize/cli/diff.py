"""`crystallize diff`: what differs between two conditions, runs or experiments, as they were recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from crystallize.cli.options import Output, OutputFormat

if TYPE_CHECKING:
    from crystallize.experiment.reports.comparison import Comparison, Pair, Part


def diff(
    sides: Annotated[
        list[str],
        typer.Argument(metavar="A B", help="Two conditions (train:baseline), two runs (3, or run 3), two experiments."),
    ],
    form: OutputFormat = Output.text,
) -> None:
    """Say what differs between two results: values, inputs, code, metrics.

    Everything is as it was recorded: none of your code is loaded. A condition is that of the last run that had it.

    \b
    Examples:
      crystallize diff train:baseline train:high_lr
      crystallize diff run 3 5
      crystallize diff train train_large --format json
    """
    from crystallize.cli import console
    from crystallize.experiment.reports.archive import open_archive
    from crystallize.experiment.reports.compared import print_comparison
    from crystallize.experiment.reports.comparison import compare

    if len(sides) == 3 and sides[0] == "run":
        sides = sides[1:]
    if len(sides) != 2:
        raise typer.BadParameter("two sides are compared, as in: crystallize diff train:baseline train:high_lr")
    with open_archive() as archive:
        comparison = compare(archive, *sides)
    if form is Output.json:
        console.print_json(document(comparison))
    else:
        print_comparison(console.out(), comparison)


def document(comparison: Comparison) -> dict[str, Any]:
    """What `diff` prints as JSON."""
    from crystallize.cli.schema import SCHEMA

    return {
        "schema": SCHEMA,
        "command": "diff",
        "old": comparison.old,
        "new": comparison.new,
        "pairs": [_pair_entry(pair) for pair in comparison.pairs],
        "only_old": list(comparison.only_old),
        "only_new": list(comparison.only_new),
    }


def _pair_entry(pair: Pair) -> dict[str, Any]:
    from crystallize.cli.schema import difference_entry, exact

    return {
        "old": _part_entry(pair.old),
        "new": _part_entry(pair.new),
        "same": pair.is_same,
        "differences": [difference_entry(change) for change in pair.changes],
        "metrics": {name: {"old": exact(old), "new": exact(new)} for name, (old, new) in pair.metrics.items()},
    }


def _part_entry(part: Part) -> dict[str, Any]:
    return {
        "experiment": part.experiment,
        "condition": part.condition,
        "run": part.run,
        "records": {str(replicate): record.number for replicate, record in sorted(part.trials.items())},
    }
