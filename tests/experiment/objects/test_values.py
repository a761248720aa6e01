import math
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from crystallize.experiment.objects.values import copied, is_same

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=20,
)


@given(values)
def test_a_copy_is_the_same(value: Any) -> None:
    assert is_same(copied(value), value)


@given(st.lists(values, min_size=1))
def test_a_change_of_the_copy_does_not_reach_the_original(value: list[Any]) -> None:
    before = repr(value)

    copy = copied(value)
    copy.append(1)
    for inner in copy:
        if isinstance(inner, (list, dict)):
            inner.clear()

    assert repr(value) == before


@given(values, values)
def test_sameness_is_symmetric(one: Any, other: Any) -> None:
    assert is_same(one, other) == is_same(other, one)


def test_subclasses_keep_their_fields_when_copied() -> None:
    class Named(list[int]):
        name = ""

    original = Named([1])
    original.name = "x"

    copy = copied(original)
    copy.append(2)

    assert (type(copy), copy.name, original) == (Named, "x", [1])


def test_arrays_with_gaps_are_the_same() -> None:
    assert is_same(np.array([1.0, math.nan]), np.array([1.0, math.nan]))
    assert not is_same(np.array([1.0, math.nan]), np.array([math.nan, 1.0]))
