"""`crystallize show`: one run, or the present results of one experiment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from crystallize.cli.options import Output, OutputFormat

if TYPE_CHECKING:
    from rich.console import Console

    from crystallize.cli.archive import Archive
    from crystallize.history.history import GroupRow, JobRow, RunRow


def show(
    what: Annotated[str, typer.Argument(metavar="RUN|EXPERIMENT", help="The number of a run, or an experiment.")],
    form: OutputFormat = Output.text,
) -> None:
    """Show what a run did, or the results that an experiment has now.

    \b
    Examples:
      crystallize show 12
      crystallize show train
    """
    from crystallize.cli.archive import open_archive

    with open_archive() as archive:
        if what.isdecimal() and what not in archive.names():
            _show_run(archive, int(what), form)
        else:
            _show_experiment(archive, what, form)


def _show_run(archive: Archive, number: int, form: Output) -> None:
    from crystallize.cli import console, schema
    from crystallize.errors import UnknownNameError

    run = archive.history.run(number)
    if run is None:
        last = archive.history.runs(limit=1)
        remedy = f"the last one is {last[0].number}" if last else "there were none yet"
        raise UnknownNameError(f"there is no run {number}", path=archive.root, remedy=remedy)
    groups, jobs = archive.groups(number), archive.history.jobs(number)
    if form is Output.text:
        print_run(console.out(), run, groups, jobs)
        return
    console.print_json(
        schema.run_document(
            "show",
            run=number,
            strategy=run.strategy,
            jobs=jobs,
            groups={group.name: group for group in groups},
            seconds=run.seconds,
            interrupted=run.state in ("interrupted", "running"),
        )
    )


def _show_experiment(archive: Archive, name: str, form: Output) -> None:
    from crystallize.cli import console, schema
    from crystallize.cli.console import line, print_indented, table
    from crystallize.cli.history import print_runs
    from crystallize.cli.summary import print_artifacts, print_metrics
    from crystallize.experiment.saved_metrics import load_metrics

    archive.check_known(name)
    version, baseline, treatments = load_metrics(archive.root / name)
    metrics = {"baseline": baseline, **treatments}
    folder = archive.root / name / f"v{version}"
    replicates, artifacts = archive.artifacts(folder)
    runs = archive.runs(name, 5)
    if form is Output.json:
        console.print_json(
            schema.experiment_document(name, version=version, metrics=metrics, artifacts=artifacts, runs=runs)
        )
        return
    out = console.out()
    line(out, (name, "bold"), (f"  {console.near(folder)}", "dim"))
    print_metrics(out, metrics.items())
    print_artifacts(out, artifacts, replicates)
    out.print()
    print_runs(out, runs)
