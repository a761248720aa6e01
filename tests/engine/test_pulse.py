"""The pulse: how a run stands at any moment, from its events alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from crystallize.engine import pulse as pulse_module
from crystallize.engine.pulse import Pulse
from crystallize.plan import events
from crystallize.plan.plan import Plan
from crystallize.plan.standing import MOST_BUSY, Busy

from ..cli.making import FIRST, plan_of, record_of


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def time(self) -> float:
        return self.now


class Place:
    """Of a workspace what the pulse asks."""

    def __init__(self, where: str = "driver") -> None:
        self._where = where

    def where(self) -> str:
        return self._where


class Records:
    """Of a store what the pulse asks."""

    def __init__(self, seconds: float | None = None) -> None:
        self.seconds = seconds
        self.asked: list[str] = []

    def last_seconds(self, labels: Sequence[str]) -> dict[str, float]:
        self.asked += labels
        return {} if self.seconds is None else dict.fromkeys(labels, self.seconds)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(pulse_module, "time", made)
    return made


def pulse_of(plan: Plan, records: Records | None = None) -> Pulse:
    stores: Any = {Path("data"): records or Records()}
    return Pulse(plan, stores)


def begin(pulse: Pulse, plan: Plan, index: int, where: str = "driver") -> None:
    place: Any = Place(where)
    pulse.begin(plan.jobs[index], place)


def test_every_end_of_a_job_is_counted_under_its_word(clock: Clock) -> None:
    plan = plan_of(train=6)
    pulse = pulse_of(plan)
    pulse(events.JobReused(plan.jobs[0], record_of(plan.jobs[0], 3.0)))
    for index in (1, 2):
        begin(pulse, plan, index)
        pulse.end(plan.jobs[index])

    pulse(events.JobDone(plan.jobs[1], record_of(plan.jobs[1]), FIRST))
    pulse(events.JobFailed(plan.jobs[2], ValueError("x"), FIRST, 1.0))
    pulse(events.JobBlocked(plan.jobs[3], ValueError("x")))
    pulse(events.JobCancelled(plan.jobs[4]))
    now = pulse.now()

    assert (now.total, now.settled) == (6, 5)
    assert (now.ran, now.reused, now.failed, now.blocked, now.cancelled) == (1, 1, 1, 1, 1)
    assert now.seconds_saved == 3.0
    assert now.busy == ()


def test_fetches_run_and_are_not_counted(clock: Clock) -> None:
    plan = plan_of(train=1, fetch=1)
    plan.groups[1].fetches_for = 0
    pulse = pulse_of(plan)
    begin(pulse, plan, 1)
    fetching = pulse.now()

    pulse.end(plan.jobs[1])
    pulse(events.Fetched(plan.jobs[1], record_of(plan.jobs[1])))
    now = pulse.now()

    assert (fetching.total, [busy.label for busy in fetching.busy]) == (1, ["fetch/baseline/0"])
    assert (now.total, now.settled, now.busy) == (1, 0, ())


def test_what_runs_is_told_with_its_place_those_that_began_first_at_the_head(clock: Clock) -> None:
    plan = plan_of(train=20)
    pulse = pulse_of(plan)
    for index in range(12):
        begin(pulse, plan, index, f"worker {index}")
        clock.now += 1

    pulse.end(plan.jobs[0])
    now = pulse.now()

    assert now.busy_count == 11
    assert now.busy[0] == Busy("train/baseline/1", "worker 1", 1001.0)
    assert len(now.busy) == MOST_BUSY


def test_what_is_left_is_what_jobs_took_last_time_less_what_has_passed_since(clock: Clock) -> None:
    plan = plan_of(train=4)
    records = Records(10.0)
    pulse = pulse_of(plan, records)
    pulse(events.JobReused(plan.jobs[0], record_of(plan.jobs[0])))
    asked_before = list(records.asked)
    begin(pulse, plan, 1)
    first = pulse.now().seconds_left
    clock.now += 4
    later = pulse.now().seconds_left

    pulse(events.JobDone(plan.jobs[1], record_of(plan.jobs[1], 10.0), FIRST))

    assert asked_before == []
    assert records.asked == [job.label for job in plan.jobs[1:]]
    assert (first, later, pulse.now().seconds_left) == (30.0, 26.0, 20.0)


def test_the_rate_is_that_of_the_jobs_that_ended_last(clock: Clock) -> None:
    plan = plan_of(train=1000)
    pulse = pulse_of(plan)
    begin(pulse, plan, 0)
    before = pulse.now().per_second
    for index, job in enumerate(plan.jobs):
        clock.now += 10.0 if index < 700 else 0.5
        pulse(events.JobDone(job, record_of(job), FIRST))

    assert before == 0.0
    assert pulse.now().per_second == pytest.approx(2.0)


def test_a_run_that_reuses_everything_asks_for_no_times(clock: Clock) -> None:
    plan = plan_of(train=2)
    records = Records(1.0)
    pulse = pulse_of(plan, records)

    for job in plan.jobs:
        pulse(events.JobReused(job, record_of(job)))

    assert records.asked == []
    assert (pulse.now().seconds_left, pulse.now().settled) == (None, 2)
