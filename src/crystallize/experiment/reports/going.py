"""How a run that is going on reads: one line for the whole, one for each trial that runs."""

from __future__ import annotations

import time

from crystallize.plan.standing import Busy, Standing
from crystallize.words import duration, rate, rounded


def line(standing: Standing) -> str:
    """``ran 10 · reused 2 · failed 0 · 3.2/s · about 20 s left · saved 4 s``."""
    parts = [f"ran {standing.ran}", f"reused {standing.reused}", f"failed {standing.failed}"]
    if standing.per_second:
        parts.append(rate(standing.per_second))
    if standing.seconds_left:
        left = standing.seconds_left - (time.time() - standing.at)
        parts.append(f"about {rounded(max(1.0, left))} left")
    if standing.seconds_saved >= 0.05:
        parts.append(f"saved {duration(standing.seconds_saved)}")
    return " · ".join(parts)


def busy_line(busy: Busy) -> str:
    """``train/baseline/3  worker 4711  12 s  epoch 3 · loss 0.12``."""
    since = rounded(max(0.0, time.time() - busy.since))
    return "  ".join(filter(None, [busy.label, busy.where, since, busy.said]))
