"""Groups that are led: their jobs start when they are asked for, and whoever asks is told how they ended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from crystallize.plan import events
from crystallize.plan.job import Lead
from crystallize.session import Request, Session
from crystallize.settings import Settings

from .scripted import Planned

Ask = Callable[[int], Awaitable[Any]]


@pytest.fixture
def planned(tmp_path: Path) -> Planned:
    return Planned(tmp_path)


def led(planned: Planned, lead: Lead, *, executor: str = "serial", workers: int = 1) -> Any:
    work = planned.group(executor=executor, workers=workers)
    planned.plan.groups[-1].lead = lead
    return work


def run(planned: Planned, stop: Callable[[], bool] = lambda: False) -> list[events.Event]:
    told: list[events.Event] = []
    with Session(Settings.load(planned.root, {})) as session:
        session.run(planned.plan, Request(targets=("g",), strategy="resume"), [told.append], stop)
    return told


def settled(told: list[events.Event]) -> list[tuple[str, str]]:
    return [(type(e).__name__, e.job.label.partition("/")[2]) for e in told if isinstance(e, events.Settled)]


def test_jobs_run_in_the_order_in_which_they_are_asked_for(planned: Planned) -> None:
    async def backwards(ask: Ask) -> None:
        for index in (2, 0, 1):
            await ask(index)

    work = led(planned, backwards)
    for name in "abc":
        planned.job(name)

    run(planned)

    assert work.calls == ["begin", "c", "a", "b", "end"]


def test_who_asks_is_told_how_a_job_ended(planned: Planned) -> None:
    ends = []

    async def lead(ask: Ask) -> None:
        ends.extend([await ask(0), await ask(1), await ask(0)])

    def fails(workspace: Any) -> Any:
        raise ValueError("no")

    led(planned, lead)
    planned.job("a")
    planned.job("b", script=fails)

    run(planned)

    assert [type(end) for end in ends] == [events.JobDone, events.JobFailed, events.JobDone]
    assert ends[0] is ends[2]


def test_jobs_that_nobody_asks_for_are_cancelled_and_their_readers_blocked(planned: Planned) -> None:
    async def only_the_first(ask: Ask) -> None:
        await ask(0)

    work = led(planned, only_the_first)
    planned.job("a")
    planned.job("b")
    planned.group("readers")
    planned.job("c", reads=["b"])

    told = run(planned)

    assert settled(told) == [("JobDone", "a"), ("JobCancelled", "b"), ("JobBlocked", "c")]
    assert work.calls == ["begin", "a", "end"]


def test_what_a_lead_raises_fails_the_jobs_it_has_not_asked_for(planned: Planned) -> None:
    async def breaks(ask: Ask) -> None:
        await ask(0)
        raise RuntimeError("the lead broke")

    led(planned, breaks)
    planned.job("a")
    planned.job("b")

    told = run(planned)

    assert settled(told) == [("JobDone", "a"), ("JobFailed", "b")]
    [over] = [event for event in told if isinstance(event, events.GroupSettled)]
    assert str(over.error) == "the lead broke"


def test_a_group_is_over_when_its_lead_is(planned: Planned) -> None:
    order: list[str] = []

    async def lingers(ask: Ask) -> None:
        import asyncio

        await ask(0)
        for _ in range(3):
            await asyncio.sleep(0)
        order.append("lead over")

    work = led(planned, lingers)
    planned.job("a")
    end = work.end
    work.end = lambda: (order.append("end"), end())

    run(planned)

    assert order == ["lead over", "end"]


def test_nobody_leads_what_is_all_reused(planned: Planned) -> None:
    leads = []

    async def lead(ask: Ask) -> None:
        leads.append(1)
        await ask(0)

    def again() -> list[events.Event]:
        plan = Planned(planned.root)
        led(plan, lead)
        plan.job("a")
        return run(plan)

    again()
    told = again()

    assert settled(told) == [("JobReused", "a")]
    assert leads == [1]


def test_a_lead_may_ask_for_what_still_waits_for_its_inputs(planned: Planned) -> None:
    async def asks_at_once(ask: Ask) -> None:
        await ask(2)
        await ask(1)

    planned.group("up")
    planned.job("a")
    work = led(planned, asks_at_once)
    planned.job("b")
    planned.job("c", reads=["a"])

    run(planned)

    assert work.calls == ["begin", "c", "b", "end"]


def test_a_lead_of_an_experiment_that_cannot_begin_is_never_called(planned: Planned) -> None:
    leads = []

    async def lead(ask: Ask) -> None:
        leads.append(1)

    work = led(planned, lead)
    work.begin_error = ValueError("no set-up")
    planned.job("a")

    told = run(planned)

    assert settled(told) == [("JobFailed", "a")]
    assert leads == []


def test_a_run_that_is_stopped_tells_who_waits_that_the_rest_is_cancelled(planned: Planned) -> None:
    stopped = []
    ends = []

    async def lead(ask: Ask) -> None:
        ends.append(await ask(0))
        stopped.append(True)
        ends.append(await ask(1))

    led(planned, lead)
    planned.job("a")
    planned.job("b")

    run(planned, lambda: bool(stopped))

    assert [type(end) for end in ends] == [events.JobDone, events.JobCancelled]


def test_a_lead_that_gives_up_because_the_run_is_stopped_is_no_failure(planned: Planned) -> None:
    import asyncio

    stopped = []

    async def lead(ask: Ask) -> None:
        await ask(0)
        stopped.append(True)
        if isinstance(await ask(1), events.JobCancelled):
            raise asyncio.CancelledError

    led(planned, lead)
    planned.job("a")
    planned.job("b")

    told = run(planned, lambda: bool(stopped))

    assert [event.error for event in told if isinstance(event, events.GroupSettled)] == [None]


def test_a_lead_that_cancels_itself_has_failed(planned: Planned) -> None:
    import asyncio

    async def lead(ask: Ask) -> None:
        raise asyncio.CancelledError

    led(planned, lead)
    planned.job("a")

    told = run(planned)

    assert settled(told) == [("JobFailed", "a")]
