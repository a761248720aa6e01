"""Jobs that only fetch for others: they run in every run, and what becomes of them shows in the jobs that read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from crystallize.engine.foresee import foresee
from crystallize.errors import BlockedError
from crystallize.plan import events
from crystallize.plan.job import FETCH
from crystallize.plan.workspace import Workspace
from crystallize.store.compare import DIFFERS
from crystallize.store.reuse import Force, Policy
from crystallize.store.store import Store

from .scripted import Planned, Script
from .test_run import run

VOLATILE = Force("volatile")


def fetching(
    root: Path, contents: Sequence[bytes | Exception], policy: Policy | None = None, key: str | None = None
) -> Planned:
    """A fetch that brings (or raises) each of `contents`, and a reader of each."""
    planned = Planned(root)
    planned.group("fetch")
    for number, content in enumerate(contents):
        planned.job(f"fetch {number}", script=bring(content), policy=VOLATILE, key=key)
    planned.group("g")
    for number in range(len(contents)):
        planned.job(f"read {number}", reads=[f"fetch {number}"], policy=policy)
    planned.plan.groups[0].kind, planned.plan.groups[0].fetches_for = FETCH, 1
    return planned


def bring(content: bytes | Exception) -> Script:
    def script(workspace: Workspace) -> Mapping[str, Sequence[Any]]:
        if isinstance(content, Exception):
            raise content
        workspace.write("out", "", content)
        return {}

    return script


def test_equal_contents_reuse_the_reader_and_others_run_it(store: Store) -> None:
    first = run(fetching(store.root, [b"a", b"a"]), store)
    second = run(fetching(store.root, [b"a", b"b"]), store)

    assert len(first.of(events.JobDone)) == 2
    assert [event.job.label for event in second.of(events.JobReused)] == ["g/read 0"]
    assert [event.job.label for event in second.of(events.JobDone)] == ["g/read 1"]
    assert second.of(events.JobDone)[0].miss.why == "input.fetch 1: other contents"


def test_fetches_are_told_of_as_fetches_and_their_group_not_at_all(store: Store) -> None:
    log = run(fetching(store.root, [b"a"]), store)

    assert log.lines == [
        "RunStarted",
        "FetchStarted fetch/fetch 0",
        "Fetched fetch/fetch 0",
        "JobStarted g/read 0",
        "JobDone g/read 0",
        "GroupSettled 1",
    ]


def test_a_fetch_that_fails_fails_its_reader_and_blocks_what_is_below(store: Store) -> None:
    error = OSError("no network")
    planned = fetching(store.root, [error, b"b"])
    planned.job("below", reads=["read 0"])

    log = run(planned, store)

    assert [(event.job.label, event.error) for event in log.of(events.JobFailed)] == [("g/read 0", error)]
    assert [event.job.label for event in log.of(events.JobBlocked)] == ["g/below"]
    assert isinstance(log.of(events.JobBlocked)[0].error, BlockedError)
    assert [event.record is None for event in log.of(events.Fetched)] == [True, False]
    assert len(log.of(events.GroupSettled)) == 1


def test_a_forced_reader_whose_fetch_failed_runs_when_it_succeeds(store: Store) -> None:
    run(fetching(store.root, [b"a"]), store)
    run(fetching(store.root, [OSError()], policy=Force("rerun")), store)

    third, fourth = (run(fetching(store.root, [b"a"]), store) for _ in range(2))

    assert [event.miss.why for event in third.of(events.JobDone)] == ["failed since"]
    assert len(fourth.of(events.JobReused)) == 1


def test_fetches_of_one_fingerprint_happen_once_a_run_and_serve_all(store: Store) -> None:
    planned = fetching(store.root, [b"a", b"b", b"c"], key="the same")

    log = run(planned, store)

    assert planned.works[0].calls.count("fetch 0") == 1
    assert len(planned.works[0].calls) == len(["begin", "fetch 0", "end"])
    assert [event.shared for event in log.of(events.Fetched)] == [False, True, True]
    assert len(log.of(events.JobDone)) == 3


def test_other_contents_are_no_second_outcome_of_the_same(store: Store) -> None:
    run(fetching(store.root, [b"a"]), store)

    log = run(fetching(store.root, [b"b"]), store)

    assert DIFFERS not in log.of(events.Fetched)[0].record.facts


def test_what_reads_a_fetch_is_undecided_before_it_happened(store: Store) -> None:
    run(fetching(store.root, [b"a"]), store)

    fetch, reader = foresee(fetching(store.root, [b"a"]).plan, {store.root: store})

    assert fetch.decision is not None
    assert (reader.decision, reader.waits_for) == (None, fetch.job)
