"""`crystallize lint`: what is wrong with a `valohai.yaml`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crystallize.cli.options import Output, OutputFormat

if TYPE_CHECKING:
    from crystallize.valohai.finding import Finding

MOST = 125
"""Shells use higher exit codes for other things."""
_STYLES = {"error": "bold red", "warning": "yellow", "hint": "dim"}


def lint(
    path: Annotated[
        Path | None, typer.Argument(help="A valohai.yaml or its folder; none: that of the working directory.")
    ] = None,
    form: OutputFormat = Output.text,
) -> None:
    """Say what is wrong with a valohai.yaml.

    The exit code is the number of errors, 125 at most. Warnings and hints count for nothing.

    \b
    Examples:
      crystallize lint
      crystallize lint pipelines/valohai.yaml
    """
    from crystallize.cli import console
    from crystallize.experiment.reports.lines import line
    from crystallize.valohai.lint import lint as findings_of
    from crystallize.valohai.project import find_file
    from crystallize.words import near, plural

    found = findings_of(find_file(path))
    counts: Counter[str] = Counter(finding.level for finding in found)
    if form is Output.json:
        console.print_json({"findings": [_row(each) for each in found], "errors": counts["error"]})
    else:
        out = console.out()
        for each in found:
            place = f"{near(each.path)}:{each.line}: "
            line(out, place, (f"{each.level}: ", _STYLES[each.level]), f"{each.key}: {each.fact}; {each.remedy}")
        told = [plural(counts[level], level) for level in _STYLES if counts[level]]
        line(out, (", ".join(told) or "no errors", "bold red" if counts["error"] else "bold green"))
    raise typer.Exit(min(counts["error"], MOST))


def _row(finding: Finding) -> dict[str, object]:
    return {
        "level": finding.level,
        "path": str(finding.path),
        "line": finding.line,
        "key": finding.key,
        "fact": finding.fact,
        "remedy": finding.remedy,
    }
