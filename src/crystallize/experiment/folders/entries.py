"""A `config.yaml` as plain data that remembers its lines, before any of the user's code is loaded.

Knows nothing of files, modules or YAML. `config.py` builds these, `folder.py` turns them into objects.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crystallize.experiment.objects.limits import Limits

Overrides = Mapping[str, Mapping[str, Any]]
"""Experiment (by name or folder) → path (``steps.train.lr``) → value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """An output of another experiment, as ``experiment#output`` or ``experiment#output[*]``."""

    experiment: str
    """As written; once resolved, the name that the other experiment has."""
    output: str
    """Alias under the other experiment's `outputs:`."""
    gather: bool
    """True for ``[*]``: the outputs of all replicates, as a list in order."""
    line: int
    config: Path | None = None
    """The other experiment's `config.yaml`, once resolved."""

    def __str__(self) -> str:
        return f"{self.experiment}#{self.output}" + ("[*]" if self.gather else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceEntry:
    """One alias under `datasource:`."""

    alias: str
    target: str | Reference
    """Name of a factory in `datasources.py`, or a reference."""
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StepEntry:
    """One item under `steps:`."""

    name: str
    """Of a factory in `steps.py`."""
    params: Mapping[str, Any]
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputEntry:
    """One alias under `outputs:`."""

    alias: str
    file_name: str
    loader: str | None
    writer: str | None
    """Names of functions in `outputs.py`; None: bytes as they are."""
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TreatmentEntry:
    """One name under `treatments:`."""

    name: str
    payload: Mapping[str, Any]
    sources: tuple[SourceEntry, ...] = ()
    """In place of the experiment's own of the same alias."""
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HypothesisEntry:
    """One item under `hypotheses:`."""

    verifier: str
    """Name of a factory in `verifiers.py`."""
    metrics: str | list[str] | list[list[str]] | None
    name: str | None
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CliBlock:
    """How screens show the experiment; None: the screen's own choice."""

    group: str | None = None
    priority: int = 999
    icon: str | None = None
    color: str | None = None
    hidden: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentConfig:
    """One `config.yaml`, checked as far as that goes without loading the user's code."""

    path: Path
    """Absolute."""
    name: str
    """As declared, else the folder's."""
    description: str | None
    sources: tuple[SourceEntry, ...] | None
    """None: no `datasource:`; the only one in `datasources.py` is meant."""
    steps: tuple[StepEntry, ...]
    """Never empty."""
    outputs: tuple[OutputEntry, ...]
    treatments: tuple[TreatmentEntry, ...]
    hypotheses: tuple[HypothesisEntry, ...]
    replicates: int | None
    """At least 1; None: as many as the upstream experiments have, else 1."""
    seed: int | None
    strategy: str | None
    versioned: bool
    reads: tuple[str, ...]
    ignore: tuple[str, ...]
    executor: str | None
    address: str | None
    """Of a Ray cluster."""
    max_workers: int | None
    limits: Limits
    cli: CliBlock
    lines: Mapping[str, int]
    """Lines for messages, by dotted path: ``name``, ``steps.scale``, ``outputs.model.loader``."""
    source_params: Mapping[str, Mapping[str, Any]]
    """Alias → parameters given on the command line for its factory."""

    @property
    def references(self) -> list[Reference]:
        """What the experiment reads of others in whatever condition, in order."""
        entries = [*(self.sources or ()), *(entry for each in self.treatments for entry in each.sources)]
        return [entry.target for entry in entries if isinstance(entry.target, Reference)]
