from __future__ import annotations

import json
from pathlib import Path

import pytest
from textual.widgets import Static

from crystallize.tui.asking import AskScreen
from crystallize.tui.create import CreateScreen
from crystallize.tui.faults import FaultScreen
from crystallize.tui.help import HelpScreen
from crystallize.tui.run import RunScreen
from crystallize.tui.select import SelectScreen

from .making import (
    CONSUMER,
    NARROW,
    PRODUCER,
    choose,
    opened,
    screen_of,
    seen,
    set_text,
    until,
    write_experiment,
    write_graph,
)


async def test_an_empty_folder_says_what_to_press(tmp_path: Path) -> None:
    async with opened(tmp_path) as pilot:
        assert "no experiments yet, press n" in seen(pilot)

        await pilot.press("n")

        await screen_of(pilot, CreateScreen)


@pytest.mark.contract("4.3.2")
async def test_experiments_stand_in_groups_by_priority_and_a_graph_bears_its_sign(tmp_path: Path) -> None:
    write_graph(tmp_path)
    write_experiment(
        tmp_path, "zeta", PRODUCER | {"config.yaml": "name: zeta\nsteps: [s]\ncli: {priority: 1, icon: '*'}\n"}
    )
    write_experiment(tmp_path, "gone", PRODUCER | {"config.yaml": "name: gone\nsteps: [s]\ncli: {hidden: true}\n"})

    async with opened(tmp_path) as pilot:
        lines = [line.partition("│")[0].partition("  ✘")[0].strip() for line in seen(pilot).splitlines()[2:8]]

    assert lines[:5] == ["▾ Experiments", "├ * zeta", "└ 🧪 producer", "▾ Graphs", "└ 📈 consumer"]


async def test_the_details_say_what_resume_would_run_and_why(tmp_path: Path) -> None:
    write_graph(tmp_path)

    async with opened(tmp_path) as pilot:
        await choose(pilot, "consumer")
        await until(pilot, lambda: "resume would now" in seen(pilot))
        told = seen(pilot)

    assert "producer#summary as producer_summary" in told
    assert "4 trials would run: first run" in told
    assert "waits for producer" in told
    assert "last run    never" in told


@pytest.mark.contract("4.3.2")
async def test_searching_leaves_only_what_fits(tmp_path: Path) -> None:
    write_graph(tmp_path)

    async with opened(tmp_path) as pilot:
        await pilot.press("slash", *"sums")
        await until(pilot, lambda: "consumer" not in seen(pilot))
        assert "producer" in seen(pilot)

        await pilot.press("escape")

        await until(pilot, lambda: "📈 consumer" in seen(pilot))


async def test_a_new_experiment_appears_by_itself(tmp_path: Path) -> None:
    write_graph(tmp_path)

    async with opened(tmp_path) as pilot:
        write_experiment(tmp_path, "later", PRODUCER | {"config.yaml": "name: later\nsteps: [s]\n"})
        assert isinstance(pilot.app.screen, SelectScreen)
        pilot.app.screen.scan()

        await until(pilot, lambda: "🧪 later" in seen(pilot))


@pytest.mark.contract("4.2.3", "4.3.3")
async def test_a_broken_configuration_is_marked_and_e_tells_file_line_and_remedy(tmp_path: Path) -> None:
    write_graph(tmp_path)
    config = write_experiment(tmp_path, "broken", {"config.yaml": "name: broken\nsteps: [s]\ncolour: red\n"})

    async with opened(tmp_path) as pilot:
        assert "broken  ✘ e" in seen(pilot)
        assert "1 load error (e)" in seen(pilot)
        await choose(pilot, "consumer")

        await pilot.press("e")

        screen = await screen_of(pilot, FaultScreen)
        told = str(screen.query_one("#fault", Static).render())
    assert "config.yaml:3" in told
    assert "colour" in told
    assert str(config.parent) in told or "experiments/broken" in told


@pytest.mark.contract("4.3.3")
async def test_an_error_in_the_users_code_is_marked_and_told_with_its_traceback(tmp_path: Path) -> None:
    write_graph(tmp_path)
    set_text(tmp_path / "experiments/producer/steps.py", "from crystallize", "nonsense(\nfrom crystallize")

    async with opened(tmp_path) as pilot:
        await choose(pilot, "producer")
        await until(pilot, lambda: "producer  ✘ e" in seen(pilot))

        await pilot.press("e")

        screen = await screen_of(pilot, FaultScreen)
        told = str(screen.query_one("#fault", Static).render())
    assert "steps.py:1" in told
    assert "SyntaxError" in told


async def test_o_opens_without_running(tmp_path: Path) -> None:
    write_graph(tmp_path)

    async with opened(tmp_path) as pilot:
        await choose(pilot, "consumer")
        await pilot.press("o")
        screen = await screen_of(pilot, RunScreen)
        await until(pilot, lambda: screen.is_settled)

        assert screen.performance is None
        assert not (tmp_path / "data").exists()


async def test_question_mark_shows_the_keys_and_escape_goes_back(tmp_path: Path) -> None:
    write_graph(tmp_path)

    async with opened(tmp_path) as pilot:
        await pilot.press("question_mark")
        await screen_of(pilot, HelpScreen)

        await pilot.press("escape")

        await screen_of(pilot, SelectScreen)


@pytest.mark.contract("4.3.1")
async def test_q_leaves_at_once_when_nothing_runs(tmp_path: Path) -> None:
    async with opened(tmp_path) as pilot:
        await pilot.press("q")
        await pilot.pause()

        assert not pilot.app.is_running or not any(isinstance(s, AskScreen) for s in pilot.app.screen_stack)


async def test_treatments_that_are_off_are_struck_out(tmp_path: Path) -> None:
    write_graph(tmp_path)
    state = {"inactive_treatments": ["high"]}
    (tmp_path / "experiments/producer/config.state.json").write_text(json.dumps(state))

    async with opened(tmp_path) as pilot:
        await choose(pilot, "producer")
        await until(pilot, lambda: "resume would now" in seen(pilot))

        assert "high (off)" in seen(pilot)
        assert "switched off: high" in seen(pilot)


async def test_everything_is_in_sight_on_a_narrow_terminal(tmp_path: Path) -> None:
    write_graph(tmp_path)

    async with opened(tmp_path, NARROW) as pilot:
        await choose(pilot, "consumer")
        await until(pilot, lambda: "resume would now" in seen(pilot))

        assert "📈 consumer" in seen(pilot)
        assert "undecided" in seen(pilot)


async def test_a_word_that_is_no_colour_spoils_nothing(tmp_path: Path) -> None:
    write_experiment(tmp_path, "odd", CONSUMER | {"config.yaml": "name: odd\nsteps: [s]\ncli: {color: blurple-ish}\n"})

    async with opened(tmp_path) as pilot:
        assert "🧪 odd" in seen(pilot)
