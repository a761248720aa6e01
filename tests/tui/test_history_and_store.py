from __future__ import annotations

from pathlib import Path

from textual.widgets import DataTable

from crystallize.tui.asking import AskScreen
from crystallize.tui.history import HistoryScreen
from crystallize.tui.select import SelectScreen
from crystallize.tui.store import StoreScreen

from .making import NARROW, on_run_screen, opened, screen_of, seen, set_text, until, write_graph


async def run_twice(project: Path) -> None:
    write_graph(project)
    async with on_run_screen(project, "consumer") as (pilot, screen):
        set_text(project / "experiments/producer/config.yaml", "factor: 10", "factor: 20")
        before = screen.performance
        await pilot.press("R")
        await until(pilot, lambda: screen.performance is not before and screen.is_settled)


async def test_history_lists_runs_and_what_they_did(tmp_path: Path) -> None:
    await run_twice(tmp_path)

    async with opened(tmp_path) as pilot:
        await pilot.press("h")
        screen = await screen_of(pilot, HistoryScreen)
        await until(pilot, lambda: "context.factor: 10 → 20" in seen(pilot))
        assert "2 runs · reuse saved" in seen(pilot)
        assert screen.query_one(DataTable).row_count == 2

        await pilot.press("escape")

        await screen_of(pilot, SelectScreen)


async def test_two_runs_are_compared(tmp_path: Path) -> None:
    await run_twice(tmp_path)

    async with opened(tmp_path) as pilot:
        await pilot.press("h")
        await screen_of(pilot, HistoryScreen)
        await until(pilot, lambda: "strategy resume" in seen(pilot))
        await pilot.press("space", "down")
        await until(pilot, lambda: "run 1 → run 2" in seen(pilot))
        told = seen(pilot)

    assert "+60" in told
    assert "context.factor: 10 → 20" in told


async def test_without_runs_history_and_store_say_so(tmp_path: Path) -> None:
    write_graph(tmp_path)

    async with opened(tmp_path) as pilot:
        await pilot.press("h")
        await screen_of(pilot, HistoryScreen)
        await until(pilot, lambda: "no runs yet" in seen(pilot))
        await pilot.press("escape", "s")
        await screen_of(pilot, StoreScreen)

        await until(pilot, lambda: "nothing is stored yet" in seen(pilot))


async def test_forgetting_asks_and_then_drops_the_results(tmp_path: Path) -> None:
    await run_twice(tmp_path)

    async with opened(tmp_path, NARROW) as pilot:
        await pilot.press("s")
        screen = await screen_of(pilot, StoreScreen)
        table = screen.query_one(DataTable)
        await until(pilot, lambda: table.row_count == 2)
        await pilot.press("down", "f")
        await screen_of(pilot, AskScreen)
        assert "Forget the 6 results of producer" in seen(pilot)

        await pilot.press("y")

        await until(pilot, lambda: pilot.app.screen is screen and table.row_count == 1)


async def test_a_sweep_asks_and_says_what_it_would_remove(tmp_path: Path) -> None:
    await run_twice(tmp_path)

    async with opened(tmp_path) as pilot:
        await pilot.press("s")
        screen = await screen_of(pilot, StoreScreen)
        await until(pilot, lambda: screen.query_one(DataTable).row_count == 2)

        await pilot.press("w")

        await until(
            pilot, lambda: "there is nothing to sweep" in seen(pilot) or isinstance(pilot.app.screen, AskScreen)
        )
