"""`crystallize run`: runs what the targets mean, or says what a run would do."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

from crystallize.cli.options import Output, OutputFormat, Targets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crystallize.cli.schema import Json
    from crystallize.cli.tally import Tally
    from crystallize.cli.targets import Loaded
    from crystallize.experiment.result import Result
    from crystallize.experiment.running import Running
    from crystallize.plan.events import Watcher
    from crystallize.plan.plan import Plan
    from crystallize.settings import Settings

INTERRUPTED = 130


class Strategy(str, Enum):  # noqa: UP042  (typer shows the values of a `str` enum)
    """What becomes of finished work."""

    resume = "resume"
    rerun = "rerun"


def run(
    targets: Targets = None,
    strategy: Annotated[
        Strategy | None, typer.Option(help="Reuse what has not changed, or run everything; default: resume.")
    ] = None,
    treatment: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Run the baseline and this treatment; repeatable.")
    ] = None,
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
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would run, and why; write nothing.")] = False,
    restore: Annotated[
        bool, typer.Option("--restore", help="Put missing completion markers back instead of running again.")
    ] = False,
    form: OutputFormat = Output.text,
) -> None:
    """Run experiments and all they read; reuse what nothing has changed.

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
    from crystallize.cli.streams import quiet_logs, stdout_to_stderr
    from crystallize.settings import Settings

    settings = Settings.load()
    quiet_logs()
    with stdout_to_stderr(form is Output.json):
        from crystallize.cli.targets import load

        loaded = load(targets, set_)

        def running(watchers: Sequence[Watcher] = ()) -> Running:
            return loaded.graph.running(
                treatment,
                replicates,
                None if strategy is None else strategy.value,
                seed=seed,
                restore=restore,
                watchers=watchers,
                settings=settings,
                default_strategy="resume",
                what="cli",
            )

        code = _foresee(running(), loaded, settings, form) if dry_run else _run(running, loaded, settings, form)
    raise typer.Exit(code)


def strategy_of(running: Running) -> str:
    """``resume``, ``rerun``, or both where experiments differ."""
    return " and ".join(sorted({running.asked.strategy_of(node.experiment) for node in running.nodes}))


def _foresee(running: Running, loaded: Loaded, settings: Settings, form: Output) -> int:
    from crystallize.cli import console, schema
    from crystallize.cli.dry_run import count_states, print_foresight
    from crystallize.cli.foresight import Foresight
    from crystallize.cli.summary import print_left_out

    foresight = Foresight.of(running)
    explanations = foresight.explanations(settings)
    if form is Output.json:
        console.print_json(schema.foresight_document("run", foresight, explanations, strategy_of(running), loaded))
    else:
        print_foresight(console.out(), explanations, strategy_of(running))
        print_left_out(console.err(), loaded.broken, loaded.blocked)
    return 1 if loaded.left_out or count_states(explanations)["failed"] else 0
