"""The log of one execution: every line with its time, kept as it comes, and the metadata among them.

A line of standard output that is a JSON object is metadata: its values are the execution's metrics, by key.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from crystallize.valohai.objects import parse_object

KEPT_LINES = 5
"""Of standard error, for the message of an execution that failed."""


class Line(NamedTuple):
    """One line of a log."""

    time: str
    """ISO 8601 with microseconds, UTC, without a zone."""
    stream: str
    """``stdout``, ``stderr`` or ``status`` (what crystallize says of it)."""
    message: str


Listener = Callable[[int, Line], None]
"""Told the number of the execution and each line of its log."""


class Log:
    """Writes the log of one execution. Use as a context manager.

    Parameters
    ----------
    path : of the file, which is appended to; readers may follow it.
    """

    def __init__(self, path: Path, counter: int, listener: Listener | None = None) -> None:
        self.metadata: dict[str, list[Any]] = {}
        """Key → its values in order."""
        self.last_words: list[str] = []
        """The last lines of standard error."""
        self._counter = counter
        self._listener = listener
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a", buffering=1, encoding="utf-8", errors="surrogatepass")

    def write(self, stream: str, message: str) -> bool:
        """Adds a line; True when it was metadata."""
        line = Line(datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f"), stream, message)
        self._file.write(json.dumps(line._asdict(), ensure_ascii=False) + "\n")
        if self._listener is not None:
            self._listener(self._counter, line)
        if stream == "stderr" and message.strip():
            self.last_words = [*self.last_words[1 - KEPT_LINES :], message.strip()]
        point = metadata_of(message) if stream == "stdout" else None
        for key, value in (point or {}).items():
            self.metadata.setdefault(key, []).append(value)
        return point is not None

    @property
    def latest(self) -> dict[str, Any]:
        """Key → its last value."""
        return {key: values[-1] for key, values in self.metadata.items()}

    def __enter__(self) -> Log:
        return self

    def __exit__(self, kind: object, *exception: object) -> None:
        try:
            self._file.close()
        except OSError:  # what could not be written before cannot be written now
            if kind is None:
                raise


def metadata_of(message: str) -> dict[str, Any] | None:
    """The point of metadata that a line of standard output is; None when it is none."""
    text = message.strip()
    if not (text.startswith("{") and text.endswith("}")):
        return None
    try:
        return parse_object(text)
    except ValueError:
        return None


def read_log(path: Path) -> Iterator[Line]:
    """The lines of a log so far; none when it was never begun. A line that is being written is left out."""
    try:
        file = path.open(encoding="utf-8", errors="surrogatepass")
    except FileNotFoundError:
        return
    with file:
        for text in file:
            try:
                yield Line(**json.loads(text))
            except (ValueError, TypeError):
                continue
