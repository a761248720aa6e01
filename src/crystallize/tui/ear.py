"""The ear: the streams that bring what the user's code prints to the log book.

Knows no screens. Prints of steps come through `sys.stdout` and `sys.stderr`, those of worker processes as well (see
`engine/worker_output.py`); what child processes and libraries write past Python comes through the descriptors 1 and 2.
"""

from __future__ import annotations

import io
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from crystallize.engine.worker_output import speaker
from crystallize.plan.standing import Standing, job_here
from crystallize.tui.logbook import Line, LogBook


class Ear:
    """Hears what is printed, whole lines at a time, and passes it on to the log book of the present run."""

    def __init__(self) -> None:
        self.book = LogBook()
        self.now: Callable[[], Standing] = Standing
        """How the present run stands: which worker works for which trial."""
        self._begun: dict[tuple[str, int], str] = {}
        self._lock = threading.Lock()

    def hear(self, text: str, stream: int = 0) -> None:
        """Takes in what was written; a line is kept when it ends."""
        where = self._where()
        with self._lock:
            whole, newline, begun = (self._begun.pop((where, stream), "") + text).rpartition("\n")
            if begun:
                self._begun[(where, stream)] = begun
        if newline:
            for line in whole.split("\n"):
                self.book.add(Line(where, line.rpartition("\r")[2] if not line.endswith("\r") else line[:-1]))

    def end(self) -> None:
        """Keeps the lines that were begun and never ended."""
        with self._lock:
            begun, self._begun = self._begun, {}
        for (where, _), text in begun.items():
            self.book.add(Line(where, text))

    def _where(self) -> str:
        process = speaker.get()
        if not process:
            return job_here.get()
        place = f"worker {process}"
        return next((busy.label for busy in self.now().busy if busy.where == place), "")


class _Stream(io.TextIOBase):
    """A text stream into an ear."""

    encoding = "utf-8"
    errors = "replace"

    def __init__(self, ear: Ear, number: int) -> None:
        self._ear = ear
        self._number = number

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self._ear.hear(text, self._number)
        return len(text)

    def fileno(self) -> int:
        """The descriptor for child processes that are to inherit this stream."""
        return self._number


class _Handler(logging.Handler):
    """Passes on what is logged."""

    def emit(self, record: logging.LogRecord) -> None:
        sys.stderr.write(self.format(record) + "\n")


@contextmanager
def listening(ear: Ear) -> Iterator[None]:
    """While entered, Python's streams and the logger of crystallize speak to `ear`."""
    before = sys.stdout, sys.stderr
    logger, handler = logging.getLogger("crystallize"), _Handler()
    propagate = logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    sys.stdout, sys.stderr = _Stream(ear, 1), _Stream(ear, 2)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
        logger.removeHandler(handler)
        logger.propagate = propagate
        ear.end()


@contextmanager
def owning_terminal(ear: Ear) -> Iterator[int]:
    """While entered, the screen is drawn over a descriptor of its own; what is written to 1 and 2 goes to `ear`.

    Yields the descriptor of the terminal, for programs that take it over for a while.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    kept = {number: os.dup(number) for number in (1, 2)}
    before = sys.__stdout__, sys.__stderr__
    source, drain = os.pipe()
    for number in kept:
        os.dup2(drain, number)
    os.close(drain)
    files = {n: os.fdopen(os.dup(fd), "w", encoding="utf-8", errors="replace") for n, fd in kept.items()}
    sys.__stdout__, sys.__stderr__ = files[1], files[2]  # type: ignore[misc]
    thread = threading.Thread(target=_pass_on, args=(source, ear), name="crystallize-native-output", daemon=True)
    thread.start()
    try:
        yield kept[1]
    finally:
        sys.__stdout__, sys.__stderr__ = before  # type: ignore[misc]
        for number, descriptor in kept.items():
            files[number].close()
            os.dup2(descriptor, number)
            os.close(descriptor)


def _pass_on(source: int, ear: Ear) -> None:
    with os.fdopen(source, "rb", buffering=0) as pipe:
        while data := pipe.read(1 << 16):
            ear.hear(data.decode("utf-8", "replace"), 3)
