"""How long a key takes on the run screen while a graph of 300 experiments × 20 trials runs behind it.

usage: python -m benchmarks.screen_latency [--nodes N] [--replicates N] [--where]

The app runs headless with the real run in its own thread, whose trials compute in pure Python: no neighbour is worse
for a screen. A key counts from the moment it is posted until the screen has drawn what it did. Prints the percentiles,
also of processor time, which a busy machine does not change; keys that were lost; and how memory grew during the
run. Ends with 1 when the 99th percentile is not below 100 ms, or a key was lost.

With --where memory is traced, and what is held at the last point beyond what was held at the second one is listed by
who asked for it: the screens, the libraries that draw them, the engine. Tracing makes keys slow.
"""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import sys
import tempfile
import tracemalloc
from argparse import ArgumentParser
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles
from time import perf_counter, thread_time

from textual.events import Key
from textual.widgets import Tree

from crystallize.tui.app import CrystallizeApp
from crystallize.tui.board import Board
from crystallize.tui.graph_tree import GraphTree
from crystallize.tui.run import RunScreen

LIMIT_MS = 100.0
BETWEEN_S = 0.04
"""Between two keys: a finger that stays on one."""
PATIENCE_S = 1.0
"""A key that has done nothing by then is lost."""
POINTS = (0.25, 0.5, 0.75, 0.9)

TRACED_FROM = 1
"""The point with which the last one is compared: caches have filled by then."""
PARTS = {"screens": ("crystallize/tui/", "reports/live.py"), "their libraries": ("textual/", "rich/"), "engine": ("",)}
"""Who asks for memory → what the path of its files holds; the first that fits."""
MOST_PLACES = 12

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


@dataclass(slots=True)
class Measured:
    """What was seen while the run went on."""

    taken: list[float] = field(default_factory=list)
    """Milliseconds per key."""
    cpu: list[float] = field(default_factory=list)
    """Of them, those in which the screen's thread computed."""
    lost: int = 0
    memory: list[float] = field(default_factory=list)
    """MiB when a quarter, a half, three quarters and nine tenths of the trials were settled."""
    settled: list[int] = field(default_factory=list)
    """Trials that were settled then."""
    traced: list[tracemalloc.Snapshot] = field(default_factory=list)
    """What was held at `TRACED_FROM` and at the last point."""

    def look(self, settled: int) -> None:
        """Another point has come."""
        self.memory.append(mib())
        self.settled.append(settled)
        if tracemalloc.is_tracing() and len(self.memory) in (TRACED_FROM + 1, len(POINTS)):
            self.traced.append(tracemalloc.take_snapshot())

    @property
    def growth(self) -> float:
        """Bytes per trial between the first and the last point."""
        return (self.memory[-1] - self.memory[0]) * 2**20 / (self.settled[-1] - self.settled[0])

    def print_where(self) -> None:
        """Who asked for what is held, by part and by place."""
        if not self.traced:
            return
        trials = self.settled[-1] - self.settled[TRACED_FROM]
        first, last = (each.filter_traces([tracemalloc.Filter(False, tracemalloc.__file__)]) for each in self.traced)
        asked = last.compare_to(first, "lineno")
        for part, paths in PARTS.items():
            held = [each for each in asked if any(path in each.traceback[0].filename for path in paths)]
            asked = [each for each in asked if each not in held]
            print(f"{part}: {sum(each.size_diff for each in held) / trials:.0f} bytes per trial")
            for each in held[:MOST_PLACES]:
                print(
                    f"    {each.size_diff / trials:6.1f} in {each.count_diff / trials:.2f} objects  {each.traceback[0]}"
                )


async def measure(root: Path, last: str) -> Measured:
    """Presses keys from the first trial to the last one."""
    app, found = CrystallizeApp(root), Measured()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause(1.0)
        await pilot.press("slash", *last, "enter", "enter")
        while not isinstance(app.screen, RunScreen) or app.screen.performance is None:
            await asyncio.sleep(0.05)
        screen, performance = app.screen, app.screen.performance
        while not performance.live.settled or not screen.query_one(Tree).root.children:
            await asyncio.sleep(0.05)
        board, tree, live = screen.query_one(Board), screen.query_one(GraphTree), performance.live
        key = "up"
        while not performance.over:
            if not 0 < tree.cursor_line < len(live.nodes) - 1:
                key = "down" if tree.cursor_line == 0 else "up"
            before, began, cpu = board.name_of_node, perf_counter(), thread_time()
            drawn = asyncio.Event()
            app.post_message(Key(key, None))
            while board.name_of_node == before and perf_counter() - began < PATIENCE_S:
                await asyncio.sleep(0.001)
            screen.call_after_refresh(drawn.set)
            await drawn.wait()
            found.lost += board.name_of_node == before
            found.taken.append((perf_counter() - began) * 1000)
            found.cpu.append((thread_time() - cpu) * 1000)
            due = POINTS[len(found.memory)] if len(found.memory) < len(POINTS) else 2.0
            if live.settled >= due * live.total:
                found.look(live.settled)
            await asyncio.sleep(BETWEEN_S)
    return found


def mib() -> float:
    """Memory of this process now."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1]) if Path("/proc").exists() else 0
    return pages * resource.getpagesize() / 2**20


def main() -> int:
    parser = ArgumentParser(prog="python -m benchmarks.screen_latency")
    parser.add_argument("--nodes", type=int, default=300)
    parser.add_argument("--replicates", type=int, default=20)
    parser.add_argument("--where", action="store_true", help="list who asked for the memory that is held")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        write_project(root, asked.nodes, asked.replicates)
        os.chdir(root)
        if asked.where:
            tracemalloc.start()
        began = perf_counter()
        found = asyncio.run(measure(root, f"node_{asked.nodes - 1:03d}"))
    trials = asked.nodes * asked.replicates
    print(f"{asked.nodes} experiments × {asked.replicates} = {trials} trials in {perf_counter() - began:.0f} s")
    for what, times in (("until it is drawn", found.taken), ("computing for it", found.cpu)):
        cut = quantiles(times, n=100)
        told = ", ".join(f"{name} {cut[at]:.1f} ms" for name, at in (("median", 49), ("p90", 89), ("p99", 98)))
        print(f"{len(times)} keys, {what}: {told}, max {max(times):.1f} ms")
    memory = ", ".join(f"{each:.1f}" for each in found.memory)
    print(f"keys lost: {found.lost}; MiB at {', '.join(f'{point:.0%}' for point in POINTS)} of the trials: {memory}")
    print(f"memory grew by {found.growth:.0f} bytes per trial")
    found.print_where()
    return 0 if quantiles(found.taken, n=100)[98] < LIMIT_MS and not found.lost else 1


if __name__ == "__main__":
    sys.exit(main())
