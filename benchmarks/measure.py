"""Times commands in pairs: reference and subject in turn, so that what slows the machine slows both.

Knows nothing of crystallize.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter

PAIRS = 5


def seconds(command: Sequence[str | Path], folder: Path, *, times: int = 1) -> float:
    """Wall time of one run of `command` in `folder`, as the mean of `times` runs. Raises RuntimeError if it fails."""
    started = perf_counter()
    for _ in range(times):
        done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return (perf_counter() - started) / times


def beyond(reference: Callable[[], float], subject: Callable[[], float], pairs: int = PAIRS) -> tuple[float, float]:
    """Medians over `pairs` pairs: the reference, and how much the subject of the same pair is beyond it."""
    measured = [(reference(), subject()) for _ in range(pairs)]
    return median(first for first, _ in measured), median(second - first for first, second in measured)
