"""From a document to specs: steps with the overrides of their nodes, pipeline parameters, edges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from crystallize.errors import DefinitionError, UnknownNameError, nearest
from crystallize.valohai.document import Document
from crystallize.valohai.lint import check_pipeline, is_folder_name
from crystallize.valohai.spec import Action, EdgeSpec, InputSpec, NodeSpec, PipelineSpec, TaskSpec

if TYPE_CHECKING:
    from valohai_yaml.objs import Pipeline, Step, Task

OBSERVED = "observed"
"""What ``x-source`` says when the files that count are to be observed."""


def pipeline_spec(
    document: Document,
    name: str,
    *,
    parameters: Mapping[str, Any] | None = None,
    node_values: Mapping[tuple[str, str], Any] | None = None,
    node_inputs: Mapping[tuple[str, str], Sequence[str]] | None = None,
    documents: Mapping[str, Document] | None = None,
) -> PipelineSpec:
    """A pipeline of the document, with what was given for this run.

    Parameters
    ----------
    parameters : pipeline parameter → value.
    node_values, node_inputs : (node, parameter or input) → value or URIs.
    documents : commit → its document, for nodes that name one.

    Raises UnknownNameError and DefinitionError.
    """
    pipeline = document.pipeline(name)
    check_pipeline(document, pipeline)
    top = document.place("pipeline", name)
    nodes = []
    for index, node in enumerate(pipeline.nodes):
        commit: str | None = getattr(node, "commit", None)
        of_node = document if commit is None or documents is None else documents[commit]
        made = _node(of_node, node)
        made.key = document.key(*top, "nodes", index)
        made.line = document.line(*top, "nodes", index)
        nodes.append(made)
    spec = PipelineSpec(
        name=name,
        path=document.path,
        nodes=nodes,
        edges=[_edge(edge) for edge in pipeline.edges],
        reuse=bool(pipeline.reuse_executions),
        title=name,
    )
    _apply_pipeline_parameters(spec, pipeline, parameters or {})
    for (node_name, parameter), value in (node_values or {}).items():
        _named_node(spec, node_name).values[parameter] = value
    for (node_name, input_name), references in (node_inputs or {}).items():
        set_input(spec, _named_node(spec, node_name), input_name, references)
    return spec


def step_spec(
    document: Document,
    name: str,
    *,
    values: Mapping[str, Any] | None = None,
    inputs: Mapping[str, Sequence[str]] | None = None,
) -> PipelineSpec:
    """A single step as a pipeline of one node, which has its name."""
    step = document.step(name)
    node = NodeSpec(
        name=name, kind="execution", key=f"step.{name}", line=document.line(*document.place("step", name))
    )  # fmt: skip
    fill(node, document, step, None)
    node.values.update(values or {})
    spec = PipelineSpec(name=name, path=document.path, nodes=[node], title=name)
    for input_name, references in (inputs or {}).items():
        set_input(spec, node, input_name, references)
    return spec


def set_input(spec: PipelineSpec, node: NodeSpec, name: str, references: Sequence[str]) -> None:
    """Gives an input of a node other URIs. Raises UnknownNameError."""
    if name not in node.inputs:
        raise UnknownNameError(
            f"node '{node.name}' has no input '{name}'",
            path=spec.path,
            line=node.line,
            remedy=nearest(name, node.inputs),
        )
    node.inputs[name].references = list(references)


def _named_node(spec: PipelineSpec, name: str) -> NodeSpec:
    node = spec.node(name)
    if node is None:
        remedy = nearest(name, [each.name for each in spec.nodes])
        raise UnknownNameError(f"pipeline '{spec.name}' has no node '{name}'", path=spec.path, remedy=remedy)
    return node


def _node(document: Document, node: Any) -> NodeSpec:
    spec = NodeSpec(name=node.name, kind=node.type, key="")
    spec.actions = tuple(
        Action(frozenset(action.when), tuple(map(str, action.if_)), tuple(map(str, action.then)))
        for action in node.actions
    )
    spec.on_error = node.on_error.value
    if node.type == "deployment":
        return spec
    task = document.task(node.task) if getattr(node, "task", None) else None
    step = document.step(node.step or (task.step if task is not None else ""))
    fill(spec, document, step, node.override)
    spec.commit = node.commit
    spec.append = node.edge_merge_mode.value == "append"
    if node.type == "task":
        spec.task = _task(task) if task is not None else TaskSpec(type="grid_search")
    return spec


def fill(spec: NodeSpec, document: Document, step: Step, override: Any) -> None:
    """Puts into `spec` what a step says, with what `override` says in place of it."""
    from valohai_yaml.objs.pipelines.override import Override

    merged = Override.merge_with_step(override, step)
    command = merged.command or step.command
    spec.step = step
    spec.source_files = _source_files(document, step.name)
    spec.observe = document.extension("step", step.name, "x-source") == OBSERVED
    spec.image = merged.image or step.image
    spec.command = (command,) if isinstance(command, str) else tuple(command)
    spec.environment = merged.environment or step.environment or ""
    spec.parameters = dict(merged.parameters)
    spec.mounts = tuple(merged.mounts or step.mounts)
    spec.environ = {name: variable.default for name, variable in merged.environment_variables.items()}
    for name, variable in merged.environment_variables.items():
        if variable.default is None and not variable.optional:
            spec.environ[name] = REQUIRED
    spec.inputs = {name: input_spec(each) for name, each in merged.inputs.items()}
    for name in spec.inputs:
        if not is_folder_name(name):
            fact, place = f"'{name}' cannot be the name of a folder", f"step.{step.name}.inputs"
            raise DefinitionError(fact, path=document.path, key=place, remedy="leave '/' out of it")


REQUIRED = "\0required"
"""Stands for the value of an environment variable that has none and must have one."""


def input_spec(item: Any) -> InputSpec:
    """The spec of an input as the valohai-yaml package defines it."""
    default = item.default
    return InputSpec(
        name=item.name,
        references=[] if default is None else [default] if isinstance(default, str) else list(default),
        optional=item.optional,
        keep_directories=item.keep_directories.value,
        filename=item.filename,
        on_demand=item.download.value == "on-demand",
    )


def _source_files(document: Document, step: str) -> tuple[str, ...] | None:
    said = document.extension("step", step, "x-source")
    if said is None or said == OBSERVED:
        return None
    if isinstance(said, str):
        return (said,)
    if isinstance(said, list) and said and all(isinstance(each, str) for each in said):
        return tuple(said)
    raise DefinitionError(
        f"x-source is {said!r}",
        path=document.path,
        line=document.line(*document.place("step", step)),
        key=f"step.{step}.x-source",
        remedy="list globs of files, as in [train.py, lib/**]",
    )


def _task(task: Task) -> TaskSpec:
    return TaskSpec(
        type=task.type.value,
        variants={variant.name: (variant.style.value, variant.rules) for variant in task.parameters},
        sets=list(task.parameter_sets),
        count=task.execution_count,
        at_once=task.maximum_queued_executions,
        on_child_error=task.on_child_error.value if task.on_child_error is not None else "continue-and-error",
        stop_condition=task.stop_condition,
        reuse_children=bool(task.reuse_children),
    )


def _edge(edge: Any) -> EdgeSpec:
    return EdgeSpec(
        source=edge.source_node,
        source_type=edge.source_type,
        source_key=edge.source_key,
        target=edge.target_node,
        target_type=edge.target_type,
        target_key=edge.target_key,
    )


def _apply_pipeline_parameters(spec: PipelineSpec, pipeline: Pipeline, given: Mapping[str, Any]) -> None:
    known = {parameter.name: parameter for parameter in pipeline.parameters}
    for name in given:
        if name not in known:
            raise UnknownNameError(
                f"pipeline '{pipeline.name}' has no parameter '{name}'", path=spec.path, remedy=nearest(name, known)
            )
    for name, parameter in known.items():
        value = given.get(name, parameter.default)
        if value is None:
            continue
        for target in parameter.targets:
            node_name, _, key = target.split(".", 2)
            set_parameter(_named_node(spec, node_name), key, value)


def set_parameter(node: NodeSpec, name: str, value: Any) -> None:
    """Gives a parameter of a node a value; a list for one that takes a single value varies it, on a task node."""
    definition = node.parameters.get(name)
    is_single = definition is not None and not definition.multiple
    if node.task is not None and isinstance(value, list) and is_single:
        node.task.variants[name] = ("multiple", {"items": value})
    else:
        node.values[name] = value
