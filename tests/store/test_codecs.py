from __future__ import annotations

import json
import math
import threading
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crystallize.errors import NotReusableError, StoreError
from crystallize.store.codecs import decode_payload, encode_payload, pack, plain, unpack


def again(value: Any) -> Any:
    metrics, facts = decode_payload(encode_payload({"m": [value]}, {"f": value}))
    assert type(metrics["m"][0]) is type(facts["f"])
    return metrics["m"][0]


@pytest.mark.parametrize(
    "value",
    [
        *(1, -(2**70), 0.1, -0.0, math.inf, True, "ü", "\ud800", None, [], [1, "1", True, 1.0], {}, {"a": {"b": [1]}}),
        *((), (1, (2,)), {1, 2}, frozenset({1}), {1: "a", "1": "b", (1, 2): "c"}, b"\x00", Decimal("1.10")),
        *(datetime(2024, 1, 2, 3), datetime(2024, 1, 2, tzinfo=UTC), datetime(2024, 1, 2, fold=1)),
        datetime(2024, 1, 2, tzinfo=timezone(timedelta(hours=1), "CET")),
        *({"dict": 1}, [{"pickle": ["x"]}, (1,)], complex(1, 2), timedelta(seconds=1)),
        *(np.float64(0.1), np.float32(0.1), np.int64(3), np.bool_(True), np.str_("a"), np.datetime64("2024-01-02")),
    ],
    ids=repr,
)
def test_a_value_comes_back_with_its_type(value: Any) -> None:
    found = again(value)

    assert type(value) is type(found)
    assert repr(value) == repr(found)


def test_an_integer_longer_than_python_writes_comes_back() -> None:
    metrics = {"m": [10**5000]}

    assert decode_payload(encode_payload(metrics, {})) == (metrics, {})


def test_nan_comes_back_as_nan() -> None:
    assert math.isnan(again(math.nan))


@pytest.mark.parametrize(
    "array",
    [np.arange(6).reshape(2, 3), np.array(1.5), np.zeros((0, 3)), np.array(["a", "bc"]), np.array([{"a": 1}, None])],
    ids=repr,
)
def test_an_array_comes_back_with_shape_and_dtype_and_can_be_written(array: np.ndarray[Any, Any]) -> None:
    found = again(array)
    found[...] = found

    assert (array.dtype, array.shape, array.tolist()) == (found.dtype, found.shape, found.tolist())


def test_metrics_given_as_tuples_come_back_as_lists() -> None:
    assert decode_payload(encode_payload({"acc": (1, 2)}, {})) == ({"acc": [1, 2]}, {})


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.decimals(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text() | st.integers() | st.booleans(), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), st.lists(VALUES, max_size=3), max_size=3))
def test_any_nest_of_values_comes_back_as_it_was(metrics: dict[str, list[Any]]) -> None:
    found, _ = decode_payload(encode_payload(metrics, {}))

    assert repr(metrics) == repr(found)


def test_a_list_that_holds_itself_comes_back() -> None:
    value: list[Any] = [1]
    value.append(value)

    found = again(value)

    assert found[1] is found


def test_what_cannot_be_kept_is_refused_by_name() -> None:
    with pytest.raises(NotReusableError, match="metric 'lock': cannot be kept"):
        encode_payload({"acc": [1], "lock": [threading.Lock()]}, {})


def test_a_value_whose_class_is_gone_says_so() -> None:
    payload = encode_payload({"m": [timedelta(1)]}, {})
    body = json.loads(payload[1:])
    body[0][0][1][0]["pickle"] = "Y25vd2hlcmUKVGhpbmcKLg=="

    with pytest.raises(StoreError, match="its metrics cannot be read"):
        decode_payload(b"t" + json.dumps(body).encode())


def test_packed_digests_come_back_with_the_rest() -> None:
    digests = [bytes([n]) * 32 for n in range(3)]

    assert unpack(pack(digests, [["a", 1]])) == (digests, [["a", 1]])


class Thing:
    def __repr__(self) -> str:
        return "a thing"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (np.float64(0.5), 0.5),
        (np.longdouble(0.5), 0.5),
        (np.array([[1, 2]]), [[1, 2]]),
        (np.array(3), 3),
        ((1, {"a": (2,)}), [1, {"a": [2]}]),
        (frozenset("ab"), ["a", "b"]),
        ({1: "x"}, {"1": "x"}),
        (Decimal("1.5"), "1.5"),
        (Thing(), "a thing"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_plain_form_is_what_json_can_show(value: Any, shown: Any) -> None:
    assert shown == plain(value)
    assert type(shown) is type(plain(value))
