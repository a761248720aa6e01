from __future__ import annotations

from pathlib import Path

from crystallize.store.pins import Pin, keep_pins, pinned_records
from crystallize.store.store import Store


def test_nothing_is_pinned_in_a_fresh_store(store: Store) -> None:
    assert pinned_records(store.database) == set()


def test_pins_stay_when_others_are_added(store: Store) -> None:
    keep_pins(store.database, [Pin("a/baseline/0", 1, 1), Pin("a/baseline/1", 2, 1)])
    keep_pins(store.database, [Pin("a/baseline/0", 7, 3), Pin("a/baseline/1", 2, 3)])

    assert pinned_records(store.database) == {1, 2, 7}


def test_a_store_that_may_not_be_written_is_not(tmp_path: Path) -> None:
    Store.open(tmp_path).close()
    reader = Store.open(tmp_path, write=False)

    found = pinned_records(reader.database)

    assert found == set()
    reader.close()
