"""The schedule as a pure state machine, without an event loop."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crystallize.engine.schedule import GOOD, SETTLED, Schedule, State
from crystallize.plan.plan import Plan

from .scripted import Planned


def chain(*edges: tuple[str, ...]) -> Plan:
    planned = Planned(Path("unused"))
    for name, *reads in edges:
        planned.job(name, reads=reads)
    return planned.plan


def test_jobs_become_ready_when_their_own_inputs_are_settled() -> None:
    schedule = Schedule(chain(("a",), ("b",), ("c", "a"), ("d", "a", "b")))

    assert schedule.take_ready() == [0, 1]
    schedule.settle(0, State.DONE)
    assert schedule.take_ready() == [2]
    schedule.settle(1, State.REUSED)
    assert schedule.take_ready() == [3]


def test_a_failure_blocks_its_descendants_and_nothing_else() -> None:
    schedule = Schedule(chain(("a",), ("b",), ("c", "a"), ("d", "c"), ("e", "b")))
    schedule.take_ready()

    blocked = schedule.settle(0, State.FAILED)

    assert blocked == [2, 3]
    assert schedule.cause(3) == 0
    schedule.settle(1, State.DONE)
    assert schedule.take_ready() == [4]


def test_a_job_blocked_by_one_input_stays_blocked_when_the_other_arrives() -> None:
    schedule = Schedule(chain(("a",), ("b",), ("c", "a", "b")))
    schedule.take_ready()
    schedule.settle(0, State.FAILED)

    schedule.settle(1, State.DONE)

    assert schedule.take_ready() == []
    assert schedule.state(2) is State.BLOCKED
    assert schedule.finished


def test_a_settled_job_cannot_be_settled_again() -> None:
    schedule = Schedule(chain(("a",)))
    schedule.take_ready()
    schedule.settle(0, State.DONE)

    with pytest.raises(ValueError, match="cannot go from DONE to FAILED"):
        schedule.settle(0, State.FAILED)


def test_running_is_not_a_final_state() -> None:
    schedule = Schedule(chain(("a",)))

    with pytest.raises(ValueError, match="cannot go"):
        schedule.settle(0, State.RUNNING)


def test_cancelling_leaves_running_jobs_alone() -> None:
    schedule = Schedule(chain(("a",), ("b", "a"), ("c",)))
    assert schedule.take_ready() == [0, 2]

    stopped = schedule.cancel_unstarted()

    assert stopped == [1]
    assert not schedule.finished


def test_a_chain_of_three_thousand_is_blocked_without_recursion() -> None:
    planned = Planned(Path("unused"))
    planned.job("0")
    for number in range(1, 3000):
        planned.job(str(number), reads=[str(number - 1)])
    schedule = Schedule(planned.plan)
    schedule.take_ready()

    assert len(schedule.settle(0, State.FAILED)) == 2999
    assert schedule.finished


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    planned = Planned(Path("unused"))
    for number in range(draw(st.integers(1, 12))):
        earlier = [str(other) for other in range(number)]
        planned.job(str(number), reads=draw(st.lists(st.sampled_from(earlier), unique=True)) if earlier else [])
    return planned.plan


@given(plans(), st.data())
def test_every_job_is_settled_exactly_once_whatever_fails(plan: Plan, data: st.DataObject) -> None:
    schedule = Schedule(plan)
    settled: list[int] = []
    started: list[int] = []
    waiting = schedule.take_ready()
    while waiting:
        index = waiting.pop(data.draw(st.integers(0, len(waiting) - 1)))
        started.append(index)
        assert all(schedule.state(upstream) in GOOD for upstream in plan.upstream_of(plan.jobs[index]))
        state = data.draw(st.sampled_from([State.DONE, State.REUSED, State.FAILED]))
        settled += [index, *schedule.settle(index, state)]
        waiting += schedule.take_ready()

    assert sorted(settled) == [job.index for job in plan.jobs]
    assert len(set(started)) == len(started)
    assert schedule.finished
    for job in plan.jobs:
        assert schedule.state(job.index) in SETTLED
        if schedule.state(job.index) is State.BLOCKED:
            assert schedule.state(schedule.cause(job.index)) is State.FAILED
