"""Samples in a few characters: mean, standard deviation and count. Shared by the command line and notebooks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real
from typing import Any, NamedTuple


class Summary(NamedTuple):
    """Of numbers only."""

    mean: float
    sd: float | None
    """Sample standard deviation (n - 1); None for a single value."""
    n: int


def summarise(values: Sequence[Any]) -> Summary | None:
    """Mean and deviation of `values`; None when there are none, or one of them is no number."""
    if not values or not all(isinstance(value, Real) for value in values):
        return None
    numbers = [float(value) for value in values]
    count = len(numbers)
    mean = numbers[0] if min(numbers) == max(numbers) else math.fsum(numbers) / count
    if count == 1:
        return Summary(mean, None, 1)
    # Not statistics.stdev, which works in exact fractions and takes long.
    return Summary(mean, math.sqrt(sum((x - mean) ** 2 for x in numbers) / (count - 1)), count)


def describe(values: Sequence[Any]) -> str:
    """``0.912 ± 0.013 (n = 10)``; a single value as it is; how many there are when they are no numbers."""
    if len(values) == 1:
        return _shown(values[0])
    summary = summarise(values)
    if summary is None:
        return f"{len(values)} values"
    return f"{summary.mean:.4g} ± {summary.sd:.2g} (n = {summary.n})"


def _shown(value: Any) -> str:
    if isinstance(value, Real) and not isinstance(value, int):
        return f"{float(value):.4g}"
    text = str(value)
    return text if len(text) <= 40 else text[:39] + "…"
