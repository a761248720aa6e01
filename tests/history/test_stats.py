"""What reuse is worth: sums by experiment, costly causes, and what is never reused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from crystallize.history.history import GroupRow, History, JobRow
from crystallize.history.stats import Cause, NeverReused, Stats, share_reused
from crystallize.store.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path)
    yield opened
    opened.close()


def ran(history: History, *groups: GroupRow, jobs: tuple[JobRow, ...] = ()) -> None:
    run = history.begin(targets=["all"], strategy="resume", what="cli")
    history.add_jobs(run, jobs)
    history.finish(run, groups, "ok", 1.0)


def job(experiment: str, why: str, seconds: float, state: str = "ran") -> JobRow:
    return JobRow(f"{experiment}/baseline/0", experiment, state, why, seconds=seconds)


def test_an_empty_store_has_no_figures(store: Store) -> None:
    assert Stats.of(store) == Stats((), (), ())


def test_all_runs_are_summed_by_experiment(store: Store) -> None:
    history = History(store)
    ran(history, GroupRow("a", ran=2, seconds=3.0), GroupRow("b", failed=1, seconds=1.0))
    ran(history, GroupRow("a", ran=1, reused=2, seconds=1.0, seconds_saved=2.5), GroupRow("b", blocked=1))

    assert Stats.of(store).experiments == (
        GroupRow("a", ran=3, reused=2, seconds=4.0, seconds_saved=2.5),
        GroupRow("b", failed=1, blocked=1, seconds=1.0),
    )
    assert [group.name for group in Stats.of(store, "b").experiments] == ["b"]


def test_the_share_is_of_what_was_asked_for() -> None:
    assert share_reused(GroupRow("a", ran=1, reused=2, failed=1, blocked=7)) == 0.5
    assert share_reused(GroupRow("a", blocked=1)) is None


def test_the_costliest_cause_comes_first_and_a_first_run_is_none(store: Store) -> None:
    history = History(store)
    ran(history, GroupRow("a", ran=2), jobs=(job("a", "first run", 99.0), job("b, c", "first run", 9.0)))
    ran(history, GroupRow("a", ran=2), jobs=(job("a", "lr: 1 → 2", 1.0), job("b, c", "lr: 1 → 2", 2.0)))
    ran(history, GroupRow("a", ran=2), jobs=(job("a", "code of f changed", 5.0, "failed"), job("a", "lr: 1 → 2", 1.0)))

    assert Stats.of(store).causes == (
        Cause("code of f changed", ("a",), 1, 1, 5.0),
        Cause("lr: 1 → 2", ("a", "b, c"), 3, 2, 4.0),
    )
    assert [cause.seconds for cause in Stats.of(store, "a").causes] == [5.0, 2.0]


def test_what_never_hits_is_named_with_its_last_reason(store: Store) -> None:
    history = History(store)
    unclear = "cannot be told apart: steps.x: an open file; pass its path"
    ran(history, GroupRow("a", ran=1), GroupRow("b", ran=1), jobs=(job("a", "first run", 1.0),))
    ran(history, GroupRow("a", ran=1), GroupRow("b", reused=1), jobs=(job("a", unclear, 1.0),))
    ran(history, GroupRow("c", ran=1), GroupRow("d"), jobs=(job("c", "first run", 1.0),))

    assert Stats.of(store).never == (NeverReused("a", 2, unclear),)
    assert Stats.of(store, "b").never == ()
