from __future__ import annotations

import json
from pathlib import Path

import pytest
from textual.widgets import Log, TabbedContent, TextArea

from crystallize.tui.asking import AskScreen
from crystallize.tui.create import CreateScreen
from crystallize.tui.log_pane import LogPane
from crystallize.tui.logbook import MOST_LINES
from crystallize.tui.panes import DataPane, ErrorsPane, SummaryPane, WhyPane
from crystallize.tui.plain import PlainScreen
from crystallize.tui.run import RunScreen
from crystallize.tui.select import SelectScreen

from .making import (
    NARROW,
    PRODUCER,
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

WAITING_STEP = """\
from pathlib import Path
from time import sleep

from crystallize import Artifact, pipeline_step

@pipeline_step()
def produce_summary(data, factor=1, *, summary: Artifact):
    print("began", flush=True)
    while not Path("go").exists():
        sleep(0.005)
    summary.write({"total": 1})
    return data, {"total": 1}
"""


def write_waiting(project: Path) -> None:
    """A producer whose trials wait for a file `go`."""
    config = PRODUCER["config.yaml"].replace("name: producer", "name: waiting\nx-note: reads=[]")
    write_experiment(project, "waiting", PRODUCER | {"config.yaml": config, "steps.py": WAITING_STEP})


def reused(screen: RunScreen) -> dict[str, int]:
    assert screen.performance is not None
    return {name: sum(result.reused.values()) for name, result in screen.performance.results.items()}


async def rerun(pilot, screen: RunScreen) -> None:  # type: ignore[no-untyped-def]
    before = screen.performance
    await pilot.press("R")
    await until(pilot, lambda: screen.performance is not before and screen.is_settled)


@pytest.mark.contract("4.3.6", "4.4.6")
async def test_enter_runs_the_graph_and_the_summary_has_a_section_for_each(tmp_path: Path) -> None:
    write_graph(tmp_path)

    async with on_run_screen(tmp_path, "consumer") as (_, screen):
        told = screen.query_one(SummaryPane).text

        assert "producer  2 replicates · ran 4 · reused 0" in told
        assert "total_from_producer" in told
        assert "summary.json" in told
        assert screen.query_one(TabbedContent).active == "summary"
    assert (tmp_path / "data/consumer/v0/baseline/.crystallize_complete").exists()


async def test_a_second_run_reuses_everything(tmp_path: Path) -> None:
    write_graph(tmp_path)

    async with on_run_screen(tmp_path, "consumer") as (pilot, screen):
        await rerun(pilot, screen)

        assert reused(screen) == {"producer": 4, "consumer": 4}
        assert "reused 8" in seen(pilot)


@pytest.mark.contract("4.4.1", "4.4.2")
async def test_every_run_takes_the_files_as_they_are_and_shows_no_version_that_nobody_asked_for(tmp_path: Path) -> None:
    write_graph(tmp_path)

    async with on_run_screen(tmp_path, "consumer") as (pilot, screen):
        set_text(tmp_path / "experiments/producer/steps.py", "sum(data)", "10 + sum(data)")
        await rerun(pilot, screen)

    results = tmp_path / "data/consumer/v0/baseline/results.json"
    assert json.loads(results.read_text()) == {"metrics": {"total_from_producer": [16, 16]}}
    assert [path.name for path in (tmp_path / "data/consumer").iterdir()] == ["v0"]


@pytest.mark.contract("4.4.3")
async def test_l_turns_reuse_off_for_one_experiment_and_L_for_all(tmp_path: Path) -> None:
    write_graph(tmp_path)

    async with on_run_screen(tmp_path, "consumer") as (pilot, screen):
        await pilot.press("up", "l")
        assert "reuse off" in seen(pilot)
        await rerun(pilot, screen)
        assert reused(screen) == {"producer": 0, "consumer": 4}

        await pilot.press("L")
        await rerun(pilot, screen)

        assert reused(screen) == {"producer": 0, "consumer": 0}


@pytest.mark.contract("4.4.4", "6.22")
async def test_x_switches_a_treatment_off_upstream_and_the_consumer_leaves_it_out(tmp_path: Path) -> None:
    write_graph(tmp_path)
    state = tmp_path / "experiments/producer/config.state.json"

    async with on_run_screen(tmp_path, "consumer") as (pilot, screen):
        await pilot.press("up", "tab", "down")
        await until(pilot, lambda: screen.focused is not None and screen.focused.id == "trials")
        await pilot.press("x")
        await until(pilot, lambda: screen.is_settled)
        assert json.loads(state.read_text()) == {"inactive_treatments": ["high"]}
        assert "producer: switched off: high" in seen(pilot)
        assert "consumer: switched off: high" in seen(pilot)

        await rerun(pilot, screen)

        assert screen.performance is not None
        assert screen.performance.results["consumer"].reused == {"baseline": 2}
        await pilot.press("x")
        await until(pilot, lambda: screen.is_settled)
        assert not state.exists()


async def test_the_baseline_cannot_be_switched_off(tmp_path: Path) -> None:
    write_graph(tmp_path)

    async with on_run_screen(tmp_path, "producer") as (pilot, _):
        await pilot.press("tab", "x")
        await pilot.pause()

    assert not (tmp_path / "experiments/producer/config.state.json").exists()


async def test_before_a_run_the_trials_of_each_condition_are_counted(tmp_path: Path) -> None:
    write_graph(tmp_path)

    async with on_run_screen(tmp_path, "producer", "o") as (pilot, screen):
        told = seen(pilot)

        assert "4 trials: would run 4" in told
        assert "baseline  2 trials  ▸▸" in told
        assert "would run: first run" in screen.query_one(WhyPane).text


async def test_why_says_what_changed_before_the_run_and_what_ran_after_it(tmp_path: Path) -> None:
    write_graph(tmp_path)

    async with on_run_screen(tmp_path, "producer") as (pilot, screen):
        assert "first run" in screen.query_one(WhyPane).text
        set_text(tmp_path / "experiments/producer/config.yaml", "factor: 10", "factor: 20")

        await rerun(pilot, screen)

        told = screen.query_one(WhyPane).text
        assert "factor: 10 → 20" in told
        assert "nothing changed since run 1" in told


async def test_what_steps_print_lands_in_the_log_of_their_trial(tmp_path: Path) -> None:
    write_graph(tmp_path)

    async with on_run_screen(tmp_path, "consumer") as (_, screen):
        lines = list(screen.query_one(Log).lines)

    assert "producer/baseline/0 │ summing 3 numbers" in lines
    assert sum("summing" in line for line in lines) == 4


async def test_what_worker_processes_print_lands_in_the_log(tmp_path: Path) -> None:
    write_graph(tmp_path)
    set_text(tmp_path / "experiments/producer/config.yaml", "replicates: 2", "replicates: 2\nexecutor: process")

    async with on_run_screen(tmp_path, "producer") as (_, screen):
        lines = list(screen.query_one(Log).lines)

    assert sum("summing 3 numbers" in line for line in lines) == 4


async def test_the_log_is_narrowed_to_one_experiment_and_to_words(tmp_path: Path) -> None:
    write_graph(tmp_path)
    set_text(tmp_path / "experiments/consumer/steps.py", "    return", "    print('inspecting')\n    return")

    async with on_run_screen(tmp_path, "consumer") as (pilot, screen):
        await pilot.press("1", "f")
        await pilot.pause()
        assert {"inspecting"} == {line.partition("│ ")[2] for line in screen.query_one(Log).lines}

        await pilot.press("f")
        await pilot.click("#log-filter")
        await pilot.press(*"high summ")
        await pilot.pause()

        assert {"producer/high"} == {line.rpartition("/")[0] for line in screen.query_one(Log).lines}


async def test_older_lines_are_counted_looked_through_and_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_graph(tmp_path)
    loop = "    for n in range(1200):\n        print(n, 'counted')\n    total ="
    set_text(tmp_path / "experiments/producer/steps.py", "    total =", loop)
    opened: list[tuple[str, int]] = []

    async with on_run_screen(tmp_path, "producer") as (pilot, screen):
        monkeypatch.setattr(pilot.app, "edit", lambda *place: opened.append(place))
        pane, log = screen.query_one(LogPane), screen.query_one(Log)
        await pilot.press("1")
        await pilot.pause()
        assert log.line_count == MOST_LINES
        assert "2806 older lines in data/.crystallize/runs/1.log (O opens it)" in pane.text.splitlines()[0]
        assert "2806 older lines" in seen(pilot)

        await pilot.press("O")
        await pilot.click("#log-filter")
        await pilot.press(*"summing")
        await until(pilot, lambda: log.line_count == 4)

        assert [line.rpartition(" ")[2] for line in log.lines] == ["numbers"] * 4
        assert "older" not in pane.text
    file = tmp_path / "data/.crystallize/runs/1.log"
    assert opened == [(str(file), 1)]
    assert len(file.read_text().splitlines()) == 4806


@pytest.mark.contract("4.4.8")
async def test_a_failing_step_is_told_with_its_traceback_and_what_it_blocks(tmp_path: Path) -> None:
    write_graph(tmp_path)
    set_text(
        tmp_path / "experiments/producer/steps.py",
        "    total =",
        "    raise RuntimeError('no sums today')\n    total =",
    )

    async with on_run_screen(tmp_path, "consumer") as (pilot, screen):
        told = screen.query_one(ErrorsPane).text

        assert screen.query_one(TabbedContent).active == "errors"
        assert "steps.py" in told and "no sums today" in told
        assert "consumer/baseline/0" in told
        assert "✘ producer" in seen(pilot)
        assert "⊘ consumer" in seen(pilot)
        assert "failed 4, blocked 4" in seen(pilot)


async def test_a_missing_artifact_is_shown_with_its_path(tmp_path: Path) -> None:
    write_graph(tmp_path)
    set_text(tmp_path / "experiments/producer/steps.py", '    summary.write({"total": total})\n', "")

    async with on_run_screen(tmp_path, "consumer") as (_, screen):
        told = screen.query_one(ErrorsPane).text

    assert "summary.json" in told
    assert "Produce_SummaryStep" in told


@pytest.mark.contract("4.4.8")
async def test_code_that_cannot_be_loaded_is_told_in_errors(tmp_path: Path) -> None:
    write_graph(tmp_path)
    set_text(
        tmp_path / "experiments/producer/steps.py", "from crystallize", "import nothing_of_this_name\nfrom crystallize"
    )

    async with on_run_screen(tmp_path, "consumer") as (_, screen):
        assert "nothing_of_this_name" in screen.query_one(ErrorsPane).text


@pytest.mark.contract("4.4.7")
async def test_data_is_json_or_xml(tmp_path: Path) -> None:
    write_graph(tmp_path)

    async with on_run_screen(tmp_path, "consumer") as (pilot, screen):
        pane = screen.query_one(DataPane)
        assert json.loads(pane.text)["consumer"]["metrics"]["baseline"]["total_from_producer"] == [6, 6]

        pane.query_one("#form").value = "xml"  # type: ignore[attr-defined]
        await until(pilot, lambda: pane.text.startswith("<CrystallizeSummary>"))

        assert '<Value condition="high">[60, 60]</Value>' in pane.text


async def test_t_shows_the_present_tab_as_plain_text(tmp_path: Path) -> None:
    write_graph(tmp_path)

    async with on_run_screen(tmp_path, "consumer") as (pilot, _):
        await pilot.press("t")
        screen = await screen_of(pilot, PlainScreen)
        assert "total_from_producer" in screen.query_one(TextArea).text

        await pilot.press("t")

        await screen_of(pilot, RunScreen)


@pytest.mark.parametrize(
    ("key", "tab"), [("1", "logs"), ("2", "summary"), ("3", "why"), ("4", "errors"), ("S", "summary")]
)
async def test_tabs_have_keys(tmp_path: Path, key: str, tab: str) -> None:
    write_graph(tmp_path)

    async with on_run_screen(tmp_path, "consumer", "o") as (pilot, screen):
        await pilot.press("5", key)
        await pilot.pause()

        assert tab == screen.query_one(TabbedContent).active


@pytest.mark.contract("4.4.5")
async def test_a_run_goes_on_behind_other_screens_and_is_stopped_with_R(tmp_path: Path) -> None:
    write_waiting(tmp_path)

    async with opened(tmp_path) as pilot:
        await choose(pilot, "waiting")
        await pilot.press("enter")
        screen = await screen_of(pilot, RunScreen)
        await until(pilot, lambda: "began" in "\n".join(screen.query_one(Log).lines))
        await pilot.press("escape")
        await screen_of(pilot, SelectScreen)
        assert "◐ runs" in seen(pilot)

        await pilot.press("enter")
        screen = await screen_of(pilot, RunScreen)
        await pilot.press("R")
        (tmp_path / "go").touch()
        await until(pilot, lambda: screen.is_settled)

        assert "ran 1, cancelled 3" in seen(pilot)


@pytest.mark.contract("4.4.5")
async def test_R_a_second_time_breaks_off_what_runs(tmp_path: Path) -> None:
    write_waiting(tmp_path)

    async with opened(tmp_path) as pilot:
        await choose(pilot, "waiting")
        await pilot.press("enter")
        screen = await screen_of(pilot, RunScreen)
        await until(pilot, lambda: "began" in "\n".join(screen.query_one(Log).lines))

        await pilot.press("R", "R")

        await until(pilot, lambda: screen.performance is not None and screen.performance.over)
        assert not (tmp_path / "go").exists()


async def test_leaving_asks_while_a_run_goes_on(tmp_path: Path) -> None:
    write_waiting(tmp_path)

    async with opened(tmp_path) as pilot:
        await choose(pilot, "waiting")
        await pilot.press("enter")
        screen = await screen_of(pilot, RunScreen)
        await until(pilot, lambda: "began" in "\n".join(screen.query_one(Log).lines))
        await pilot.press("ctrl+q")
        await screen_of(pilot, AskScreen)

        await pilot.press("n")

        await screen_of(pilot, RunScreen)
        await pilot.press("R", "R")
        await until(pilot, lambda: screen.performance is not None and screen.performance.over)


async def test_the_run_screen_fits_a_narrow_terminal(tmp_path: Path) -> None:
    write_graph(tmp_path)

    async with opened(tmp_path, NARROW) as pilot:
        await choose(pilot, "consumer")
        await pilot.press("enter")
        screen = await screen_of(pilot, RunScreen)
        await until(pilot, lambda: screen.is_settled)
        told = seen(pilot)

    assert "✔ producer" in told
    assert "8/8" in told
    assert "Summary" in told


async def test_what_screens_look_at_is_not_taken_for_reads_of_the_trials(tmp_path: Path) -> None:
    write_waiting(tmp_path)
    set_text(tmp_path / "experiments/waiting/steps.py", 'Path("go").exists()', "go()")
    set_text(tmp_path / "experiments/waiting/steps.py", "from time", "import os\nfrom time")
    with (tmp_path / "experiments/waiting/steps.py").open("a") as steps:
        steps.write("\ndef go():\n    return os.access('go', os.F_OK)\n")

    async with opened(tmp_path) as pilot:
        await choose(pilot, "waiting")
        await pilot.press("enter")
        screen = await screen_of(pilot, RunScreen)
        await until(pilot, lambda: "began" in "\n".join(screen.query_one(Log).lines))
        await pilot.press("escape")
        select = await screen_of(pilot, SelectScreen)
        (tmp_path / "data/new_folder").mkdir()
        await select.scan().wait()  # type: ignore[func-returns-value]
        await pilot.press("n")
        await screen_of(pilot, CreateScreen)
        await pilot.press("escape")
        await pilot.press("h")
        await pilot.pause(0.1)
        await pilot.press("escape")
        (tmp_path / "go").touch()
        await pilot.press("enter")
        screen = await screen_of(pilot, RunScreen)
        await until(pilot, lambda: screen.is_settled)
        (tmp_path / "data/another_folder").mkdir()

        await rerun(pilot, screen)

        assert reused(screen) == {"waiting": 4}
