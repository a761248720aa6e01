"""Projects on disk, and an app over one of them that is driven by keys."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from textual.pilot import Pilot
from textual.screen import Screen

from crystallize.tui.app import CrystallizeApp
from crystallize.tui.experiment_tree import ExperimentTree
from crystallize.tui.run import RunScreen
from crystallize.tui.select import SelectScreen

S = TypeVar("S", bound=Screen)
WIDE, NARROW = (120, 40), (80, 24)
TURNS = 600
"""So many times is looked again for what is awaited."""

PRODUCER = {
    "config.yaml": """\
name: producer
description: Sums numbers.
replicates: 2
datasource: {numbers: numbers}
steps:
  - produce_summary
outputs:
  summary: {file_name: summary.json, writer: dump_json, loader: load_json}
treatments:
  high: {factor: 10}
""",
    "datasources.py": """\
from crystallize import data_source

@data_source
def numbers():
    return [1, 2, 3]
""",
    "steps.py": """\
from crystallize import Artifact, pipeline_step

@pipeline_step()
def produce_summary(data, factor=1, *, summary: Artifact):
    print("summing", len(data), "numbers")
    total = sum(data) * factor
    summary.write({"total": total})
    return total, {"total": total}
""",
    "outputs.py": """\
import json

def dump_json(payload):
    return json.dumps(payload).encode("utf-8")

def load_json(path):
    return json.loads(path.read_text())
""",
}
CONSUMER = {
    "config.yaml": """\
name: consumer
datasource: {producer_summary: producer#summary}
steps:
  - inspect_summary
""",
    "steps.py": """\
from crystallize import pipeline_step

@pipeline_step()
def inspect_summary(data):
    return data, {"total_from_producer": data["producer_summary"]["total"]}
""",
}


def write_experiment(project: Path, name: str, files: dict[str, str]) -> Path:
    """The new `config.yaml` below ``experiments/<name>``."""
    folder = project / "experiments" / name
    folder.mkdir(parents=True, exist_ok=True)
    for file, text in files.items():
        (folder / file).write_text(text, encoding="utf-8")
    return folder / "config.yaml"


def write_graph(project: Path) -> Path:
    """Producer and consumer; the configuration of the consumer."""
    write_experiment(project, "producer", PRODUCER)
    return write_experiment(project, "consumer", CONSUMER)


def set_text(path: Path, old: str, new: str) -> None:
    """Replaces `old` in a file; it must be there."""
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


@asynccontextmanager
async def opened(project: Path, size: tuple[int, int] = WIDE) -> AsyncIterator[Pilot[None]]:
    """An app over `project`, once its list is there."""
    app = CrystallizeApp(project)
    async with app.run_test(size=size, notifications=True) as pilot:
        await until(pilot, lambda: isinstance(app.screen, SelectScreen) and app.screen.is_scanned)
        await pilot.pause()
        yield pilot


@asynccontextmanager
async def on_run_screen(project: Path, name: str, key: str = "enter") -> AsyncIterator[tuple[Pilot[None], RunScreen]]:
    """An app over `project` on the run screen of `name`, opened with `key`; a run that `enter` starts is over."""
    async with opened(project) as pilot:
        await choose(pilot, name)
        await pilot.press(key)
        screen = await screen_of(pilot, RunScreen)
        await until(pilot, lambda: screen.is_settled)
        yield pilot, screen


async def choose(pilot: Pilot[None], name: str) -> None:
    """Puts the cursor on an experiment of the list, by searching for it."""
    await pilot.press("slash", *name)
    await until(pilot, lambda: getattr(pilot.app.screen, "chosen_name", None) == name)
    await pilot.press("enter")
    await until(pilot, lambda: isinstance(pilot.app.focused, ExperimentTree))
    await pilot.pause()


async def screen_of(pilot: Pilot[None], kind: type[S]) -> S:
    """The present screen, once it is a `kind`."""
    await until(pilot, lambda: isinstance(pilot.app.screen, kind) and pilot.app.screen.is_mounted)
    await pilot.pause()
    screen = pilot.app.screen
    assert isinstance(screen, kind)
    return screen


async def until(pilot: Pilot[None], holds: Callable[[], object]) -> None:
    """Lets the app go on until something holds."""
    for _ in range(TURNS):
        if holds():
            return
        await pilot.pause(0.02)
    raise AssertionError("what was awaited did not come about:\n" + seen(pilot))


def seen(pilot: Pilot[None]) -> str:
    """What is on the screen, as text."""
    strips = pilot.app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips)
