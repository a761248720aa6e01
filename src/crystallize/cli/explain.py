"""`crystallize explain`: why each trial would run or be reused."""

from __future__ import annotations

from typing import Annotated

import typer

from crystallize.cli.options import Output, OutputFormat, Pins, ReuseFrom


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
    from crystallize.experiment.reports.explained import print_explanations
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
