from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from crystallize.fingerprint.digest import digest_bytes
from crystallize.fingerprint.manifest import Manifest, PartTable
from crystallize.history.history import GroupRow, History, JobRow
from crystallize.store.record import NewRecord
from crystallize.store.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "data")
    yield opened
    opened.close()


def begin(history: History) -> int:
    return history.begin(targets=["a", "b"], strategy="resume", what="cli")


def test_a_run_is_running_until_it_is_finished(store: Store) -> None:
    history = History(store)
    number = begin(history)
    running = history.run(number)

    history.finish(number, [GroupRow("a", ran=1)], "ok", 2.5)
    finished = history.run(number)

    assert running is not None and finished is not None
    assert (running.targets, running.strategy, running.what, running.state) == (("a", "b"), "resume", "cli", "running")
    assert (finished.state, finished.seconds, finished.started) == ("ok", 2.5, running.started)


def test_a_run_whose_process_ended_without_a_word_was_killed(tmp_path: Path) -> None:
    dying = Store.open(tmp_path)
    history = History(dying)
    number = begin(history)
    while_alive = history.run(number)
    dying.close()  # frees its locks, as the system does for a process that is killed

    store = Store.open(tmp_path, write=False)
    found = History(store)
    states = [row.state for row in found.runs()]

    assert while_alive is not None and while_alive.state == "running" and while_alive.seconds >= 0
    assert states == ["killed"]
    assert not found.is_running(number) and found.last_running() is None
    store.close()


def test_the_last_run_that_goes_on_is_found(store: Store) -> None:
    history = History(store)
    going_on, over = begin(history), begin(history)
    history.finish(over, [], "cancelled", 1.0)

    found = history.last_running()

    assert found is not None and found.number == going_on
    assert [row.state for row in history.runs()] == ["cancelled", "running"]


def test_jobs_and_groups_come_back_in_order(store: Store) -> None:
    history = History(store)
    number, other = begin(history), begin(history)
    jobs = [
        JobRow("a/baseline/0", "a", "ran", "first run", digest_bytes(b"1"), 1, 0.5),
        JobRow("b/baseline/0", "b", "failed", "first run", None, None, 0.1, "Traceback …"),
    ]
    groups = [GroupRow("a", 1, 9, 0, 0, 0.5, 4.5), GroupRow("b", failed=1)]

    history.add_jobs(number, jobs[:1])
    history.add_jobs(number, jobs[1:])
    history.finish(number, groups, "failed", 1.0)

    assert (history.jobs(number), history.groups(number)) == (jobs, groups)
    assert (history.jobs(other), history.groups(other)) == ([], [])


def test_the_newest_runs_come_first_and_can_be_asked_by_group(store: Store) -> None:
    history = History(store)
    for name in ("a", "b", "a", "a"):
        history.finish(begin(history), [GroupRow(name)], "ok", 0.0)

    assert [row.number for row in history.runs(limit=3)] == [4, 3, 2]
    assert [row.number for row in history.runs("a", limit=2)] == [4, 3]
    assert history.run(9) is None


def test_the_history_is_there_for_the_next_process(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    begin(History(store))
    store.close()

    again = Store.open(tmp_path, write=False)
    found = History(again).runs()
    again.close()

    assert [row.number for row in found] == [1]


def test_an_absent_history_is_empty_and_stays_absent(tmp_path: Path) -> None:
    Store.open(tmp_path).close()
    store = Store.open(tmp_path, write=False)
    history = History(store)

    assert (history.runs(), history.run(1), history.jobs(1), history.groups(1)) == ([], None, [], [])
    assert not store.database.read("SELECT 1 FROM sqlite_master WHERE name = 'runs'")
    store.close()


@pytest.mark.contract("2.4.2")
def test_the_typical_time_is_that_of_the_newest_record(store: Store) -> None:
    manifest = Manifest("trial/1", PartTable(()), ())
    store.put_many([NewRecord(manifest=manifest, label="a", metrics={}, seconds=s) for s in (9.0, 2.0)])

    assert History(store).typical_seconds(["a", "never"]) == {"a": 2.0}
