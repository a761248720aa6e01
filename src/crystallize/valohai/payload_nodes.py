"""Nodes of a payload: templates laid over the steps that they name, and references to earlier executions.

What a template says wins over the step; what it leaves out is the step's. Knows neither edges nor stores.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

from crystallize.errors import DefinitionError, UnknownNameError, nearest
from crystallize.valohai.document import Document
from crystallize.valohai.spec import Action, NodeSpec, OnError, TaskSpec
from crystallize.valohai.specify import fill
from crystallize.valohai.values import typed_values

UPLOADED = "~"
"""What the identifiers of packages begin with that a client uploads: their tree is not here."""
_KINDS = ("execution", "task", "deployment", "mimic")
_ERRORS: tuple[OnError, ...] = ("stop-all", "stop-next", "continue", "retry")
_NODE_KEYS = (
    "name", "type", "template", "source", "reuse-execution-id", "on-error", "edge-merge-mode", "actions", "id",
    "commit", "deployment", "endpoints", "aliases", "endpoint-configurations", "title",
)  # fmt: skip
_CARRIED = (
    "name", "title", "tags", "priority", "resources", "upload-store", "runtime-config-preset", "description", "icon",
    "category", "cache-volumes", "outputs", "environment-variable-groups", "autorestart", "project", "mounts",
)  # fmt: skip
"""Keys of templates that other machines heed, or that the step says itself."""
_READ = (
    "commit", "step", "image", "command", "parameters", "inputs", "environment", "environment-variables", "time-limit",
    "runtime-config", "source-path", "stop-condition",
)  # fmt: skip
_TASK = (
    "type", "maximum-queued-executions", "on-child-error", "stop-expression", "allow-reuse", "reuse-children",
    "configuration", "parameter-sets",
)  # fmt: skip


class Place(NamedTuple):
    """Where something stands in a payload, for messages."""

    path: Path
    key: str = ""

    def at(self, *keys: str | int) -> Place:
        """What stands under `keys`."""
        key = self.key
        for each in keys:
            key = f"{key}[{each}]" if isinstance(each, int) else f"{key}.{each}" if key else each
        return Place(self.path, key)

    def fault(self, fact: str, remedy: str) -> DefinitionError:
        """The error that says so."""
        return DefinitionError(fact, path=self.path, key=self.key or None, remedy=remedy)

    def mapping(self, value: Any, *, folded: bool = True) -> dict[str, Any]:
        """An object, its keys with hyphens where they have underscores. Raises DefinitionError."""
        if not isinstance(value, Mapping):
            raise self.fault(f"{_told(value)} is no object", "write {…}")
        return {key.replace("_", "-") if folded else key: inner for key, inner in value.items()}

    def sequence(self, value: Any) -> list[Any]:
        """A list; none at all is an empty one. Raises DefinitionError."""
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.fault(f"{_told(value)} is no list", "write […]")
        return value

    def choice(self, value: Any, known: Sequence[str]) -> str:
        """One of the words that are known, in either spelling. Raises DefinitionError."""
        word = str(value).replace("_", "-")
        if word not in known:
            raise self.fault(f"{_told(value)} is not known", nearest(word, known))
        return word


class PayloadNode(NamedTuple):
    """A node, and the earlier execution that stands in for it, if any."""

    spec: NodeSpec
    execution: str | None = None
    """Its counter, or its UUID."""
    run: str | None = None
    """The run whose node of this name it is."""


def payload_node(
    given: Any, place: Place, document: Document, documents: Callable[[str], Document], notices: list[str]
) -> PayloadNode:
    """One entry of ``nodes``. Raises DefinitionError and UnknownNameError."""
    said = place.mapping(given)
    name = said.get("name")
    if not isinstance(name, str) or not name or "/" in name or "." in name:
        raise place.fault(f"{_told(name)} is no name of a node", "add 'name', without '/' and '.'")
    kind = place.at("type").choice(said.get("type", "execution"), _KINDS)
    spec = NodeSpec(name=name, kind="task" if kind == "task" else "execution", key=f"{place.path.name}: {place.key}")
    notices += [f"{place.at(key).key} is not known and means nothing" for key in said if key not in _NODE_KEYS]
    spec.on_error = place.at("on-error").choice(said.get("on-error") or "stop-all", _ERRORS)  # type: ignore[assignment]
    merge = place.at("edge-merge-mode").choice(said.get("edge-merge-mode") or "replace", ("replace", "append"))
    spec.append = merge == "append"
    actions = place.at("actions")
    spec.actions = tuple(
        _action(actions.at(index).mapping(each)) for index, each in enumerate(actions.sequence(said.get("actions")))
    )
    if kind == "deployment":
        spec.kind = "deployment"
        return PayloadNode(spec)
    if kind == "mimic" or said.get("reuse-execution-id") is not None:
        return _chosen(spec, kind, said, place)
    if "template" not in said:
        fact = f"node '{name}' has neither a template nor an execution to reuse"
        raise place.fault(fact, "add 'template': {'step': …}, or 'reuse_execution_id'")
    template = place.at("template").mapping(said["template"])
    _lay_over(spec, template, place.at("template"), document, documents, notices)
    return PayloadNode(spec)


def _chosen(spec: NodeSpec, kind: str, said: Mapping[str, Any], place: Place) -> PayloadNode:
    """A node for which something earlier stands in: ``12``, a UUID, or ``RUN:NODE`` in place of a node's id."""
    from valohai_yaml.objs import Step

    key = "source" if kind == "mimic" else "reuse-execution-id"
    reference = str(said.get(key) or "")
    if not reference:
        raise place.at(key).fault(f"node '{spec.name}' names no earlier execution", "add its number, or its UUID")
    spec.step = Step(name=spec.name, image="", command="")
    spec.template = False
    run, colon, node = reference.partition(":")
    if colon and node != spec.name:
        raise place.at(key).fault(f"it names node '{node}' of run {run}", f"name the node alike: '{run}:{spec.name}'")
    if colon:
        return PayloadNode(spec, run=run)
    for prefix in ("exec-", "exec_", "#"):
        reference = reference.removeprefix(prefix)
    return PayloadNode(spec, execution=reference)


def _lay_over(
    spec: NodeSpec,
    template: Mapping[str, Any],
    place: Place,
    document: Document,
    documents: Callable[[str], Document],
    notices: list[str],
) -> None:
    commit = str(template.get("commit") or "") or None
    if commit is not None and commit.startswith(UPLOADED):
        notices.append(f"{place.at('commit').key}: '{commit[:9]}…' was uploaded elsewhere; the source here is taken")
        commit = None
    of_commit = document if commit is None else documents(commit)
    name = template.get("step") or template.get("name")
    if not isinstance(name, str):
        raise place.fault(f"node '{spec.name}' names no step", "add 'step': …")
    if name not in of_commit.config.steps:
        remedy = nearest(name, of_commit.config.steps)
        fact = f"there is no step '{name}' in {of_commit.path}" + (f" at commit {commit}" if commit else "")
        raise UnknownNameError(fact, path=place.path, key=place.at("step").key, remedy=remedy)
    fill(spec, of_commit, of_commit.step(name), None)
    spec.commit = commit
    spec.image = template.get("image") or spec.image
    spec.environment = template.get("environment") or spec.environment
    command = template.get("command")
    if command:
        spec.command = (command,) if isinstance(command, str) else tuple(map(str, command))
    spec.step = _with_limits(spec.step, template, place)
    if spec.kind == "task":
        spec.task = _task(template, place)
    _set_parameters(spec, template, place)
    _set_inputs(spec, template, place)
    variables = place.at("environment-variables").mapping(template.get("environment-variables") or {}, folded=False)
    spec.environ |= {variable: _text(value) for variable, value in variables.items() if value is not None}
    known = {*_CARRIED, *_READ, *(_TASK if spec.task is not None else ())}
    notices += [f"{place.at(key).key} is not known and means nothing" for key in template if key not in known]


def _with_limits(step: Any, template: Mapping[str, Any], place: Place) -> Any:
    """The step with the limits that the template sets."""
    changed = copy.copy(step)
    runtime = place.at("runtime-config").mapping(template.get("runtime-config") or {})
    limits = ((template, "time-limit", "time_limit"), (runtime, "no-output-timeout", "no_output_timeout"))
    for said, key, attribute in limits:
        seconds = said.get(key)
        if seconds is None:
            continue
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or seconds <= 0:
            raise place.at(key).fault(f"{_told(seconds)} is no number of seconds", "write for instance 3600")
        setattr(changed, attribute, timedelta(seconds=seconds))
    changed.source_path = template.get("source-path") or step.source_path
    changed.stop_condition = template.get("stop-condition") or step.stop_condition
    return changed


def _set_parameters(spec: NodeSpec, template: Mapping[str, Any], place: Place) -> None:
    place = place.at("parameters")
    for name, value in place.mapping(template.get("parameters") or {}, folded=False).items():
        if not isinstance(value, Mapping):
            spec.values[name] = value
            continue
        varied = place.at(name).mapping(value)
        style = str(varied.get("style") or "")
        rules = place.at(name, "rules").mapping(varied.get("rules"))
        if style == "single":
            spec.values[name] = rules.get("value")
        elif spec.task is None:
            raise place.at(name).fault("only parameters of task nodes vary", "give it a value, or make it a task node")
        elif name not in spec.parameters:
            raise UnknownNameError(
                f"there is no parameter '{name}'", path=place.path, key=place.key, remedy=nearest(name, spec.parameters)
            )
        else:
            spec.task.variants[name] = (style, rules)
    typed_values(spec.parameters, spec.values, path=place.path, key=place.key)


def _set_inputs(spec: NodeSpec, template: Mapping[str, Any], place: Place) -> None:
    place = place.at("inputs")
    for name, given in place.mapping(template.get("inputs") or {}, folded=False).items():
        if name not in spec.inputs:
            fact = f"step '{spec.step.name}' has no input '{name}'"
            raise UnknownNameError(fact, path=place.path, key=place.key, remedy=nearest(name, spec.inputs))
        listed = [given] if isinstance(given, str) else place.at(name).sequence(given)
        if not all(isinstance(each, str) for each in listed):
            raise place.at(name).fault(f"{_told(listed)} are no references", "write texts: paths or URIs")
        spec.inputs[name].references = listed


def _task(template: Mapping[str, Any], place: Place) -> TaskSpec:
    more = place.at("configuration").mapping(template.get("configuration") or {})
    errors = ("continue-and-complete", "continue-and-error", "stop-all-and-error")
    return TaskSpec(
        type=str(template.get("type") or "grid_search").lower().replace("-", "_"),
        sets=[place.at("parameter-sets").mapping(each, folded=False) for each in template.get("parameter-sets") or ()],
        count=more.get("execution-count"),
        at_once=template.get("maximum-queued-executions"),
        on_child_error=place.at("on-child-error").choice(template.get("on-child-error") or errors[1], errors),
        stop_condition=template.get("stop-expression"),
        reuse_children=bool(template.get("allow-reuse") or template.get("reuse-children")),
    )


def _action(said: Mapping[str, Any]) -> Action:
    when, conditions, then = (_listed(said.get(key)) for key in ("when", "if", "then"))
    return Action(frozenset(when), tuple(conditions), tuple(then))


def _listed(value: Any) -> list[str]:
    return [] if value is None else [str(value)] if not isinstance(value, list) else list(map(str, value))


def _text(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def _told(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
