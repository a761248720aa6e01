"""Records by fingerprint, of which there may be as many as a job was run again."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crystallize.store import lookup
from crystallize.store.reuse import After, Exactly, Force, Hit, Policy, Use, decide, decide_many
from crystallize.store.store import Store

from .making import ask, job, new, wrote

RUNS = 30
RECORDS = st.tuples(st.integers(0, 2), st.integers(1, 4), st.booleans())
"""Which job, in which run, and whether what it wrote is there."""
POLICIES = st.one_of(st.just(Use()), st.just(Force("rerun")), st.builds(After, st.integers(0, 9), st.just("failed")))


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of the records that are read from here on."""
    numbers: list[int] = []
    real = lookup.record_of

    def record_of(row):
        numbers.append(row[0])
        return real(row)

    monkeypatch.setattr(lookup, "record_of", record_of)
    return numbers


@pytest.fixture
def rerun(store: Store) -> Store:
    """A store in which two jobs ran again and again."""
    for run in range(1, RUNS + 1):
        store.put_many([new(job(lr), run=run) for lr in (0.1, 0.2)])
    return store


def test_the_newest_record_of_each_is_found(rerun: Store) -> None:
    wanted = [job(lr).fingerprint for lr in (0.1, 0.2, 0.3)]

    found = rerun.lookup.newest(wanted)

    assert [found[fingerprint].number for fingerprint in wanted[:2]] == [2 * RUNS - 1, 2 * RUNS]
    assert wanted[2] not in found
    assert [rerun.lookup.newest([each]).get(each) for each in wanted] == [found.get(each) for each in wanted]


def test_the_newest_record_of_a_run_is_found(rerun: Store) -> None:
    [again] = rerun.put_many([new(job(0.1), run=7)])

    found = rerun.lookup.newest_of_run([job(lr).fingerprint for lr in (0.1, 0.2, 0.3)], 7)

    assert sorted(record.number for record in found.values()) == [14, again.number]


def test_where_the_newest_cannot_be_read_the_one_before_is_found(
    rerun: Store, caplog: pytest.LogCaptureFixture
) -> None:
    with rerun.database.transaction() as connection:
        connection.execute("UPDATE records SET payload = x'00' WHERE number > 56")

    found = rerun.lookup.newest([job(lr).fingerprint for lr in (0.1, 0.2)])

    assert sorted(record.number for record in found.values()) == [55, 56]
    assert len(caplog.records) == 4  # each of those that cannot be read is told of once


@pytest.mark.parametrize("policy", [Use(), After(3, "completion marker removed"), Force("rerun")])
def test_a_decision_reads_no_more_though_its_job_often_ran(rerun: Store, read: list[int], policy: Policy) -> None:
    decisions = decide_many([ask(job(lr), policy) for lr in (0.1, 0.2)], rerun, run=RUNS)

    assert [decision.record.number for decision in decisions if isinstance(decision, Hit)] == [59, 60]
    assert sorted(read) == [59, 60]


def test_a_forced_job_reads_no_record_of_another_run(rerun: Store, read: list[int]) -> None:
    decision = decide(ask(job(0.1), Force("rerun")), rerun, run=RUNS + 1)

    assert not isinstance(decision, Hit)
    assert read == []


def test_older_records_are_read_only_where_the_newest_has_a_flaw(store: Store, read: list[int]) -> None:
    for lr in (0.1, 0.2):
        store.put_many([new(job(lr), **wrote(store, "x.json", b"old %f" % lr)) for _ in range(3)])
    store.put_many([new(job(0.1), **wrote(store, "x.json", b"new") | {"small_blobs": {}})])

    decisions = decide_many([ask(job(lr)) for lr in (0.1, 0.2)], store)

    assert [decision.record.number for decision in decisions if isinstance(decision, Hit)] == [3, 6]
    assert {4, 5}.isdisjoint(read)


@settings(deadline=None)
@given(st.lists(RECORDS, max_size=12), st.lists(st.tuples(st.integers(0, 2), POLICIES), max_size=4), st.integers(0, 4))
def test_what_serves_is_the_newest_that_the_policy_admits_and_that_is_whole(
    tmp_path_factory: pytest.TempPathFactory,
    records: list[tuple[int, int, bool]],
    asked: list[tuple[int, Policy]],
    run: int,
) -> None:
    store = Store.open(Path(tmp_path_factory.mktemp("root")))
    serving: list[int | None] = [None for _ in asked]
    for position, (lr, made_in, is_whole) in enumerate(records):
        fields = wrote(store, "x.json", b"%d" % position)
        [record] = store.put_many([new(job(lr), run=made_in, **fields | ({} if is_whole else {"small_blobs": {}}))])
        for number, (wanted, policy) in enumerate(asked):
            if wanted == lr and is_whole and not isinstance(policy, Exactly) and policy.admits(record, run):
                serving[number] = record.number

    decisions = decide_many([ask(job(lr), policy) for lr, policy in asked], store, run)
    store.close()

    assert [each.record.number if isinstance(each, Hit) else None for each in decisions] == serving
