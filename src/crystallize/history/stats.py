"""What reuse is worth, over all runs of a store: by experiment, by cause, and what never gains from it.

Reads the tables of `history.py`; writes nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from crystallize.history.history import GroupRow
from crystallize.store.store import Store

FIRST_RUN = "first run"
"""The reason that no edit is to blame for."""


@dataclass(frozen=True, slots=True)
class Cause:
    """One reason for which trials ran."""

    why: str
    experiments: tuple[str, ...]
    trials: int
    runs: int
    seconds: float
    """That the trials took."""


@dataclass(frozen=True, slots=True)
class NeverReused:
    """An experiment of which no trial was ever reused, in several runs."""

    name: str
    runs: int
    why: str
    """What most trials of the last of these runs said."""


@dataclass(frozen=True, slots=True)
class Stats:
    """All runs of a store together, or what they did with one experiment."""

    experiments: tuple[GroupRow, ...]
    """The sums over all runs, by name."""
    causes: tuple[Cause, ...]
    """The most costly first."""
    never: tuple[NeverReused, ...]
    """By name."""

    @classmethod
    def of(cls, store: Store, experiment: str | None = None) -> Stats:
        """Sums up the history of `store`."""
        if not store.database.has_table("run_jobs"):
            return cls((), (), ())
        return cls(
            experiments=tuple(GroupRow(*row) for row in _read(store, _EXPERIMENTS, experiment)),
            causes=tuple(
                Cause(why, tuple(sorted(json.loads(names))), trials, runs, seconds)
                for why, names, trials, runs, seconds in _read(store, _CAUSES, experiment)
            ),
            never=tuple(
                NeverReused(name, runs, _last_reason(store, name)) for name, runs in _read(store, _NEVER, experiment)
            ),
        )


def share_reused(group: GroupRow) -> float | None:
    """Which part of the trials that were asked for was reused, 0 to 1; None where nothing was."""
    asked = group.ran + group.reused + group.failed
    return group.reused / asked if asked else None


_EXPERIMENTS = """
    SELECT name, sum(ran), sum(reused), sum(failed), sum(blocked), sum(seconds), sum(seconds_saved)
    FROM run_groups WHERE name = coalesce(?, name) GROUP BY name
    HAVING sum(ran + reused + failed + blocked) > 0 ORDER BY name
"""
_CAUSES = f"""
    SELECT reason, json_group_array(DISTINCT group_name), count(*), count(DISTINCT run), sum(seconds)
    FROM run_jobs
    WHERE state IN ('ran', 'failed') AND reason NOT IN ('', '{FIRST_RUN}') AND group_name = coalesce(?, group_name)
    GROUP BY reason ORDER BY sum(seconds) DESC, reason
"""
_NEVER = """
    SELECT name, count(*) FROM run_groups
    WHERE ran + reused + failed > 0 AND name = coalesce(?, name)
    GROUP BY name HAVING count(*) > 1 AND sum(reused) = 0 ORDER BY name
"""
_REASON = """
    SELECT reason FROM run_jobs WHERE group_name = ? AND state IN ('ran', 'failed')
    GROUP BY run, reason ORDER BY run DESC, count(*) DESC LIMIT 1
"""


def _last_reason(store: Store, name: str) -> str:
    rows = _read(store, _REASON, name)
    return str(rows[0][0]) if rows else ""


def _read(store: Store, sql: str, experiment: str | None) -> list[tuple[Any, ...]]:
    return store.database.read(sql, (experiment,))
