"""`crystallize` without arguments, and `crystallize tui`: the terminal UI, here or in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def tui(
    serve: Annotated[bool, typer.Option("--serve", help="Show it in a browser instead of this terminal.")] = False,
    host: Annotated[str, typer.Option(metavar="HOST", help="Where --serve listens.")] = "localhost",
    port: Annotated[int, typer.Option(metavar="PORT", help="Where --serve listens.")] = 8000,
) -> None:
    """Open the terminal UI.

    \b
    Examples:
      crystallize
      crystallize tui --serve
    """
    if serve:
        _serve(host, port)
    else:
        open_here()


def open_here() -> None:
    """Opens the terminal UI of the working directory in this terminal."""
    from crystallize.tui.app import CrystallizeApp
    from crystallize.tui.ear import Ear, owning_terminal

    ear = Ear()
    with owning_terminal(ear) as terminal:
        CrystallizeApp(Path.cwd(), ear, terminal).run()


def _serve(host: str, port: int) -> None:
    import shlex
    import sys

    from crystallize.errors import DefinitionError

    try:
        from textual_serve.server import Server
    except ImportError:
        raise DefinitionError(
            "textual-serve is not installed", key="--serve", remedy="pip install 'crystallize-dag[serve]'"
        ) from None
    Server(f"{shlex.quote(sys.executable)} -m crystallize tui", host=host, port=port, title="crystallize").serve()
