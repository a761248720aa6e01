"""Forgetting: exactly what was named is dropped."""

from __future__ import annotations

import pytest

from crystallize.fingerprint.digest import Digest
from crystallize.store.forget import forget, labels_of
from crystallize.store.memo import Memo
from crystallize.store.pins import Pin, keep_pins, pinned_records
from crystallize.store.reuse import Hit, Miss, decide
from crystallize.store.store import Store

from .making import ask, job, new, wrote

FIRST = Digest(bytes(32))
LABELS = ("a/baseline/0", "a/baseline/1", "a/high/0", "a/high/10", "ab/baseline/0")


@pytest.fixture
def filled(store: Store) -> Store:
    store.put_many([new(job(n), label, **wrote(store, "x", label.encode())) for n, label in enumerate(LABELS)])
    return store


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ("a", LABELS[:4]),
        ("a:baseline", LABELS[:2]),
        ("a:high:1", ()),
        ("a:high:10", LABELS[3:4]),
        ("b", ()),
    ],
)
def test_a_selection_means_whole_names_only(filled: Store, selection: str, expected: tuple[str, ...]) -> None:
    assert tuple(labels_of(filled, selection)) == expected


def test_what_is_forgotten_runs_again_as_if_for_the_first_time(filled: Store) -> None:
    done = forget(filled, "a:baseline")
    decisions = [decide(ask(job(n), label=label), filled) for n, label in enumerate(LABELS)]

    assert (done.labels, done.records) == (LABELS[:2], 2)
    assert [isinstance(each, Hit) for each in decisions] == [False, False, True, True, True]
    assert isinstance(decisions[0], Miss) and decisions[0].kind == "first"


def test_what_only_they_referred_to_goes_with_them(filled: Store) -> None:
    done = forget(filled, "a")

    assert done.freed_bytes == sum(map(len, LABELS[:4]))
    assert len(filled.blobs.sizes()) == 1


def test_a_pin_goes_with_its_record(filled: Store) -> None:
    keep_pins(filled.database, [Pin("a/baseline/0", 1, 1), Pin("ab/baseline/0", 5, 1)])

    assert forget(filled, "a").pinned == 1
    assert pinned_records(filled.database) == {5}


def test_numbers_of_forgotten_records_are_not_given_again(filled: Store) -> None:
    forget(filled, "ab")
    [record] = filled.put_many([new(job(99))])

    assert record.number == len(LABELS) + 1


@pytest.mark.parametrize(("selection", "gone"), [("a", 2), ("a:high", 1), ("a:high:1", 0), ("ab", 1)])
def test_memos_go_with_the_trials_that_made_them(filled: Store, selection: str, gone: int) -> None:
    labels = ("a/baseline/0", "a/high/10", "ab/baseline/0")
    for n, label in enumerate(labels):
        contents, small = filled.memos.keep_bytes("contents", label.encode() * 2)
        memo = Memo(contents=contents, artifacts=(), observations=(), seconds=1.0, run=1, label=label)
        filled.memos.put(FIRST, (), Digest(bytes([n]) * 32), memo, small)

    done = forget(filled, selection)
    left = [memo.label for n in range(3) for memo in filled.memos.find(Digest(bytes([n]) * 32))]

    assert done.memos == gone == len(labels) - len(left)
    assert not [label for label in left if f"{label}/".startswith(selection.replace(":", "/") + "/")]


def test_forgetting_twice_forgets_nothing(filled: Store) -> None:
    forget(filled, "a")

    assert forget(filled, "a").records == 0
