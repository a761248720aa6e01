"""Switches: which treatments are switched off, kept per experiment in a `config.state.json` beside its configuration.

Screens and the command line respect them, Python does not. What they mean for a graph is decided in
`compiling/conditions.py`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import NamedTuple

from crystallize.experiment.blueprint import Blueprint

STATE_NAME = "config.state.json"
_KEY = "inactive_treatments"


class Switches(NamedTuple):
    """What one state file says."""

    off: frozenset[str]
    """Names of treatments."""
    fault: str | None = None
    """Why the file, or a name in it, is ignored; one line."""


def state_file(config: Path) -> Path:
    """Where the switches of the experiment with this `config.yaml` are kept."""
    return config.with_name(STATE_NAME)


def read_switches(config: Path) -> Switches:
    """The switches of the experiment with this `config.yaml`; a damaged file counts as none, and says so."""
    path = state_file(config)
    try:
        names = json.loads(path.read_text(encoding="utf-8"))[_KEY]
    except FileNotFoundError:
        return Switches(frozenset())
    except (OSError, ValueError, KeyError, TypeError):
        return Switches(frozenset(), f"{path}: damaged, so it is ignored and all treatments run; remove it")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return Switches(frozenset(), f"{path}: '{_KEY}' is no list of names, so it is ignored; remove the file")
    return Switches(frozenset(names))


def write_switches(config: Path, off: Iterable[str]) -> None:
    """Keeps which treatments are off; without any the file goes. Raises OSError when that cannot be written."""
    path, names = state_file(config), sorted(off)
    if not names:
        path.unlink(missing_ok=True)
        return
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(json.dumps({_KEY: names}, indent=2) + "\n", encoding="utf-8")
    fresh.replace(path)


def switched_off(experiments: Iterable[Blueprint]) -> tuple[dict[str, frozenset[str]], list[str]]:
    """Experiment → treatments that its state file switches off, and what is to be said of damaged or outdated files."""
    found: dict[str, frozenset[str]] = {}
    faults: list[str] = []
    listed = list(experiments)
    known = {treatment.name for each in listed for treatment in each.treatments}
    for experiment in listed:
        if experiment.path is None:
            continue
        off, fault = read_switches(experiment.path)
        gone = sorted(off - known)
        if fault is None and gone:
            fault = _outdated(experiment.path, gone)
        if fault is not None:
            faults.append(fault)
        if off & known:
            found[experiment.label] = off & known
    return found, faults


def _outdated(config: Path, gone: Collection[str]) -> str:
    names = ", ".join(map(repr, gone))
    return f"{state_file(config)}: there is no treatment {names} any more, so that is ignored"
