"""Metrics and hypotheses as pandas frames. Odd values never stop an export: they go in as text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from crystallize.experiment.results.summary import summarise
from crystallize.store.codecs import plain


def hypotheses_frame(said: Iterable[tuple[str, Mapping[str, Any]]]) -> Any:
    """A frame of what verifiers said: (hypothesis, treatment → mapping or list of mappings) → rows.

    The columns are ``condition``, ``hypothesis``, ``group`` (of several) and one per key. Raises ImportError
    without pandas.
    """
    rows: list[dict[str, Any]] = []
    for hypothesis, results in said:
        for condition, result in results.items():
            head = {"condition": condition, "hypothesis": hypothesis}
            if isinstance(result, list):
                rows.extend({**head, "group": number, **one} for number, one in enumerate(result))
            else:
                rows.append({**head, **result})
    return _pandas().DataFrame(rows)


def metrics_frame(conditions: Iterable[tuple[str, Mapping[str, Sequence[Any]]]]) -> Any:
    """A frame with the columns ``condition``, ``metric``, ``values`` and ``mean``.

    ``values`` holds lists of floats when every value of every metric is a number, else lists of JSON texts,
    as a column has one type; ``mean`` is None where a value is no number. Raises ImportError without pandas.
    """
    frame = _pandas().DataFrame
    rows: list[dict[str, Any]] = []
    for condition, metrics in conditions:
        for metric, values in metrics.items():
            summary = summarise(values)
            mean = None if summary is None else summary.mean
            rows.append({"condition": condition, "metric": metric, "values": values, "mean": mean})
    as_column = _as_texts if any(row["mean"] is None for row in rows) else _as_floats
    for row in rows:
        row["values"] = as_column(row["values"])
    return frame(rows, columns=["condition", "metric", "values", "mean"])


def values_frame(parts: Iterable[tuple[str, str, Sequence[int], Sequence[Any], Sequence[Mapping[str, Any]]]]) -> Any:
    """A frame with a row for each value; ImportError without pandas.

    Parameters
    ----------
    parts : (condition, metric, replicate of each value, values, tags of each value).
    """
    columns = ["condition", "replicate", "metric", "value"]
    rows = [
        {
            **dict(zip(columns, (condition, replicate, metric, value), strict=True)),
            **{f"tag_{name}" if name in columns else name: tag for name, tag in tags.items()},
        }
        for condition, metric, replicates, values, tagged in parts
        for replicate, value, tags in zip(replicates, values, tagged, strict=True)
    ]
    return _pandas().DataFrame(rows, columns=list(dict.fromkeys([*columns, *(name for row in rows for name in row)])))


def _as_floats(values: Sequence[Any]) -> list[float]:
    return [float(value) for value in values]


def _as_texts(values: Sequence[Any]) -> list[str]:
    import json

    return [json.dumps(plain(value), ensure_ascii=False) for value in values]


def _pandas() -> Any:
    try:
        import pandas
    except ImportError as error:
        raise ImportError(
            "pandas is required for tables; pip install 'crystallize-dag[data]', or use to_dict()"
        ) from error
    return pandas
