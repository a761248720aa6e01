"""`crystallize history`: which runs there were, and what they ran, reused and saved."""

from __future__ import annotations

from typing import Annotated

import typer

from crystallize.cli.options import Output, OutputFormat


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
    from crystallize.experiment.reports.runs import print_runs

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
