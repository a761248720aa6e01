"""Where text is printed: the two consoles, and JSON."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

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


def _console(*, to_stderr: bool) -> Console:
    from rich.console import Console

    console = Console(stderr=to_stderr, highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = UNSEEN_WIDTH
    return console
