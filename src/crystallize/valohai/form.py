"""What one may give a pipeline before it runs: its own parameters and those of its nodes, with type, help and default.

For forms that people fill in; what is given is typed and checked by the same code as on the command line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crystallize.valohai.document import Document
from crystallize.valohai.project import document_of_commit
from crystallize.valohai.spec import PipelineSpec
from crystallize.valohai.specify import pipeline_spec
from crystallize.valohai.values import typed_values
from crystallize.valohai.wiring import step_of

Key = tuple[str, ...]
"""``(parameter,)`` of the pipeline, or ``(node, parameter)``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One parameter."""

    key: Key
    kind: str
    """``integer``, ``float``, ``string`` or ``flag``; ``value`` where it is not known."""
    default: Any = None
    """None: it is unset."""
    help: str = ""
    choices: tuple[str, ...] = ()
    several: bool = False
    """Whether it takes a list."""

    @property
    def name(self) -> str:
        """As it is written: ``rows``, or ``train.rows``."""
        return ".".join(self.key)


def fields_of(document: Document, name: str) -> list[Field]:
    """The parameters of a pipeline, then those of its nodes that no parameter of the pipeline gives a value to."""
    pipeline = document.pipeline(name)
    steps = {node.name: step_of(document, node) for node in pipeline.nodes}
    found, taken = [], set()
    for parameter in pipeline.parameters:
        targets = [(node, key) for node, _, key in (target.split(".", 2) for target in parameter.targets)]
        taken.update(targets)
        step = next((steps[node] for node, _ in targets if steps.get(node) is not None), None)
        definition = None if step is None else step.parameters.get(targets[0][1])
        made = _field((parameter.name,), definition, parameter.default, parameter.description)
        found.append(made)
    for node, step in steps.items():
        free = [each for each in step.parameters.values() if (node, each.name) not in taken] if step is not None else []
        found += [_field((node, each.name), each, each.default, None) for each in free]
    return found


def specified(
    document: Document, name: str, given: Mapping[Key, Any], inputs: Mapping[tuple[str, str], Sequence[str]] = {}
) -> PipelineSpec:
    """The pipeline with what was given for parameters and for the inputs of nodes.

    Raises UnknownNameError and DefinitionError.
    """
    commits: set[str] = {getattr(node, "commit", None) or "" for node in document.pipeline(name).nodes} - {""}
    return pipeline_spec(
        document,
        name,
        parameters={key[0]: value for key, value in given.items() if len(key) == 1},
        node_values={(key[0], key[1]): value for key, value in given.items() if len(key) == 2},
        node_inputs=inputs,
        documents={commit: document_of_commit(document.path, commit) for commit in commits},
    )


def check(spec: PipelineSpec) -> None:
    """Types every value that was given. Raises DefinitionError for the first that does not fit its definition."""
    for node in spec.nodes:
        if node.kind != "deployment":
            typed_values(node.parameters, node.values, path=spec.path, key=node.key, undeclared=True)


def _field(key: Key, definition: Any, default: Any, said: str | None) -> Field:
    if definition is None:
        return Field(key=key, kind="value", default=default, help=said or "", several=isinstance(default, list))
    return Field(
        key=key,
        kind=definition.type,
        default=definition.default if default is None else default,
        help=said or definition.description or "",
        choices=tuple(map(str, definition.choices or ())) if definition.type != "flag" else (),
        several=definition.multiple is not None or isinstance(default, list),
    )
