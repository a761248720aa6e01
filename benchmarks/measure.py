"""Times commands in pairs: reference and subject in turn, so that what slows the machine slows both.

Knows nothing of crystallize.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import NamedTuple

PAIRS = 5
_PEAK_UNIT = 1 if sys.platform == "darwin" else 1024
"""In which the system tells the peak memory of a process, in bytes."""
_STARTER = """
import os, sys
pid = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(pid, 0)
os.write(int(sys.argv[1]), str(usage.ru_maxrss).encode())
sys.exit(os.waitstatus_to_exitcode(status))
"""
"""Runs the command behind the number of a pipe, and tells that the peak memory of its process."""
_ENVIRON = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""Of the measured processes: as on a user's machine, Python keeps what it compiled."""


def seconds(command: Sequence[str | Path], folder: Path, *, times: int = 1) -> float:
    """Wall time of one run of `command` in `folder`, as the mean of `times` runs. Raises RuntimeError if it fails."""
    started = perf_counter()
    for _ in range(times):
        done = subprocess.run(
            command, cwd=folder, env=_ENVIRON, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return (perf_counter() - started) / times


def beyond(reference: Callable[[], float], subject: Callable[[], float], pairs: int = PAIRS) -> tuple[float, float]:
    """Medians over `pairs` pairs: the reference, and how much the subject of the same pair is beyond it."""
    measured = [(reference(), subject()) for _ in range(pairs)]
    return median(first for first, _ in measured), median(second - first for first, second in measured)


class Observed(NamedTuple):
    """One run of a command."""

    seconds: float
    peak_bytes: int
    """The most memory that its process had."""
    printed: str


def observed(command: Sequence[str | Path], folder: Path) -> Observed:
    """One run of `command` in `folder`. Raises RuntimeError if it fails.

    A small process starts it: to the most memory that a process had belongs what its parent had when it was forked.
    """
    telling, told = os.pipe()
    started = perf_counter()
    with subprocess.Popen(
        [sys.executable, "-S", "-c", _STARTER, str(told), *command],
        cwd=folder,
        env=_ENVIRON,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        pass_fds=[told],
        text=True,
    ) as process:
        os.close(told)
        assert process.stdout is not None
        printed = process.stdout.read()
    taken = perf_counter() - started
    with os.fdopen(telling, encoding="utf-8") as stream:
        peak = stream.read()
    if process.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}\n{printed}")
    return Observed(taken, int(peak) * _PEAK_UNIT, printed)
