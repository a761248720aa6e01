"""`crystallize new`: begins an experiment folder that runs at once."""

from __future__ import annotations

import shlex
from typing import Annotated

import typer


def new(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="What the experiment is called; its folder is experiments/NAME.")
    ],
    example: Annotated[
        bool, typer.Option("--example", help="With an output, treatments and a hypothesis, to be changed.")
    ] = False,
    inputs: Annotated[
        list[str] | None,
        typer.Option(
            "--input",
            metavar="PRODUCER#OUTPUT",
            help="Read an output of another experiment; end in [*] for all replicates.",
        ),
    ] = None,
) -> None:
    """Begin a new experiment.

    \b
    Examples:
      crystallize new producer --example
      crystallize new consumer --input producer#summary
    """
    from crystallize.cli.console import out
    from crystallize.experiment.folders.scaffold import create_experiment
    from crystallize.settings import Settings
    from crystallize.words import near

    folder = create_experiment(name, Settings.load().root, example=example, inputs=inputs or ())
    console = out()
    for path in sorted(folder.iterdir()):
        console.print(near(path), soft_wrap=True)
    console.print(f"run it with: crystallize run {shlex.quote(name)}", soft_wrap=True)
