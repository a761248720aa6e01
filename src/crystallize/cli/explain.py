"""`crystallize explain`: why each trial would run or be reused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from crystallize.cli.options import Output, OutputFormat, Pins, ReuseFrom

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from crystallize.experiment.reports.explanation import Difference, Explanation

SHOWN = 20
"""How many of the files that an experiment reads are listed."""


def explain(
    target: Annotated[
        str, typer.Argument(metavar="TARGET", help="A config.yaml, a folder, or the name of an experiment.")
    ],
    condition: Annotated[
        str | None, typer.Option(metavar="C", help="Only this condition: baseline or a treatment.")
    ] = None,
    replicate: Annotated[int | None, typer.Option(min=0, metavar="R", help="Only this replicate, from 0.")] = None,
    pin: Pins = None,
    reuse_from: ReuseFrom = None,
    form: OutputFormat = Output.text,
) -> None:
    """Say why trials would run or be reused.

    The trials of TARGET and of all it reads. Code that changed is shown as a diff, parameters as old and new, inputs by
    the file that they are. Nothing runs and nothing is written.

    \b
    Examples:
      crystallize explain train
      crystallize explain train --condition high_lr --replicate 3
    """
    from crystallize.cli import console, schema
    from crystallize.cli.pins import parse_pins
    from crystallize.cli.streams import only_documents, quiet_logs
    from crystallize.cli.targets import load
    from crystallize.experiment.reports.foresight import Foresight
    from crystallize.experiment.reports.summary import print_faults
    from crystallize.settings import Settings

    settings = Settings.load()
    quiet_logs()
    with only_documents(form is Output.json):
        loaded = load([target])
        pins = parse_pins(pin, reuse_from, list(loaded.graph.experiments))
        running = loaded.graph.running(
            pin=pins,
            switched_off=loaded.switched_off(),
            settings=settings,
            default_strategy="resume",
            what="cli",
        )
        foresight = Foresight.of(running).only(condition, replicate)
    explanations = foresight.explanations(settings)
    left_out = list(loaded.left_out.values())
    if form is Output.json:
        console.print_json(schema.foresight_document("explain", foresight, explanations, left_out))
    else:
        print_faults(console.err(), left_out)
        print_explanations(console.out(), explanations)
    raise typer.Exit(1 if left_out else 0)


def print_explanations(console: Console, explanations: Sequence[Explanation]) -> None:
    """One section per experiment; in it each cause once, with the trials that it concerns."""
    from itertools import groupby

    from crystallize.experiment.reports.lines import line

    for experiment, group in groupby(explanations, key=lambda each: each.experiment):
        alike = list(group)
        line(console, (experiment, "bold"))
        for each in alike:
            _print_explanation(console, each)
        read = list(dict.fromkeys(name for each in alike for name in each.read))
        for name in read[:SHOWN]:
            line(console, ("  read: ", "dim"), (name, "dim"))
        if len(read) > SHOWN:
            line(console, (f"  read: … and {len(read) - SHOWN} more (--format json lists all)", "dim"))
        for note in dict.fromkeys(note for each in alike for note in each.notes):
            line(console, ("  note: ", "dim"), (note, "dim"))
        console.print()


def _print_explanation(console: Console, explanation: Explanation) -> None:
    from crystallize.experiment.reports.dry_run import reason_parts
    from crystallize.experiment.reports.lines import line
    from crystallize.words import ranges

    line(console, "  ", *reason_parts(explanation))
    if explanation.state != "reuse":
        by_replicates: dict[str, list[str]] = {}
        for condition, replicates in explanation.trials.items():
            by_replicates.setdefault(ranges(replicates), []).append(condition)
        for replicates_told, conditions in by_replicates.items():
            noun = "replicate" if replicates_told.isdecimal() else "replicates"
            line(console, (f"    {', '.join(conditions)} · {noun} {replicates_told}", "dim"))
    for change in explanation.changes:
        _print_difference(console, change)


def _print_difference(console: Console, change: Difference) -> None:
    from crystallize.experiment.reports.lines import line

    if not change.diff:
        told = [text if text is not None else "(nothing)" for text in (change.old, change.new)]
        line(console, f"    {change.name}: ", (told[0], "red"), " → ", (told[1], "green"))
        return
    for row in change.diff.splitlines():
        style = {"+": "green", "-": "red", "@": "cyan"}.get(row[:1], "")
        line(console, "    ", (row, style))
