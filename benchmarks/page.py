"""Puts tables into pages of the documentation, between the marks that say where."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from benchmarks.rows import Row

BEGIN, END = "<!-- table -->\n", "<!-- end -->"


def write_table(page: Path, table: str) -> None:
    """Replaces what stands between the marks of a page."""
    head, rest = page.read_text(encoding="utf-8").split(BEGIN)
    page.write_text(head + BEGIN + table + END + rest.split(END)[1], encoding="utf-8")


def as_markdown(rows: Iterable[Row]) -> str:
    """The rows of the design's table; what fell short in bold."""
    lines = [
        "| work | place | reference | measured | must | next | of the limit |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        share = f"{row.of_limit:.2f} ×" if row.of_limit <= 1 else f"**{row.of_limit:.2f} ×**"
        lines.append(f"| {row.work} | {row.place} | {' | '.join(row.told())} | {share} |")
    return "\n".join(lines) + "\n"
