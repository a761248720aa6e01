"""Whether a module's file was edited after this process imported it, so that its text is not what is loaded.

Python keeps no text of what it loaded. What it does keep is the stat of the file that its cache of compiled code was
made from, renewed by whoever imports the module; and no edit from before the process began is newer than the import.
"""

from __future__ import annotations

import os
import time
from functools import cache
from pathlib import Path

CLOCK_SECONDS = 0.03
"""The clocks of processes and files may differ by so much; Python imports no project code that soon after it starts."""

TOKEN = os.urandom(16)
"""Stands in digests that must never be met in another process."""


def is_edited(path: Path, cached: object) -> bool:
    """Whether the file at `path` may be newer than what was imported from it.

    Parameters
    ----------
    cached : the module's ``__cached__``: where its compiled code is kept, if anywhere.
    """
    try:
        stat = path.stat()
    except OSError:
        return True
    if max(stat.st_mtime, stat.st_ctime) < process_start() + CLOCK_SECONDS:
        return False
    recorded = _recorded(cached)
    return recorded != (int(stat.st_mtime) & 0xFFFFFFFF, stat.st_size & 0xFFFFFFFF)


@cache
def process_start() -> float:
    """When this process began, in seconds since the epoch; 0 where the system does not tell."""
    try:
        fields = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        up_since = float(Path("/proc/uptime").read_text(encoding="utf-8").split()[0])
        ticks = int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, AttributeError):
        return 0.0
    return time.time() - up_since + ticks


def _recorded(cached: object) -> tuple[int, int] | None:
    """Modification time and size of the source that the compiled code was made from."""
    if not isinstance(cached, str):
        return None
    try:
        with Path(cached).open("rb") as file:
            head = file.read(16)
    except OSError:
        return None
    if len(head) < 16 or int.from_bytes(head[4:8], "little"):
        return None
    return int.from_bytes(head[8:12], "little"), int.from_bytes(head[12:16], "little")
