"""`crystallize stats`: what reuse is worth, per run and over time."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from crystallize.cli.options import Output, OutputFormat

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from crystallize.history.history import GroupRow, RunRow
    from crystallize.history.stats import Stats

CAUSES_SHOWN = 10


def stats(
    experiment: Annotated[
        str | None, typer.Argument(metavar="EXPERIMENT", help="Only what runs did with this experiment.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="How many runs are listed, newest first.")] = 10,
    form: OutputFormat = Output.text,
) -> None:
    """Say what reuse was worth, which edits cost most, and what is never reused.

    \b
    Examples:
      crystallize stats
      crystallize stats train
    """
    from crystallize.cli import console, schema
    from crystallize.experiment.reports.archive import open_archive
    from crystallize.experiment.reports.runs import words_of

    with open_archive() as archive:
        if experiment is not None:
            archive.check_known(experiment)
        runs = archive.runs(experiment, limit)
        found = archive.stats(experiment)
        words = words_of(archive.history.runs(experiment, sys.maxsize))
    if form is Output.json:
        console.print_json(schema.stats_document(runs, found))
    elif runs:
        print_stats(console.out(), runs, found, words)
    else:
        console.out().print("no runs yet; start one with: crystallize run")


def print_stats(
    console: Console, runs: Sequence[tuple[RunRow, list[GroupRow]]], found: Stats, words: tuple[str, str]
) -> None:
    """The last runs, all runs together by experiment, what made trials run, and what is never reused.

    Parameters
    ----------
    words : what the groups and the jobs of all runs are called.
    """
    import time

    from crystallize.experiment.reports.lines import line, print_indented, table
    from crystallize.words import ago, count, duration

    group_word, job_word = words

    numbers = ("ran", "reused", "failed", "share")
    now = time.time()
    made = table("run", "when", *numbers, "executed", "saved", numbers=("run", *numbers))
    for run, groups in runs:
        made.add_row(str(run.number), ago(run.started, now), *_cells(_sum(str(run.number), groups)))
    console.print(made)
    console.print()
    line(console, ("all runs", "bold"))
    made = table(group_word, *numbers, "executed", "saved", numbers=numbers)
    for group in [*found.experiments, *([_sum("together", found.experiments)] if len(found.experiments) > 1 else [])]:
        made.add_row(group.name, *_cells(group))
    print_indented(console, made)
    if found.causes:
        console.print()
        line(console, (f"what made {job_word}s run again", "bold"))
        made = table("took", f"{job_word}s", "runs", group_word, "why", numbers=(f"{job_word}s", "runs"), folded="why")
        for cause in found.causes[:CAUSES_SHOWN]:
            counts = (count(cause.trials), count(cause.runs))
            made.add_row(duration(cause.seconds), *counts, ", ".join(cause.experiments), cause.why)
        print_indented(console, made)
    if found.never:
        console.print()
        line(console, ("never reused", "bold"))
        made = table(group_word, "runs", "why, last time", numbers=("runs",), folded="why, last time")
        for each in found.never:
            made.add_row(each.name, str(each.runs), each.why)
        print_indented(console, made)


def _cells(group: GroupRow) -> tuple[str, ...]:
    from crystallize.history.stats import share_reused
    from crystallize.words import count, duration

    share = share_reused(group)
    told = "·" if share is None else f"{100 * share:.0f} %"
    counts = (count(group.ran), count(group.reused), count(group.failed))
    return *counts, told, duration(group.seconds), duration(group.seconds_saved)


def _sum(name: str, groups: Sequence[GroupRow]) -> GroupRow:
    from crystallize.history.history import GroupRow

    return GroupRow(name, *(sum(column) for column in zip(*(group[1:] for group in groups), strict=True)))
