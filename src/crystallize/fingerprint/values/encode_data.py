"""Handlers for numpy, pandas, polars and pyarrow: types, shapes and contents. Imports none of them.

A handler runs only when it was given a value of its package, so the package is loaded already. Contents are
hashed where they lie when they are plain numbers; everything else item by item.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from crystallize.fingerprint.values.encode_builtin import by_attributes, by_state, by_text
from crystallize.fingerprint.values.encoder import Encoder, Handler
from crystallize.fingerprint.values.preview import preview


def _array(encoder: Encoder, value: Any) -> bytes:
    plain = sys.modules["numpy"].asarray(value)
    head = encoder.encode(plain.dtype) + encoder.encode(plain.shape)
    return encoder.framed(b"array:", head + _contents(encoder, plain))


def _contents(encoder: Encoder, array: Any) -> bytes:
    """Items in C order; the dtype is written already."""
    numpy, dtype = sys.modules["numpy"], array.dtype
    if dtype.names is not None:
        # Field by field: the padding between them is not contents.
        columns = [array[name] for name in dtype.names]
        return b"".join(encoder.each(columns, lambda index: f"[{dtype.names[index]!r}]"))
    flat = numpy.ascontiguousarray(array).reshape(-1)
    if dtype.hasobject or dtype.char == "T":
        return encoder.encode(flat.tolist())
    if dtype.char in "gG":
        return encoder.encode([repr(item) for item in flat])
    if dtype.itemsize == 0:
        return b""
    if dtype.kind in "fc":
        flat = _with_one_nan(numpy, flat.view(flat.real.dtype))
    return encoder.framed(b"items:", memoryview(flat.view(numpy.uint8)))


def _with_one_nan(numpy: Any, flat: Any) -> Any:
    missing = numpy.isnan(flat)
    if not missing.any():
        return flat
    flat = flat.copy()
    flat[missing] = numpy.nan
    return flat


def _masked_array(encoder: Encoder, value: Any) -> bytes:
    numpy = sys.modules["numpy"]
    shown = (value.filled(), numpy.ma.getmaskarray(value), value.fill_value)
    return encoder.framed(b"masked array:", encoder.encode(shown))


def _dtype(encoder: Encoder, value: Any) -> bytes:
    # Its reduction is plain data: kind, byte order, fields with their offsets, units, metadata.
    return encoder.framed(b"dtype:", encoder.encode(value.__reduce__()[1:]))


def _scalar(encoder: Encoder, value: Any) -> bytes:
    return encoder.framed(b"scalar:", encoder.encode(sys.modules["numpy"].asarray(value)))


def _bit_generator(encoder: Encoder, value: Any) -> bytes:
    return encoder.framed(b"bit generator:", encoder.definition(type(value)) + encoder.encode(value.state))


def _frame(encoder: Encoder, value: Any) -> bytes:
    head = encoder.parts(
        {
            ".columns": value.columns,
            ".index": value.index,
            ".attrs": value.attrs,
            ".flags": value.flags.allows_duplicate_labels,
        }
    )
    columns = [value.iloc[:, position].array for position in range(value.shape[1])]
    return encoder.framed(b"data frame:", head + _columns(encoder, columns, value.columns))


def _series(encoder: Encoder, value: Any) -> bytes:
    parts = {
        ".name": value.name,
        ".index": value.index,
        ".array": value.array,
        ".attrs": value.attrs,
        ".flags": value.flags.allows_duplicate_labels,
    }
    return encoder.framed(b"series:", encoder.parts(parts))


def _index(encoder: Encoder, value: Any) -> bytes:
    head = encoder.parts({".names": list(value.names), ".freq": getattr(value, "freqstr", None)})
    levels = [value.get_level_values(position).array for position in range(value.nlevels)]
    body = head + _columns(encoder, levels, value.names)
    return encoder.framed(b"index:", encoder.definition(type(value)) + body)


def _range_index(encoder: Encoder, value: Any) -> bytes:
    parts = (value.start, value.stop, value.step, value.name)
    return encoder.framed(b"range index:", encoder.encode(parts))


def _extension_array(encoder: Encoder, value: Any) -> bytes:
    head = encoder.definition(type(value)) + encoder.text(str(value.dtype))
    return encoder.framed(b"column:", head + encoder.encode(_items(value)))


def _items(array: Any) -> object:
    """What a pandas array holds, as values that can be encoded."""
    name = type(array).__name__
    if name in ("NumpyExtensionArray", "PandasArray"):
        return array.to_numpy()
    if name == "Categorical":
        return (array.codes, array.categories, array.ordered)
    if name in ("DatetimeArray", "TimedeltaArray", "PeriodArray"):
        return array.asi8
    return array.to_numpy(dtype=object).tolist()


def _polars_frame(encoder: Encoder, value: Any) -> bytes:
    return encoder.framed(b"polars frame:", _columns(encoder, value.get_columns(), value.columns))


def _polars_series(encoder: Encoder, value: Any) -> bytes:
    head = encoder.text(value.name) + encoder.text(repr(value.dtype))
    if not value.dtype.is_numeric() or value.dtype.is_decimal():
        return encoder.framed(b"polars series:", head + encoder.encode(value.to_list()))
    missing, present = value.is_null().to_numpy(), value.fill_null(0).to_numpy()
    return encoder.framed(b"polars series:", head + encoder.encode((missing, present)))


def _arrow_table(encoder: Encoder, value: Any) -> bytes:
    schema = value.schema
    head = encoder.text(schema.to_string(truncate_metadata=False)) + encoder.encode(schema.metadata)
    return encoder.framed(b"arrow table:", head + _columns(encoder, value.columns, value.column_names))


def _arrow_array(encoder: Encoder, value: Any) -> bytes:
    return encoder.framed(b"arrow array:", encoder.text(str(value.type)) + encoder.encode(value.to_pylist()))


def _columns(encoder: Encoder, columns: Sequence[object], names: Sequence[object]) -> bytes:
    return b"".join(encoder.each(columns, lambda index: f"[{preview(names[index])}]"))


_generator = by_state(b"generator:", lambda value: value.bit_generator)
_interval = by_attributes(b"interval:", "left", "right", "closed")
_moment = by_state(b"moment:", lambda value: (value.isoformat(), value.unit, str(getattr(value, "tz", None))))

NAMED: dict[str, Handler] = {
    "numpy.MaskedArray": _masked_array,
    "numpy.ndarray": _array,
    "numpy.Generator": _generator,
    "numpy.RandomState": by_state(b"random state:", lambda value: value.get_state(legacy=False)),
    "numpy.SeedSequence": by_state(b"seed sequence:", lambda value: value.state),
    "pandas.DataFrame": _frame,
    "pandas.Interval": _interval,
    "pandas.NAType": by_text(b"missing:"),
    "pandas.NaTType": by_text(b"missing:"),
    "pandas.Period": by_attributes(b"period:", "ordinal", "freqstr"),
    "pandas.RangeIndex": _range_index,
    "pandas.Series": _series,
    "pandas.Timedelta": _moment,
    "pandas.Timestamp": _moment,
    "polars.DataFrame": _polars_frame,
    "polars.Series": _polars_series,
    "pyarrow.Table": _arrow_table,
}
"""Types by top-level module and qualified name; a subclass adds its class and fields."""

FAMILIES: dict[str, Handler] = {
    "numpy.BitGenerator": _bit_generator,
    "numpy.dtype": _dtype,
    "numpy.generic": _scalar,
    "pandas.ExtensionArray": _extension_array,
    "pandas.Index": _index,
    "pyarrow.Array": _arrow_array,
    "pyarrow.ChunkedArray": _arrow_array,
    "pyarrow.DataType": by_text(b"arrow type:"),
    "pyarrow.Schema": by_text(b"arrow schema:"),
}
"""Types whose handlers serve all subclasses."""
