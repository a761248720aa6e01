"""How the nodes of a pipeline hang together: edges that lead somewhere, placeholders that mean something, no circles.

What the package's own lint does not ask. The compiler builds on what is found in order here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any

from crystallize.errors import nearest
from crystallize.valohai.document import Document
from crystallize.valohai.finding import Finding, Level
from crystallize.yaml_lines import KeyPath

if TYPE_CHECKING:
    from valohai_yaml.objs import Edge, Pipeline, Step

LEGAL = {
    ("output", "input"), ("output", "file"), ("input", "input"), ("parameter", "parameter"),
    ("metadata", "parameter"), ("environment-variable", "environment-variable"), ("dependency", "dependency"),
}  # fmt: skip
"""Source and target types of edges that carry something."""
_PLACEHOLDER = re.compile(r"\{parameter(-value)?:([^}]+)\}")


def step_of(document: Document, node: Any) -> Step | None:
    """The step that a node runs; None when it runs none, or one that this file does not define."""
    if getattr(node, "commit", None):
        return None
    name: str | None = getattr(node, "step", None)
    task: str | None = getattr(node, "task", None)
    if name is None and task is not None and task in document.config.tasks:
        name = document.config.tasks[task].step
    return None if name is None else document.config.steps.get(name)


def wiring_findings(document: Document, pipeline: Pipeline) -> list[Finding]:
    """What is wrong with how `pipeline` hangs together."""
    top = document.place("pipeline", pipeline.name)
    found = [
        _finding(document, level, (*top, *keys), fact, remedy)
        for level, keys, fact, remedy in _flaws(document, pipeline)
    ]
    if not found:
        circle = _circle(pipeline)
        if circle:
            fact = f"these nodes wait for each other: {' → '.join(circle)}"
            found.append(_finding(document, "error", (*top, "edges"), fact, "remove one of their edges"))
    return found


_Flaw = tuple[Level, KeyPath, str, str]


def _flaws(document: Document, pipeline: Pipeline) -> Iterator[_Flaw]:
    nodes = pipeline.node_map
    for index, node in enumerate(pipeline.nodes):
        yield from _node_flaws(document, node, ("nodes", index))
    filled: dict[tuple[str, str], int] = {}
    for index, edge in enumerate(pipeline.edges):
        keys: KeyPath = ("edges", index)
        if edge.source_node not in nodes or edge.target_node not in nodes:
            continue  # the package says so
        yield from _edge_flaws(document, pipeline, edge, keys)
        if edge.target_type == "parameter":
            first = filled.setdefault((edge.target_node, edge.target_key), index)
            if first != index:
                fact = f"two edges give a value to parameter '{edge.target_key}' of node '{edge.target_node}'"
                yield "error", keys, fact, "keep one of them"


def _node_flaws(document: Document, node: Any, keys: KeyPath) -> Iterator[_Flaw]:
    step = step_of(document, node)
    if node.type in ("execution", "task") and not node.commit and step is None:
        named = getattr(node, "task", None) or node.step
        if named is None:
            yield "error", keys, f"node '{node.name}' names neither a step nor a task", "add 'step: …'"
            return
    if step is None:
        return
    override = getattr(node, "override", None)
    command = override.command if override is not None and override.command else step.command
    known = {*step.parameters, *(override.parameters if override is not None else ())}
    for name in unknown_placeholders(command, known):
        fact = f"its command asks for parameter '{name}', which step '{step.name}' does not have"
        yield "warning", keys, fact, nearest(name, known)


def unknown_placeholders(command: str | Iterable[str], known: Iterable[str]) -> list[str]:
    """Names of parameters that `command` has placeholders for and that are not `known`."""
    lines = [command] if isinstance(command, str) else list(command)
    names = [match[2] for line in lines for match in _PLACEHOLDER.finditer(line)]
    return [name for name in dict.fromkeys(names) if name not in set(known)]


def _edge_flaws(document: Document, pipeline: Pipeline, edge: Edge, keys: KeyPath) -> Iterator[_Flaw]:
    source, target = pipeline.node_map[edge.source_node], pipeline.node_map[edge.target_node]
    if source.type == "deployment" or target.type == "deployment":
        return
    if (edge.source_type, edge.target_type) not in LEGAL:
        fact = f"an edge cannot lead from '{edge.source_type}' to '{edge.target_type}'"
        yield "error", keys, fact, "known: " + ", ".join(f"{a} → {b}" for a, b in sorted(LEGAL))
        return
    ends = ((source, edge.source_type, edge.source_key), (target, edge.target_type, edge.target_key))
    for node, kind, name in ends:
        step = step_of(document, node)
        known = None if step is None else _sockets(step, node, kind)
        if known is not None and not _is_known(kind, name, known):
            fact = f"node '{node.name}' has no {kind} '{name}'"
            yield "error" if kind == "input" else "warning", keys, fact, nearest(name, known)


def _sockets(step: Step, node: Any, kind: str) -> set[str] | None:
    """The names that a node has for a type of socket; None where any name will do."""
    override = getattr(node, "override", None)
    if kind == "input":
        return {*step.inputs, *(override.inputs if override is not None else ())}
    if kind == "parameter":
        return {*step.parameters, *(override.parameters if override is not None else ())}
    return None


def _is_known(kind: str, name: str, known: set[str]) -> bool:
    from fnmatch import fnmatchcase

    return any(fnmatchcase(each, name) for each in known) if kind == "input" else name in known


def _circle(pipeline: Pipeline) -> list[str]:
    waits: dict[str, set[str]] = {node.name: set() for node in pipeline.nodes}
    for edge in pipeline.edges:
        if edge.target_node in waits:
            waits[edge.target_node].add(edge.source_node)
    try:
        TopologicalSorter(waits).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def _finding(document: Document, level: Level, keys: KeyPath, fact: str, remedy: str) -> Finding:
    return Finding(
        level=level,
        path=document.path,
        line=document.line(*keys),
        key=document.key(*keys),
        fact=fact,
        remedy=remedy,
    )
