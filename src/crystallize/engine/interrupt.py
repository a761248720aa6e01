"""Stopping: the first Ctrl-C, or SIGTERM, asks the run to finish what is running, the second stops at once.

Who asks from another terminal (`crystallize cancel`) asks the same through `ask`.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType, TracebackType
from typing import Any


class Interrupt:
    """While entered, in the main thread, SIGINT or SIGTERM sets `asked` first and raises KeyboardInterrupt then.

    A handler for SIGTERM that is there already stays. In any other thread nothing is installed: signals belong to the
    main thread.
    """

    def __init__(self) -> None:
        self.asked = False
        self.cancelled = False
        """Whether it was not the keyboard that asked."""
        self._process = os.getpid()
        self._thread = 0
        """Where it is entered."""
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupt:
        self._thread = threading.get_ident()
        if threading.current_thread() is threading.main_thread():
            self._before[signal.SIGINT] = signal.signal(signal.SIGINT, self._on_signal)
            if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
                self._before[signal.SIGTERM] = signal.signal(signal.SIGTERM, self._on_signal)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread = 0
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def ask(self, now: bool) -> None:
        """Asks from any thread; with `now` as the second Ctrl-C does, once the code that runs is in Python."""
        if not self.asked:
            self.cancelled = self.asked = True
            _tell("cancelled")
        if now and self._before:
            # To that thread itself: a signal that another one takes does not wake it.
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        elif now and self._thread:
            import ctypes

            raised = ctypes.py_object(KeyboardInterrupt)
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread), raised)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGTERM and os.getpid() != self._process:
            # A fork that user code made, which its parent ends: this handler means nothing there.
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTERM)
            return
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        self.cancelled = number == signal.SIGTERM
        if self.cancelled:
            _tell("asked to end (SIGTERM)")
        else:
            _tell("stopping", "; press Ctrl-C again to stop at once")


def _tell(why: str, more: str = "") -> None:
    sys.stderr.write(f"\n{why}: what runs now is finished first{more}\n")
