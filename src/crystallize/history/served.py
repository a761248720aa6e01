"""Which record served each job of a run: those that the run made, and those that it reused.

Reused jobs have no rows. A run keeps the numbers of the records that served it, drawn together to ranges, and only a
job that was served by the record of another label by name: a run over anything writes one row. A run that was killed
is known by what it recorded.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from typing import Any

from crystallize.plan.job import FETCH
from crystallize.store.database import Database

SCHEMA = """
CREATE TABLE IF NOT EXISTS run_reused (
    run INTEGER PRIMARY KEY,
    numbers TEXT NOT NULL,
    foreign_records TEXT NOT NULL
);
"""


class Served:
    """The rows of one store."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._present = database.ensure(SCHEMA, last_table="run_reused")

    def keep(self, run: int, numbers: Iterable[int], foreign: Mapping[str, int]) -> None:
        """Keeps what a run reused; called again, the last call counts.

        Parameters
        ----------
        numbers : of the records that served a job of their own label.
        foreign : label → number, where the record has another label.
        """
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO run_reused VALUES (?, ?, ?)",
                (run, json.dumps(_ranges(numbers)), json.dumps(foreign)),
            )

    def of(self, run: int, group: str) -> dict[str, int]:
        """Label → number of the record that served it, for the jobs of one group in one run.

        A record that has been deleted since is not in it.
        """
        prefix = f"{group}/"
        reused, foreign = self._reused(run)
        found = {
            label: number
            for label, number, made_by in self._database.read(
                "SELECT label, number, run FROM records WHERE label >= ? AND label < ? AND kind <> ? ORDER BY number",
                (prefix, f"{group}0", FETCH),  # "0" follows "/"
            )
            if made_by == run or number in reused
        }
        wanted = {label: number for label, number in foreign.items() if label.startswith(prefix)}
        there = self._database.read_for("SELECT number FROM records WHERE number IN ({keys})", wanted.values())
        numbers = {number for (number,) in there}
        return found | {label: number for label, number in wanted.items() if number in numbers}

    def _reused(self, run: int) -> tuple[_Ranges, dict[str, int]]:
        rows: list[tuple[Any, ...]] = []
        if self._present:
            rows = self._database.read("SELECT numbers, foreign_records FROM run_reused WHERE run = ?", (run,))
        return (_Ranges(json.loads(rows[0][0])), json.loads(rows[0][1])) if rows else (_Ranges([]), {})


class _Ranges:
    """Numbers as ascending ranges, both ends in it."""

    def __init__(self, ranges: list[list[int]]) -> None:
        self._first = [first for first, _ in ranges]
        self._last = [last for _, last in ranges]

    def __contains__(self, number: int) -> bool:
        at = bisect_right(self._first, number) - 1
        return at >= 0 and number <= self._last[at]


def _ranges(numbers: Iterable[int]) -> list[list[int]]:
    ranges: list[list[int]] = []
    for number in sorted(numbers):
        if ranges and number <= ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return ranges
