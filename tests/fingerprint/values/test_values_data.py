from __future__ import annotations

import datetime
from typing import Any

import attrs
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pydantic
import pytest

from crystallize.errors import NotReusableError
from crystallize.fingerprint.values.canonical import ValueTooLarge, encode
from crystallize.fingerprint.values.preview import preview
from tests.fingerprint.samples import code_of


@attrs.define(frozen=True, cache_hash=True)
class Attrs:
    a: str


class Pydantic(pydantic.BaseModel):
    a: int = 1
    _private: int = 0


def frame(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame(columns)


structured = np.dtype([("a", "f4"), ("b", "O")])

DIFFERENT: list[Any] = [
    np.array([1, 2]), np.array([1, 2], dtype="i4"), np.array([1, 2], dtype=">i8"), np.array([[1, 2]]),
    np.array([1.0, 2.0]), np.array([2, 1]), np.array(["1", "2"]), np.array([b"1", b"2"]),
    np.array([1, 2], dtype=object), np.array([1, "2"], dtype=object),
    np.array(["a"], dtype=np.dtypes.StringDType()), np.array("2020", dtype="M8[D]"),
    np.array("2020", dtype="M8[s]"), np.array([(1.0, "x")], dtype=structured),
    np.array([(1.0, "y")], dtype=structured), np.array([0.0]), np.array([-0.0]), np.array([np.nan]),
    np.array([1j]), np.array(3), np.empty((0, 3)), np.empty((3, 0)), np.array(["", ""]), np.longdouble(1),
    np.ma.array([1, 2], mask=[0, 1]), np.ma.array([1, 2], mask=[1, 0]), np.int64(1), np.int32(1),
    np.float64(1), np.float32(1), np.bool_(True), np.str_("1"), np.bytes_(b"1"), np.void(b"1"), 1, 1.0,
    True, "1", [1, 2], np.float64, np.mean, np.add, np.dtype("f4"), np.dtype("f8"), structured,
    np.random.default_rng(0), np.random.default_rng(1), np.random.RandomState(0), np.random.SeedSequence(1),
    np.s_[1:2, ...], frame(a=[1, 2]), frame(a=[1, 3]), frame(b=[1, 2]), frame(a=[1.0, 2.0]),
    frame(a=["1", "2"]), frame(a=[1, 2]).set_index("a"), frame(a=[1, 2]).T,
    frame(a=pd.array([1, None], dtype="Int64")), frame(a=pd.array([1, 2], dtype="Int64")),
    frame(a=pd.Categorical(["u", "v"])), frame(a=pd.Categorical(["u", "v"], ordered=True)),
    frame(a=["u", "v"]), frame(a=pd.Categorical(["u", "v"], categories=["v", "u"])), frame(a=["u", None]),
    frame(a=pd.to_datetime(["2020", "2021"])), frame(a=pd.to_datetime(["2020", "2021"]).tz_localize("UTC")),
    frame(a=pd.period_range("2020", periods=2, freq="M")),
    frame(a=pd.arrays.IntervalArray.from_tuples([(0, 1), (1, 2)])), frame(a=[[1], [2]]), frame(),
    pd.Series([1, 2]), pd.Series([1, 2], name="a"), pd.Series([1, 2], index=[1, 2]), pd.Index([1, 2]),
    pd.Index([1, 2], name="a"), pd.RangeIndex(2), pd.MultiIndex.from_tuples([(1, "a")]),
    pd.date_range("2020", periods=2), pd.DatetimeIndex(["2020-01-01", "2020-01-02"]),
    pd.CategoricalIndex(["a"]), pd.NA, pd.NaT, pd.Timestamp("2020"), pd.Timestamp("2020", tz="UTC"),
    datetime.datetime(2020, 1, 1), pd.Timestamp("2020-01-01 00:00:00.000000001"), pd.Timedelta(1),
    pd.Timedelta(2), pd.Period("2020"), pd.Period("2020-01"), pd.Interval(0, 1),
    pd.Interval(0, 1, closed="both"), pd.DataFrame, pd.Int64Dtype, pl.DataFrame({"a": [1, 2]}),
    pl.DataFrame({"a": [1, None]}), pl.DataFrame({"a": [1, 0]}), pl.DataFrame({"b": [1, 2]}),
    pl.DataFrame({"a": ["1", "2"]}), pl.DataFrame({"a": [[1], [2]]}), pl.DataFrame({"a": [{"x": 1}]}),
    pl.Series([1, 2]), pl.Series("a", [1, 2]), pl.Series([1.0]), pl.Series([datetime.date(2020, 1, 1)]),
    pl.Int64, pl.Datetime("us"), pl.Datetime("ms"), pa.table({"a": [1, 2]}), pa.table({"a": [1, 3]}),
    pa.table({"b": [1, 2]}), pa.array([1]), pa.array([1], pa.int32()), pa.int64(),
    pa.schema([("a", pa.int64())]), Attrs("1"), Attrs("2"), Pydantic(), Pydantic(a=2),
]  # fmt: skip
"""Values of which no two are the same."""


def test_no_two_different_values_have_equal_bytes():
    seen: dict[bytes, object] = {}
    for value in DIFFERENT:
        written = encode(value, code_of)
        assert written not in seen, f"{value!r} and {seen[written]!r}"
        seen[written] = value


def test_the_same_value_has_the_same_bytes_and_a_clean_preview():
    for value in DIFFERENT:
        assert encode(value, code_of) == encode(value, code_of)
        assert " at 0x" not in preview(value)
        assert "\n" not in preview(value)


def test_the_layout_of_an_array_in_memory_does_not_count():
    array = np.arange(12.0).reshape(3, 4)

    for same in (array.copy("F"), array.copy(), np.repeat(array, 2, axis=1)[:, ::2]):
        assert encode(same, code_of) == encode(array, code_of)


def test_all_nans_in_an_array_are_one_and_the_array_is_not_changed():
    array = np.array([np.nan, 1.0])
    other = np.array([-np.nan, 1.0])

    assert encode(array, code_of) == encode(other, code_of)
    assert np.signbit(other[0]), "encoding works on a copy"
    assert encode(np.float64(-np.nan), code_of) == encode(np.float64(np.nan), code_of)


def test_the_padding_of_a_structured_array_does_not_count():
    dtype = np.dtype([("a", "i1"), ("b", "i8")], align=True)
    one, two = np.zeros(2, dtype), np.zeros(2, dtype)
    two.view("u1")[1] = 9

    assert encode(one, code_of) == encode(two, code_of)


def test_an_array_that_holds_what_cannot_be_told_apart_is_not_reusable():
    with pytest.raises(NotReusableError, match=r"value\[1\]: a bare object"):
        encode(np.array([1, object()], dtype=object), code_of)


def test_a_random_generator_counts_by_its_state():
    one, two = np.random.default_rng(0), np.random.default_rng(0)
    before = encode(one, code_of)
    one.random()

    assert encode(one, code_of) != before == encode(two, code_of)


def test_an_array_over_the_limit_is_too_large():
    with pytest.raises(ValueTooLarge):
        encode(np.zeros(1000), code_of, limit=1000)


def test_a_copied_frame_has_equal_bytes():
    value = frame(a=[1, 2], b=["x", None], c=pd.Categorical(["u", "v"]))

    assert encode(value.copy(), code_of) == encode(value, code_of)
    assert encode(pl.from_pandas(value), code_of) == encode(pl.from_pandas(value), code_of)


def test_the_attributes_of_a_frame_count():
    one, two = frame(a=[1]), frame(a=[1])
    two.attrs["unit"] = "m"

    assert encode(one, code_of) != encode(two, code_of)


def test_what_cannot_be_told_apart_in_a_frame_is_named_by_its_column():
    with pytest.raises(NotReusableError, match=r"value\['a'\]\[1\]: a bare object"):
        encode(frame(a=[1, object()]), code_of)


def test_how_a_column_is_chunked_does_not_count():
    whole = pa.table({"a": [1, 2]})
    chunked = pa.concat_tables([pa.table({"a": [1]}), pa.table({"a": [2]})])

    assert encode(whole, code_of) == encode(chunked, code_of)


@pytest.mark.parametrize("value", [pl.LazyFrame({"a": [1]}), pl.col("a")])
def test_a_query_that_was_not_run_is_not_reusable(value):
    with pytest.raises(NotReusableError):
        encode(value, code_of)


def test_a_model_counts_by_its_values_not_by_which_were_given():
    assert encode(Pydantic(a=1), code_of) == encode(Pydantic(), code_of)


def test_private_fields_of_a_model_count():
    one, two = Pydantic(), Pydantic()
    two._private = 5

    assert encode(one, code_of) != encode(two, code_of)


def test_a_hash_that_attrs_keeps_does_not_count():
    one, two = Attrs("a"), Attrs("a")
    hash(two)

    assert encode(one, code_of) == encode(two, code_of)
