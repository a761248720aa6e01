"""Measures and prints the table. usage: python -m benchmarks [--peer] [--pairs N] [--json FILE]"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from subprocess import run

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from benchmarks.measure import PAIRS
from benchmarks.places import Place, places
from benchmarks.rows import GRAPH, PYTHON, TRIALS, Command, Row, against_peer, first_run, reused, start_up

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
    asked = parser.parse_args()
    if asked.peer:
        install_peer()
    rows = []
    with places() as found:
        for row in measure(found, asked.pairs):
            print(f"{row.work}: {row.measured:.3g} {row.unit}", file=sys.stderr)
            rows.append(row)
    Console(width=WIDTH).print(table(rows, asked.pairs))
    figures = [asdict(row) | {"of_limit": row.of_limit} for row in rows]
    asked.json.write_text(json.dumps({"pairs": asked.pairs, "rows": figures}, indent=2) + "\n", encoding="utf-8")


def measure(found: list[Place], pairs: int) -> Iterator[Row]:
    """The rows, in the design's order; what writes files once per place."""
    here = found[0].new()
    yield start_up("import crystallize", [PYTHON, "-c", "import crystallize"], here, must=15, next=5, pairs=pairs)
    everything = "from crystallize import *"
    yield start_up(everything, [PYTHON, "-c", everything], here, must=150, next=80, pairs=pairs)
    helped: Command = [PYTHON.parent / "crystallize", "--help"]
    yield start_up("crystallize --help", helped, here, must=200, next=100, pairs=pairs)
    for place in found:
        yield reused("1,000 nodes, reused, per node", GRAPH, place, must=0.25, next=0.08, pairs=pairs)
        yield first_run("1,000 nodes, first run, per node", GRAPH, place, must=0.5, next=0.25, pairs=pairs)
        yield first_run("10,000 trials, first run, per trial", TRIALS, place, must=0.25, next=0.12, pairs=pairs)
    if PEER.exists():
        work = "10,000 trials, reused, whole process"
        yield against_peer(work, TRIALS, found[0], PEER, must=1.0, next=0.5, pairs=pairs)


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
        figures = (row.reference, row.measured, row.must, row.next)
        shown = [f"{figure:.3g} {row.unit}" for figure in figures]
        good = "green" if row.of_limit <= 1 else "red"
        drawn.add_row(row.work, row.place, *shown, f"[{good}]{row.of_limit:.2f} ×[/]")
    drawn.caption = (
        "start-up: beyond bare Python; first run: beyond plain writes of the same files;\n"
        "reused: as it is, beside the first run of the same nodes"
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
