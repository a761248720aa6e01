"""Progress: a run that reuses everything shows nothing, and a standing reads the same wherever it comes from."""

from __future__ import annotations

import time

import pytest
from rich.console import Console

from crystallize.cli import progress
from crystallize.cli.progress import Progress
from crystallize.experiment.reports.going import line
from crystallize.plan import events
from crystallize.plan.standing import Busy, Standing
from crystallize.words import rate

from .making import FIRST, plan_of, record_of


def test_a_run_that_reuses_everything_asks_for_nothing_and_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[str] = []
    plan = plan_of(train=2)

    def now() -> Standing:
        asked.append("now")
        return Standing()

    with Progress() as shown:
        shown(events.RunStarted(plan, 1, now))
        for job in plan.jobs:
            shown(events.JobReused(job, record_of(job)))

    assert asked == []
    assert capsys.readouterr() == ("", "")


def test_the_line_counts_and_tells_rate_what_is_left_and_saved() -> None:
    standing = Standing(
        at=time.time(),
        total=4,
        reused=1,
        failed=1,
        per_second=0.5,
        seconds_left=200.4,
        seconds_saved=60.0,
    )

    assert standing.settled == 2
    assert line(standing) == "ran 0 · reused 1 · failed 1 · 30/min · about 3 min 20 s left · saved 1 min 0 s"


def test_what_is_left_counts_on_from_when_it_was_told() -> None:
    assert "about 1 min 0 s left" in line(Standing(at=time.time() - 60, total=1, seconds_left=120.4))
    assert "about 1 s left" in line(Standing(at=time.time() - 600, total=1, seconds_left=120.0))


@pytest.mark.parametrize(
    ("per_second", "said"),
    [(1234.5, "1234/s"), (12.3, "12/s"), (3.21, "3.2/s"), (0.9, "54/min"), (0.02, "1.2/min"), (0.001, "3.6/h")],
)
def test_a_rate_has_the_unit_in_which_it_reads_best(per_second: float, said: str) -> None:
    assert rate(per_second) == said


def test_without_a_terminal_a_line_names_what_runs_where(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.001)
    since = time.time()
    busy = tuple(Busy(f"train/baseline/{number}", f"worker {number + 100}", since) for number in range(5))
    standing = Standing(at=since, total=9, ran=2, busy_count=7, busy=busy)
    plan = plan_of(train=1)
    written = ""

    with Progress() as shown:
        shown(events.RunStarted(plan, 1, lambda: standing))
        shown(events.JobStarted(plan.jobs[0], FIRST))
        while "\n" not in written:
            written += capsys.readouterr().err

    assert written.splitlines()[0] == (
        "2 of 9 trials: ran 2 · reused 0 · failed 0 · train/baseline/0 (worker 100) · train/baseline/1 (worker 101)"
        " · train/baseline/2 (worker 102) · train/baseline/3 (worker 103) · and 3 more"
    )


def test_in_a_terminal_each_running_trial_has_a_line() -> None:
    busy = (Busy("train/baseline/0", "driver", time.time() - 12),)
    bar = progress._Bar(lambda: Standing(at=time.time(), total=3, ran=1, busy_count=1, busy=busy))
    console = Console(width=120, record=True, force_terminal=True)

    with console.capture() as captured:
        console.print(bar)

    first, second = Console(width=120).render_str(captured.get()).plain.splitlines()
    assert "train" in first and "1/3" in first and "ran 1 · reused 0 · failed 0" in first
    assert "train/baseline/0  driver  12 s" in second
