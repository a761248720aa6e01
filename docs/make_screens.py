"""Draws docs/screen-*.svg: two screens of the terminal UI over the example, as it really ran. usage: make_screens.py"""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from make_picture import REPOSITORY, for_all_viewers
from textual.pilot import Pilot

from crystallize.tui.app import CrystallizeApp
from crystallize.tui.run import RunScreen

EXAMPLE = REPOSITORY / "examples" / "cancer"
SIZE = (120, 36)


async def draw(project: Path) -> None:
    """Runs the graph, changes a treatment, and draws what would run now, then the screen of that run."""
    app = CrystallizeApp(project)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause(1.0)
        await pilot.press("slash", *"report", "enter", "enter")
        await _run_over(pilot)
        await pilot.press("escape")
        config = project / "experiments/train/config.yaml"
        config.write_text(
            config.read_text(encoding="utf-8").replace("threshold: 0.3", "threshold: 0.2"), encoding="utf-8"
        )
        await pilot.press("slash", "escape", "r")
        await pilot.pause(2.0)
        _save(app, "screen-select.svg")
        await pilot.press("enter")
        await _run_over(pilot)
        await pilot.press("up")
        await pilot.pause(0.5)
        _save(app, "screen-run.svg")


async def _run_over(pilot: Pilot[None]) -> None:
    for _ in range(600):
        await pilot.pause(0.1)
        screen = pilot.app.screen
        if isinstance(screen, RunScreen) and screen.is_settled and screen.performance is not None:
            return
    raise SystemExit("the run does not end")


def _save(app: CrystallizeApp, name: str) -> None:
    svg = app.export_screenshot(title="crystallize")
    (REPOSITORY / "docs" / name).write_text(for_all_viewers(svg), encoding="utf-8")


def main() -> None:
    with TemporaryDirectory() as folder:
        project = Path(folder).resolve() / "cancer"
        shutil.copytree(EXAMPLE, project, ignore=shutil.ignore_patterns("data", "__pycache__"))
        (project / "crystallize.toml").touch()
        os.environ["HOME"] = str(project.parent)
        os.chdir(project)
        asyncio.run(draw(project))


if __name__ == "__main__":
    main()
