"""Findings: what is wrong with a `valohai.yaml`, as data. Each has a place, a fact and a remedy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from crystallize.errors import DefinitionError

Level = Literal["error", "warning", "hint"]
"""error: it cannot be run; warning: it runs, but hardly as meant; hint: it could be better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong, or could be better."""

    level: Level
    path: Path
    line: int
    """From 1."""
    key: str
    """Dotted path of the entry: ``step.train.parameters.lr``."""
    fact: str
    remedy: str

    @property
    def error(self) -> DefinitionError:
        """The finding as an exception."""
        return DefinitionError(self.fact, path=self.path, line=self.line, key=self.key or None, remedy=self.remedy)

    def __str__(self) -> str:
        return str(self.error)


def of_error(error: DefinitionError, path: Path) -> Finding:
    """What a fault of the text itself is as a finding."""
    return Finding(
        level="error",
        path=error.path or path,
        line=error.line or 1,
        key=error.key or "",
        fact=error.fact,
        remedy=error.remedy or "mend the line",
    )
