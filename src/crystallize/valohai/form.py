"""What one may give a pipeline before it runs: its parameters, those of its nodes and their inputs.

For forms that people fill in; what is given is typed and checked by the same code as on the command line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from crystallize.valohai.document import Document
from crystallize.valohai.flow import depends_on_values, no_file
from crystallize.valohai.project import document_of_commit
from crystallize.valohai.references import REMOTE, References, scheme_of
from crystallize.valohai.spec import PipelineSpec
from crystallize.valohai.specify import pipeline_spec
from crystallize.valohai.values import typed_values
from crystallize.valohai.wiring import step_of

Key = tuple[str, ...]
"""``(parameter,)`` of the pipeline, ``(node, parameter)``, or ``(node, INPUTS, input)``."""
INPUTS = "inputs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One parameter, or one input of a node."""

    key: Key
    kind: str
    """``integer``, ``float``, ``string`` or ``flag``; ``value`` where it is not known; ``URI`` of an input."""
    default: Any = None
    """None: it is unset."""
    help: str = ""
    choices: tuple[str, ...] = ()
    several: bool = False
    """Whether it takes a list."""

    @property
    def name(self) -> str:
        """As it is written: ``rows``, or ``train.rows``."""
        return ".".join(self.key if len(self.key) < 3 else (self.key[0], self.key[2]))


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


def input_fields(spec: PipelineSpec) -> list[Field]:
    """The inputs of nodes that have their files from no edge alone, with their default URIs."""
    return [
        Field(
            key=(node.name, INPUTS, name),
            kind="URI",
            default=list(each.references) or None,
            help=(node.step.inputs[name].description or "") if node.step and name in node.step.inputs else "",
            several=True,
        )
        for node in spec.nodes
        for name, each in node.inputs.items()
        if name not in spec.replaced(node)
    ]


def specified(document: Document, name: str, given: Mapping[Key, Any]) -> PipelineSpec:
    """The pipeline with what was given for parameters and for the inputs of nodes.

    Raises UnknownNameError and DefinitionError.
    """
    commits: set[str] = {getattr(node, "commit", None) or "" for node in document.pipeline(name).nodes} - {""}
    return pipeline_spec(
        document,
        name,
        parameters={key[0]: value for key, value in given.items() if len(key) == 1},
        node_values={(key[0], key[1]): value for key, value in given.items() if len(key) == 2},
        node_inputs={(key[0], key[2]): value for key, value in given.items() if len(key) == 3},
        documents={commit: document_of_commit(document.path, commit) for commit in commits},
    )


def check(spec: PipelineSpec) -> None:
    """Types every value that was given. Raises DefinitionError for the first that does not fit its definition."""
    for node in spec.nodes:
        if node.kind != "deployment":
            typed_values(node.parameters, node.values, path=spec.path, key=node.key, undeclared=True)


def check_inputs(spec: PipelineSpec, references: References) -> None:
    """Looks for the files of all inputs, as far as they are on this machine; reads no contents.

    Raises DefinitionError for the first input that has none, and for one whose URI cannot be understood.
    """
    for node in spec.nodes:
        for name, each in node.inputs.items():
            if name in spec.replaced(node) or node.pinned:
                continue
            if not each.references and not each.optional and name not in spec.fed(node):
                raise no_file(name, spec.path, node)
            for reference in each.references:
                if not depends_on_values(reference) and scheme_of(reference) not in REMOTE:
                    references.look(reference, path=spec.path, key=f"{node.key}.inputs.{name}")


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
