"""`crystallize show`: one run, or the present results of one experiment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from crystallize.cli.options import Output, OutputFormat

if TYPE_CHECKING:
    from rich.console import Console

    from crystallize.cli.archive import Archive
    from crystallize.history.history import GroupRow, JobRow, RunRow

RUNS_SHOWN = 5
"""Of an experiment, newest first."""


def show(
    what: Annotated[str, typer.Argument(metavar="RUN|EXPERIMENT", help="The number of a run, or an experiment.")],
    form: OutputFormat = Output.text,
) -> None:
    """Show one run, or the results of one experiment.

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


def print_run(console: Console, run: RunRow, groups: list[GroupRow], jobs: list[JobRow]) -> None:
    """What a run did: its experiments, then the trials that did not just serve again."""
    import time

    from crystallize.cli.console import ago, count, duration, line, print_indented, table

    about = f"  strategy {run.strategy} · {ago(run.started, time.time())} · {run.state} · {duration(run.seconds)}"
    line(console, (f"run {run.number}", "bold"), (about, "dim"))
    counted = ("ran", "reused", "failed", "blocked")
    made = table("experiment", *counted, "took", "saved", numbers=counted)
    for group in groups:
        counts = (count(getattr(group, state)) for state in counted)
        made.add_row(group.name, *counts, duration(group.seconds), duration(group.seconds_saved))
    print_indented(console, made)
    if jobs:
        console.print()
        listed = table("trial", "state", "took", "why", folded="why")
        for job in jobs:
            listed.add_row(job.label, job.state, duration(job.seconds), job.error or job.reason)
        print_indented(console, listed)


def _show_experiment(archive: Archive, name: str, form: Output) -> None:
    from crystallize.cli import console, schema
    from crystallize.cli.history import print_runs
    from crystallize.cli.summary import print_artifacts, print_metrics
    from crystallize.experiment.results.saved_metrics import load_metrics

    archive.check_known(name)
    version, baseline, treatments = load_metrics(archive.root / name)
    metrics = {"baseline": baseline, **treatments} if version >= 0 else {}
    artifacts = archive.artifacts(name, version)
    runs = archive.runs(name, RUNS_SHOWN)
    if form is Output.json:
        console.print_json(
            schema.experiment_document(name, version=version, metrics=metrics, artifacts=artifacts, runs=runs)
        )
        return
    out = console.out()
    console.line(out, (name, "bold"), (f"  {console.near(archive.root / name / f'v{version}')}", "dim"))
    print_metrics(out, metrics.items())
    replicates = max((len(paths) for each in artifacts.values() for paths in each.values()), default=1)
    first = {file: {condition: paths[0] for condition, paths in each.items()} for file, each in artifacts.items()}
    print_artifacts(out, first, replicates)
    out.print()
    print_runs(out, runs)
