from __future__ import annotations

from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Static

from crystallize.tui.asking import AskScreen
from crystallize.tui.edit import ConfigText, ConfigTree, EditScreen
from crystallize.tui.entry import EntryScreen
from crystallize.tui.select import SelectScreen

from .making import NARROW, choose, on_run_screen, opened, screen_of, seen, set_text, until, write_graph


async def editor(pilot: Pilot[None]) -> EditScreen:
    await choose(pilot, "producer")
    await pilot.press("c")
    return await screen_of(pilot, EditScreen)


def verdict(screen: EditScreen) -> str:
    return str(screen.query_one("#verdict", Static).render())


async def go_to(pilot: Pilot[None], screen: EditScreen, label: str) -> None:
    """Puts the cursor on an entry of the tree."""
    tree = screen.query_one(ConfigTree)
    tree.focus()
    line = next(n for n in range(tree.last_line + 1) if str(tree.get_node_at_line(n).label) == label)  # type: ignore[union-attr]
    tree.move_cursor_to_line(line)
    await pilot.pause()


@pytest.mark.contract("7.3.17")
async def test_a_step_is_added_from_the_tree_with_its_stub(tmp_path: Path) -> None:
    write_graph(tmp_path)
    folder = tmp_path / "experiments/producer"
    set_text(folder / "config.yaml", "steps:\n", "steps:  # in this order\n")

    async with opened(tmp_path) as pilot:
        screen = await editor(pilot)
        await go_to(pilot, screen, "+ add step")
        await pilot.press("enter")
        await screen_of(pilot, EntryScreen)
        await pilot.press(*"check", "enter")
        await screen_of(pilot, EditScreen)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: not screen.is_changed)

    assert "steps:  # in this order\n  - produce_summary\n  - check\n" in (folder / "config.yaml").read_text()
    assert "@pipeline_step()\ndef check(data):" in (folder / "steps.py").read_text()
    async with on_run_screen(tmp_path, "producer") as (_, run):
        assert run.performance is not None
        assert run.performance.results["producer"].errors == {}


async def test_a_treatment_is_added_with_its_values(tmp_path: Path) -> None:
    write_graph(tmp_path)

    async with opened(tmp_path) as pilot:
        screen = await editor(pilot)
        await go_to(pilot, screen, "+ add treatment")
        await pilot.press("enter")
        window = await screen_of(pilot, EntryScreen)
        await pilot.press(*"low")
        window.query_one("#second", Input).value = "factor: 0.5"
        await pilot.press("enter")
        await screen_of(pilot, EditScreen)

        assert "  low:\n    factor: 0.5\n" in screen.query_one(ConfigText).text


@pytest.mark.contract("4.3.5")
async def test_a_value_is_changed_from_the_tree(tmp_path: Path) -> None:
    write_graph(tmp_path)

    async with opened(tmp_path) as pilot:
        screen = await editor(pilot)
        await go_to(pilot, screen, "factor: 10")
        await pilot.press("enter")
        window = await screen_of(pilot, EntryScreen)
        window.query_one("#first", Input).value = "20"
        await pilot.press("enter")
        await screen_of(pilot, EditScreen)

        assert "high: {factor: 20}" in screen.query_one(ConfigText).text
        assert screen.is_changed


@pytest.mark.contract("4.3.5")
async def test_what_is_wrong_is_told_at_its_line_while_one_types_and_is_not_saved(tmp_path: Path) -> None:
    write_graph(tmp_path)
    config = tmp_path / "experiments/producer/config.yaml"
    before = config.read_text()

    async with opened(tmp_path) as pilot:
        screen = await editor(pilot)
        area = screen.query_one(ConfigText)
        area.focus()
        area.move_cursor((2, 0))
        await pilot.press(*"odd: 1", "enter")
        await until(pilot, lambda: "line 3: the key 'odd' is not known" in verdict(screen))
        assert "odd: 1   ✘ the key 'odd' is not known" in seen(pilot)

        await pilot.press("ctrl+s")
        await pilot.pause()

        assert config.read_text() == before


async def test_leaving_with_changes_asks(tmp_path: Path) -> None:
    write_graph(tmp_path)

    async with opened(tmp_path) as pilot:
        screen = await editor(pilot)
        screen.query_one(ConfigText).focus()
        await pilot.press("#", "escape")
        await screen_of(pilot, AskScreen)
        await pilot.press("n")
        await screen_of(pilot, EditScreen)

        await pilot.press("escape", "y")

        await screen_of(pilot, SelectScreen)
    assert "#name" not in (tmp_path / "experiments/producer/config.yaml").read_text()


async def test_a_file_that_was_changed_elsewhere_is_not_overwritten(tmp_path: Path) -> None:
    write_graph(tmp_path)
    config = tmp_path / "experiments/producer/config.yaml"

    async with opened(tmp_path) as pilot:
        screen = await editor(pilot)
        screen.query_one(ConfigText).focus()
        await pilot.press("#")
        set_text(config, "Sums numbers.", "Adds numbers.")

        await pilot.press("ctrl+s")
        await pilot.pause()

        assert "Adds numbers." in config.read_text()
        assert screen.is_changed


@pytest.mark.contract("7.3.17")
async def test_entries_move_with_j_and_k_and_comments_and_places_to_add_stay(tmp_path: Path) -> None:
    write_graph(tmp_path)
    set_text(tmp_path / "experiments/producer/config.yaml", "steps:\n", "steps:  # in this order\n  - other\n")

    async with opened(tmp_path) as pilot:
        screen = await editor(pilot)
        await go_to(pilot, screen, "other")
        await pilot.press("j")
        await pilot.pause()

        assert "steps:  # in this order\n  - produce_summary\n  - other\n" in screen.query_one(ConfigText).text
        assert "+ add step" in seen(pilot)

        await pilot.press("k")
        await pilot.pause()

        assert "steps:  # in this order\n  - other\n  - produce_summary\n" in screen.query_one(ConfigText).text


async def test_a_configuration_that_is_no_yaml_can_be_mended_here(tmp_path: Path) -> None:
    write_graph(tmp_path)
    config = tmp_path / "experiments/producer/config.yaml"
    config.write_text("name: producer\n  steps: [\n")

    async with opened(tmp_path, NARROW) as pilot:
        screen = await editor(pilot)

        assert "line 2" in verdict(screen)
        assert "✘" in seen(pilot)
