"""Forks beside threads: a process is forked only while no other thread of it is importing a module.

Python locks each module while it is imported. A child has the locks of its parent but not the threads that would free
them, so it would wait for ever where it imports the same module. The locks are private to `importlib`: where they look
otherwise, forks do not wait.
"""

from __future__ import annotations

import importlib
import os
import time
from functools import cache
from threading import get_ident
from typing import Any

PATIENCE_SECONDS = 60.0
"""An import that takes longer may itself be waiting for the fork."""
_POLL_SECONDS = 0.001


@cache
def wait_before_forks() -> None:
    """Lets every fork of this process wait for imports of other threads, from now on."""
    os.register_at_fork(before=_wait)


def others_import() -> bool:
    """Whether another thread is importing a module now."""
    bootstrap: Any = getattr(importlib, "_bootstrap", None)
    locks = [reference() for reference in list(getattr(bootstrap, "_module_locks", {}).values())]
    return any(getattr(lock, "owner", None) not in (None, get_ident()) for lock in locks)


def _wait() -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while others_import() and time.monotonic() < until:
        time.sleep(_POLL_SECONDS)
