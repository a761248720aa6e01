"""Payloads of the platform's API, carried out without a server: ``POST /api/v0/pipelines/`` as a spec and pins.

Takes what the guide shows (edges as pairs, templates that name little but a step, ``reuse_execution_id``) and what the
`vh` client sends (expanded edges, whole templates, mimic nodes), in both spellings of keys. Knows no stores.
"""

from __future__ import annotations

import glob
import json
from collections.abc import Callable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from crystallize.errors import DefinitionError, MissingFileError, UnknownNameError, nearest
from crystallize.valohai.document import Document
from crystallize.valohai.normal import socket
from crystallize.valohai.payload_nodes import Place, payload_node
from crystallize.valohai.pinning import Pins
from crystallize.valohai.spec import EdgeSpec, NodeSpec, PipelineSpec
from crystallize.valohai.specify import set_parameter
from crystallize.valohai.wiring import LEGAL

Documents = Callable[[str], Document]
"""The document of a commit, branch or tag. Raises DefinitionError when git knows none of this name."""

_KNOWN = ("project", "title", "tags", "nodes", "edges", "parameters", "reuse-executions", "priority")
_SOCKETS = ("node", "type", "key")


def read_payload(
    path: Path, document: Document, documents: Documents, *, name: str | None = None
) -> tuple[PipelineSpec, Pins]:
    """What the payload at `path` asks for, and which earlier executions it chooses.

    Parameters
    ----------
    document : whose steps its templates name, where they name no commit.
    name : what the run is called; None: as the pipeline of `document` that has the same nodes, else as its title.

    Raises MissingFileError, DefinitionError and UnknownNameError.
    """
    place = Place(path)
    top = place.mapping(_loaded(path))
    listed = place.at("nodes").sequence(top.get("nodes"))
    if not listed:
        raise place.fault("it has no nodes", "add 'nodes': [{'name': …, 'type': 'execution', 'template': …}]")
    spec = PipelineSpec(name="", path=document.path, nodes=[])
    executions: dict[str, str] = {}
    runs: list[tuple[str, str]] = []
    for index, given in enumerate(listed):
        made = payload_node(given, place.at("nodes", index), document, documents, spec.notices)
        if spec.node(made.spec.name) is not None:
            raise place.at("nodes", index).fault(f"two nodes are called '{made.spec.name}'", "rename one of them")
        spec.nodes.append(made.spec)
        if made.run is not None:
            runs.append((made.run, glob.escape(made.spec.name)))
        elif made.execution is not None:
            executions[made.spec.name] = made.execution
    edges = place.at("edges").sequence(top.get("edges"))
    spec.edges = [_edge(each, place.at("edges", index), spec) for index, each in enumerate(edges)]
    _refuse_circles(spec, place)
    for parameter, given in place.at("parameters").mapping(top.get("parameters") or {}, folded=False).items():
        _apply_parameter(spec, parameter, given, place.at("parameters", parameter))
    _settle_name(spec, top, document, name)
    spec.notices += [f"{path.name}: '{key}' is not known and means nothing" for key in top if key not in _KNOWN]
    return spec, Pins(executions=executions, runs=runs)


def _loaded(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        fact = f"the payload cannot be read: {error.strerror}"
        raise MissingFileError(fact, path=path, remedy="check the path") from error
    except json.JSONDecodeError as error:
        fact = f"it is no JSON: {error.msg} at column {error.colno}"
        raise DefinitionError(fact, path=path, line=error.lineno, remedy="mend it") from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise DefinitionError("it is no JSON", path=path, remedy="write one object, in UTF-8") from error


def _settle_name(spec: PipelineSpec, top: Mapping[str, Any], document: Document, name: str | None) -> None:
    """What the run is called, and whether it reuses where the payload does not say: as the pipeline it stands for."""
    nodes = {node.name for node in spec.nodes}
    alike = (each for each in document.config.pipelines.values() if {node.name for node in each.nodes} == nodes)
    known = document.config.pipelines.get(name) if name is not None else next(alike, None)
    title = str(top.get("title") or "")
    spec.name = name or (known.name if known is not None else title.replace("/", "-") or "pipeline")
    spec.title = title or spec.name
    said = top.get("reuse-executions")
    spec.reuse = bool(said) if said is not None else known is not None and bool(known.reuse_executions)


def _edge(given: Any, place: Place, spec: PipelineSpec) -> EdgeSpec:
    ends = _ends(given, place)
    (source, source_type, source_key), (target, target_type, target_key) = ends
    made = EdgeSpec(
        source=source,
        source_type=source_type,
        source_key=source_key,
        target=target,
        target_type=target_type,
        target_key=target_key,
    )
    known = [node.name for node in spec.nodes]
    for end, _, _ in ends:
        if end not in known:
            raise UnknownNameError(
                f"edge {made}: there is no node '{end}'", path=place.path, key=place.key, remedy=nearest(end, known)
            )
    nodes = {node.name: node for node in spec.nodes}
    if "deployment" in (nodes[source].kind, nodes[target].kind):
        return made
    if (source_type, target_type) not in LEGAL:
        listed = ", ".join(f"{a} → {b}" for a, b in sorted(LEGAL))
        raise place.fault(f"an edge cannot lead from '{source_type}' to '{target_type}'", f"known: {listed}")
    reader = nodes[target]
    if target_type == "input" and reader.template and target_key not in reader.inputs:
        fact = f"edge {made}: node '{target}' has no input '{target_key}'"
        raise UnknownNameError(fact, path=place.path, key=place.key, remedy=nearest(target_key, reader.inputs))
    return made


def _ends(given: Any, place: Place) -> list[tuple[str, str, str]]:
    """Node, type and key of both ends of an edge: of a pair, of ``source`` and ``target``, or of six keys."""
    if isinstance(given, Mapping):
        said = place.mapping(given)
        if "source" not in said:
            return [_end([said.get(f"{end}-{each}") for each in _SOCKETS], place) for end in ("source", "target")]
        given = [said.get("source"), said.get("target")]
    if not isinstance(given, Sequence) or isinstance(given, str) or len(given) != 2:
        raise place.fault(f"{given!r} is no edge", "write ['node.output.GLOB', 'node.input.NAME']")
    return [_end(text.split(".", 2) if isinstance(text, str) else [text], place) for text in given]


def _end(words: Sequence[Any], place: Place) -> tuple[str, str, str]:
    if len(words) != 3 or not all(isinstance(word, str) and word for word in words):
        told = ".".join(map(str, words))
        raise place.fault(f"'{told}' is no end of an edge", "write it as node.output.GLOB, or node.input.NAME")
    node, _, _ = words
    _, kind, key = socket(".".join(("node", *words[1:]))).split(".", 2)
    return node, kind, key


def _refuse_circles(spec: PipelineSpec, place: Place) -> None:
    waits: dict[str, set[str]] = {node.name: set() for node in spec.nodes}
    for edge in spec.edges:
        waits[edge.target].add(edge.source)
    try:
        TopologicalSorter(waits).prepare()
    except CycleError as error:
        fact = f"these nodes wait for each other: {' → '.join(error.args[1])}"
        raise place.at("edges").fault(fact, "remove one of their edges") from None


def _apply_parameter(spec: PipelineSpec, name: str, given: Any, place: Place) -> None:
    """Gives what a pipeline parameter says to its targets."""
    said = place.mapping(given)
    config = place.at("config").mapping(said.get("config") or {})
    targets = config.get("targets") or config.get("target")
    if not targets:
        fact = f"parameter '{name}' has no targets"
        raise place.fault(fact, "add 'config': {'targets': ['node.parameter.name']}")
    value = said.get("expression")
    if isinstance(value, Mapping):
        rules = value.get("rules")
        value = rules.get("value") if isinstance(rules, Mapping) else None
    if value is None or (value == "" and config.get("default") is None):
        value = config.get("default")
    if value is None:
        return
    for target in [targets] if isinstance(targets, str) else targets:
        node, _, key = _end(str(target).split(".", 2), place)
        set_parameter(_target(spec, node, target, place), key, value)


def _target(spec: PipelineSpec, name: str, target: Any, place: Place) -> NodeSpec:
    node = spec.node(name)
    if node is None:
        remedy = nearest(name, [each.name for each in spec.nodes])
        fact = f"target '{target}': there is no node '{name}'"
        raise UnknownNameError(fact, path=place.path, key=place.key, remedy=remedy)
    return node
