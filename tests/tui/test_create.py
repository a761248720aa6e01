from __future__ import annotations

from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Static

from crystallize.tui.boxes import Box
from crystallize.tui.create import CreateScreen, OutputTree
from crystallize.tui.select import SelectScreen

from .making import NARROW, choose, on_run_screen, opened, screen_of, seen, until, write_graph


async def dialog(pilot: Pilot[None]) -> CreateScreen:
    await pilot.press("n")
    return await screen_of(pilot, CreateScreen)


def verdict(screen: CreateScreen) -> str:
    return str(screen.query_one("#verdict", Static).render())


@pytest.mark.contract("4.3.4")
async def test_the_window_is_worded_as_in_the_guides(tmp_path: Path) -> None:
    write_graph(tmp_path)

    async with opened(tmp_path) as pilot:
        screen = await dialog(pilot)
        told = seen(pilot)
        labels = [str(box.label) for box in screen.query(Box)]

    assert "Create New Experiment" in told
    assert labels[:4] == ["datasources.py", "steps.py", "outputs.py", "verifiers.py"]
    assert labels[4:] == ["Add example code", "Use outputs from other experiments"]


@pytest.mark.contract("4.3.4")
async def test_a_new_experiment_is_chosen_and_runs_at_once(tmp_path: Path) -> None:
    async with opened(tmp_path) as pilot:
        await dialog(pilot)
        await pilot.press(*"first", "enter")
        await screen_of(pilot, SelectScreen)
        await until(pilot, lambda: getattr(pilot.app.screen, "chosen_name", None) == "first")

    async with on_run_screen(tmp_path, "first") as (_, screen):
        assert screen.performance is not None
        assert screen.performance.results["first"].errors == {}


async def test_outputs_of_others_are_taken_in_under_the_names_of_the_guides(tmp_path: Path) -> None:
    write_graph(tmp_path)

    async with opened(tmp_path) as pilot:
        screen = await dialog(pilot)
        await pilot.press(*"third")
        screen.query_one("#use-outputs", Box).value = True
        await pilot.pause()
        assert "producer -> summary" in seen(pilot)
        screen.query_one(OutputTree).focus()
        await pilot.press("down", "enter")
        await until(pilot, lambda: "☑ producer -> summary" in seen(pilot))
        await pilot.press("ctrl+s")
        await screen_of(pilot, SelectScreen)

    assert "producer_summary: producer#summary" in (tmp_path / "experiments/third/config.yaml").read_text()
    async with on_run_screen(tmp_path, "third") as (_, run):
        assert run.performance is not None
        assert run.performance.results["third"].errors == {}


async def test_example_and_inputs_go_together(tmp_path: Path) -> None:
    write_graph(tmp_path)

    async with opened(tmp_path) as pilot:
        screen = await dialog(pilot)
        await pilot.press(*"both")
        screen.query_one("#example", Box).value = True
        screen.query_one("#use-outputs", Box).value = True
        screen.query_one(OutputTree).toggle_output("producer#summary")
        await pilot.pause()
        await pilot.press("ctrl+s")
        await screen_of(pilot, SelectScreen)

    text = (tmp_path / "experiments/both/config.yaml").read_text()
    assert "numbers: numbers" in text and "producer_summary: producer#summary" in text
    async with on_run_screen(tmp_path, "both") as (_, run):
        assert run.performance is not None
        assert run.performance.results["both"].errors == {}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "give it a name"),
        ("producer", "is there already"),
        ("a#b", "contains '#'"),
        ("a/b", "contains '/'"),
        ("a\\b", "contains"),
        (".a", "begins or ends with a dot or a space"),
        ("a ", "begins or ends with a dot or a space"),
    ],
)
async def test_a_name_that_will_not_do_is_refused_with_the_reason_and_nothing_is_written(
    tmp_path: Path, name: str, reason: str
) -> None:
    write_graph(tmp_path)

    async with opened(tmp_path) as pilot:
        screen = await dialog(pilot)
        screen.query_one("#name", Input).value = name
        await pilot.pause()
        assert reason in verdict(screen)
        assert screen.query_one("#create").disabled

        await pilot.press("ctrl+s")
        await pilot.pause()

        assert pilot.app.screen is screen
    assert sorted(path.name for path in (tmp_path / "experiments").iterdir()) == ["consumer", "producer"]


async def test_steps_are_needed_and_something_to_start_from(tmp_path: Path) -> None:
    async with opened(tmp_path) as pilot:
        screen = await dialog(pilot)
        await pilot.press(*"x")
        screen.query_one("#file-steps", Box).value = False
        await pilot.pause()
        assert "needs steps" in verdict(screen)

        screen.query_one("#file-steps", Box).value = True
        screen.query_one("#file-datasources", Box).value = False
        await pilot.pause()

        assert "needs something to start from" in verdict(screen)


async def test_escape_makes_nothing(tmp_path: Path) -> None:
    async with opened(tmp_path) as pilot:
        await dialog(pilot)
        await pilot.press(*"x", "escape")
        await screen_of(pilot, SelectScreen)

    assert not (tmp_path / "experiments").exists()


async def test_the_window_fits_a_narrow_terminal(tmp_path: Path) -> None:
    write_graph(tmp_path)

    async with opened(tmp_path, NARROW) as pilot:
        await choose(pilot, "producer")
        await dialog(pilot)
        told = seen(pilot)

    assert "Create New Experiment" in told
    assert "Use outputs from other experiments" in told
    assert " Cancel" in told
