"""Estimates: what is left is told from what is known."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crystallize.engine.estimate import Estimate

from ..cli.making import plan_of


def test_what_jobs_took_last_time_is_what_is_left() -> None:
    plan = plan_of(train=3)
    estimate = Estimate(plan, plan.jobs, {job.label: 2.0 for job in plan.jobs})

    estimate.settle(0, 2.0)

    assert estimate.seconds_left() == pytest.approx(4.0)


def test_workers_share_what_is_left() -> None:
    plan = plan_of(workers=4, train=8)

    assert Estimate(plan, plan.jobs, {job.label: 1.0 for job in plan.jobs}).seconds_left() == pytest.approx(2.0)


def test_jobs_never_seen_count_like_those_of_their_experiment_then_like_any() -> None:
    plan = plan_of(train=3, report=1)
    estimate = Estimate(plan, plan.jobs, {})
    before = estimate.seconds_left()

    estimate.settle(0, 3.0)

    assert before is None
    assert estimate.seconds_left() == pytest.approx(3.0 + 3.0 + 3.0)


def test_jobs_settled_before_are_not_left() -> None:
    plan = plan_of(train=2)
    previous = {job.label: 1.0 for job in plan.jobs}

    assert Estimate(plan, plan.jobs[1:], previous).seconds_left() == pytest.approx(1.0)


@given(st.lists(st.tuples(st.floats(0.01, 100), st.booleans(), st.booleans()), min_size=1, max_size=20))
def test_nothing_is_left_when_everything_is_settled(jobs: list[tuple[float, bool, bool]]) -> None:
    plan = plan_of(train=len(jobs))
    known = {plan.jobs[i].label: seconds for i, (seconds, is_known, _) in enumerate(jobs) if is_known}
    estimate = Estimate(plan, plan.jobs, known)

    for index, (seconds, _, ran) in enumerate(jobs):
        assert (estimate.seconds_left() or 0.0) >= 0.0
        estimate.settle(index, seconds if ran else None)

    assert estimate.seconds_left() == 0.0
