"""Reports as a pane shows them: what commands print to a console, printed to one as wide as the pane."""

from __future__ import annotations

import io
from collections.abc import Callable

from rich.console import Console
from rich.text import Text

from crystallize.experiment.reports.live import State

MARKS = {
    State.WAITING: ("·", "dim"),
    State.RUNNING: ("◐", "bold yellow"),
    State.REUSED: ("=", "blue"),
    State.DONE: ("✔", "green"),
    State.CANCELLED: ("–", "dim"),
    State.BLOCKED: ("⊘", "magenta"),
    State.FAILED: ("✘", "bold red"),
}
"""State of a trial → its mark and style; told apart without colours."""
FORESEEN = {"run": ("▸", "green"), "reuse": ("=", "blue"), "undecided": ("?", "yellow"), "fail": ("✘", "red")}
"""State of a trial before a run → its mark and style."""


def recorded(width: int, show: Callable[[Console], None]) -> Text:
    """What `show` prints, as one text."""
    file = io.StringIO()
    console = Console(
        file=file,
        width=max(width, 40),
        force_terminal=True,
        color_system="standard",
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
    )
    show(console)
    text = Text.from_ansi(file.getvalue())
    text.rstrip()
    return text


def mark(state: State) -> Text:
    """The mark of a state."""
    character, style = MARKS[state]
    return Text(character, style=style)
