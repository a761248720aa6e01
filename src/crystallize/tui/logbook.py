"""The log book: what the user's code prints while it runs, by trial; the end of it in memory, all of it in a file.

Knows neither screens nor who prints.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from crystallize.fingerprint.reads.observe import unobserved

MOST_LINES = 2_000
"""So many are kept in memory: a run may print for days."""
_BETWEEN = " │ "


class Line(NamedTuple):
    """One line that was printed."""

    where: str
    """Label of the trial, or empty where nobody knows."""
    text: str

    @property
    def told(self) -> str:
        """As people read it."""
        return f"{self.where}{_BETWEEN}{self.text}" if self.where else self.text

    @classmethod
    def read(cls, told: str) -> Line:
        """The line that was told so."""
        where, between, text = told.partition(_BETWEEN)
        return cls(where, text) if between else cls("", told)


class Found(NamedTuple):
    """Lines that were looked for."""

    lines: list[Line]
    """The last `MOST_LINES` of them at most."""
    number: int
    """How many there are."""
    seen: int
    """How many lines the book had then."""


class LogBook:
    """The lines of one run: the last `MOST_LINES` in memory, all of them in a file. Thread-safe.

    What cannot be written costs the run nothing; there is no file then.

    Parameters
    ----------
    file : says where to keep the lines; None as long as nobody knows.
    """

    def __init__(self, file: Callable[[], Path | None] = lambda: None) -> None:
        self._lock = threading.Lock()
        self._lines: deque[Line] = deque(maxlen=MOST_LINES)
        self._file: Callable[[], Path | None] = file
        self._descriptor = -1
        self._written = 0
        self.total = 0
        """Lines that were ever added."""
        self.path: Path | None = None
        """The file that has all of them; None while there is none."""

    def __del__(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)

    def add(self, line: Line) -> None:
        """Adds a line at the end."""
        with self._lock:
            self._lines.append(line)
            self.total += 1
            self._keep(line)

    def since(self, seen: int) -> Found:
        """The lines after the first `seen`, as far as they are still in memory."""
        with self._lock:
            skipped = max(0, len(self._lines) - (self.total - seen))
            return Found(list(islice(self._lines, skipped, None)), self.total - seen, self.total)

    def find(self, is_wanted: Callable[[Line], bool]) -> Found:
        """Those that are wanted, from the file where not all are in memory: not to be waited for by a screen."""
        with self._lock:
            lines, seen, path, size = list(self._lines), self.total, self.path, self._written
        if path is not None and seen > len(lines):
            with suppress(OSError):  # somebody has removed it
                return Found(*_looked_through(path, size, is_wanted), seen)
        wanted = [line for line in lines if is_wanted(line)]
        return Found(wanted, len(wanted), seen)

    def _keep(self, line: Line) -> None:
        if self._descriptor >= 0:
            self._write([line])
        elif (path := self._file()) is not None:
            self._file = lambda: None
            try:
                with unobserved():  # whoever prints first has not opened it
                    path.parent.mkdir(exist_ok=True)
                    self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o666)
            except OSError:
                return
            self.path = path
            self._write([*self._lines])

    def _write(self, lines: list[Line]) -> None:
        data = "".join(f"{line.told}\n" for line in lines).encode("utf-8", "replace")
        try:
            self._written += os.write(self._descriptor, data)
        except OSError:  # the disk is full
            os.close(self._descriptor)
            self._descriptor, self.path = -1, None


def _looked_through(path: Path, size: int, is_wanted: Callable[[Line], bool]) -> tuple[list[Line], int]:
    """The last `MOST_LINES` of those wanted in the first `size` bytes, and how many of them there are."""
    found: deque[Line] = deque(maxlen=MOST_LINES)
    count = 0
    with path.open("rb") as file:
        while size > 0 and (data := file.readline()):
            size -= len(data)
            line = Line.read(data.decode("utf-8", "replace").rstrip("\n"))
            if is_wanted(line):
                found.append(line)
                count += 1
    return list(found), count
