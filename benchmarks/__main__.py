"""Measures and prints the table.

usage: python -m benchmarks [--peer] [--pairs N] [--only WORDS] [--json FILE] [--write PAGE]
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from subprocess import run

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from benchmarks.measure import PAIRS
from benchmarks.page import as_markdown, write_table
from benchmarks.places import Place, places
from benchmarks.rows import (
    GRAPH,
    PYTHON,
    TRIALS,
    Command,
    Row,
    against_peer,
    executions,
    first_run,
    reused,
    start_up,
)
from benchmarks.whole_rows import fan, large_reused, large_stored, memory_of_trials, plan_reused

HERE = Path(__file__).parent
PEER = HERE / ".peers" / "bin" / "python"
PEER_PACKAGE = "crystallize-ml==0.27.0"
WIDTH = 120
"""Of the table, also where there is no terminal."""


def main() -> None:
    """Measure every row, print the table, write it as JSON."""
    parser = ArgumentParser(prog="python -m benchmarks", description="Measure crystallize against its references.")
    parser.add_argument("--pairs", type=int, default=PAIRS, help="pairs per figure")
    parser.add_argument("--peer", action="store_true", help=f"install {PEER_PACKAGE} beside and compare with it")
    parser.add_argument("--json", type=Path, default=HERE / "results.json", help="where the figures go")
    parser.add_argument("--only", default="", help="only rows with this in their name")
    parser.add_argument("--write", type=Path, help="a page of the documentation that the table goes into as well")
    asked = parser.parse_args()
    if asked.peer:
        install_peer()
    measured = []
    with places() as found:
        for row in measure(found, asked.pairs, asked.only):
            print(f"{row.work}: {row.measured:.3g} {row.unit}", file=sys.stderr)
            measured.append(row)
    Console(width=WIDTH).print(table(measured, asked.pairs))
    figures = [asdict(row) | {"of_limit": row.of_limit} for row in measured]
    asked.json.write_text(json.dumps({"pairs": asked.pairs, "rows": figures}, indent=2) + "\n", encoding="utf-8")
    if asked.write is not None:
        write_table(asked.write, as_markdown(measured))


def measure(found: list[Place], pairs: int, wanted: str) -> Iterator[Row]:
    """The rows whose work has `wanted` in its name, in the design's order; what writes small files once per place."""
    for row in rows(found, pairs):
        if wanted in row.args[0]:
            made = row()
            yield from made if isinstance(made, list) else [made]


def rows(found: list[Place], pairs: int) -> Iterator[partial[Row] | partial[list[Row]]]:
    """How to measure each row; the first argument is its name."""
    place = found[0]
    here = place.new()
    yield partial(
        start_up, "import crystallize", [PYTHON, "-c", "import crystallize"], here, must=15, next=5, pairs=pairs
    )
    everything = "from crystallize import *"
    yield partial(start_up, everything, [PYTHON, "-c", everything], here, must=150, next=80, pairs=pairs)
    helped: Command = [PYTHON.parent / "crystallize", "--help"]
    yield partial(start_up, "crystallize --help", helped, here, must=200, next=100, pairs=pairs)
    for each in found:
        yield partial(reused, "1,000 nodes, reused, per node", GRAPH, each, must=0.25, next=0.08, pairs=pairs)
        yield partial(first_run, "1,000 nodes, first run, per node", GRAPH, each, must=0.5, next=0.25, pairs=pairs)
        yield partial(first_run, "10,000 trials, first run, per trial", TRIALS, each, must=0.25, next=0.12, pairs=pairs)
    if PEER.exists():
        work = "10,000 trials, reused, whole process, against 0.27"
        yield partial(against_peer, work, TRIALS, place, PEER, must=1.0, next=0.5, pairs=pairs)
    for each in found:
        # Whether hashing what did not change takes seconds or nothing: no pairs needed to tell.
        yield partial(large_reused, "1 GiB artifact, reused", each, must=20)
        yield partial(large_stored, "1 GiB artifact, stored", each, must=1.6, next=1.3, pairs=pairs)
    yield partial(plan_reused, "100,000 nodes, reused, whole process", place, 100_000, must=(25, 1.5), next=(8, 0.7))
    yield partial(executions, "execution of a step of a valohai.yaml", place, must=15, next=5, pairs=pairs)
    yield partial(fan, "16 trials of 1 s, 2 processes", place, "cpu", 16, 1.0, "process", workers=2, must=9.5)
    for executor in ("async", "thread"):
        work = f"200 trials that wait 0.2 s, {executor}"
        yield partial(fan, work, place, "io", 200, 0.2, executor, workers=200, must=1.5)
    yield partial(memory_of_trials, "100,000 trials, memory per trial", place, (1_000, 10_000), must=1.0)


def table(rows: list[Row], pairs: int) -> Table:
    """The rows for the eye."""
    drawn = Table(
        box=SIMPLE, title=f"crystallize against its references (median of {pairs} pairs)", title_justify="left"
    )
    for heading in ("work", "place"):
        drawn.add_column(heading)
    for heading in ("reference", "measured", "must", "next", "of the limit"):
        drawn.add_column(heading, justify="right")
    for row in rows:
        good = "green" if row.of_limit <= 1 else "red"
        drawn.add_row(row.work, row.place, *row.told(), f"[{good}]{row.of_limit:.2f} ×[/]")
    drawn.caption = (
        "start-up: beyond bare Python; first run: beyond plain writes of the same files;\n"
        "reused: as it is, beside the first run of the same nodes; stored: against cp;\n"
        "trials at once: beside the least that they can take; memory: beside that of 10,000 trials in all"
    )
    return drawn


def install_peer() -> None:
    """Puts the compared package into a virtual environment of its own, once."""
    if PEER.exists():
        return
    run([PYTHON, "-m", "venv", HERE / ".peers"], check=True)
    run([PEER, "-m", "pip", "install", "--quiet", PEER_PACKAGE], check=True)


if __name__ == "__main__":
    main()
