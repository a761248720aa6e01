from __future__ import annotations

import math
from typing import Any

import pytest

from crystallize.store.compare import DIFFERS, compared, first_difference, same_bits
from crystallize.store.store import Store

from .making import job, new, wrote


@pytest.mark.parametrize(
    ("old", "new_values", "same"),
    [
        ([1, 2.5, "x", None], [1, 2.5, "x", None], True),
        ([math.nan, -0.0], [math.nan, -0.0], True),
        ([0.0], [-0.0], False),
        ([1], [1.0], False),
        ([True], [1], False),
        ([0.1 + 0.2], [0.3], False),
        ([b"a"], [b"a"], True),
        (None, [], False),
        (None, None, True),
    ],
)
def test_values_are_the_same_when_their_bits_are(old: Any, new_values: Any, same: bool) -> None:
    assert same_bits(old, new_values) is same


def test_the_first_artifact_that_differs_is_named_before_any_metric(store: Store) -> None:
    a = wrote(store, "a.txt", b"1")["outputs"]
    b, other = wrote(store, "b.txt", b"2")["outputs"], wrote(store, "b.txt", b"3")["outputs"]

    assert first_difference(a + b, {"m": [1]}, a + b, {"m": [1]}) is None
    assert first_difference(a + b, {"m": [1]}, a + other, {"m": [2]}) == "artifact 'b.txt' of step S"
    assert first_difference(a + b, {}, a, {}) == "artifact 'b.txt' of step S"
    assert first_difference(a, {"m": [1], "n": [1]}, a, {"m": [1], "n": [2]}) == "metric 'n' (1 → 2)"
    assert first_difference(a, {"m": [1]}, a, {}) == "metric 'm' (1 → none)"


def test_a_record_says_so_when_its_fingerprint_gave_something_else_before(store: Store) -> None:
    store.put_many([new(metrics={"m": [1]}, run=1)])

    record = compared(new(metrics={"m": [2]}, run=2), store)

    assert record.facts[DIFFERS].startswith("metric 'm' (1 → 2) came out differently in runs 1 and 2")


def test_it_goes_on_saying_so_when_the_outcome_comes_again(store: Store) -> None:
    store.put_many([new(metrics={"m": [1]}, run=1)])
    store.put_many([compared(new(metrics={"m": [2]}, run=2), store)])

    again = compared(new(metrics={"m": [2]}, run=3), store)

    assert "runs 1 and 2" in again.facts[DIFFERS]


def test_equal_outcomes_and_other_fingerprints_are_no_difference(store: Store) -> None:
    store.put_many([new(metrics={"m": [1]}, run=1), new(job(lr=9), metrics={"m": [5]}, run=1)])

    record = new(metrics={"m": [1]}, run=2)

    assert compared(record, store) is record
