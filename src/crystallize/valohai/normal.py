"""What the schema of `valohai.yaml` refuses without need, put into the form that it accepts.

Keys with underscores, pipelines without `edges`, tasks without parameters, plural sockets (``node.outputs.*``), a time
limit of bare digits, and keys of ours (``x-…``), which are taken out and handed back. The lines of the file go along.
Knows no schema.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

from crystallize.yaml_lines import KeyPath, ListDocument, line_in

_NAMED_BY_USERS = frozenset(
    ("configuration", "defaults", "devices", "node-selector", "options", "parameter-sets", "rules", "settings")
)
"""Keys under which users choose the names."""
_TOP = {"blueprint": "pipeline"}
_SINGULAR = {
    name + "s": name for name in ("deployment", "environment-variable", "file", "input", "output", "parameter")
} | {"dependencies": "dependency"}


@dataclass(slots=True)
class Normal:
    """A document in the form of the schema."""

    value: list[Any]
    lines: dict[KeyPath, int] = field(default_factory=dict)
    """As in `Lines.lines`, by the keys of `value`."""
    extensions: dict[KeyPath, Any] = field(default_factory=dict)
    """What stood under keys that begin with ``x-``."""

    def line(self, *keys: Hashable) -> int:
        """The line of the entry at `keys`, else of the nearest entry around it; the first for the whole file."""
        return line_in(self.lines, keys)


def normalized(document: ListDocument) -> Normal:
    """The values of `document` in the form of the schema; `document` is left as it is."""
    normal = Normal([])
    _Walk(document.lines, normal).list_into(normal.value, document.value, (), ())
    for index, item in enumerate(normal.value):
        if isinstance(item, dict):
            _mend_item(item, normal, index)
    return normal


def socket(text: str) -> str:
    """A socket ``node.type.key`` with its type in the singular; anything else as it is."""
    node, dot, rest = text.partition(".")
    kind, second, key = rest.partition(".")
    kind = kind.replace("_", "-")
    return f"{node}.{_SINGULAR.get(kind, kind)}.{key}" if dot and second else text


class _Walk:
    """Copies values, folding keys, and notes the lines under the new keys."""

    def __init__(self, lines: Mapping[KeyPath, int], normal: Normal) -> None:
        self._lines = lines
        self._normal = normal

    def list_into(self, into: list[Any], values: list[Any], old: KeyPath, new: KeyPath) -> None:
        for index, value in enumerate(values):
            self._note((*old, index), (*new, index))
            into.append(self._copy(value, (*old, index), (*new, index)))

    def _copy(self, value: Any, old: KeyPath, new: KeyPath) -> Any:
        if isinstance(value, list):
            made: list[Any] = []
            self.list_into(made, value, old, new)
            return made
        if isinstance(value, dict):
            return self._mapping(value, old, new)
        return value

    def _mapping(self, value: dict[Any, Any], old: KeyPath, new: KeyPath) -> dict[Any, Any]:
        made: dict[Any, Any] = {}
        for key, inner in value.items():
            folded = self._fold(key, new)
            self._note((*old, key), (*new, folded))
            if isinstance(folded, str) and folded.startswith("x-"):
                self._normal.extensions[(*new, folded)] = inner
            else:
                made[folded] = self._copy(inner, (*old, key), (*new, folded))
        return made

    def _fold(self, key: Hashable, around: KeyPath) -> Hashable:
        if not isinstance(key, str) or not _NAMED_BY_USERS.isdisjoint(around):
            return key
        return _TOP.get(key, key) if len(around) == 1 else key.replace("_", "-")

    def _note(self, old: KeyPath, new: KeyPath) -> None:
        if old in self._lines:
            self._normal.lines[new] = self._lines[old]


def _mend_item(item: dict[str, Any], normal: Normal, index: int) -> None:
    for kind, content in item.items():
        if not isinstance(content, dict):
            continue
        if kind == "step":
            _mend_step(content)
        elif kind == "task" and "parameter-sets" not in content:
            content.setdefault("parameters", [])  # edges may vary them
        elif kind == "pipeline":
            _mend_pipeline(content, normal, (index, kind))


def _mend_step(step: dict[str, Any]) -> None:
    for key in ("time-limit", "no-output-timeout"):
        limit = step.get(key)
        if isinstance(limit, str) and limit.strip().isdecimal():
            step[key] = int(limit)
    _mend_variables(step)


def _mend_variables(holder: dict[str, Any]) -> None:
    """Values of environment variables are texts, though YAML reads some as numbers or truth values."""
    for variable in _mappings(holder.get("environment-variables")):
        default = variable.get("default")
        if isinstance(default, bool):
            variable["default"] = "true" if default else "false"
        elif isinstance(default, (int, float)):
            variable["default"] = str(default)


def _mend_pipeline(pipeline: dict[str, Any], normal: Normal, keys: KeyPath) -> None:
    pipeline.setdefault("edges", [])
    if isinstance(pipeline["edges"], list):
        pipeline["edges"] = [_mend_edge(edge) for edge in pipeline["edges"]]
    for node in _mappings(pipeline.get("nodes")):
        if isinstance(node.get("override"), dict):
            _mend_variables(node["override"])
    for number, parameter in enumerate(_mappings(pipeline.get("parameters"))):
        if "value" in parameter and "default" not in parameter:
            parameter["default"] = parameter.pop("value")
            place = (*keys, "parameters", number)
            normal.lines[(*place, "default")] = normal.lines.get((*place, "value"), 1)
        for key in ("target", "targets"):
            targets = parameter.get(key)
            if isinstance(targets, str):
                parameter[key] = socket(targets)
            elif isinstance(targets, list):
                parameter[key] = [socket(each) if isinstance(each, str) else each for each in targets]


def _mend_edge(edge: Any) -> Any:
    if isinstance(edge, list):
        return [socket(end) if isinstance(end, str) else end for end in edge]
    if isinstance(edge, dict):
        ends = {key: socket(edge[key]) for key in ("source", "target") if isinstance(edge.get(key), str)}
        return edge | ends
    return edge


def _mappings(values: Any) -> list[dict[str, Any]]:
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []
