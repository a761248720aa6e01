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

    \b
    Examples:
      crystallize history
      crystallize history train --limit 5
    """
    from crystallize.cli import console, schema
    from crystallize.cli.archive import open_archive

    with open_archive() as archive:
        if experiment is not None:
            archive.check_known(experiment)
        runs = archive.runs(experiment, limit)
    if form is Output.json:
        console.print_json(schema.history_document(runs))
    elif runs:
        print_runs(console.out(), runs)
    else:
        console.out().print("no runs yet; start one with: crystallize run")


def print_runs(console: Console, runs: Iterable[tuple[RunRow, list[GroupRow]]]) -> None:
    """One line per run, newest first."""
    import time

    from rich.text import Text

    from crystallize.cli.console import ago, duration, table

    counted = ("ran", "reused", "failed", "blocked")
    made = table("run", "when", "what", "strategy", "state", *counted, "took", "saved", numbers=("run", *counted))
    now = time.time()
    for run, groups in runs:
        counts = [sum(getattr(group, state) for group in groups) for state in counted]
        saved = sum(group.seconds_saved for group in groups)
        style = {"ok": "green", "failed": "red"}.get(run.state, "yellow")
        made.add_row(
            str(run.number),
            ago(run.started, now),
            _shortened(run.targets),
            run.strategy,
            Text(run.state, style),
            *(str(count or "·") for count in counts),
            duration(run.seconds),
            duration(saved),
        )
    console.print(made)


def _shortened(names: tuple[str, ...], most: int = 3) -> str:
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
