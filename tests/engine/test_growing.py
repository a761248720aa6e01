"""Plans that grow: jobs whose number is known only when others have ended."""

from collections.abc import Mapping, Sequence
from typing import Any

from crystallize.engine.foresee import foresee
from crystallize.plan import events
from crystallize.plan.job import Yield
from crystallize.plan.plan import Growth
from crystallize.plan.workspace import Workspace
from crystallize.store.reuse import Hit, Miss
from crystallize.store.store import Store
from tests.engine.scripted import Planned
from tests.engine.test_run import run


def planned(store: Store, values: Sequence[int], *, fails: bool = False) -> Planned:
    """`a` tells values; there is a `b` for each of them, and a `c` that reads them all; unknown: one `b`."""
    made = Planned(store.root)

    def script(workspace: Workspace) -> Mapping[str, Sequence[Any]]:
        if fails:
            raise ValueError("no values")
        return {"values": list(values)}

    a = made.job("a", script=script, key=f"{values}")

    def grow(left: Mapping[int, Yield] | None) -> None:
        found: Sequence[Any] = ["?"] if left is None else left[a.index].metrics["values"]
        indices = []
        for value in found:
            b = made.job(f"b{value}")
            b.waits = (a.index,)
            indices.append(b.index)
        made.job("c", key=f"c of {found}").waits = tuple(indices)

    made.plan.growths.append(Growth(group=0, waits=(a.index,), grow=grow))
    return made


def labels(found: Sequence[Any]) -> list[str]:
    return [event.job.label.removeprefix("g/") for event in found]


def test_a_plan_grows_by_what_a_job_has_left(store: Store) -> None:
    log = run(planned(store, [1, 2]), store)

    assert labels(log.of(events.JobDone)) == ["a", "b1", "b2", "c"]
    assert len(log.of(events.GroupSettled)) == 1


def test_what_has_grown_is_reused_without_an_event_loop(store: Store) -> None:
    run(planned(store, [1, 2]), store)
    log = run(planned(store, [1, 2]), store)
    wider = run(planned(store, [1, 2, 3]), store)

    assert labels(log.of(events.JobReused)) == ["a", "b1", "b2", "c"]
    assert labels(wider.of(events.JobReused)) == ["b1", "b2"]
    assert labels(wider.of(events.JobDone)) == ["a", "b3", "c"]


def test_what_would_grow_from_a_failure_is_blocked(store: Store) -> None:
    log = run(planned(store, [], fails=True), store)

    assert labels(log.of(events.JobBlocked)) == ["b?", "c"]
    assert len(log.of(events.GroupSettled)) == 1


def test_a_dry_run_grows_only_by_what_is_known(store: Store) -> None:
    before = foresee(planned(store, [1]).plan, {store.root: store})
    run(planned(store, [1]), store)
    after = foresee(planned(store, [1]).plan, {store.root: store})

    assert labels(before) == ["a", "b?", "c"]
    assert isinstance(before[0].decision, Miss)
    assert [each.decision for each in before[1:]] == [None, None]
    assert labels(after) == ["a", "b1", "c"]
    assert all(isinstance(each.decision, Hit) for each in after)
