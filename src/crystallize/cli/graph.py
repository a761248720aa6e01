"""`crystallize graph`: draws which experiment reads what of which."""

from __future__ import annotations

import sys
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer


class Form(str, Enum):  # noqa: UP042  (typer shows the values of a `str` enum)
    """How a graph is drawn."""

    text = "text"
    mermaid = "mermaid"
    dot = "dot"
    svg = "svg"
    png = "png"


def graph(
    target: Annotated[
        str, typer.Argument(metavar="TARGET", help="A config.yaml, a folder, or the name of an experiment.")
    ] = ".",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write it here; the suffix says how: .svg, .png, .pdf, …"),
    ] = None,
    form: Annotated[
        Form | None, typer.Option("--format", help="Print it in this form; svg and png need Graphviz.")
    ] = None,
) -> None:
    """Draw experiments and the artifacts between them.

    The experiments of TARGET and all they read, from their configurations alone: none of their code is loaded.

    \b
    Examples:
      crystallize graph
      crystallize graph train -o train.svg
      crystallize graph train --format mermaid
    """
    from crystallize.cli import console
    from crystallize.cli.targets import path_of
    from crystallize.errors import DefinitionError
    from crystallize.experiment.drawing.draw import Drawing, show
    from crystallize.experiment.drawing.outline import outline_of_path
    from crystallize.experiment.reports.summary import print_faults

    outline, faults = outline_of_path(path_of(target))
    print_faults(console.err(), faults)
    drawing, is_whole = Drawing(outline), not faults
    if output is not None:
        is_whole &= show(drawing, output, None if form is None else form.value)
    elif form is Form.png and sys.stdout.isatty():
        raise DefinitionError("a terminal cannot show png", key="--format", remedy="write it with -o FILE.png")
    else:
        sys.stdout.buffer.write(drawing.render((form or Form.text).value))
        sys.stdout.buffer.flush()
    raise typer.Exit(0 if is_whole else 1)
