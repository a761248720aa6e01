"""The watchdog of a worker process: ends it when what it does takes too long, and leaves word of where it hung.

Python's own fault handler does so from a thread that needs no interpreter lock, so code that never returns to Python
is ended as well. A process has one timer, so limits that lie within each other share it; it is touched only where there
is a limit, since in a fork of a process that has set it that would never return.
"""

from __future__ import annotations

import faulthandler
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from time import monotonic
from typing import NamedTuple, TextIO

WORD = "hung.txt"
"""In the scratch folder of a job: what it was doing, and where it hung when time was up."""
_UP = "Timeout ("
"""How the fault handler begins."""


class Hung(NamedTuple):
    """A job that was ended because time was up."""

    what: str
    """``step Train``, or ``the job``."""
    seconds: float
    where: str
    """The stack of each thread, as Python tells it."""


class _Limit(NamedTuple):
    what: str
    seconds: float
    until: float


_limits: list[_Limit] = []
_word: list[TextIO] = []


@contextmanager
def watched(folder: Path) -> Iterator[None]:
    """Inside, `limited` holds; word is left in `folder`."""
    with (folder / WORD).open("w", encoding="utf-8") as file:
        _word[:] = [file]
        try:
            yield
        finally:
            if _limits:
                _limits.clear()
                _arm()
            _word.clear()


def limited(what: str, seconds: float | None) -> AbstractContextManager[None]:
    """Ends the process when the block takes longer than `seconds`; None, or no watchdog: any time."""
    return nullcontext() if seconds is None or not _word else _limited(what, seconds)


def word_of(folder: Path) -> Hung | None:
    """What a process that was ended left in `folder`; None when it was not ended for the time it took."""
    path = folder / WORD
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
    if len(lines) < 3 or not lines[2].startswith(_UP):
        return None
    return Hung(lines[0], float(lines[1]), "\n".join(lines[3:]))


@contextmanager
def _limited(what: str, seconds: float) -> Iterator[None]:
    _limits.append(_Limit(what, seconds, monotonic() + seconds))
    _arm()
    try:
        yield
    finally:
        _limits.pop()
        _arm()


def _arm() -> None:
    faulthandler.cancel_dump_traceback_later()
    if not _limits:
        return
    first = min(_limits, key=lambda limit: limit.until)
    file = _word[0]
    file.seek(0)
    file.truncate()
    file.write(f"{first.what}\n{first.seconds!r}\n")
    file.flush()
    faulthandler.dump_traceback_later(max(first.until - monotonic(), 0.001), exit=True, file=file)
