"""What the user's code prints in worker processes, on its way to the driver's own streams, line by line.

One pipe serves all workers of a pool without a lock, which a worker that is killed could keep: what is written at once
and is not longer than `PIPE_BUF` arrives in one piece (POSIX).
"""

from __future__ import annotations

import io
import os
import select
import struct
import sys
import threading
from contextvars import ContextVar
from typing import TextIO

speaker: ContextVar[int] = ContextVar("crystallize_speaker", default=0)
"""Process id of the worker whose line is written just now; 0: nobody's."""

_HEAD = struct.Struct("<iBH")
"""Process id, stream, number of bytes that follow."""
_MOST = min(select.PIPE_BUF, 4096) - _HEAD.size
_NAMES = ("stdout", "stderr")


class WorkerOutput:
    """The driver's end. Made before the workers are forked; `close` after they have ended."""

    def __init__(self) -> None:
        self._from, self._to = os.pipe()
        self._begun: dict[tuple[int, int], str] = {}
        self._thread = threading.Thread(target=self._pass_on, name="crystallize-output", daemon=True)
        self._thread.start()

    def speak(self) -> None:
        """To be called in a worker: from now on what it prints goes to the driver."""
        sys.stdout, sys.stderr = (_Speaker(self._to, number) for number, _ in enumerate(_NAMES))

    def close(self) -> None:
        """Passes on what is still on its way."""
        # Workers of other pools may hold the pipe as well, so its end would not be seen.
        os.write(self._to, _HEAD.pack(0, 0, 0))
        self._thread.join()
        os.close(self._to)
        os.close(self._from)

    def _pass_on(self) -> None:
        with os.fdopen(os.dup(self._from), "rb") as pipe:
            while True:
                process, stream, length = _HEAD.unpack(pipe.read(_HEAD.size))
                if not process:
                    break
                self._say(process, stream, pipe.read(length).decode("utf-8", "replace"))
        for (_, stream), line in self._begun.items():
            _write(stream, line + "\n")

    def _say(self, process: int, stream: int, text: str) -> None:
        """Whole lines only: those of several workers must not mix."""
        lines, newline, begun = (self._begun.pop((process, stream), "") + text).rpartition("\n")
        if begun:
            self._begun[(process, stream)] = begun
        if newline:
            speaker.set(process)
            _write(stream, lines + newline)


class _Speaker(io.TextIOBase):
    """A text stream into the pipe."""

    def __init__(self, pipe: int, stream: int) -> None:
        self._pipe = pipe
        self._stream = stream

    encoding = "utf-8"
    errors = "replace"

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        data = text.encode("utf-8", "replace")
        for start in range(0, len(data), _MOST):
            piece = data[start : start + _MOST]
            os.write(self._pipe, _HEAD.pack(os.getpid(), self._stream, len(piece)) + piece)
        return len(text)


def _write(stream: int, text: str) -> None:
    target: TextIO | None = getattr(sys, _NAMES[stream])
    if target is not None:
        target.write(text)
        target.flush()
