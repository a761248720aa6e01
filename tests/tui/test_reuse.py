from __future__ import annotations

from pathlib import Path

from textual.widgets import Select

from crystallize.tui.boxes import Box
from crystallize.tui.reuse import ReuseScreen
from crystallize.tui.run import RunScreen

from .making import on_run_screen, screen_of, seen, set_text, until, write_graph


async def test_a_node_takes_its_results_from_the_chosen_run_and_is_marked(tmp_path: Path) -> None:
    write_graph(tmp_path)
    config = tmp_path / "experiments/producer/config.yaml"

    async with on_run_screen(tmp_path, "consumer") as (pilot, screen):
        set_text(config, "factor: 10", "factor: 20")
        await pilot.press("b")
        window = await screen_of(pilot, ReuseScreen)
        told = seen(pilot)
        assert "Reuse nodes" in told
        assert "Pipeline from which to reuse" in told
        assert "run 1 · " in told
        window.query(Box).first().value = True
        await pilot.press("ctrl+s")
        await screen_of(pilot, RunScreen)
        await until(pilot, lambda: screen.is_settled)
        assert "📌 run 1" in seen(pilot)

        before = screen.performance
        await pilot.press("R")
        await until(pilot, lambda: screen.performance is not before and screen.is_settled)

        assert screen.performance is not None
        results = screen.performance.results
        assert results["producer"].pinned == 1
        assert results["consumer"].metrics.treatments["high"].metrics["total_from_producer"] == [60, 60]


async def test_a_run_that_lacks_a_node_does_not_offer_it(tmp_path: Path) -> None:
    write_graph(tmp_path)

    async with on_run_screen(tmp_path, "producer"):
        pass
    async with on_run_screen(tmp_path, "consumer") as (pilot, _):
        await pilot.press("b")
        window = await screen_of(pilot, ReuseScreen)
        window.query_one("#source", Select).value = 1
        await until(pilot, lambda: "consumer (not in run 1)" in seen(pilot))

        assert [box.disabled for box in window.query(Box)] == [False, True]


async def test_without_earlier_runs_the_window_says_so(tmp_path: Path) -> None:
    write_graph(tmp_path)

    async with on_run_screen(tmp_path, "consumer", "o") as (pilot, _):
        await pilot.press("b")
        await screen_of(pilot, ReuseScreen)
        assert "there is no earlier run" in seen(pilot)

        await pilot.press("escape")

        await screen_of(pilot, RunScreen)


async def test_the_button_opens_the_window(tmp_path: Path) -> None:
    write_graph(tmp_path)

    async with on_run_screen(tmp_path, "consumer", "o") as (pilot, _):
        await pilot.click("#reuse-nodes")

        await screen_of(pilot, ReuseScreen)
