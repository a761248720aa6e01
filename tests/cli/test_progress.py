"""Progress: what is left is told from what is known, and a run that reuses everything shows nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crystallize.cli.progress import Estimate, Progress
from crystallize.cli.tally import Tally
from crystallize.plan import events
from crystallize.plan.plan import Plan

from .making import FIRST, plan_of, record_of


def test_what_jobs_took_last_time_is_what_is_left() -> None:
    plan = plan_of(train=3)
    estimate = Estimate(plan, {job.label: 2.0 for job in plan.jobs})

    estimate.settle(0, 2.0)

    assert estimate.seconds_left() == pytest.approx(4.0)


def test_workers_share_what_is_left() -> None:
    plan = plan_of(workers=4, train=8)

    assert Estimate(plan, {job.label: 1.0 for job in plan.jobs}).seconds_left() == pytest.approx(2.0)


def test_jobs_never_seen_count_like_those_of_their_experiment_then_like_any() -> None:
    plan = plan_of(train=3, report=1)
    estimate = Estimate(plan, {})
    before = estimate.seconds_left()

    estimate.settle(0, 3.0)

    assert before is None
    assert estimate.seconds_left() == pytest.approx(3.0 + 3.0 + 3.0)


def test_jobs_settled_before_are_not_left() -> None:
    plan = plan_of(train=2)
    previous = {job.label: 1.0 for job in plan.jobs}

    assert Estimate(plan, previous, {plan.jobs[0].label}).seconds_left() == pytest.approx(1.0)


@given(st.lists(st.tuples(st.floats(0.01, 100), st.booleans(), st.booleans()), min_size=1, max_size=20))
def test_nothing_is_left_when_everything_is_settled(jobs: list[tuple[float, bool, bool]]) -> None:
    plan = plan_of(train=len(jobs))
    known = {plan.jobs[i].label: seconds for i, (seconds, is_known, _) in enumerate(jobs) if is_known}
    estimate = Estimate(plan, known)

    for index, (seconds, _, ran) in enumerate(jobs):
        assert (estimate.seconds_left() or 0.0) >= 0.0
        estimate.settle(index, seconds if ran else None)

    assert estimate.seconds_left() == 0.0


def test_a_run_that_reuses_everything_asks_for_nothing_and_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[Plan] = []
    plan = plan_of(train=2)
    tally = Tally()

    def previous(asked_for: Plan) -> dict[str, float]:
        asked.append(asked_for)
        return {}

    with Progress(tally, previous) as progress:
        for watcher in (tally, progress):
            watcher(events.RunStarted(plan))
        for job in plan.jobs:
            for watcher in (tally, progress):
                watcher(events.JobReused(job, record_of(job)))

    assert asked == []
    assert capsys.readouterr() == ("", "")


def test_the_line_counts_and_tells_what_is_left_and_saved() -> None:
    plan = plan_of(train=4)
    tally = Tally()
    with Progress(tally, lambda plan: {job.label: 100.0 for job in plan.jobs}) as progress:
        for event in (
            events.RunStarted(plan),
            events.JobReused(plan.jobs[0], record_of(plan.jobs[0], 60.0)),
            events.JobStarted(plan.jobs[1], FIRST),
            events.JobFailed(plan.jobs[1], ValueError("x"), FIRST, 1.0),
        ):
            tally(event)
            progress(event)

        line = progress.line()

    assert progress.settled == 2
    assert line == "ran 0 · reused 1 · failed 1 · about 3 min 20 s left · saved 1 min 0 s"
