"""Jobs that know only when others have ended what they read and do, and jobs whose failure others survive."""

from collections.abc import Mapping, Sequence
from typing import Any

from crystallize.engine.foresee import foresee
from crystallize.errors import MissingArtifactError
from crystallize.fingerprint.digest import digest_of
from crystallize.fingerprint.manifest import Part
from crystallize.plan import events
from crystallize.plan.job import Outcome, Resolved, Yield
from crystallize.plan.workspace import Workspace
from crystallize.store.reuse import Hit, Miss
from crystallize.store.store import Store
from tests.engine.scripted import Planned, ScriptedWork
from tests.engine.test_run import run


def writes(*names: str) -> Any:
    def script(workspace: Workspace) -> Mapping[str, Sequence[Any]]:
        for name in names:
            workspace.write(name, "", name.encode())
        return {"n": [len(names)]}

    return script


def planned(store: Store, *names: str, seen: list[Any]) -> Planned:
    """`a` writes files of these names; `b` reads whatever `a` left."""
    made = Planned(store.root)
    a = made.job("a", script=writes(*names), key=" ".join(names))
    b = made.job("b")

    def late(left: Mapping[int, Yield]) -> Resolved:
        found = left[a.index]
        part = Part("input.files", digest_of("files/1", *(each.digest for each in found.outputs)), "files")

        def script(workspace: Workspace) -> Mapping[str, Sequence[Any]]:
            seen.append(([each.name for each in found.outputs], found.metrics["n"]))
            return {}

        return Resolved(("b", script), (part,))

    b.waits, b.late = (a.index,), late
    return made


def test_a_job_is_what_follows_from_what_those_before_it_left(store: Store) -> None:
    seen: list[Any] = []

    run(planned(store, "x", "y", seen=seen), store)
    log = run(planned(store, "x", "y", seen=seen), store)

    assert seen == [(["x", "y"], [2])]
    assert len(log.of(events.JobReused)) == 2


def test_one_more_file_before_it_runs_it_again(store: Store) -> None:
    seen: list[Any] = []
    run(planned(store, "x", seen=seen), store)

    run(planned(store, "x", "y", seen=seen), store)

    assert seen == [(["x"], [1]), (["x", "y"], [2])]


def test_a_dry_run_resolves_what_it_can(store: Store) -> None:
    seen: list[Any] = []
    run(planned(store, "x", seen=seen), store)

    same = foresee(planned(store, "x", seen=seen).plan, {store.root: store})
    changed = foresee(planned(store, "y", seen=seen).plan, {store.root: store})

    assert [type(each.decision) for each in same] == [Hit, Hit]
    assert [type(each.decision) for each in changed] == [Miss, type(None)]
    assert seen == [(["x"], [1])]


def test_what_resolving_raises_fails_the_job_unrun(store: Store) -> None:
    made = Planned(store.root)
    made.job("a")
    b = made.job("b")

    def late(left: Mapping[int, Yield]) -> Resolved:
        raise MissingArtifactError("nothing fits")

    b.waits, b.late = (0,), late

    log = run(made, store)

    assert [str(event.error) for event in log.of(events.JobFailed)] == ["nothing fits"]
    assert made.works[0].calls == ["begin", "a", "end"]


class FailingWork(ScriptedWork):
    """Its jobs leave a file and fail."""

    async def run(self, task: Any, workspace: Workspace) -> Outcome:
        outcome = await super().run(task, workspace)
        if task[0] == "a":
            outcome.error = RuntimeError("went wrong")
        return outcome


def failing(store: Store, *, goes_on: bool) -> Planned:
    made = Planned(store.root)
    made.group()
    made.plan.groups[0].work = made.works[0] = FailingWork()
    made.job("a", script=writes("left")).goes_on = goes_on
    b = made.job("b")
    b.waits = (0,)
    return made


def test_what_a_failed_job_left_is_kept_and_never_reused(store: Store) -> None:
    first = run(failing(store, goes_on=False), store)
    second = run(failing(store, goes_on=False), store)

    record = store.last_of_label("g/a")

    assert record is not None
    assert [output.name for output in record.outputs] == ["left"]
    for log in (first, second):
        assert [event.job.label for event in log.of(events.JobFailed)] == ["g/a"]
        assert [event.job.label for event in log.of(events.JobBlocked)] == ["g/b"]
        assert not log.of(events.JobReused)


def test_what_waits_for_a_forgiven_job_runs_although_it_failed(store: Store) -> None:
    log = run(failing(store, goes_on=True), store)

    assert [event.job.label for event in log.of(events.JobFailed)] == ["g/a"]
    assert [event.job.label for event in log.of(events.JobDone)] == ["g/b"]
