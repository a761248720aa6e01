"""Rows of the design's table that rest on pairs: start-up, the cost of a node or a trial, and the ratio to a peer."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.measure import PAIRS, beyond, seconds
from benchmarks.places import Place, record_files, removed

WORKLOADS = Path(__file__).parent / "workloads"
PYTHON = Path(sys.executable)
STARTS = 10
"""Processes per sample of a start-up time, which is too short to time alone."""

Command = list[str | Path]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table."""

    work: str
    place: str
    unit: str
    reference: float
    """What the reference takes, in `unit`."""
    measured: float
    """What counts, in `unit`: the cost beyond the reference, or the ratio to it."""
    must: float
    next: float | None = None
    """What is aimed at beyond that; None: nothing."""

    def told(self) -> list[str]:
        """Reference, measured, must and next in words; empty where there is none."""
        return [_told(each, self.unit) for each in (self.reference, self.measured, self.must, self.next)]

    @property
    def of_limit(self) -> float:
        """Measured, as a share of what must be reached: 1 and below is good."""
        return self.measured / self.must


def start_up(work: str, command: Command, folder: Path, *, must: float, next: float, pairs: int = PAIRS) -> Row:
    """Milliseconds of a process beyond those of a Python that does nothing."""
    bare: Command = [PYTHON, "-c", "pass"]
    seconds(command, folder)
    reference, cost = beyond(
        lambda: seconds(bare, folder, times=STARTS), lambda: seconds(command, folder, times=STARTS), pairs
    )
    return Row(work=work, place="", unit="ms", reference=reference * 1e3, measured=cost * 1e3, must=must, next=next)


@dataclass(frozen=True, slots=True)
class Workload:
    """A script that is run in two sizes, so that what both have in common (starting up) cancels out."""

    script: str
    small: Sequence[str]
    large: Sequence[str]
    more: int
    """How many nodes or trials the large one has more."""

    def command(self, size: Sequence[str], python: Path = PYTHON) -> Command:
        return [python, WORKLOADS / self.script, *size]

    def per_piece(self, run: Callable[[Sequence[str]], float]) -> float:
        """Milliseconds per node or trial, from one run of each size."""
        small = run(self.small)
        return (run(self.large) - small) / self.more * 1e3


EXECUTIONS = Workload("executions.py", ["5"], ["55"], 50)
GRAPH = Workload("graph.py", ["10"], ["1000"], 990)
TRIALS = Workload("trials.py", ["10", "10"], ["10", "1000"], 9900)


def reused(work: str, load: Workload, place: Place, *, must: float, next: float, pairs: int = PAIRS) -> Row:
    """Milliseconds per piece of a run that reuses everything. Its reference is the first run of the same pieces."""
    folders = {tuple(size): place.new() for size in (load.small, load.large)}
    first = load.per_piece(lambda size: seconds(load.command(size), folders[tuple(size)]))
    again = [load.per_piece(lambda size: seconds(load.command(size), folders[tuple(size)])) for _ in range(pairs)]
    for folder in folders.values():
        removed(folder)
    return Row(work=work, place=place.name, unit="ms", reference=first, measured=median(again), must=must, next=next)


def first_run(work: str, load: Workload, place: Place, *, must: float, next: float, pairs: int = PAIRS) -> Row:
    """Milliseconds per piece of a first run beyond those of writing the same files."""
    recorded = {}
    kept = []
    for size in (load.small, load.large):
        folder = place.new()
        kept.append(folder)
        seconds(load.command(size), folder)
        recorded[tuple(size)] = record_files(folder)

    reference, cost = beyond(
        lambda: load.per_piece(lambda size: _new(place, [PYTHON, WORKLOADS / "replay.py", recorded[tuple(size)]])),
        lambda: load.per_piece(lambda size: _new(place, load.command(size))),
        pairs,
    )
    for folder in kept:
        removed(folder)
    return Row(work=work, place=place.name, unit="ms", reference=reference, measured=cost, must=must, next=next)


def executions(work: str, place: Place, *, must: float, next: float, pairs: int = PAIRS) -> Row:
    """Milliseconds per execution of a step beyond those of starting the shell that runs its command."""
    shells = "import subprocess, sys\nfor _ in range(int(sys.argv[1])): subprocess.run(['sh', '-c', 'echo'])"

    reference, cost = beyond(
        lambda: EXECUTIONS.per_piece(lambda size: _new(place, [PYTHON, "-c", shells, *size])),
        lambda: EXECUTIONS.per_piece(lambda size: _new(place, EXECUTIONS.command(size))),
        pairs,
    )
    return Row(work=work, place=place.name, unit="ms", reference=reference, measured=cost, must=must, next=next)


def against_peer(
    work: str, load: Workload, place: Place, peer: Path, *, must: float, next: float, pairs: int = PAIRS
) -> Row:
    """How many times as long as with the Python at `peer` a process takes that reuses everything."""
    theirs, ours = place.new(), place.new()
    seconds(load.command(load.large, peer), theirs)
    seconds(load.command(load.large), ours)
    measured = [
        (seconds(load.command(load.large, peer), theirs), seconds(load.command(load.large), ours)) for _ in range(pairs)
    ]
    removed(theirs)
    removed(ours)
    return Row(
        work=work,
        place=place.name,
        unit="×",
        reference=1.0,
        measured=median(mine / other for other, mine in measured),
        must=must,
        next=next,
    )


def _told(figure: float | None, unit: str) -> str:
    return "" if figure is None else f"{figure:,.0f} {unit}" if figure >= 100 else f"{figure:.3g} {unit}"


def _new(place: Place, command: Command) -> float:
    """Seconds of one run of `command` in a new folder that is gone afterwards."""
    folder = place.new()
    taken = seconds(command, folder)
    removed(folder)
    return taken
