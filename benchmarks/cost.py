"""Cost against the size of a graph, in crystallize and in every peer that is installed.

usage: python -m benchmarks.cost [PYTHON OF THE PEERS] [--cap SECONDS] [--draw docs/cost.svg]

Each size is run twice, in processes of their own: first, and again with nothing changed. Seconds are those of whole
processes, on a RAM disk where there is one. A peer that takes longer than the cap is not asked for larger graphs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter

from benchmarks.cost_picture import drawn
from benchmarks.cost_systems import CostSystem, systems
from benchmarks.places import Place, places, removed

HERE = Path(__file__).parent
OLD = HERE / ".peers" / "bin" / "python"
SIZES = (10, 100, 1_000, 10_000, 100_000)
CAP_S = 60.0


@dataclass(frozen=True)
class Point:
    """One system on a graph of one size."""

    system: str
    size: int
    first_s: float
    again_s: float


def main() -> None:
    """Measures, writes the figures as JSON, and draws them."""
    parser = ArgumentParser(prog="python -m benchmarks.cost")
    parser.add_argument("others", nargs="?", type=Path, default=OLD, help="a Python that has the peers")
    parser.add_argument("--cap", type=float, default=CAP_S, help="seconds that a peer may take for one run")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--json", type=Path, default=HERE / "cost.json")
    parser.add_argument("--draw", type=Path, help="where the picture goes")
    asked = parser.parse_args()
    points = []
    with places() as found:
        for system, python in systems(Path(sys.executable), OLD if OLD.exists() else asked.others, asked.others):
            cap = None if system.name == "crystallize" else asked.cap
            for point in curve(system, python, found[0], asked.sizes, cap):
                print(f"{point.system}, {point.size:,} nodes: {point.first_s:.2f} s, {point.again_s:.2f} s", flush=True)
                points.append(point)
    asked.json.write_text(json.dumps([asdict(point) for point in points], indent=2) + "\n", encoding="utf-8")
    if asked.draw is not None:
        panels = {
            "first run": {name: [(p.size, p.first_s) for p in points if p.system == name] for name in _names(points)},
            "again, unchanged": {
                name: [(p.size, p.again_s) for p in points if p.system == name] for name in _names(points)
            },
        }
        asked.draw.write_text(drawn(panels), encoding="utf-8")


def curve(
    system: CostSystem, python: Path, place: Place, sizes: tuple[int, ...], cap_s: float | None
) -> Iterator[Point]:
    """The points of one system, up to the first size that takes it too long."""
    for size in sizes:
        folder = place.new()
        try:
            system.write(folder, size, python)
            first_s, again_s = (_seconds(system, python, folder, size, cap_s) for _ in range(2))
        except (subprocess.TimeoutExpired, subprocess.CalledProcessError) as error:
            print(f"{system.name}, {size:,} nodes: {error}"[:200], file=sys.stderr)
            return
        finally:
            removed(folder)
        yield Point(system.name, size, first_s, again_s)


def _seconds(system: CostSystem, python: Path, folder: Path, size: int, cap_s: float | None) -> float:
    command = system.command(size, python)
    home = {"HOME": str(folder), "XDG_CACHE_HOME": str(folder / ".cache"), **system.environ}
    started = perf_counter()
    with subprocess.Popen(
        command,
        cwd=folder,
        env=os.environ | home,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            code = process.wait(cap_s)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    if code:
        raise subprocess.CalledProcessError(code, command)
    return perf_counter() - started


def _names(points: list[Point]) -> list[str]:
    return list(dict.fromkeys(point.system for point in points))


if __name__ == "__main__":
    main()
