"""`crystallize run`: runs what the targets mean, or says what a run would do."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

from crystallize.cli.options import Output, OutputFormat, Pins, ReuseFrom, Targets

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from crystallize.errors import CrystallizeError
    from crystallize.experiment.reports.foresight import Foresight
    from crystallize.experiment.reports.tally import Tally
    from crystallize.experiment.results.result import Result
    from crystallize.experiment.running import Running
    from crystallize.plan.events import Watcher
    from crystallize.settings import Settings

INTERRUPTED = 130
KEPT = "stopped; what had finished is kept, and the same command goes on from there"


class Strategy(str, Enum):  # noqa: UP042  (typer shows the values of a `str` enum)
    """What becomes of finished work."""

    resume = "resume"
    rerun = "rerun"


class Place(str, Enum):  # noqa: UP042  (typer shows the values of a `str` enum)
    """Where trials run."""

    serial = "serial"
    thread = "thread"
    process = "process"
    async_ = "async"
    ray = "ray"


def run(
    targets: Targets = None,
    strategy: Annotated[
        Strategy | None, typer.Option(help="Reuse what has not changed, or run everything; default: resume.")
    ] = None,
    treatment: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Run the baseline and this treatment; repeatable.")
    ] = None,
    all_treatments: Annotated[
        bool, typer.Option("--all-treatments", help="Run treatments that are switched off (config.state.json) as well.")
    ] = False,
    replicates: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Replicates of every experiment, in place of its own.")
    ] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help="Base seed, in place of the defined one.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="EXPERIMENT.PATH=VALUE", help="Replace a value of a config.yaml for this run; repeatable."
        ),
    ] = None,
    pin: Pins = None,
    reuse_from: ReuseFrom = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would run, and why; write nothing.")] = False,
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", "-j", min=1, metavar="N", help="Trials at a time, in worker processes by default."),
    ] = None,
    executor: Annotated[
        Place | None, typer.Option(help="Where all trials run, in place of what experiments say.")
    ] = None,
    address: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="The Ray cluster where all trials run; or auto, or local.")
    ] = None,
    restore: Annotated[
        bool, typer.Option("--restore", help="Put missing completion markers back instead of running again.")
    ] = False,
    detach: Annotated[
        bool, typer.Option("--detach", help="Run in the background; see crystallize watch and cancel.")
    ] = False,
    form: OutputFormat = Output.text,
) -> None:
    """Run experiments and all they read; reuse what is unchanged.

    \b
    TARGET is a config.yaml, a folder, or the name of an experiment; without one the whole project runs.
    A path for --set is a key of the config.yaml (replicates), steps.<step>.<parameter>,
    datasource.<alias>.<parameter> or treatments.<name>.<key>.

    \b
    Examples:
      crystallize run
      crystallize run train --dry-run
      crystallize run train --treatment high_lr --replicates 3 --set train.steps.fit.rate=0.1
    """
    from crystallize.cli.pins import parse_pins
    from crystallize.cli.progress import Progress
    from crystallize.cli.streams import only_documents, quiet_logs
    from crystallize.cli.targets import load
    from crystallize.experiment.reports.foresight import Foresight
    from crystallize.experiment.reports.tally import Tally
    from crystallize.settings import Settings

    settings = Settings.load()
    tally = Tally()
    progress = Progress()
    watchers: list[Watcher] = [tally, progress]
    if detach and dry_run:
        raise typer.BadParameter("a dry run is not detached", param_hint="--detach")
    if detach:
        from crystallize.cli.detach import detach as into_background

        watchers.append(into_background(settings, form))
        form = Output.text
    quiet_logs()
    with only_documents(form is Output.json):
        loaded = load(targets, set_, treatment)
        running = loaded.graph.running(
            treatment,
            replicates,
            None if strategy is None else strategy.value,
            seed=seed,
            pin=parse_pins(pin, reuse_from, list(loaded.graph.experiments)),
            jobs=jobs,
            executor=None if executor is None else executor.value,
            address=address,
            restore=restore,
            switched_off=loaded.switched_off(all_treatments),
            watchers=watchers,
            settings=settings,
            default_strategy="resume",
            what="cli",
        )
        foresight = Foresight.of(running) if dry_run else None
        with progress:
            results = running.run() if foresight is None else {}
    left_out = list(loaded.left_out.values())
    if foresight is not None:
        raise typer.Exit(_tell_foresight(foresight, settings, left_out, form))
    raise typer.Exit(_tell_run(running, tally, results, left_out, form))


def _tell_foresight(
    foresight: Foresight, settings: Settings, left_out: Sequence[CrystallizeError], form: Output
) -> int:
    from crystallize.cli import console, schema
    from crystallize.experiment.reports.dry_run import print_foresight
    from crystallize.experiment.reports.lines import line
    from crystallize.experiment.reports.summary import print_faults

    explanations = foresight.explanations(settings)
    if form is Output.json:
        console.print_json(schema.foresight_document("run", foresight, explanations, left_out))
    else:
        print_faults(console.err(), left_out)
        for node in foresight.nodes:
            for notice in node.switched:
                line(console.out(), ("note: ", "yellow"), f"{node.experiment.label}: {notice}")
        print_foresight(console.out(), explanations, foresight.strategy)
    return 1 if left_out or any(each.state == "fail" for each in explanations) else 0


def _tell_run(
    running: Running,
    tally: Tally,
    results: Mapping[str, Result],
    left_out: Sequence[CrystallizeError],
    form: Output,
) -> int:
    from crystallize.cli import console, schema
    from crystallize.experiment.reports.foresight import strategy_of
    from crystallize.experiment.reports.summary import print_faults, print_run

    report = running.report
    assert report is not None, "running.run() returned"
    if form is Output.json:
        console.print_json(schema.finished_document(report, strategy_of(running), tally.jobs, results, left_out))
    else:
        print_faults(console.err(), left_out)
        print_run(console.out(), strategy_of(running), report, tally, results, left_out)
    if report.interrupted:
        console.err().print(KEPT)
        return INTERRUPTED
    return 1 if left_out or tally.trouble or any(result.errors for result in results.values()) else 0
