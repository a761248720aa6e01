"""A result as HTML, for notebooks: conditions × metrics, then errors and notices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from crystallize.experiment.results.summary import describe


def result_html(
    name: str,
    conditions: Iterable[tuple[str, Mapping[str, Sequence[Any]]]],
    *,
    counts: Mapping[str, tuple[int, int]],
    errors: Mapping[str, BaseException],
    notices: Sequence[str],
) -> str:
    """The HTML of one result.

    Parameters
    ----------
    conditions : (condition, metric → values), a row each.
    counts : condition → number of replicates that ran, and that were reused; may be empty.
    """
    rows = [(condition, dict(metrics)) for condition, metrics in conditions]
    names = list(dict.fromkeys(metric for _, metrics in rows for metric in metrics))
    head = ["condition", *names, *(["ran", "reused"] if counts else [])]
    lines = [_row("th", head)]
    for condition, metrics in rows:
        cells = [condition, *(describe(metrics[metric]) if metric in metrics else "" for metric in names)]
        lines.append(_row("td", [*cells, *(map(str, counts.get(condition, ("", ""))) if counts else ())]))
    title = f"<b>{escape(name)}</b>" if name else ""
    failures = [f"{key}: {type(error).__name__}: {error}" for key, error in errors.items()]
    return f"<div>{title}<table>{''.join(lines)}</table>{_list('Errors', failures)}{_list('Notices', notices)}</div>"


def _row(tag: str, cells: Iterable[str]) -> str:
    return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"


def _list(title: str, items: Sequence[str]) -> str:
    if not items:
        return ""
    return f"<p>{title}</p><ul>{''.join(f'<li>{escape(item)}</li>' for item in items)}</ul>"
