from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crystallize.fingerprint.manifest import Manifest, PartTable
from crystallize.history.history import History
from crystallize.history.served import _Ranges, _ranges
from crystallize.store.record import NewRecord
from crystallize.store.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "data")
    yield opened
    opened.close()


def record(store: Store, *labels: str, run: int) -> list[int]:
    made_of = Manifest("test/1", PartTable(()), ())
    new = [NewRecord(manifest=made_of, label=label, metrics={}, run=run) for label in labels]
    return [each.number for each in store.put_many(new)]


def test_a_run_was_served_by_what_it_made_and_what_it_reused(store: Store) -> None:
    served = History(store).served
    first, second = record(store, "a/baseline/0", "a/baseline/1", run=1)
    (third,) = record(store, "a/baseline/1", run=2)

    served.keep(2, [first], {})

    assert served.of(1, "a") == {"a/baseline/0": first, "a/baseline/1": second}
    assert served.of(2, "a") == {"a/baseline/0": first, "a/baseline/1": third}


def test_a_run_that_went_back_was_served_by_the_older_record(store: Store) -> None:
    served = History(store).served
    (old,) = record(store, "a/baseline/0", run=1)
    (new,) = record(store, "a/baseline/0", run=2)

    served.keep(3, [old], {})

    assert served.of(2, "a") == {"a/baseline/0": new}
    assert served.of(3, "a") == {"a/baseline/0": old}


def test_the_record_of_another_experiment_is_found_by_the_label_it_served(store: Store) -> None:
    served = History(store).served
    (number,) = record(store, "old/baseline/0", run=1)

    served.keep(2, [], {"new/baseline/0": number})

    assert served.of(2, "new") == {"new/baseline/0": number}
    assert served.of(2, "old") == {}


def test_experiments_whose_names_begin_alike_are_told_apart(store: Store) -> None:
    record(store, "train/baseline/0", "train2/baseline/0", "train-x/baseline/0", run=1)

    assert list(History(store).served.of(1, "train")) == ["train/baseline/0"]


def test_a_record_that_is_gone_serves_no_more(store: Store) -> None:
    served = History(store).served
    numbers = record(store, "a/baseline/0", "old/baseline/0", run=1)
    served.keep(2, numbers[:1], {"a/baseline/1": numbers[1]})

    with store.database.transaction() as connection:
        connection.execute("DELETE FROM records")

    assert served.of(2, "a") == {}


def test_a_store_that_may_not_be_written_and_knows_no_such_rows_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "data")
    (number,) = record(store, "a/baseline/0", run=1)
    store.close()

    reader = Store.open(tmp_path / "data", write=False)
    found = History(reader).served.of(1, "a")
    reader.close()

    assert found == {"a/baseline/0": number}


@given(st.sets(st.integers(1, 60)))
def test_ranges_hold_exactly_their_numbers(numbers: set[int]) -> None:
    ranges = _Ranges(_ranges(numbers))

    assert {number for number in range(62) if number in ranges} == numbers
