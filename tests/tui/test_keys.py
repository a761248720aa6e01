"""Keys, the mouse, the palette and surroundings that the tests of single screens have no reason to touch."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from textual.command import CommandPalette
from textual.pilot import Pilot
from textual.widgets import Checkbox, TabbedContent, Tree

from crystallize.cli.main import main
from crystallize.tui.app import CrystallizeApp
from crystallize.tui.create import CreateScreen
from crystallize.tui.edit import ConfigText, EditScreen
from crystallize.tui.faults import FaultScreen
from crystallize.tui.graph_tree import GraphTree
from crystallize.tui.help import HelpScreen
from crystallize.tui.history import HistoryScreen
from crystallize.tui.panes import ErrorsPane, SummaryPane
from crystallize.tui.plain import PlainScreen
from crystallize.tui.run import RunScreen
from crystallize.tui.select import SelectScreen
from crystallize.tui.store import StoreScreen

from .making import (
    CONSUMER,
    NARROW,
    PRODUCER,
    WIDE,
    choose,
    on_run_screen,
    opened,
    screen_of,
    seen,
    set_text,
    until,
    write_experiment,
    write_graph,
)


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What an editor with a window of its own is told, once it was opened."""
    editor, told = tmp_path / "bin/code", tmp_path / "bin/told"
    editor.parent.mkdir()
    editor.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {told}.part && mv {told}.part {told}\n')
    editor.chmod(0o755)
    monkeypatch.setenv("CRYSTALLIZE_EDITOR", str(editor))
    return told


async def editor_was_told(pilot: Pilot[None], told: Path) -> str:
    await until(pilot, told.exists)
    option, place = told.read_text().split()
    assert option == "-g"
    return place


async def test_a_narrow_terminal_shows_the_most_used_keys_and_where_all_of_them_are(tmp_path: Path) -> None:
    write_graph(tmp_path)

    async with opened(tmp_path, NARROW) as pilot:
        await choose(pilot, "producer")
        *_, listed = seen(pilot).splitlines()
        assert "⏎ Run  o Open  n New  c Configure" in listed and listed.endswith("? Keys")
        await pilot.press("o")
        screen = await screen_of(pilot, RunScreen)
        await until(pilot, lambda: screen.is_settled)
        *_, ready = seen(pilot).splitlines()
        assert "R Run/Cancel  x On/off  l Reuse off  L All off  esc Back  S Summary" in ready
        assert ready.endswith("? Keys")

        await pilot.click("#all-keys", offset=(3, 0))

        assert isinstance(await screen_of(pilot, HelpScreen), HelpScreen)


@pytest.mark.parametrize("size", [NARROW, WIDE])
async def test_the_buttons_of_the_windows_are_in_sight_whatever_is_listed(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    for number in range(12):
        config = PRODUCER["config.yaml"].replace("name: producer", f"name: made_{number}")
        write_experiment(tmp_path, f"made_{number}", PRODUCER | {"config.yaml": config})

    async with opened(tmp_path, size) as pilot:
        await pilot.press("n")
        screen = await screen_of(pilot, CreateScreen)
        screen.query_one("#use-outputs", Checkbox).value = True
        await until(pilot, lambda: "made_0" in seen(pilot))

        assert screen.query_one("#cancel").region.bottom <= screen.query_one("#dialog").content_region.bottom
        assert "Cancel" in seen(pilot)


async def test_E_opens_the_configuration_in_the_users_editor(tmp_path: Path, told: Path) -> None:
    write_graph(tmp_path)

    async with opened(tmp_path) as pilot:
        await choose(pilot, "producer")
        await pilot.press("E")

        assert await editor_was_told(pilot, told) == f"{tmp_path}/experiments/producer/config.yaml:1"


async def test_without_an_editor_the_variables_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("CRYSTALLIZE_EDITOR", "EDITOR", "VISUAL"):
        monkeypatch.delenv(variable, raising=False)
    write_graph(tmp_path)

    async with opened(tmp_path) as pilot:
        await choose(pilot, "producer")
        await pilot.press("E")
        await until(pilot, lambda: "no editor is set" in seen(pilot))

        assert "CRYSTALLIZE_EDITOR" in seen(pilot)


async def test_enter_on_a_fault_opens_the_editor_at_its_line(tmp_path: Path, told: Path) -> None:
    write_experiment(tmp_path, "broken", {"config.yaml": "name: broken\nsteps: [s]\ncolour: red\n"})

    async with opened(tmp_path) as pilot:
        await pilot.press("e")
        await screen_of(pilot, FaultScreen)
        await pilot.press("enter")

        assert await editor_was_told(pilot, told) == f"{tmp_path}/experiments/broken/config.yaml:3"


async def test_enter_on_an_error_jumps_to_the_code(tmp_path: Path, told: Path) -> None:
    write_graph(tmp_path)
    set_text(tmp_path / "experiments/producer/steps.py", "    total =", "    raise RuntimeError\n    total =")

    async with on_run_screen(tmp_path, "producer") as (pilot, screen):
        screen.query_one(ErrorsPane).query_one("#failures").focus()
        await pilot.press("enter")

        assert await editor_was_told(pilot, told) == f"{tmp_path}/experiments/producer/steps.py:6"


async def test_enter_on_an_artifact_opens_the_file(tmp_path: Path, told: Path) -> None:
    write_graph(tmp_path)

    async with on_run_screen(tmp_path, "producer") as (pilot, screen):
        screen.query_one(SummaryPane).query_one("#artifacts").focus()
        await pilot.press("home", "enter")

        assert "summary.json" in await editor_was_told(pilot, told)


async def test_e_on_the_run_screen_opens_the_configuration_under_the_cursor(tmp_path: Path, told: Path) -> None:
    write_graph(tmp_path)

    async with on_run_screen(tmp_path, "consumer", "o") as (pilot, screen):
        await pilot.press("up")
        await until(pilot, lambda: screen.query_one(GraphTree).chosen == "producer")
        await pilot.press("e")

        assert await editor_was_told(pilot, told) == f"{tmp_path}/experiments/producer/config.yaml:1"


async def test_c_on_the_run_screen_edits_the_configuration(tmp_path: Path) -> None:
    write_graph(tmp_path)

    async with on_run_screen(tmp_path, "consumer", "o") as (pilot, _):
        await pilot.press("c")

        assert (await screen_of(pilot, EditScreen)).config.parent.name == "consumer"


async def test_ctrl_t_goes_to_the_text_and_ctrl_o_opens_the_editor_at_its_line(tmp_path: Path, told: Path) -> None:
    write_graph(tmp_path)

    async with opened(tmp_path) as pilot:
        await choose(pilot, "producer")
        await pilot.press("c")
        screen = await screen_of(pilot, EditScreen)
        await pilot.press("ctrl+t")
        await until(pilot, lambda: screen.query_one(ConfigText).has_focus)
        await pilot.press("down", "down", "ctrl+o")

        assert await editor_was_told(pilot, told) == f"{tmp_path}/experiments/producer/config.yaml:3"


async def test_y_copies_the_present_tab(tmp_path: Path) -> None:
    write_graph(tmp_path)

    async with on_run_screen(tmp_path, "consumer") as (pilot, _):
        await pilot.press("y")
        await until(pilot, lambda: "total_from_producer" in pilot.app.clipboard)

        await pilot.press("3", "t")
        await screen_of(pilot, PlainScreen)
        await pilot.press("y")
        await until(pilot, lambda: "first run" in pilot.app.clipboard)


async def test_r_looks_at_the_folder_the_history_and_the_store_again(tmp_path: Path) -> None:
    write_graph(tmp_path)

    async with on_run_screen(tmp_path, "producer") as (pilot, _):
        write_experiment(tmp_path, "later", CONSUMER | {"config.yaml": "name: later\nsteps: [s]\n"})
        await pilot.press("escape", "escape", "r")
        await until(pilot, lambda: "🧪 later" in seen(pilot))

        await pilot.press("h")
        await screen_of(pilot, HistoryScreen)
        await pilot.press("r")
        await until(pilot, lambda: "1 run ·" in seen(pilot))

        await pilot.press("escape", "s")
        await screen_of(pilot, StoreScreen)
        await pilot.press("r")
        await until(pilot, lambda: "4 records" in seen(pilot))


async def test_a_search_is_given_up_with_escape_and_left_with_down(tmp_path: Path) -> None:
    write_graph(tmp_path)

    async with opened(tmp_path) as pilot:
        await pilot.press("slash", *"prod", "down")
        tree = pilot.app.screen.query_one(Tree)
        await until(pilot, lambda: tree.has_focus and "consumer" not in seen(pilot))

        await pilot.press("escape")

        await until(pilot, lambda: "📈 consumer" in seen(pilot))


async def test_a_search_that_finds_nothing_keeps_the_keys_until_its_words_fit(tmp_path: Path) -> None:
    write_graph(tmp_path)

    async with opened(tmp_path) as pilot:
        search = pilot.app.screen.query_one("#search")
        await pilot.press("slash", *"prodx", "enter")
        await until(pilot, lambda: "nothing is called like “prodx”" in seen(pilot))
        assert search.has_focus

        await pilot.press("backspace", "enter")

        await until(pilot, lambda: pilot.app.screen.query_one(Tree).has_focus and "producer" in seen(pilot))


async def test_the_palette_has_the_commands_of_crystallize(tmp_path: Path) -> None:
    async with opened(tmp_path) as pilot:
        await pilot.press("ctrl+p")
        await screen_of(pilot, CommandPalette)
        await pilot.press(*"history")
        await until(pilot, lambda: "Earlier runs" in seen(pilot) and "theme" not in seen(pilot))
        await pilot.press("enter")

        await screen_of(pilot, HistoryScreen)


async def test_one_click_chooses_two_run_and_tabs_are_clicked(tmp_path: Path) -> None:
    write_graph(tmp_path)

    async with opened(tmp_path) as pilot:
        lines = seen(pilot).splitlines()
        row = next(number for number, line in enumerate(lines) if "└ 🧪 producer" in line)
        await pilot.click(offset=(8, row))
        await until(pilot, lambda: getattr(pilot.app.screen, "chosen_name", None) == "producer")
        await pilot.click(offset=(8, row), times=2)
        screen = await screen_of(pilot, RunScreen)
        await until(pilot, lambda: screen.is_settled)

        await pilot.click("#--content-tab-why")

        await until(pilot, lambda: screen.query_one(TabbedContent).active == "why")


@pytest.mark.parametrize("theme", ["textual-light", "nord", "ansi-dark"])
async def test_it_can_be_read_in_every_kind_of_theme(tmp_path: Path, theme: str) -> None:
    write_graph(tmp_path)

    async with on_run_screen(tmp_path, "consumer") as (pilot, _):
        pilot.app.theme = theme
        await pilot.pause()

        assert "✔ producer" in seen(pilot)


async def test_without_colours_everything_is_grey(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    write_graph(tmp_path)

    async with on_run_screen(tmp_path, "consumer") as (pilot, screen):
        strips = screen._compositor.render_strips()
        styles = [segment.style for strip in strips for segment in strip if segment.style is not None]
        colours = {colour.triplet for style in styles for colour in (style.color, style.bgcolor) if colour is not None}

        assert "✔ producer" in seen(pilot)
        assert [each for each in colours if each is not None and len(set(each)) > 1] == []


async def test_a_run_that_is_over_is_run_again_at_once(tmp_path: Path) -> None:
    write_graph(tmp_path)

    async with on_run_screen(tmp_path, "producer") as (pilot, screen):
        app = pilot.app
        assert isinstance(app, CrystallizeApp)
        first = app._present = screen.performance  # as long as the app has not been told that it is over
        await pilot.press("R")

        await until(pilot, lambda: screen.performance is not first and screen.is_settled)


async def test_a_key_right_after_the_list_was_drawn_again_finds_the_cursor(tmp_path: Path) -> None:
    write_graph(tmp_path)

    async with opened(tmp_path) as pilot:
        await choose(pilot, "consumer")
        screen = pilot.app.screen
        assert isinstance(screen, SelectScreen)
        screen._show()

        assert screen.chosen_name == "consumer"


async def test_replicates_get_their_rows_when_a_condition_is_opened(tmp_path: Path) -> None:
    write_experiment(
        tmp_path, "producer", PRODUCER | {"config.yaml": PRODUCER["config.yaml"].replace(": 2", ": 2000", 1)}
    )

    async with on_run_screen(tmp_path, "producer", "o") as (pilot, screen):
        tree = screen.query_one("#trials", Tree)
        assert tree.last_line == 1

        tree.focus()
        await pilot.press("enter")

        await until(pilot, lambda: tree.last_line == 2001)


def test_serve_shows_the_same_command_in_a_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    server = pytest.importorskip("textual_serve.server")
    told: list[tuple[str, object]] = []

    class Server:
        def __init__(self, command: str, **named: object) -> None:
            told.append((command, named["port"]))

        def serve(self) -> None:
            told.append(("serving", None))

    monkeypatch.setattr(server, "Server", Server)

    assert main(["tui", "--serve", "--port", "8123"]) == 0

    assert told == [(f"{sys.executable} -m crystallize tui", 8123), ("serving", None)]


def test_serve_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "textual_serve.server", None)

    assert main(["tui", "--serve"]) == 2

    assert "pip install 'crystallize-dag[serve]'" in capsys.readouterr().err
