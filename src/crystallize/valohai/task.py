"""What one execution is told to do. Plain data, made by the compiler and carried out by `execution`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crystallize.fingerprint.digest import Digest
from crystallize.fingerprint.files import StatKey
from crystallize.store.record import Output
from crystallize.valohai.control import Control
from crystallize.valohai.process import Limits
from crystallize.valohai.source import Source
from crystallize.valohai.values import Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A step as one node runs it: defined, overridden, given its environment. The same for all children of a task."""

    step: str
    image: str
    command: tuple[str, ...]
    """Before interpolation."""
    parameters: Mapping[str, Any]
    """Definitions of the valohai-yaml package, by name."""
    source: Source
    source_files: tuple[str, ...] | None
    """Patterns of ``x-source``; None: the whole tree."""
    observed: str = ""
    """The file that its command runs, where only what that is seen to read counts of the source; else empty."""
    source_rule: str = ""
    """Which rule holds for the source, and why, where ``x-source`` says something."""
    source_path: str | None
    environment: str
    """Where it is meant to run; counts, and decides nothing here."""
    environ: Mapping[str, str] = field(repr=False)
    """The step's own environment variables."""
    limits: Limits
    stop_condition: str | None
    attempts: int
    """How often it is tried before it has failed."""
    mounts: tuple[Any, ...]
    resources: Any
    network: bool = True


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file of the user's that is an input."""

    path: Path
    digest: Digest
    seen: StatKey
    """How it looked when it was hashed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One file of one input."""

    input: str
    name: str
    """Relative to the folder of its input."""
    uri: str
    size_bytes: int
    origin: LocalFile | Output
    """A file of the user's, or one that lies in the store of the run."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """Custom properties of the output that it was."""
    datum: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One execution."""

    label: str
    recipe: Recipe
    values: Mapping[str, Value]
    """Every parameter that has a value."""
    files: tuple[File, ...] = ()
    title: str = ""
    pipeline: str | None = None
    node: str | None = None
    child: int | None = None
    """Number among the children of a task, from 1."""
    control: Control
    """Says when it must not go on."""
