"""Who waits for a worker: lowest index first, whatever the order in which it was decided."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from crystallize.engine.executors import Executors
from crystallize.engine.machine import Machine
from crystallize.engine.queues import Queued, Queues
from crystallize.fingerprint.manifest import Manifest, PartTable
from crystallize.plan.job import Ask, Lead
from crystallize.store.reuse import Miss

from .scripted import Planned

TABLE = PartTable(())


async def lead(ask: Ask) -> None:
    """Asks for nothing."""


def queues(jobs: int, lead: Lead | None = None) -> Queues:
    planned = Planned(Path())
    for number in range(jobs):
        planned.job(str(number))
    planned.plan.groups[0].lead = lead
    return Queues(planned.plan, Executors(Machine()))


def put(waiting: Queues, indices: Sequence[int]) -> None:
    for index in indices:
        waiting.put(Queued(index, Manifest("trial/1", TABLE, ()), Miss("first", "first run"), 0))


@given(st.permutations(range(6)), st.integers(0, 6))
def test_jobs_start_in_plan_order_whatever_the_order_in_which_they_were_decided(order: list[int], late: int) -> None:
    waiting = queues(6)
    put(waiting, order[:late])
    started = [queued.job for queued in waiting.startable()]
    put(waiting, order[late:])

    assert started == sorted(order[:late])
    assert [queued.job for queued in waiting.startable()] == sorted(order[late:])


def test_a_job_of_a_led_group_waits_until_it_is_asked_for() -> None:
    waiting = queues(3, lead)
    waiting.ask(1)
    put(waiting, [0, 1, 2])

    assert [queued.job for queued in waiting.startable()] == [1]
    assert waiting.led() == [0]
    waiting.ask(2)
    assert [queued.job for queued in waiting.startable()] == [2]
    assert [queued.job for queued in waiting.take_unasked(0)] == [0]
    assert waiting.led() == []


def test_what_is_taken_waits_no_more_whether_it_was_asked_for_or_not() -> None:
    waiting = queues(4, lead)
    waiting.ask(3)
    put(waiting, [3, 0, 1])

    assert sorted(waiting.take_all()) == [0, 1, 3]
    assert waiting.take_all() == []
    assert list(waiting.startable()) == []
