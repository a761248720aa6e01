"""The driver on scripted jobs, against a real store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest

from crystallize.engine.foresee import foresee
from crystallize.engine.run import DECIDED_AT_ONCE, Driver
from crystallize.errors import BlockedError, MissingArtifactError
from crystallize.plan import events
from crystallize.plan.workspace import Workspace
from crystallize.store.reuse import Force, Hit, Miss
from crystallize.store.store import Store

from .scripted import Planned


class Log:
    """A watcher that keeps what it was told, as short texts."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.events: list[events.Event] = []

    def __call__(self, event: events.Event) -> None:
        self.events.append(event)
        job = getattr(event, "job", None)
        where = job.label if job is not None else str(getattr(event, "group", ""))
        self.lines.append(f"{type(event).__name__} {where}".strip())

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


RUN = iter(range(1, 1_000_000))


def run(planned: Planned, store: Store, stop: Callable[[], bool] = lambda: False) -> Log:
    log = Log()
    root = planned.root
    driver = Driver(planned.plan, stores={root: store}, runs={root: next(RUN)}, watchers=[log], stop_asked=stop)
    if not driver.prepare():
        asyncio.run(driver.drive())
    return log


def two_jobs(root: Path) -> Planned:
    planned = Planned(root)
    planned.job("a")
    planned.job("b", reads=["a"])
    return planned


def test_events_tell_a_run_in_order(store: Store) -> None:
    log = run(two_jobs(store.root), store)

    assert log.lines == [
        "RunStarted",
        "JobStarted g/a",
        "JobDone g/a",
        "JobStarted g/b",
        "JobDone g/b",
        "GroupSettled 0",
    ]


def test_a_second_run_reuses_everything_and_never_starts_a_loop(store: Store) -> None:
    run(two_jobs(store.root), store)
    planned = two_jobs(store.root)
    log = Log()
    driver = Driver(
        planned.plan, stores={store.root: store}, runs={store.root: 99}, watchers=[log], stop_asked=lambda: False
    )

    assert driver.prepare()
    assert log.lines == ["RunStarted", "JobReused g/a", "JobReused g/b", "GroupSettled 0"]
    assert planned.works[0].calls == []


def test_the_work_is_begun_before_its_first_job_and_ended_after_its_last(store: Store) -> None:
    planned = two_jobs(store.root)

    run(planned, store)

    assert planned.works[0].calls == ["begin", "a", "b", "end"]


def test_a_consumer_reads_what_its_producer_wrote(store: Store) -> None:
    planned = Planned(store.root)
    read: list[bytes] = []

    def reading(workspace: Workspace) -> Mapping[str, Sequence[Any]]:
        path = workspace.input("a")
        assert isinstance(path, Path)
        read.append(path.read_bytes())
        return {}

    planned.job("a")
    planned.job("b", reads=["a"], script=reading)

    run(planned, store)

    assert read == [b"a"]


def test_equal_bytes_upstream_stop_a_change_there(store: Store) -> None:
    def constant(workspace: Workspace) -> Mapping[str, Sequence[Any]]:
        workspace.write("out", "S", b"same")
        return {}

    def plan(key: str) -> Planned:
        planned = Planned(store.root)
        planned.job("a", script=constant, key=key)
        planned.job("b", reads=["a"])
        return planned

    run(plan("one"), store)
    planned = plan("two")

    run(planned, store)

    assert planned.works[0].calls == ["begin", "a", "end"]


def failing(workspace: Workspace) -> Mapping[str, Sequence[Any]]:
    raise ValueError("no luck")


def test_a_failure_blocks_what_reads_it_and_the_rest_runs(store: Store) -> None:
    planned = Planned(store.root)
    planned.job("a", script=failing)
    planned.job("b", reads=["a"])
    planned.job("c")

    log = run(planned, store)

    assert [event.job.label for event in log.of(events.JobFailed)] == ["g/a"]
    assert [event.job.label for event in log.of(events.JobBlocked)] == ["g/b"]
    assert isinstance(log.of(events.JobBlocked)[0].error, BlockedError)
    assert [event.job.label for event in log.of(events.JobDone)] == ["g/c"]


def test_a_failed_job_is_not_recorded_and_runs_again(store: Store) -> None:
    planned = Planned(store.root)
    planned.job("a", script=failing)
    run(planned, store)
    again = Planned(store.root)
    again.job("a", key="a")

    log = run(again, store)

    assert [event.job.label for event in log.of(events.JobDone)] == ["g/a"]


def test_a_failed_rerun_bars_the_older_record_until_the_job_succeeds(store: Store) -> None:
    good = Planned(store.root)
    good.job("a")
    run(good, store)
    bad = Planned(store.root)
    bad.job("a", script=failing, policy=Force("rerun"))
    run(bad, store)

    again = Planned(store.root)
    again.job("a")
    log = run(again, store)
    after = Planned(store.root)
    after.job("a")

    assert [event.miss.why for event in log.of(events.JobDone)] == ["failed since"]
    assert run(after, store).of(events.JobReused)


def test_a_failure_after_an_edit_leaves_the_older_record_for_who_goes_back(store: Store) -> None:
    good = Planned(store.root)
    good.job("a", key="one")
    run(good, store)
    edited = Planned(store.root)
    edited.job("a", key="two", script=failing)
    run(edited, store)
    back = Planned(store.root)
    back.job("a", key="one")

    assert run(back, store).of(events.JobReused)


def test_a_reader_of_an_output_that_was_never_written_gets_the_missing_artifact_error(store: Store) -> None:
    planned = Planned(store.root)
    planned.job("a", script=lambda workspace: {})
    planned.job("b", reads=["a"])

    log = run(planned, store)

    assert isinstance(log.of(events.JobFailed)[0].error, MissingArtifactError)


def test_two_jobs_of_one_fingerprint_execute_once(store: Store) -> None:
    planned = Planned(store.root)
    planned.job("a", key="twin")
    planned.job("b", key="twin")

    log = run(planned, store)

    assert planned.works[0].calls == ["begin", "a", "end"]
    assert [event.job.label for event in log.of(events.JobReused)] == ["g/b"]


def test_a_twin_is_reused_though_the_first_was_recorded_before_its_turn(store: Store) -> None:
    def long(workspace: Workspace) -> Mapping[str, Sequence[Any]]:
        begun = perf_counter()
        while perf_counter() - begun < 0.002:  # a batch is committed after a job that took longer than 1 ms
            pass
        return {}

    planned = Planned(store.root)
    planned.job("a", key="twin", script=long)
    planned.job("b", key="twin", script=long)

    log = run(planned, store)

    assert planned.works[0].calls == ["begin", "a", "end"]
    assert [event.job.label for event in log.of(events.JobReused)] == ["g/b"]


def test_the_twin_of_a_failed_job_fails_with_it_unrun(store: Store) -> None:
    planned = Planned(store.root)
    planned.job("a", key="twin", script=failing)
    planned.job("b", key="twin", script=failing)

    log = run(planned, store)

    assert planned.works[0].calls == ["begin", "a", "end"]
    assert [event.job.label for event in log.of(events.JobFailed)] == ["g/a", "g/b"]


def test_what_beginning_raises_fails_every_job_that_would_run(store: Store) -> None:
    planned = Planned(store.root)
    work = planned.group()
    work.begin_error = RuntimeError("no licence")
    planned.job("a")
    planned.job("b")

    log = run(planned, store)

    assert work.calls == ["begin", "end"]
    assert [str(event.error) for event in log.of(events.JobFailed)] == ["no licence", "no licence"]
    assert [str(event.error) for event in log.of(events.GroupSettled)] == ["no licence"]


def test_stopping_starts_nothing_more_and_keeps_what_is_done(store: Store) -> None:
    planned = Planned(store.root)
    for name in "abc":
        planned.job(name)

    log = run(planned, store, stop=lambda: "a" in planned.works[0].calls)
    again = Planned(store.root)
    for name in "abc":
        again.job(name)

    assert planned.works[0].calls == ["begin", "a", "end"]
    assert [event.job.label for event in log.of(events.JobCancelled)] == ["g/b", "g/c"]
    assert [event.job.label for event in run(again, store).of(events.JobReused)] == ["g/a"]


@pytest.mark.parametrize("executor", ["thread", "async"])
def test_other_executors_give_the_same_results(store: Store, executor: str) -> None:
    planned = Planned(store.root)
    planned.group(executor=executor, workers=3)
    for name in "abcdef":
        planned.job(name)
    planned.job("g", reads=list("abcdef"))

    log = run(planned, store)

    assert len(log.of(events.JobDone)) == 7
    assert planned.works[0].calls[-2:] == ["g", "end"]


def test_a_dry_run_tells_what_comes_true_and_writes_nothing(store: Store) -> None:
    planned = Planned(store.root)
    planned.job("a")
    run(planned, store)
    again = Planned(store.root)
    again.job("a")
    again.job("b", reads=["a"])
    again.job("c", reads=["b"])
    number = store.latest_number()

    seen = foresee(again.plan, {store.root: store})

    assert [type(each.decision) for each in seen] == [Hit, Miss, type(None)]
    assert seen[2].waits_for is seen[1].job
    assert store.latest_number() == number


def test_a_wide_fan_and_a_deep_chain_of_a_thousand_run_in_order(store: Store) -> None:
    planned = Planned(store.root)
    planned.job("0")
    for number in range(1, 1000):
        planned.job(str(number), reads=[str(number - 1)])
    for number in range(1000, 2000):
        planned.job(str(number), reads=["0"])

    run(planned, store)

    order = [int(name) for name in planned.works[0].calls[1:-1]]
    assert sorted(order) == list(range(2000))
    assert [number for number in order if number < 1000] == list(range(1000))


def test_a_wide_plan_tells_of_its_first_jobs_before_it_looks_up_its_last(store: Store) -> None:
    wide, again = Planned(store.root), Planned(store.root)
    for number in range(2 * DECIDED_AT_ONCE + 1):
        wide.job(str(number))
        again.job(str(number))
    run(wide, store)
    looked_up: list[str] = []
    with store.database.transaction() as connection:
        connection.set_trace_callback(lambda sql: looked_up.append(sql) if "FROM records" in sql else None)
    before: list[int] = []

    def watch(event: events.Event) -> None:
        if isinstance(event, events.JobReused):
            before.append(len(looked_up))

    driver = Driver(again.plan, stores={store.root: store}, runs={store.root: 1}, watchers=[watch], stop_asked=bool)

    assert driver.prepare()
    assert (len(before), before[0], before[-1]) == (2 * DECIDED_AT_ONCE + 1, 1, 3)


def test_what_another_run_records_meanwhile_is_reused_however_long_the_job_waited(store: Store) -> None:
    """The commit is noticed when `b` starts, and must not be forgotten by the time `c` does."""
    planned = Planned(store.root)
    for name in "abc":
        planned.job(name)

    def records_c() -> None:
        elsewhere = Store.open(store.root)
        other = Planned(store.root)
        other.job("c")
        run(other, elsewhere)
        elsewhere.close()

    def another_run(workspace: Workspace) -> Mapping[str, Sequence[Any]]:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(records_c).result()
        return {}

    planned.plan.jobs[0].task = ("a", another_run)

    log = run(planned, store)

    assert planned.works[0].calls == ["begin", "a", "b", "end"]
    assert [event.job.label for event in log.of(events.JobReused)] == ["g/c"]


def test_a_plan_that_has_been_run_is_never_taken_for_a_new_one(store: Store) -> None:
    made = Planned(store.root)
    made.job("a")
    run(made, store)

    with pytest.raises(AttributeError, match="table"):
        run(made, store)
