"""How long 2,000 experiments take from the start of the terminal UI until they are listed, searched, looked at again.

usage: python -m benchmarks.screen_listing [--experiments N]

The app runs headless. Ends with 1 when the list was not drawn within a second of its start, or a search within 200 ms.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

from crystallize.tui.app import CrystallizeApp
from crystallize.tui.experiment_tree import ExperimentTree
from crystallize.tui.select import SelectScreen

LIST_LIMIT_S, SEARCH_LIMIT_S = 1.0, 0.2
CONFIG = """\
name: {name}
description: Number {number} of many.
replicates: 3
datasource: {{numbers: numbers}}
steps: [double, {{add: {{value: {number}}}}}]
outputs: {{out: {{file_name: out.json}}}}
treatments: {{high: {{factor: 10}}, low: {{factor: 0.1}}}}
cli: {{group: Group {group}, priority: {number}}}
"""


def write_project(root: Path, count: int) -> None:
    """Folders with a configuration each, in twenty groups."""
    for number in range(count):
        folder = root / "experiments" / f"number_{number:04d}"
        folder.mkdir(parents=True)
        text = CONFIG.format(name=folder.name, number=number, group=number % 20)
        (folder / "config.yaml").write_text(text, encoding="utf-8")


async def measure(root: Path, count: int) -> dict[str, float]:
    """What was waited for → seconds."""
    found: dict[str, float] = {}

    async def wait(what: str, holds: Callable[[], bool]) -> None:
        while not holds():
            await asyncio.sleep(0.001)
        drawn = asyncio.Event()
        app.screen.call_after_refresh(drawn.set)
        await drawn.wait()
        found[what] = perf_counter() - began

    began = perf_counter()
    app = CrystallizeApp(root)
    async with app.run_test(size=(120, 40)) as pilot:
        await wait("listed", lambda: isinstance(app.screen, SelectScreen) and app.screen.is_scanned)
        assert isinstance(app.screen, SelectScreen)
        screen, tree = app.screen, app.screen.query_one(ExperimentTree)
        wanted = f"number_{count // 2:04d}"
        await pilot.press("slash")
        await pilot.press(*wanted[:-1])
        began = perf_counter()
        await pilot.press(wanted[-1])
        await wait("searched", lambda: tree.last_line == 1 and screen.chosen_name == wanted)
        await pilot.press("escape")
        await wait("", lambda: tree.last_line > count)
        began = perf_counter()
        await screen.scan().wait()  # type: ignore[func-returns-value]
        await wait("looked at again", lambda: True)
    del found[""]
    return found


def main() -> int:
    parser = ArgumentParser(prog="python -m benchmarks.screen_listing")
    parser.add_argument("--experiments", type=int, default=2000)
    count: int = parser.parse_args().experiments
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        write_project(root, count)
        found = asyncio.run(measure(root, count))
    print(f"{count} experiments: " + ", ".join(f"{what} after {seconds:.2f} s" for what, seconds in found.items()))
    return 0 if found["listed"] < LIST_LIMIT_S and found["searched"] < SEARCH_LIMIT_S else 1


if __name__ == "__main__":
    sys.exit(main())
