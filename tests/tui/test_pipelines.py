from __future__ import annotations

from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Select, Static

from crystallize.tui.faults import FaultScreen
from crystallize.tui.form import FormScreen
from crystallize.tui.log_pane import LogPane
from crystallize.tui.panes import DataPane, SummaryPane, WhyPane
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


WITH_INPUTS = VALOHAI.replace(
    "[{name: data}]", "[{name: data}, {name: extra, default: one.txt, description: Beside the rows.}]"
).replace("printf", "echo $(ls $VH_INPUTS_DIR/extra)\n      printf")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CRYSTALLIZE_RUNTIME", "local")
    (tmp_path / ".git").mkdir()
    (tmp_path / "valohai.yaml").write_text(VALOHAI, encoding="utf-8")
    return tmp_path


@pytest.fixture
def with_inputs(project: Path) -> Path:
    """The pipeline, whose second node has an input beside the one that an edge feeds."""
    (project / "valohai.yaml").write_text(WITH_INPUTS, encoding="utf-8")
    for name in ("one.txt", "more/two.txt", "more/three.txt"):
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text(name, encoding="utf-8")
    return project


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


async def test_inputs_that_no_edge_feeds_have_their_uris_in_the_form_and_take_others(with_inputs: Path) -> None:
    async with opened(with_inputs) as pilot:
        screen = await form(pilot)
        told = seen(pilot)
        assert "fit.extra" in told and "URIs, separated by commas · default one.txt · Beside the rows." in told
        assert "fit.data" not in told

        field = screen.query_one(f"#field-{len(screen.query('.parameter')) - 1}", Input)
        assert field.value == "one.txt"
        field.value = "one.txt, more/*.txt"
        run = await ran(pilot)

        assert run.choices.values == {("fit", "inputs", "extra"): ["one.txt", "more/*.txt"]}
        assert "one.txt three.txt two.txt" in run.query_one(LogPane).text


@pytest.mark.parametrize(
    ("given", "fact"),
    [
        ("one.txt, non.txt", "there is no file 'non.txt'"),
        ("more", "'more' is a folder; write 'more/**'"),
        ("ftp://host/one.txt", "'ftp://host/one.txt' cannot be fetched here"),
        ("datum://nobody", "there is no datum 'nobody'"),
        (" ", "input 'extra' has no file"),
    ],
)
async def test_an_input_that_cannot_be_had_is_refused_in_the_form(with_inputs: Path, given: str, fact: str) -> None:
    async with opened(with_inputs) as pilot:
        screen = await form(pilot)

        screen.query_one(f"#field-{len(screen.query('.parameter')) - 1}", Input).value = given
        await pilot.press("ctrl+s")
        await pilot.pause()

        assert fact in str(screen.query_one("#verdict", Static).render())
        assert pilot.app.screen is screen
        assert not (with_inputs / "data").exists()


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


async def test_enter_on_an_output_of_an_execution_opens_the_file(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places: list[tuple[str, int]] = []
    async with opened(project) as pilot:
        await form(pilot)
        screen = await ran(pilot)
        monkeypatch.setattr(pilot.app, "edit", lambda *place: places.append(place))
        assert "1 output (enter opens)" in seen(pilot) and "clean · rows.txt  2 bytes" in seen(pilot)

        screen.query_one("#artifacts").focus()
        await pilot.press("home", "enter")
        await until(pilot, lambda: places)

        assert [Path(file).read_text() for file, _ in places] == ["4\n"]
        assert Path(places[0][0]).is_relative_to(project / "data/.crystallize/scratch")


async def test_an_output_that_is_gone_is_told_and_nothing_opens(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = "head -c 100000 /dev/zero > $VH_OUTPUTS_DIR/rows.txt"
    text = VALOHAI.replace("echo {parameter-value:rows} > $VH_OUTPUTS_DIR/rows.txt", command)
    (project / "valohai.yaml").write_text(text, encoding="utf-8")
    async with opened(project) as pilot:
        await form(pilot)
        screen = await ran(pilot)
        monkeypatch.setattr(pilot.app, "edit", lambda *place: pytest.fail(f"opened {place}"))
        for path in (project / "data/.crystallize/blobs").rglob("*"):
            if path.is_file():
                path.unlink()

        screen.query_one("#artifacts").focus()
        await pilot.press("home", "enter")

        await until(pilot, lambda: "rows.txt" in " ".join(str(each.message) for each in pilot.app._notifications))


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
