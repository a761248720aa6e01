"""`crystallize show`: one run, or the present results of one experiment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from crystallize.cli.options import Output, OutputFormat

if TYPE_CHECKING:
    from crystallize.experiment.reports.archive import Archive

RUNS_SHOWN = 5
"""Of an experiment, newest first."""


def show(
    what: Annotated[
        str, typer.Argument(metavar="RUN|EXPERIMENT", help="The number of a run, latest, an experiment, or a pipeline.")
    ],
    form: OutputFormat = Output.text,
) -> None:
    """Show one run, or the results of one experiment; of a pipeline its last run.

    \b
    Examples:
      crystallize show 12
      crystallize show train
    """
    from crystallize.experiment.reports.archive import LATEST, open_archive

    with open_archive() as archive:
        newest = next(iter(archive.history.runs(what, 1)), None)
        if newest is not None and newest.is_pipeline:
            _show_run(archive, str(newest.number), form)
        elif (what.isdecimal() or what == LATEST) and what not in archive.names():
            _show_run(archive, what, form)
        else:
            _show_experiment(archive, what, form)


def _show_run(archive: Archive, what: str, form: Output) -> None:
    from crystallize.cli import console, schema
    from crystallize.experiment.reports.runs import print_run
    from crystallize.experiment.reports.tally import by_group

    run = archive.run(what)
    if form is Output.text:
        print_run(console.out(), archive, run)
        return
    jobs = archive.history.jobs(run.number)
    groups = {group.name: group for group in archive.groups(run.number)}
    counts = groups or {group.name: group for group in archive.so_far(run)}
    console.print_json(
        schema.run_document(
            "show",
            run=run.number,
            strategy=run.strategy,
            jobs=jobs,
            groups=counts,
            seconds=run.seconds,
            interrupted=run.state in ("interrupted", "cancelled", "killed"),
            experiments=map(schema.experiment_entry, (groups or by_group(jobs)).values()),
        )
    )


def _show_experiment(archive: Archive, name: str, form: Output) -> None:
    from crystallize.cli import console, schema
    from crystallize.experiment.reports.lines import line
    from crystallize.experiment.reports.runs import print_runs
    from crystallize.experiment.reports.summary import print_artifacts, print_metrics
    from crystallize.experiment.results.ends import ends
    from crystallize.experiment.results.saved_metrics import load_parts
    from crystallize.words import near

    archive.check_known(name)
    version, parts = load_parts(archive.root / name)
    artifacts = archive.artifacts(name, version)
    runs = archive.runs(name, RUNS_SHOWN)
    if form is Output.json:
        console.print_json(
            schema.experiment_document(
                name,
                version=version,
                metrics={condition: part.metrics for condition, part in parts.items()},
                artifacts=artifacts,
                runs=runs,
            )
        )
        return
    out = console.out()
    line(out, (name, "bold"), (f"  {near(archive.root / name / f'v{version}')}", "dim"))
    print_metrics(out, ((condition, ends(part)) for condition, part in parts.items()))
    replicates = max((len(paths) for each in artifacts.values() for paths in each.values()), default=1)
    first = {file: {condition: paths[0] for condition, paths in each.items()} for file, each in artifacts.items()}
    print_artifacts(out, first, replicates)
    out.print()
    print_runs(out, runs)
