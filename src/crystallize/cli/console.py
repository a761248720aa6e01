"""Where and how text is printed: the two consoles, and the few forms in which times and counts read everywhere."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

UNSEEN_WIDTH = 160
"""Columns where nobody looks: output that goes into a file or a pipe is not wrapped at 80."""


def out() -> Console:
    """The console of results, on stdout."""
    return _console(to_stderr=False)


def err() -> Console:
    """The console of progress and faults, on stderr."""
    return _console(to_stderr=True)


def print_json(document: object) -> None:
    """Prints a document of `schema.py`."""
    import json

    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def line(console: Console, *parts: str | tuple[str, str]) -> None:
    """Prints one line, never wrapped: texts, or pairs of text and style."""
    from rich.text import Text

    console.print(Text.assemble(*parts), soft_wrap=True)


def table(*columns: str, numbers: Iterable[str] = (), folded: str | None = None) -> Table:
    """A plain table.

    Parameters
    ----------
    numbers : columns that are aligned right.
    folded : the column that is folded where lines are too long; by default all of them.
    """
    from rich.table import Table

    made = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    right = set(numbers)
    for column in columns:
        made.add_column(
            column,
            justify="right" if column in right else "left",
            overflow="fold",
            no_wrap=folded not in (None, column),
        )
    return made


def print_indented(console: Console, renderable: object, columns: int = 2) -> None:
    """Prints something with a margin on the left."""
    from rich.padding import Padding

    console.print(Padding(renderable, (0, 0, 0, columns), expand=False))  # type: ignore[arg-type]


def duration(seconds: float) -> str:
    """``0.02 s``, ``1.2 s``, ``12 s``, ``3 min 20 s``, ``2 h 5 min``."""
    if seconds < 0.995:
        return f"{seconds:.2f} s"
    return f"{seconds:.1f} s" if seconds < 9.95 else rounded(seconds)


def rounded(seconds: float) -> str:
    """A duration in whole seconds: ``4 s``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def ago(then: float, now: float) -> str:
    """How long ago `then` is, both in seconds since the epoch."""
    elapsed = now - then
    if elapsed < 60:
        return "just now"
    if elapsed < 3600:
        return f"{elapsed // 60:.0f} min ago"
    if elapsed < 86400:
        return f"{elapsed // 3600:.0f} h ago"
    return f"{plural(int(elapsed // 86400), 'day')} ago"


def count(number: float) -> str:
    """A count in a table; a dot where there is none."""
    return f"{number:.0f}" if number else "·"


def plural(number: int, noun: str) -> str:
    """``1 replicate``, ``10 replicates``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def ranges(numbers: Iterable[int]) -> str:
    """``0-4, 7``: ascending numbers with runs drawn together."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def near(path: Path) -> str:
    """The path as one would type it here: relative to the working directory where it lies below."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def _console(*, to_stderr: bool) -> Console:
    from rich.console import Console

    console = Console(stderr=to_stderr, highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = UNSEEN_WIDTH
    return console
