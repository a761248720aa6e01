"""A project of a few experiments as plain data: what it is made of, and what each of its results depends on.

Knows nothing of files and of runs: `random_files.py` writes a project down, `random_runs.py` runs it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

KNOBS = (
    "body", "nested", "match", "genexp", "helper", "star", "table", "closure", "patched", "late", "behind",
    "const", "attribute", "default", "member", "argument", "base", "decorator", "compiled", "jitted", "mutated",
    "value", "method", "cached", "writer", "loader", "source", "read", "listing", "absent", "param",
    "prepare", "noted", "plugin", "marker", "seeding", "draws", "parallel",
)  # fmt: skip
"""What each experiment is made of, each 0, 1 or 2; every one is seen in a metric or an artifact."""

FOR_READERS = ("loader", "method")
"""Knobs that count for who reads an experiment."""

OF_ROOTS = ("source", "read", "listing", "absent")
"""Knobs of the datasource, which only experiments that read no other have."""

NOT_COUNTED = ("loader", "parallel")
"""Knobs that make no other result of the experiment itself."""


@dataclass
class Node:
    """One experiment."""

    folder: str
    reads: list[str]
    gathers: bool = False
    treatment: int | None = None
    """The payload of the treatment ``high``; None: it has none."""
    knobs: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KNOBS, 0), repr=False)
    comment: int = 0


@dataclass
class Project:
    """All experiments by name, each after those it reads."""

    nodes: dict[str, Node]
    deep: int = 0
    """A constant two modules away, which all reach."""
    far: int = 0
    """A constant in a module that only functions import, which all reach."""
    variable: int = 0
    """An environment variable that all read."""
    seed: int = 0
    replicates: int = 1
    processes: int = 0
    """Whether trials that run in parallel do so in processes, else in threads."""

    def copy(self) -> Project:
        """Another project, equal so far."""
        return deepcopy(self)

    def named(self, number: int) -> tuple[str, Node]:
        """One of the experiments, whatever the number."""
        return list(self.nodes.items())[number % len(self.nodes)]

    def draws_in_company(self, name: str) -> bool:
        """Whether trials draw from a generator that others may draw from meanwhile: no two runs need be alike."""
        has_threads = any(self.executor_of(other) == "thread" for other in self.nodes)
        return bool(self.nodes[name].knobs["draws"]) and has_threads

    def executor_of(self, name: str) -> str:
        """Where the trials of an experiment run."""
        if not self.nodes[name].knobs["parallel"]:
            return "serial"
        return "process" if self.processes else "thread"

    def serial(self) -> Project:
        """The same, no trial beside another."""
        project = self.copy()
        for node in project.nodes.values():
            node.knobs["parallel"] = 0
        return project


Label = tuple[str, str, int]
"""Experiment, condition, replicate."""


def keys_of(project: Project, written: Mapping[Label, Sequence[bytes]]) -> dict[Label, Any]:
    """Label → all that the result of a trial depends on; `written` are the artifacts of each as they should be.

    This is the naive model: it knows what an edit can change, and nothing of code, files and fingerprints.
    """
    conditions: dict[str, list[str]] = {}
    for name, node in project.nodes.items():
        inherited = any("high" in conditions[upstream] for upstream in node.reads)
        conditions[name] = ["baseline", *(["high"] if inherited or node.treatment is not None else [])]
    keys: dict[Label, Any] = {}
    for label in written:
        name, condition, replicate = label
        node = project.nodes[name]
        inputs = []
        for upstream in node.reads:
            chosen = condition if condition in conditions[upstream] else "baseline"
            offered = sorted(each for each in written if each[:2] == (upstream, chosen))
            chosen_ones = offered if node.gathers else [offered[replicate if len(offered) > 1 else 0]]
            contents = tuple(content for each in chosen_ones for content in written[each])
            knobs = project.nodes[upstream].knobs
            inputs.append((upstream, contents, tuple(knobs[knob] for knob in FOR_READERS)))
        keys[label] = (
            *label, *_own(node), node.gathers, node.treatment if condition == "high" else None,
            project.deep, project.far, project.variable, project.seed, tuple(inputs),
        )  # fmt: skip
    return keys


def _own(node: Node) -> Iterator[int]:
    """The knobs that count for an experiment itself."""
    left_out = {*NOT_COUNTED, *(OF_ROOTS if node.reads else ()), *(() if node.knobs["plugin"] else ("marker",))}
    return (number for knob, number in node.knobs.items() if knob not in left_out)
