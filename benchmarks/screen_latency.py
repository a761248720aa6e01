"""How long a key takes on the run screen while a graph of 300 experiments × 20 trials runs behind it.

usage: python -m benchmarks.screen_latency [--nodes N] [--replicates N]

The app runs headless with the real run in its own thread. A key counts from the moment it is posted until the screen
has drawn what it did. Prints the percentiles, keys that were lost, and how much memory grew over the second half of the
run; ends with 1 when the 99th percentile is not below 100 ms, or a key was lost.
"""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import sys
import tempfile
from argparse import ArgumentParser
from pathlib import Path
from statistics import quantiles
from time import perf_counter

from textual.events import Key
from textual.widgets import Tree

from crystallize.tui.app import CrystallizeApp
from crystallize.tui.board import Board
from crystallize.tui.run import RunScreen

LIMIT_MS = 100.0
BETWEEN_S = 0.04
"""Between two keys: a finger that stays on one."""

STEPS = """
from time import perf_counter

from crystallize import Artifact, pipeline_step


@pipeline_step()
def work(data, ctx, *, out: Artifact):
    end, total = perf_counter() + 0.004, 0
    while perf_counter() < end:
        total += 1
    print("worked in replicate", ctx["replicate"])
    out.write(str(ctx["replicate"]))
    return data, {"replicate": ctx["replicate"]}
"""


def write_project(root: Path, nodes: int, replicates: int) -> None:
    """A graph in which every fourth experiment begins a chain and the last one reads the ends of all chains."""
    for number in range(nodes):
        folder = root / "experiments" / f"node_{number:03d}"
        folder.mkdir(parents=True)
        ends = list(range(3, nodes - 1, 4)) if number == nodes - 1 else []
        read = ends or ([number - 1] if number % 4 else [])
        sources = "".join(f"  in_{n}: node_{n:03d}#out\n" for n in read) or "  numbers: numbers\n"
        (folder / "config.yaml").write_text(
            f"name: node_{number:03d}\nreplicates: {replicates}\ndatasource:\n{sources}"
            "steps: [work]\noutputs: {out: {}}\n",
            encoding="utf-8",
        )
        (folder / "steps.py").write_text(STEPS, encoding="utf-8")
        text = "from crystallize import data_source\n\n\n@data_source\ndef numbers():\n    return 1\n"
        (folder / "datasources.py").write_text(text, encoding="utf-8")


async def measure(root: Path, last: str) -> tuple[list[float], int, float]:
    """Milliseconds per key, keys that were lost, and MiB that the second half of the run added."""
    app = CrystallizeApp(root)
    taken: list[float] = []
    lost, half_mib = 0, 0.0
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause(1.0)
        await pilot.press("slash", *last, "enter", "enter")
        while not isinstance(app.screen, RunScreen) or app.screen.performance is None:
            await asyncio.sleep(0.05)
        screen, performance = app.screen, app.screen.performance
        while not performance.live.total or not screen.query_one(Tree).root.children:
            await asyncio.sleep(0.05)
        board, key = screen.query_one(Board), "up"
        while not performance.over:
            before, began = board.name_of_node, perf_counter()
            drawn = asyncio.Event()
            app.post_message(Key(key, None))
            while board.name_of_node == before and perf_counter() - began < 1.0:
                await asyncio.sleep(0.001)
            screen.call_after_refresh(drawn.set)
            await drawn.wait()
            if board.name_of_node == before:
                lost += 1
                key = "down" if key == "up" else "up"
            taken.append((perf_counter() - began) * 1000)
            if not half_mib and performance.live.settled * 2 >= performance.live.total:
                half_mib = mib()
            await asyncio.sleep(BETWEEN_S)
        grown = mib() - half_mib
    return taken, lost, grown


def mib() -> float:
    """Memory of this process now."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1]) if Path("/proc").exists() else 0
    return pages * resource.getpagesize() / 2**20


def main() -> int:
    parser = ArgumentParser(prog="python -m benchmarks.screen_latency")
    parser.add_argument("--nodes", type=int, default=300)
    parser.add_argument("--replicates", type=int, default=20)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        write_project(root, asked.nodes, asked.replicates)
        os.chdir(root)
        began = perf_counter()
        taken, lost, grown = asyncio.run(measure(root, f"node_{asked.nodes - 1:03d}"))
    cut = quantiles(taken, n=100)
    trials = asked.nodes * asked.replicates
    print(f"{asked.nodes} experiments × {asked.replicates} = {trials} trials in {perf_counter() - began:.0f} s")
    told = ", ".join(f"{name} {cut[at]:.1f} ms" for name, at in (("median", 49), ("p90", 89), ("p99", 98)))
    print(f"{len(taken)} keys: {told}, max {max(taken):.1f} ms")
    print(f"lost at most {lost}; memory of the second half: {grown:+.1f} MiB")
    return 0 if cut[98] < LIMIT_MS else 1


if __name__ == "__main__":
    sys.exit(main())
