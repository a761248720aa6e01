"""`crystallize history`: which runs there were, and what they ran, reused and saved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from crystallize.cli.options import Output, OutputFormat

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from crystallize.history.history import GroupRow, RunRow


def history(
    experiment: Annotated[
        str | None, typer.Argument(metavar="EXPERIMENT", help="Only runs of this experiment.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="How many runs, newest first.")] = 20,
    form: OutputFormat = Output.text,
) -> None:
    """List the last runs of this project.

    Of an experiment: with its metrics, what differed, and the records; run --pin EXPERIMENT=RUN takes them as they are.

    \b
    Examples:
      crystallize history
      crystallize history train --limit 5
    """
    from crystallize.cli import console, schema
    from crystallize.experiment.reports.archive import open_archive
    from crystallize.experiment.reports.candidates import print_candidates

    with open_archive() as archive:
        if experiment is not None:
            archive.check_known(experiment)
        runs = archive.runs(experiment, limit)
        listed = [] if experiment is None else archive.candidates(experiment, limit)
    if form is Output.json:
        console.print_json(schema.history_document(runs, listed))
    elif listed:
        print_candidates(console.out(), listed)
    elif runs:
        print_runs(console.out(), runs)
    else:
        console.out().print("no runs yet; start one with: crystallize run")


def print_runs(console: Console, runs: Iterable[tuple[RunRow, list[GroupRow]]]) -> None:
    """One line per run, newest first."""
    import time

    from rich.text import Text

    from crystallize.experiment.reports.lines import table
    from crystallize.words import ago, count, duration

    listed = list(runs)
    troubles = [state for state in ("failed", "blocked") if any(_total(groups, state) for _, groups in listed)]
    counted = ["ran", "reused", *troubles]
    head = ["run", "when", "state", *counted, "took", "saved", "strategy", "what"]
    made = table(*head, numbers=["run", *counted], folded="what")
    now = time.time()
    for run, groups in listed:
        made.add_row(
            str(run.number),
            ago(run.started, now),
            Text(run.state, {"ok": "green", "failed": "red"}.get(run.state, "yellow")),
            *(count(_total(groups, state)) for state in counted),
            duration(run.seconds),
            duration(_total(groups, "seconds_saved")),
            run.strategy,
            ", ".join(run.targets),
        )
    console.print(made)


def _total(groups: Iterable[GroupRow], field: str) -> float:
    return sum(float(getattr(group, field)) for group in groups)
