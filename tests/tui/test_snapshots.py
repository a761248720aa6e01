"""Pictures of the main states, at 120×40 and 80×24; after a wanted change: pytest tests/tui --snapshot-update."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Checkbox

from crystallize import words
from crystallize.experiment.reports import candidates, live
from crystallize.tui.app import CrystallizeApp
from crystallize.tui.create import CreateScreen
from crystallize.tui.edit import EditScreen
from crystallize.tui.form import FormScreen
from crystallize.tui.help import HelpScreen
from crystallize.tui.history import HistoryScreen
from crystallize.tui.reuse import ReuseScreen
from crystallize.tui.run import RunScreen
from crystallize.tui.select import SelectScreen
from crystallize.tui.store import StoreScreen

from .making import NARROW, WIDE, choose, screen_of, seen, set_text, until, write_graph
from .test_pipelines import WITH_INPUTS

Drive = Callable[[Pilot[None]], Awaitable[None]]
FROZEN = {words.duration: "1.2 s", words.rounded: "1 s", words.ago: "just now", candidates.moment: "2026-11-21 09:30"}
"""What tells times → what it tells here."""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A graph in ``~/project``, where time stands still."""
    folder = tmp_path / "project"
    write_graph(folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CRYSTALLIZE_RUNTIME", "local")
    for module in [m for name, m in sys.modules.items() if name.startswith("crystallize.")]:
        for name, value in list(vars(module).items()):
            if getattr(value, "__hash__", None) and callable(value) and value in FROZEN:
                monkeypatch.setattr(module, name, lambda *_, told=FROZEN[value]: told)
    real = live.told
    monkeypatch.setattr(live, "told", lambda error: real(error).replace(str(tmp_path), "~"))
    return folder


async def listed(pilot: Pilot[None]) -> None:
    screen = await screen_of(pilot, SelectScreen)
    await until(pilot, lambda: screen.is_scanned)
    await choose(pilot, "consumer")
    await until(pilot, lambda: "resume would now" in seen(pilot))


async def creating(pilot: Pilot[None]) -> None:
    await listed(pilot)
    await pilot.press("n")
    screen = await screen_of(pilot, CreateScreen)
    await pilot.press(*"third")
    screen.query_one("#use-outputs", Checkbox).value = True
    await until(pilot, lambda: "producer -> summary" in seen(pilot))


async def has_run(pilot: Pilot[None]) -> None:
    await listed(pilot)
    await pilot.press("enter")
    screen = await screen_of(pilot, RunScreen)
    await until(pilot, lambda: screen.is_settled)


async def has_failed(pilot: Pilot[None]) -> None:
    steps = Path("experiments/producer/steps.py")
    set_text(steps, "    total =", '    raise RuntimeError("no sums today")\n    total =')
    await has_run(pilot)
    await until(pilot, lambda: "no sums today" in seen(pilot))


async def is_open(pilot: Pilot[None]) -> None:
    await listed(pilot)
    await pilot.press("o")
    screen = await screen_of(pilot, RunScreen)
    await until(pilot, lambda: screen.is_settled)
    await pilot.press("3")
    await until(pilot, lambda: "would run: first run" in seen(pilot))


async def reusing(pilot: Pilot[None]) -> None:
    await has_run(pilot)
    await pilot.press("b")
    await screen_of(pilot, ReuseScreen)


async def helped(pilot: Pilot[None]) -> None:
    await listed(pilot)
    await pilot.press("question_mark")
    await screen_of(pilot, HelpScreen)


async def editing(pilot: Pilot[None]) -> None:
    await listed(pilot)
    await pilot.press("c")
    await screen_of(pilot, EditScreen)


async def looking_back(pilot: Pilot[None]) -> None:
    await has_run(pilot)
    await pilot.press("escape", "h")
    await screen_of(pilot, HistoryScreen)
    await until(pilot, lambda: "strategy resume" in seen(pilot))


async def storing(pilot: Pilot[None]) -> None:
    await has_run(pilot)
    await pilot.press("escape", "s")
    await screen_of(pilot, StoreScreen)
    await until(pilot, lambda: "8 records" in seen(pilot))


async def forming(pilot: Pilot[None]) -> None:
    Path("valohai.yaml").write_text(WITH_INPUTS, encoding="utf-8")
    Path("one.txt").write_text("1", encoding="utf-8")
    await listed(pilot)
    await choose(pilot, "training")
    await pilot.press("enter")
    await screen_of(pilot, FormScreen)
    await until(pilot, lambda: "Learning rate" in seen(pilot) and "would run 1" in seen(pilot))


STATES: dict[str, Drive] = {
    "storing": storing,
    "forming": forming,
    "listed": listed,
    "creating": creating,
    "is_open": is_open,
    "has_run": has_run,
    "has_failed": has_failed,
    "reusing": reusing,
    "editing": editing,
    "looking_back": looking_back,
    "helped": helped,
}


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["120x40", "80x24"])
@pytest.mark.parametrize("state", STATES)
def test_it_looks_as_before(
    project: Path, snap_compare: Callable[..., bool], state: str, size: tuple[int, int]
) -> None:
    async def drive(pilot: Pilot[Any]) -> None:
        await STATES[state](pilot)
        await pilot.pause()

    assert snap_compare(CrystallizeApp(project), run_before=drive, terminal_size=size)
