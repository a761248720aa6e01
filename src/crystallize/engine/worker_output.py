"""What worker processes have to say while they work, on its way to the driver: prints, line by line, and messages.

One pipe serves all workers of a pool without a lock, which a worker that is killed could keep: what is written at once
and is not longer than `PIPE_BUF` arrives in one piece (POSIX). Prints go to the driver's own streams, a message to
whoever listens for its job.
"""

from __future__ import annotations

import io
import logging
import os
import pickle
import select
import struct
import sys
import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, TextIO

from crystallize.engine.parcel import packed_event

logger = logging.getLogger("crystallize")

speaker: ContextVar[int] = ContextVar("crystallize_speaker", default=0)
"""Process id of the worker whose line is written just now; 0: nobody's."""

_HEAD = struct.Struct("<iBH")
"""Process id, stream, number of bytes that follow."""
_MOST = min(select.PIPE_BUF, 4096) - _HEAD.size
_NAMES = ("stdout", "stderr")
_MESSAGES = len(_NAMES)
"""Number of the stream of messages; a piece of it belongs to the message that its process has begun."""
_LENGTH = struct.Struct("<I")
"""At the head of a message: the number of bytes that follow."""
LATEST_SECONDS = 5.0
"""So long the driver waits, at the end of a job, for messages that are still on their way."""

Tell = Callable[[Any], None]


class WorkerOutput:
    """The driver's end. Made before the workers are forked; `close` after they have ended."""

    def __init__(self) -> None:
        self._from, self._to = os.pipe()
        self._begun: dict[tuple[int, int], str] = {}
        self._messages: dict[int, bytes] = {}
        self._listeners: dict[int, _Listener] = {}
        self._sending = (os.getpid(), threading.Lock())
        self._thread = threading.Thread(target=self._pass_on, name="crystallize-output", daemon=True)
        self._thread.start()

    def speak(self) -> None:
        """To be called in a worker: from now on what it prints goes to the driver."""
        sys.stdout, sys.stderr = (_Speaker(self._to, number) for number, _ in enumerate(_NAMES))

    def send(self, job: int, event: Any) -> None:
        """To be called in a worker, from any thread: tells whoever listens for `job`."""
        content = packed_event(job, event)
        if self._sending[0] != os.getpid():
            # A fork has a lock of its own: no thread that it lacks can hold that.
            self._sending = (os.getpid(), threading.Lock())
        with self._sending[1]:
            _write_pieces(self._to, _MESSAGES, _LENGTH.pack(len(content)) + content)

    def listen(self, job: int, tell: Tell) -> None:
        """From now on `tell` is called with each event that a worker sends for `job`, in a thread of ours."""
        self._listeners[job] = _Listener(tell)

    def wait(self, job: int, count: int) -> None:
        """Returns when `count` events of the job have been told."""
        listener = self._listeners[job]
        with listener.changed:
            listener.changed.wait_for(lambda: listener.count >= count, LATEST_SECONDS)

    def forget(self, job: int) -> None:
        """From now on nobody listens for `job`."""
        del self._listeners[job]

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
                piece = pipe.read(length)
                if stream == _MESSAGES:
                    self._take(process, piece)
                else:
                    self._say(process, stream, piece.decode("utf-8", "replace"))
        for (_, stream), line in self._begun.items():
            _write(stream, line + "\n")

    def _take(self, process: int, piece: bytes) -> None:
        """A further piece of a message; the message is told when it is whole."""
        message = self._messages.pop(process, b"") + piece
        (length,) = _LENGTH.unpack_from(message)
        if len(message) < _LENGTH.size + length:
            self._messages[process] = message
            return
        speaker.set(process)
        try:
            job, event = pickle.loads(message[_LENGTH.size :])
            if job in self._listeners:
                self._listeners[job](event)
        except Exception:
            logger.exception("what worker %d emitted could not be told", process)

    def _say(self, process: int, stream: int, text: str) -> None:
        """Whole lines only: those of several workers must not mix."""
        lines, newline, begun = (self._begun.pop((process, stream), "") + text).rpartition("\n")
        if begun:
            self._begun[(process, stream)] = begun
        if newline:
            speaker.set(process)
            _write(stream, lines + newline)


class _Listener:
    """Who is told what one job emits."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self.count = 0
        self.changed = threading.Condition()

    def __call__(self, event: Any) -> None:
        try:
            self._tell(event)
        finally:
            with self.changed:
                self.count += 1
                self.changed.notify_all()


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
        _write_pieces(self._pipe, self._stream, text.encode("utf-8", "replace"))
        return len(text)


def _write_pieces(pipe: int, stream: int, data: bytes) -> None:
    for start in range(0, len(data), _MOST):
        piece = data[start : start + _MOST]
        os.write(pipe, _HEAD.pack(os.getpid(), stream, len(piece)) + piece)


def _write(stream: int, text: str) -> None:
    target: TextIO | None = getattr(sys, _NAMES[stream])
    if target is not None:
        target.write(text)
        target.flush()
