"""The few forms in which times, sizes and counts are read and written: in options, commands, screens and reports."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

FEW_WORDS = 60
"""Characters."""

_BYTES = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
_BYTES |= {"kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40}
_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_QUANTITY = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", re.IGNORECASE)


def duration(seconds: float) -> str:
    """``0.02 s``, ``1.2 s``, ``12 s``, ``3 min 20 s``, ``2 h 5 min``."""
    if seconds < 0.995:
        return f"{seconds:.2f} s"
    return f"{seconds:.1f} s" if seconds < 9.95 else rounded(seconds)


def rounded(seconds: float) -> str:
    """A duration in whole seconds: ``4 s``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def rate(per_second: float) -> str:
    """``120/s``, ``3.2/s``, ``12/min``, ``2.5/h``."""
    units = ((1, "s"), (60, "min"), (3600, "h"))
    seconds, unit = next((each for each in units if per_second * each[0] >= 1), units[-1])
    number = per_second * seconds
    return f"{number:.0f}/{unit}" if number >= 9.95 else f"{number:.1f}/{unit}"


def ago(then: float, now: float) -> str:
    """How long ago `then` is, both in seconds since the epoch."""
    elapsed = now - then
    if elapsed < 60:
        return "just now"
    if elapsed < 3600:
        return f"{elapsed // 60:.0f} min ago"
    if elapsed < 86400:
        return f"{elapsed // 3600:.0f} h ago"
    return f"{plural(int(elapsed // 86400), 'day')} ago"


def size(count: float) -> str:
    """``512 B``, ``1.2 kB``, ``340 MB``, ``2.0 GB``."""
    if count < 999.5:
        return f"{count:.0f} B"
    for unit in ("kB", "MB", "GB"):
        count /= 1000
        if count < 999.5:
            return f"{count:.1f} {unit}" if count < 9.95 else f"{count:.0f} {unit}"
    return f"{count / 1000:.1f} TB"


def parse_size(text: str) -> int:
    """Bytes of ``500``, ``2GB``, ``1.5 GiB``. Raises ValueError for what is no size."""
    return round(_parse(text, _BYTES, "500MB, 2GB, 1.5GiB"))


def parse_time(text: str) -> float:
    """Seconds of ``90s``, ``12h``, ``30d``. Raises ValueError for what is no time; a number needs its unit."""
    return _parse(text, _SECONDS, "12h, 30d, 2w")


def _parse(text: str, units: Mapping[str, int], examples: str) -> float:
    match = _QUANTITY.fullmatch(text)
    unit = units.get(match[2].lower()) if match else None
    if match is None or unit is None:
        raise ValueError(f"{text!r} is not of the form {examples}")
    return float(match[1]) * unit


def in_few_words(value: object) -> str:
    """``epoch 3 · loss 0.12`` of a mapping, ``30%`` of a share of one, else its text; a line, cut where it is long."""
    if isinstance(value, Mapping):
        text = " · ".join(f"{key} {_short(item)}" for key, item in value.items())
    elif isinstance(value, float) and 0 <= value <= 1:
        text = f"{value:.0%}"
    else:
        text = _short(value)
    line = " ".join(text.split())
    return line if len(line) <= FEW_WORDS else line[: FEW_WORDS - 1] + "…"


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def count(number: float) -> str:
    """A count in a table; a dot where there is none."""
    return f"{number:.0f}" if number else "·"


def plural(number: int, noun: str) -> str:
    """``1 replicate``, ``10 replicates``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def ranges(numbers: Iterable[int]) -> str:
    """``0-4, 7``: ascending numbers with runs drawn together."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def near(path: Path) -> str:
    """The path as one would type it here: relative to the working directory where it lies below."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
