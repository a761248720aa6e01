"""Arguments and options that several commands share, as typer reads them."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer


class Output(str, Enum):  # noqa: UP042  (typer shows the values of a `str` enum)
    """How results are printed."""

    text = "text"
    json = "json"


OutputFormat = Annotated[
    Output, typer.Option("--format", help="Print for people, or as JSON (docs/reference/json.md).")
]
Pins = Annotated[
    list[str] | None,
    typer.Option(
        "--pin", metavar="EXPERIMENT=RUN", help="Take this experiment's results from that run, unrun; repeatable."
    ),
]
ReuseFrom = Annotated[
    list[str] | None,
    typer.Option("--reuse-from", metavar="RUN:GLOB", help="Likewise for every experiment whose name fits; repeatable."),
]
Targets = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="TARGET", help="A config.yaml, a folder, or the name of an experiment; none: the whole project."
    ),
]
