"""What flows along edges: which files an execution reads and which values it gets, once those before it are settled.

Globs over outputs, values from metadata and parameters, inputs passed on. Pure: asked by the run and by the dry run.
Knows no schedule.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from crystallize.errors import DefinitionError, MissingArtifactError
from crystallize.fingerprint.manifest import PartTable
from crystallize.plan.job import Resolved, Yield
from crystallize.valohai.control import Control
from crystallize.valohai.ledger import datum_id
from crystallize.valohai.parts import input_parts, parameter_parts
from crystallize.valohai.references import REMOTE, Candidate, References, candidate_of, named, scheme_of
from crystallize.valohai.remote import RemoteObject
from crystallize.valohai.spec import EdgeSpec, NodeSpec
from crystallize.valohai.task import Recipe, Task
from crystallize.valohai.values import interpolated, typed_values

Yields = Mapping[int, Yield]


@dataclass(slots=True, kw_only=True)
class Node:
    """A node on its way into a plan."""

    spec: NodeSpec
    pipeline: str
    path: Path
    """The file that defines it."""
    recipe: Recipe
    table: PartTable
    control: Control
    references: References
    secret_key: bytes
    feeds: list[tuple[Node, EdgeSpec]] = field(default_factory=list)
    """Edges that bring something, with the nodes that they come from."""
    waits: set[int] = field(default_factory=set)
    """Jobs that must be settled first."""
    jobs: list[int] = field(default_factory=list)
    """Its own: one, or one for each child of a task."""
    static: dict[str, list[Candidate]] = field(default_factory=dict)
    """Input → the files of its references that no value decides on."""
    remote: dict[tuple[str, int | None], list[tuple[int, RemoteObject]]] = field(default_factory=dict)
    """(input, child; None for all) → the jobs that fetch its objects."""

    def label(self, child: int | None) -> str:
        """What people call one of its jobs."""
        base = f"{self.pipeline}/{self.spec.name}"
        return base if child is None else f"{base}/{child}"


def resolve(node: Node, child: int | None, own: Mapping[str, Any], yields: Yields) -> Resolved:
    """What a job of `node` is, given what the jobs before it left.

    Parameters
    ----------
    own : the values of this child of a task; empty for others.

    Raises MissingArtifactError when an edge brings nothing, DefinitionError for values and files that do not fit.
    """
    spec = node.spec
    given = {**spec.values, **dict(_incoming_values(node, yields)), **own}
    values = typed_values(spec.parameters, given, path=node.path, key=spec.key, undeclared=True)
    files = tuple(
        file
        for name, each in spec.inputs.items()
        for file in named(
            each, _candidates(node, name, values, yields, child), path=node.path, key=f"{spec.key}.inputs.{name}"
        )
    )
    task = Task(
        label=node.label(child),
        recipe=node.recipe,
        values=values,
        files=files,
        title=spec.name,
        pipeline=node.pipeline,
        node=spec.name,
        child=child,
        control=node.control,
    )
    parts = (*parameter_parts(values, node.secret_key), *input_parts(files))
    return Resolved(task, parts)


def is_spread(spec: NodeSpec, edge: EdgeSpec) -> bool:
    """Whether a list that an edge brings becomes children of a task, one for each of its values."""
    if spec.task is None or spec.pinned or (edge.source_type, edge.target_type) != ("metadata", "parameter"):
        return False
    definition = spec.parameters.get(edge.target_key)
    return definition is None or not definition.multiple


def spread(node: Node, edges: Iterable[tuple[Node, EdgeSpec]], yields: Yields) -> None:
    """Has the task vary what lists of metadata bring; single values remain values of all its children.

    Raises MissingArtifactError for a list of nothing.
    """
    assert node.spec.task is not None, "it spreads"
    for source, edge in edges:
        lists = [value for job in source.jobs for value in _value(yields[job], edge) if isinstance(value, list)]
        items = [item for each in lists for item in each]
        if lists and not items:
            fact = f"metadata '{edge.source_key}' of node '{source.spec.name}' is an empty list"
            raise MissingArtifactError(f"{node.label(None)}: edge {edge}: {fact}; print at least one value")
        if items:
            node.spec.task.variants[edge.target_key] = ("multiple", {"items": items})


def _incoming_values(node: Node, yields: Yields) -> Iterator[tuple[str, Any]]:
    for source, edge in node.feeds:
        if edge.target_type != "parameter":
            continue
        found = [value for job in source.jobs for value in _value(yields[job], edge)]
        if found:
            yield edge.target_key, _fitting(node, edge.target_key, found)
        elif all(_is_good(yields[job]) for job in source.jobs):
            fact = f"node '{source.spec.name}' has no {edge.source_type} '{edge.source_key}'"
            remedy = "print it as a line of JSON" if edge.source_type == "metadata" else "give it a value"
            raise MissingArtifactError(f"{node.label(None)}: edge {edge}: {fact}; {remedy}")


def _fitting(node: Node, name: str, found: list[Any]) -> Any:
    """One value from what a node yields: of several children the last, unless the parameter takes several."""
    definition = node.spec.parameters.get(name)
    if definition is not None and definition.multiple:
        return [atom for value in found for atom in (value if isinstance(value, list) else [value])]
    return found[-1]


def _value(left: Yield, edge: EdgeSpec) -> list[Any]:
    if edge.source_type == "metadata":
        values = left.metrics.get(edge.source_key)
        return [values[-1]] if values else []
    parameters = left.facts.get("parameters", {})
    return [parameters[edge.source_key]] if edge.source_key in parameters else []


def _candidates(node: Node, name: str, values: Mapping[str, Any], yields: Yields, child: int | None) -> list[Candidate]:
    """The files of one input, from its references and from edges."""
    spec = node.spec.inputs[name]
    edges = [(source, edge) for source, edge in node.feeds if edge.target_type == "input" and edge.target_key == name]
    found: list[Candidate] = []
    if not edges or node.spec.append:
        found += _referenced(node, name, values)
        found += _fetched(node, name, child, yields)
    for source, edge in edges:
        if edge.source_type == "input":
            for passed in source.spec.inputs:
                if fnmatchcase(passed, edge.source_key):
                    found += _candidates(source, passed, source.spec.values, yields, None)
        else:
            found += _written(node, source, edge, yields)
    if not found and not edges and not spec.optional:
        raise no_file(name, node.path, node.spec)
    return found


def no_file(name: str, path: Path, node: NodeSpec) -> DefinitionError:
    """What is to be raised where nothing says which files an input has."""
    remedy = f"give it a file with --{name}, a default, or 'optional: true'"
    return DefinitionError(f"input '{name}' has no file", path=path, key=node.key, remedy=remedy)


def _referenced(node: Node, name: str, values: Mapping[str, Any]) -> list[Candidate]:
    found = list(node.static.get(name, ()))
    for reference in node.spec.inputs[name].references:
        if depends_on_values(reference) and scheme_of(reference) not in REMOTE:
            key = f"{node.spec.key}.inputs.{name}"
            found += node.references.resolve(interpolated(reference, values), path=node.path, key=key)
    return found


def _fetched(node: Node, name: str, child: int | None, yields: Yields) -> Iterator[Candidate]:
    wanted = [*node.remote.get((name, None), ()), *(node.remote.get((name, child), ()) if child is not None else ())]
    for job, item in wanted:
        for output in yields[job].outputs:
            size = output.size_bytes
            yield Candidate(path=item.path, below=item.below, uri=item.uri, size_bytes=size, origin=output)


def depends_on_values(reference: str) -> bool:
    """Whether a reference means something only once parameters have values."""
    return "{parameter:" in reference


def _written(node: Node, source: Node, edge: EdgeSpec, yields: Yields) -> list[Candidate]:
    found: list[Candidate] = []
    for number, job in enumerate(source.jobs, 1):
        left = yields[job]
        name = source.spec.name if source.spec.task is None else f"{source.spec.name}-{number}"
        found += _matching(left, edge.source_key, name)
    if found or not all(_is_good(yields[job]) for job in source.jobs):
        return found
    if node.spec.inputs[edge.target_key].optional:
        return []
    written = [output.name for job in source.jobs for output in yields[job].outputs]
    listed = ", ".join(written[:5]) + (f" and {len(written) - 5} more" if len(written) > 5 else "") or "nothing"
    raise MissingArtifactError(
        f"{node.label(None)}: edge {edge}: no output of '{source.spec.name}' is called so; it wrote {listed}"
    )


def _matching(left: Yield, pattern: str, source: str) -> Iterator[Candidate]:
    """The outputs that a pattern matches; ``*`` crosses folders."""
    said = left.facts.get("outputs", {})
    execution = left.facts.get("uuid")
    folder = pattern.split("*")[0].split("?")[0].split("[")[0].rpartition("/")[0]
    for output in left.outputs:
        if fnmatchcase(output.name, pattern):
            below = output.name.removeprefix(f"{folder}/") if folder else output.name
            datum = datum_id(execution, output.name) if execution else None
            yield candidate_of(output, said.get(output.name), source=source, below=below, datum=datum)


def _is_good(left: Yield) -> bool:
    """Whether the job succeeded: of one that failed and is forgiven nothing is demanded."""
    return left.facts.get("status") == "complete"
