"""Sweeping: what may go, what never goes, and in which order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crystallize.errors import StoreError
from crystallize.fingerprint.digest import Digest
from crystallize.store.memo import Memo
from crystallize.store.pins import Pin, keep_pins
from crystallize.store.record import Record
from crystallize.store.reuse import Hit, Miss, decide
from crystallize.store.store import Store
from crystallize.store.sweep import DAY_SECONDS, Rules, plan_sweep, sweep
from crystallize.store.views import View, ViewFile

from .making import ask, job, new, wrote

LARGE = b"x" * 50_000


def recorded(store: Store, lr: float, data: bytes, label: str = "a/baseline/0", **fields: Any) -> Record:
    [record] = store.put_many([new(job(lr), label, **wrote(store, "out.bin", data), **fields)])
    return record


def aged(store: Store, record: Record, days: float) -> None:
    with store.database.transaction() as connection:
        connection.execute(
            "UPDATE records SET created = created - ? WHERE number = ?", (days * DAY_SECONDS, record.number)
        )


def shown(store: Store, record: Record) -> None:
    path = "a/v0/replicate_0/baseline/S/out.bin"
    [output] = record.outputs
    stat = store.lay(output, store.root / path)
    file = ViewFile(path, output.digest, output.size_bytes, stat.st_mtime_ns, output.is_tree)
    store.views.put([View("a/v0", "baseline", "complete", None, None, (file,))])


def numbers(plan: Any) -> list[int]:
    return [record.number for record, _ in plan.results]


def test_a_sweep_without_rules_takes_only_what_nothing_refers_to(store: Store) -> None:
    record = recorded(store, 0.1, LARGE)
    orphan = store.keep_bytes("killed.bin", "S", LARGE + b"!")[0]

    done = sweep(store, Rules())

    assert (done.results, done.orphans) == ((), {orphan.digest})
    assert done.freed_bytes == len(LARGE) + 1
    assert store.blobs.sizes().keys() == {record.outputs[0].digest}


def test_planning_changes_nothing(store: Store) -> None:
    recorded(store, 0.1, LARGE)
    recorded(store, 0.2, LARGE + b"2")
    store.keep_bytes("killed.bin", "S", LARGE + b"!")
    before = store.blobs.sizes()

    plan = plan_sweep(store, Rules(keep_last=0))

    assert numbers(plan) == [1, 2]
    assert store.blobs.sizes() == before


@pytest.mark.parametrize("data", [b"small", LARGE])
def test_a_swept_job_runs_again_and_says_so(store: Store, data: bytes) -> None:
    recorded(store, 0.1, data)
    recorded(store, 0.2, data + b"2")

    sweep(store, Rules(keep_last=1))
    decision = decide(ask(job(0.1)), store)

    assert isinstance(decision, Miss) and decision.kind == "gone"
    assert decision.why.startswith("artifact 'out.bin' of step 'S' was swept on ")
    assert decision.why.endswith("(not among the last 1)")
    assert isinstance(decide(ask(job(0.2)), store), Hit)


def test_metrics_and_manifests_stay_when_blobs_go(store: Store) -> None:
    recorded(store, 0.1, LARGE, metrics={"acc": [0.75]})

    sweep(store, Rules(keep_last=0))
    [[record]] = store.lookup.all([job(0.1).fingerprint]).values()

    assert record.metrics == {"acc": [0.75]}
    assert store.manifest_of(record.number) == ("trial/1", list(job(0.1).parts()))
    assert store.blobs.sizes() == {}


def test_a_swept_result_serves_again_once_its_job_has_run(store: Store) -> None:
    recorded(store, 0.1, LARGE)
    sweep(store, Rules(keep_last=0))

    recorded(store, 0.1, LARGE)

    assert isinstance(decide(ask(job(0.1)), store), Hit)


def test_results_without_artifacts_are_reused_for_ever(store: Store) -> None:
    store.put_many([new(job(0.1)), new(job(0.2))])

    sweep(store, Rules(keep_last=0, older_than_s=0.0, max_bytes=0))

    assert isinstance(decide(ask(job(0.1)), store), Hit)


def test_only_old_results_go_by_age_and_the_newest_of_a_trial_stays(store: Store) -> None:
    records = [recorded(store, lr, LARGE + str(lr).encode()) for lr in (0.1, 0.2, 0.3, 0.4)]
    for record, days in zip(records, (50, 40, 10, 31), strict=True):
        aged(store, record, days)

    plan = plan_sweep(store, Rules(older_than_s=30 * DAY_SECONDS))

    assert numbers(plan) == [1, 2]
    assert {why for _, why in plan.results} == {"older than 30 days"}


def test_keep_last_protects_from_the_other_rules(store: Store) -> None:
    for lr in (0.1, 0.2, 0.3):
        aged(store, recorded(store, lr, LARGE + str(lr).encode()), 50)

    assert numbers(plan_sweep(store, Rules(older_than_s=DAY_SECONDS, keep_last=2))) == [1]
    assert numbers(plan_sweep(store, Rules(older_than_s=DAY_SECONDS, keep_last=0))) == [1, 2, 3]
    assert numbers(plan_sweep(store, Rules(max_bytes=0, keep_last=3))) == []


def test_keep_last_counts_each_trial_by_itself(store: Store) -> None:
    for replicate in (0, 1):
        for lr in (0.1, 0.2):
            recorded(store, lr + replicate, LARGE + f"{lr}{replicate}".encode(), f"a/baseline/{replicate}")

    assert numbers(plan_sweep(store, Rules(keep_last=1))) == [1, 3]


def test_what_a_view_shows_is_never_removed(store: Store) -> None:
    shown(store, recorded(store, 0.1, LARGE))
    recorded(store, 0.2, LARGE + b"2")

    sweep(store, Rules(keep_last=0, older_than_s=0.0, max_bytes=0))

    assert isinstance(decide(ask(job(0.1)), store), Hit)
    assert isinstance(decide(ask(job(0.2)), store), Miss)


def test_the_files_of_a_folder_that_a_view_shows_are_never_removed(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "weights").write_bytes(LARGE)
    (folder / "names").write_bytes(b"small")
    output, small = store.keep_path("out.bin", "S", folder)
    [record] = store.put_many([new(job(0.1), outputs=(output,), small_blobs=small)])
    shown(store, record)

    sweep(store, Rules(keep_last=0))

    assert len(store.blobs.sizes()) == 3
    assert store.missing_output(record) is None


def test_a_folder_goes_with_its_files(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "weights").write_bytes(LARGE)
    (folder / "names").write_bytes(b"small")
    output, small = store.keep_path("out.bin", "S", folder)
    store.put_many([new(job(0.1), outputs=(output,), small_blobs=small)])

    done = sweep(store, Rules(keep_last=0))

    assert store.blobs.sizes() == {}
    assert done.freed_bytes >= len(LARGE) + len(b"small")


def test_a_pinned_record_is_never_swept(store: Store) -> None:
    record = recorded(store, 0.1, LARGE)
    recorded(store, 0.2, LARGE + b"2")
    keep_pins(store.database, [Pin("a/baseline/0", record.number, 1)])

    plan = plan_sweep(store, Rules(keep_last=0, max_bytes=0))

    assert numbers(plan) == [2]


def test_a_blob_goes_with_the_last_result_that_wrote_it(store: Store) -> None:
    recorded(store, 0.1, LARGE)
    recorded(store, 0.2, LARGE)

    kept = sweep(store, Rules(keep_last=1))
    gone = sweep(store, Rules(keep_last=0))

    assert (kept.results, kept.freed_bytes) == ((), 0)
    assert numbers(gone) == [1, 2]


def test_with_a_size_budget_what_is_cheap_to_make_again_per_byte_goes_first(store: Store) -> None:
    recorded(store, 0.1, LARGE + b"1", seconds=100.0)
    recorded(store, 0.2, LARGE + b"2", seconds=1.0)
    recorded(store, 0.3, b"y" * 20_000, seconds=1.0)
    recorded(store, 0.4, LARGE + b"4", seconds=0.1)
    total = plan_sweep(store, Rules()).before_bytes

    assert numbers(plan_sweep(store, Rules(max_bytes=total - 1))) == [2]
    assert numbers(plan_sweep(store, Rules(max_bytes=total - 60_000))) == [2, 3]
    assert numbers(plan_sweep(store, Rules(max_bytes=total - 80_000))) == [1, 2, 3]
    assert numbers(plan_sweep(store, Rules(max_bytes=0, keep_last=0))) == [1, 2, 3, 4]


def test_a_budget_that_holds_already_removes_nothing(store: Store) -> None:
    recorded(store, 0.1, LARGE)
    recorded(store, 0.2, LARGE + b"2")

    plan = plan_sweep(store, Rules(max_bytes=10**9))

    assert (plan.results, plan.after_bytes) == ((), plan.before_bytes)


def test_a_budget_brings_the_store_below_it(store: Store) -> None:
    for n in range(20):
        recorded(store, float(n), LARGE + str(n).encode())
    budget = plan_sweep(store, Rules()).before_bytes - 500_000

    done = sweep(store, Rules(max_bytes=budget))
    store.close()

    assert len(done.results) == 10
    assert sum(path.stat().st_size for path in store.folder.rglob("*") if path.is_file()) <= budget + 50_000


def memo(store: Store, key: int, data: bytes, seconds: float = 1.0) -> None:
    output, small = store.keep_bytes("memo", "", data)
    made = Memo(contents=output, artifacts=(), observations=(), seconds=seconds, run=1, label="")
    store.memos.put(Digest(bytes(32)), ["a"], Digest(bytes([key]) * 32), made, small)


def test_memos_of_steps_go_by_age_and_size_and_are_made_anew(store: Store) -> None:
    memo(store, 1, LARGE)
    memo(store, 2, b"small")

    unasked, by_age = sweep(store, Rules(keep_last=0)), sweep(store, Rules(older_than_s=0.0))

    assert (unasked.memos, unasked.orphans) == ((), frozenset())
    assert len(by_age.memos) == 2
    assert not store.memos.find(Digest(bytes([1]) * 32))
    assert store.blobs.sizes() == {}


def test_a_blob_that_a_memo_shares_with_a_result_stays_for_the_memo(store: Store) -> None:
    recorded(store, 0.1, LARGE)
    memo(store, 1, LARGE)

    assert sweep(store, Rules(keep_last=0)).results == ()
    assert len(store.blobs.sizes()) == 1


def test_what_an_unknown_table_refers_to_stays(store: Store) -> None:
    named, packed, text = (store.keep_bytes("x", "S", LARGE + bytes([n]))[0].digest for n in range(3))
    with store.database.transaction() as connection:
        connection.execute("CREATE TABLE rooms_to_come (a BLOB, b BLOB, c TEXT)")
        connection.execute(
            "INSERT INTO rooms_to_come VALUES (?, ?, ?)",
            (named, (1).to_bytes(4, "little") + packed + b"[]", f"see {text.hex()}"),
        )

    assert plan_sweep(store, Rules()).orphans == frozenset()


def test_no_sweep_while_a_job_runs_and_no_job_while_sweeping(store: Store) -> None:
    other = Store.open(store.root)
    fingerprint = job().fingerprint
    assert other.locks.try_lock(fingerprint)

    with pytest.raises(StoreError, match="a run is using the store; wait until it has ended"):
        sweep(store, Rules())
    other.locks.unlock(fingerprint)
    with store.locks.alone() as alone:
        started = other.locks.try_lock(fingerprint)
    other.close()

    assert (alone, started) == (True, False)


def test_what_killed_jobs_left_in_views_goes_after_a_day(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    view = store.root / "a/v0/baseline"
    view.mkdir(parents=True)
    for name in (".new-1-2", ".newest", "results.json"):
        (view / name).write_bytes(b"123")
    (view / ".new-3-4").mkdir()
    (view / ".new-3-4/member").write_bytes(b"45")

    young = sweep(store, Rules())
    monkeypatch.setattr("crystallize.store.sweep.LEFT_SECONDS", -1.0)
    old = sweep(store, Rules())

    assert young.left == ()
    assert old.left == (view / ".new-1-2", view / ".new-3-4") and old.freed_bytes == 5
    assert old.after_bytes >= 0
    assert sorted(path.name for path in view.iterdir()) == [".newest", "results.json"]


def test_what_killed_jobs_left_goes_after_a_day(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    left = store.scratch_folder() / "job-1"
    left.mkdir()
    (left / "half").write_bytes(b"123")

    young = plan_sweep(store, Rules())
    monkeypatch.setattr("crystallize.store.sweep.LEFT_SECONDS", -1.0)
    old = sweep(store, Rules())

    assert young.left == ()
    assert (old.left, old.freed_bytes) == ((left,), 3)
    assert not left.exists()


def test_killed_between_its_commit_and_its_files_a_sweep_can_be_repeated(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded(store, 0.1, LARGE)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(type(store.blobs), "remove_files", die)
        with pytest.raises(KeyboardInterrupt):
            sweep(store, Rules(keep_last=0))
    meanwhile = decide(ask(job(0.1)), store)
    sweep(store, Rules(keep_last=0))

    assert isinstance(meanwhile, Hit)
    assert store.blobs.sizes() == {}
    assert isinstance(decide(ask(job(0.1)), store), Miss)


def test_a_reader_is_told_what_was_swept(store: Store) -> None:
    recorded(store, 0.1, LARGE)
    sweep(store, Rules(keep_last=0))
    reader = Store.open(store.root, write=False)

    decision = decide(ask(job(0.1)), reader)
    reader.close()

    assert isinstance(decision, Miss) and "was swept on" in decision.why


@settings(deadline=None)
@given(
    results=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5), st.floats(0, 10), st.integers(0, 9)), max_size=12),
    keep=st.none() | st.integers(0, 2),
    days=st.none() | st.integers(0, 8),
    share=st.none() | st.floats(0, 1),
    shown_ones=st.sets(st.integers(0, 11)),
)
def test_whatever_is_asked_what_is_needed_stays_and_the_plan_comes_true(
    tmp_path_factory: pytest.TempPathFactory,
    results: list[tuple[int, int, float, int]],
    keep: int | None,
    days: int | None,
    share: float | None,
    shown_ones: set[int],
) -> None:
    store = Store.open(tmp_path_factory.mktemp("data"))
    records = []
    for n, (trial, content, seconds, age) in enumerate(results):
        data = bytes([content]) * (10 if content % 2 else 20_000)
        records.append(recorded(store, n, data, f"a/baseline/{trial}", seconds=seconds))
        aged(store, records[-1], age)
    for n in shown_ones:
        if n < len(records):
            keep_pins(store.database, [Pin("x", records[n].number, 1)])
    before = plan_sweep(store, Rules()).before_bytes
    rules = Rules(
        keep_last=keep,
        older_than_s=None if days is None else days * DAY_SECONDS,
        max_bytes=None if share is None else round(before * share),
    )
    plan = plan_sweep(store, rules)
    done = sweep(store, rules)
    newest: dict[str, int] = {record.label: record.number for record in records}
    safe = {records[n].number for n in shown_ones if n < len(records)}
    safe |= set(newest.values()) if keep != 0 else set()
    missing = store.missing_outputs(records)
    store.close()

    assert (plan.results, plan.lost, plan.freed_bytes) == (done.results, done.lost, done.freed_bytes)
    assert missing.keys() == {record.number for record, _ in done.results}
    assert not missing.keys() & safe
