"""Reports as a pane shows them: what commands print to a console, printed to one as wide as the pane."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator

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
HANG = 2
"""Columns by which a line goes on further to the right."""
FORESEEN = {"run": ("▸", "green"), "reuse": ("=", "blue"), "undecided": ("?", "yellow"), "fail": ("✘", "red")}
"""State of a trial before a run → its mark and style."""


def recorded(width: int, show: Callable[[Console], None], *, wraps: bool = True) -> Text:
    """What `show` prints, as one text.

    Parameters
    ----------
    wraps : whether what is too long for a line goes on in the next one, below where it began; else it stays whole.
    """
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
    if not wraps:
        return text
    return Text("\n").join(part for each in text.split("\n", allow_blank=True) for part in _hung(console, each, width))


def _hung(console: Console, text: Text, width: int) -> Iterator[Text]:
    """The lines of a line: all but the first two columns further to the right than it begins."""
    if text.cell_len <= width:
        yield text
        return
    begin = len(text.plain) - len(text.plain.lstrip())
    for number, part in enumerate(text[begin:].wrap(console, max(width - begin - HANG, 10))):
        part.pad_left(begin + (HANG if number else 0))
        yield part


def mark(state: State) -> Text:
    """The mark of a state."""
    character, style = MARKS[state]
    return Text(character, style=style)
