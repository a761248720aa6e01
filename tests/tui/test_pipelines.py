from __future__ import annotations

from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Select, Static

from crystallize.tui.faults import FaultScreen
from crystallize.tui.form import FormScreen
from crystallize.tui.panes import DataPane, LogPane, SummaryPane, WhyPane
from crystallize.tui.reuse import ReuseScreen
from crystallize.tui.run import RunScreen
from crystallize.tui.select import SelectScreen

from .making import choose, opened, screen_of, seen, until, write_graph

VALOHAI = """\
- step:
    name: preprocess
    image: python:3.11
    command: echo cleaning; echo {parameter-value:rows} > $VH_OUTPUTS_DIR/rows.txt
    parameters:
      - {name: rows, type: integer, default: 3, min: 1}
- step:
    name: train
    image: python:3.11
    command: |
      printf '{"loss":%s}\\n' {parameter-value:lr}
    inputs: [{name: data}]
    parameters:
      - {name: lr, type: float, default: 0.5, description: Learning rate.}
      - {name: kind, type: string, default: small, choices: [small, large]}
      - {name: dry, type: flag, default: false}
- pipeline:
    name: training
    reuse-executions: true
    parameters:
      - {name: rows, targets: [clean.parameters.rows], default: 4, description: Rows to keep.}
    nodes:
      - {name: clean, type: execution, step: preprocess}
      - {name: fit, type: execution, step: train}
    edges:
      - [clean.output.*, fit.input.data]
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CRYSTALLIZE_RUNTIME", "local")
    (tmp_path / ".git").mkdir()
    (tmp_path / "valohai.yaml").write_text(VALOHAI, encoding="utf-8")
    return tmp_path


async def form(pilot: Pilot[None]) -> FormScreen:
    """The form of the pipeline, as `enter` opens it."""
    await choose(pilot, "training")
    await pilot.press("enter")
    return await screen_of(pilot, FormScreen)


async def ran(pilot: Pilot[None]) -> RunScreen:
    """The run screen, once what the form started is over."""
    await pilot.press("ctrl+s")
    screen = await screen_of(pilot, RunScreen)
    await until(pilot, lambda: screen.performance is not None and screen.is_settled)
    return screen


async def test_pipelines_stand_beside_experiments_with_what_a_run_would_do(project: Path) -> None:
    write_graph(project)

    async with opened(project) as pilot:
        await choose(pilot, "training")
        await until(pilot, lambda: "a run would now" in seen(pilot))
        told = seen(pilot)

    assert "▾ Pipelines" in told and "🔗 training" in told
    assert "nodes       clean · fit" in told
    assert "first run" in told and "waits for clean" in told


async def test_the_form_has_a_typed_field_with_help_and_default_for_each_parameter(project: Path) -> None:
    async with opened(project) as pilot:
        screen = await form(pilot)
        told = seen(pilot)

        assert "Create pipeline training" in told
        assert "integer · default 4 · Rows to keep." in told
        assert "float · default 0.5 · Learning rate." in told
        assert screen.query_one(Select).value == "small"
        assert "☐" in told
        assert "clean.rows" not in told


async def test_a_value_of_the_wrong_type_is_refused_and_nothing_runs(project: Path) -> None:
    async with opened(project) as pilot:
        screen = await form(pilot)
        await pilot.press("backspace", *"many")

        await pilot.press("ctrl+s")
        await pilot.pause()

        assert "'many' is no integer" in str(screen.query_one("#verdict", Static).render())
        assert pilot.app.screen is screen
        assert not (project / "data").exists()


async def test_a_pipeline_runs_with_what_was_given_and_a_second_run_reuses_it(project: Path) -> None:
    async with opened(project) as pilot:
        await form(pilot)
        await pilot.press("backspace", "7")
        screen = await ran(pilot)
        told = screen.query_one(SummaryPane).text
        assert "ran 2" in told and "rows.txt" in told and "loss" in told
        assert "#1 │ cleaning" in screen.query_one(LogPane).text
        assert '"loss": 0.5' in screen.query_one(DataPane).text
        assert "✔ clean" in seen(pilot) and "✔ fit" in seen(pilot)

        first = screen.performance
        await pilot.press("R")
        await until(pilot, lambda: screen.performance is not first and screen.is_settled)

        assert "reused 2" in screen.query_one(SummaryPane).text


async def test_c_changes_the_parameters_and_says_what_a_run_would_do_then(project: Path) -> None:
    async with opened(project) as pilot:
        await form(pilot)
        screen = await ran(pilot)

        await pilot.press("c")
        window = await screen_of(pilot, FormScreen)
        window.query_one("#field-1").value = "0.25"  # type: ignore[attr-defined]
        await pilot.press("ctrl+s")
        await screen_of(pilot, RunScreen)
        await until(pilot, lambda: screen.is_settled and "would reuse 1" in seen(pilot))

        assert "0.5 → 0.25" in screen.query_one(WhyPane).text


async def test_l_lets_one_node_run_again_and_L_all(project: Path) -> None:
    async with opened(project) as pilot:
        await form(pilot)
        screen = await ran(pilot)
        first = screen.performance

        await pilot.press("l")
        await until(pilot, lambda: screen.is_settled)
        await pilot.press("R")
        await until(pilot, lambda: screen.performance not in (None, first) and screen.is_settled)

        assert "reuse is off" in screen.query_one(SummaryPane).text


async def test_nodes_are_reused_from_the_chosen_run(project: Path) -> None:
    async with opened(project) as pilot:
        await form(pilot)
        screen = await ran(pilot)
        (project / "other.txt").write_text("the source tree changed", encoding="utf-8")

        await pilot.press("b")
        window = await screen_of(pilot, ReuseScreen)
        window.query("Box").first().value = True  # type: ignore[attr-defined]
        await pilot.press("ctrl+s")
        await screen_of(pilot, RunScreen)
        await until(pilot, lambda: screen.is_settled and "📌 run 1" in seen(pilot))
        await pilot.press("R")
        await until(pilot, lambda: screen.performance is not None and screen.is_settled)

        assert "pinned from run 1" in screen.query_one(SummaryPane).text


async def test_a_file_that_cannot_be_read_is_marked_and_told_with_its_line(project: Path) -> None:
    (project / "valohai.yaml").write_text("- step:\n    nam: x\n", encoding="utf-8")

    async with opened(project) as pilot:
        assert isinstance(pilot.app.screen, SelectScreen)
        assert "valohai.yaml  ✘ e" in seen(pilot)

        await pilot.press("e")

        screen = await screen_of(pilot, FaultScreen)
        assert "valohai.yaml:" in str(screen.query_one("#fault", Static).render())
