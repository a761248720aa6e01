"""What the project's code does to the process that it runs in: ends it by ``os._exit``, or leaves something running.

Knows no jobs: the place in the project's code is all that is told.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import sleep
from types import FrameType
from typing import Any, NoReturn

from crystallize.fingerprint.origin import OWN_FOLDER, is_installed_file

GRACE_SECONDS = 2.0
"""How long threads and processes that trials have left may go on after the command has said its last word."""


@contextmanager
def told_exits(save: Callable[[], object]) -> Iterator[None]:
    """Inside, a call of ``os._exit`` in this process says in a line what it ends, and where it stands.

    In this thread it keeps what has finished first, by `save`.
    """
    process, thread, patched = os.getpid(), threading.get_ident(), os._exit
    leave: Callable[[int], NoReturn] = getattr(patched, "leaves", patched)

    def left(status: int) -> NoReturn:
        if os.getpid() == process:
            if threading.get_ident() == thread:
                with suppress(Exception):
                    save()
            sys.stderr.write(
                f"\n{_place(sys._getframe(1))} called os._exit({status}), which ends the whole run; what had finished "
                "is kept, and the same command goes on from there (executor: process costs that trial alone)\n"
            )
            sys.stderr.flush()
        leave(status)

    left.leaves = leave  # type: ignore[attr-defined]
    os._exit = left
    try:
        yield
    finally:
        os._exit = patched


def leave(code: int, grace_s: float = GRACE_SECONDS) -> NoReturn:
    """Ends this process with `code`.

    Whatever trials have left running that would keep it from ending is ended after a grace, and named.
    """
    if _left_running():
        threading.Thread(target=_end_after, args=(grace_s, code), daemon=True).start()
    raise SystemExit(code)


def _end_after(grace_s: float, code: int) -> None:
    """Only reached while the interpreter waits for others: it takes the daemon threads with it when it ends."""
    sleep(grace_s)
    for what in _left_running():
        sys.stderr.write(f"{what} was still running {grace_s:g} s after the command was done, and was ended with it\n")
    for child in _children():
        child.terminate()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _left_running() -> list[str]:
    """Threads and processes that the interpreter waits for when it ends."""
    frames = sys._current_frames()
    threads = [
        f"thread '{thread.name}' of {_place(frames.get(thread.ident or 0))}"
        for thread in threading.enumerate()
        if not thread.daemon and thread is not threading.main_thread()
    ]
    return threads + [f"process '{child.name}' ({child.pid})" for child in _children()]


def _children() -> list[Any]:
    """The processes started by `multiprocessing` that are no daemons."""
    module = sys.modules.get("multiprocessing.process")
    return [] if module is None else [child for child in module.active_children() if not child.daemon]


def _place(frame: FrameType | None) -> str:
    """File and line of the innermost frame that is the project's."""
    while frame is not None:
        file = frame.f_code.co_filename
        if not (is_installed_file(file) or Path(file).is_relative_to(OWN_FOLDER) or file.startswith("<")):
            return f"{file}:{frame.f_lineno}"
        frame = frame.f_back
    return "a library"
