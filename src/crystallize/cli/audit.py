"""`crystallize audit`: does what is reused come out the same when it runs again?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from crystallize.cli.options import Output, OutputFormat, Targets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from crystallize.cli.schema import Json
    from crystallize.errors import CrystallizeError
    from crystallize.experiment.results.audit import Audit, Audited

SAMPLE = 3


def audit(
    targets: Targets = None,
    sample: Annotated[
        int, typer.Option(min=1, metavar="N", help="How many trials of each experiment, evenly spread.")
    ] = SAMPLE,
    all_: Annotated[bool, typer.Option("--all", help="All trials that would be reused.")] = False,
    form: OutputFormat = Output.text,
) -> None:
    """Run reused trials again, aside, and compare bit by bit.

    Names the steps that are not deterministic and the first artifact or metric that differs. Records and results stay
    as they are. Ends with 1 when anything differs.

    \b
    Examples:
      crystallize audit
      crystallize audit train --all
    """
    from crystallize.cli import console
    from crystallize.cli.run import INTERRUPTED
    from crystallize.cli.streams import only_documents, quiet_logs
    from crystallize.cli.targets import load
    from crystallize.experiment.reports.summary import print_faults
    from crystallize.settings import Settings

    settings = Settings.load()
    quiet_logs()
    with only_documents(form is Output.json):
        loaded = load(targets)
        running = loaded.graph.running(strategy="resume", restore=True, settings=settings, what="audit")
        done = running.audit(None if all_ else sample)
    left_out = list(loaded.left_out.values())
    if form is Output.json:
        console.print_json(audit_document(done, left_out))
    else:
        print_faults(console.err(), left_out)
        print_audit(console.out(), done)
    if done.interrupted:
        raise typer.Exit(INTERRUPTED)
    raise typer.Exit(0 if done.sound and not left_out else 1)


def print_audit(console: Console, done: Audit) -> None:
    """What differed, by experiment and step, then the counts."""
    from crystallize.experiment.reports.lines import line

    for experiment in dict.fromkeys(each.experiment for each in done.trials):
        trials = [each for each in done.trials if each.experiment == experiment]
        same = sum(1 for each in trials if not (each.difference or each.error))
        line(console, (experiment, "bold"), (f"  {same} of {len(trials)} the same", "dim"))
        for step, count in done.steps().get(experiment, {}).items():
            line(console, ("  not deterministic: ", "bold red"), f"{step} ({count} of {len(trials)})")
        for each in trials:
            if each.difference or each.error:
                line(console, f"  {each.label.partition('/')[2]}: ", _told(each))
    counts = f"audited {len(done.trials)} of {done.reusable} that would be reused"
    would_run = f"; {done.others} would run" if done.others else ""
    verdict = "all the same bits" if done.sound else "not the same"
    if not done.trials:
        line(console, f"nothing to audit: nothing would be reused{would_run}")
    else:
        line(console, (verdict, "bold green" if done.sound else "bold red"), f": {counts}{would_run}")


def audit_document(done: Audit, left_out: Sequence[CrystallizeError]) -> Json:
    """What `audit` prints as JSON; see docs/reference/json.md."""
    from crystallize.cli.schema import SCHEMA

    return {
        "schema": SCHEMA,
        "command": "audit",
        "sound": done.sound,
        "interrupted": done.interrupted,
        "reusable": done.reusable,
        "would_run": done.others,
        "trials": [
            {
                "label": each.label,
                "record": each.record,
                "difference": each.difference,
                "step": each.step,
                "error": None if each.error is None else str(each.error),
            }
            for each in done.trials
        ],
        "left_out": [str(error) for error in left_out],
    }


def _told(each: Audited) -> str:
    if each.error is not None:
        return f"failed when it ran again: {each.error}"
    return f"{each.difference} came out differently"
