"""Lines and tables of a report, printed to whatever console one has: a terminal, a file, a pane of a screen."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


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
