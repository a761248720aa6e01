"""Holds a normalised document to the schema that the valohai-yaml package ships; faults become findings.

Where the schema offers alternatives (the kinds of nodes), the faults are those of the alternative that was meant. The
validator is costly to import and to build, so it is asked for late.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from crystallize.errors import nearest
from crystallize.valohai.finding import Finding, Level
from crystallize.valohai.normal import Normal
from crystallize.yaml_lines import KeyPath

_TYPES = {
    "object": "a mapping", "array": "a list", "string": "a text", "boolean": "true or false",
    "number": "a number", "integer": "a whole number", "null": "nothing",
}  # fmt: skip


def schema_findings(normal: Normal, path: Path) -> list[Finding]:
    """The faults of `normal` against the schema, in the order of their lines."""
    from valohai_yaml.validation import get_validator

    errors = [each for error in get_validator().iter_errors(normal.value) for each in _meant(error)]
    found = [_finding(error, normal, path) for error in errors]
    found += [_unknown_item(index, item, normal, path) for index, item in enumerate(normal.value) if _strange(item)]
    return sorted(dict.fromkeys(found), key=lambda finding: finding.line)


def dotted(keys: KeyPath, value: Any) -> str:
    """A key path as people read it: entries of lists by their names, where they have one.

    Parameters
    ----------
    value : the whole document, which `keys` lead into.
    """
    told: list[str] = []
    for key in keys:
        value = _child(value, key)
        name = value.get("name") if isinstance(value, dict) else None
        if isinstance(key, int):
            if told:
                told.append(str(name) if isinstance(name, str) else str(key))
        else:
            told.append(str(key))
            if len(told) == 1 and isinstance(name, str):
                told.append(name)
    return ".".join(told)


def _child(value: Any, key: Any) -> Any:
    try:
        return value[key]
    except (KeyError, IndexError, TypeError):
        return None


def _meant(error: Any) -> Iterator[Any]:
    """The faults that a failed choice comes down to, else the fault itself."""
    if error.validator not in ("anyOf", "oneOf") or not error.context:
        yield error
        return
    alternatives: dict[Any, list[Any]] = {}
    for each in error.context:
        alternatives.setdefault(each.schema_path[0], []).append(each)
    fitting = [faults for faults in alternatives.values() if not any(_denies_type(fault) for fault in faults)]
    types = [fault for faults in alternatives.values() for fault in faults if list(fault.path) == ["type"]]
    if isinstance(error.instance, dict) and "type" not in error.instance:
        yield from [fault for fault in error.context if fault.validator == "required"][:1] or [error]
    elif len(fitting) == 1:
        for fault in fitting[0]:
            yield from _meant(fault)
    elif len(types) == len(alternatives):  # of no kind that there is
        types[0].validator, types[0].validator_value = "enum", [_only(each.validator_value) for each in types]
        yield types[0]
    else:
        yield error


def _only(said: Any) -> Any:
    return said[0] if isinstance(said, list) else said


def _denies_type(fault: Any) -> bool:
    """Whether the alternative is about another kind of thing altogether."""
    return (len(fault.path) == 0 and fault.validator == "type") or list(fault.path) == ["type"]


def _finding(error: Any, normal: Normal, path: Path) -> Finding:
    keys = tuple(error.absolute_path)
    fact, remedy, extra = _words(error)
    return Finding(
        level=_level(error),
        path=path,
        line=normal.line(*keys, *extra),
        key=dotted((*keys, *extra), normal.value),
        fact=fact,
        remedy=remedy,
    )


def _level(error: Any) -> Level:
    is_override = error.absolute_path and error.absolute_path[-1] == "override"
    return "warning" if error.validator == "additionalProperties" and is_override else "error"


def _words(error: Any) -> tuple[str, str, Sequence[str]]:
    """Fact, remedy, and the keys below the fault that it is really about."""
    rule, value, said = error.validator, error.instance, error.validator_value
    if rule == "additionalProperties":
        known = list(error.schema.get("properties", ()))
        unknown = sorted(key for key in value if key not in known)
        return f"unknown key '{unknown[0]}'", nearest(str(unknown[0]), known), (unknown[0],)
    if rule == "required":
        missing = [key for key in said if key not in value]
        return f"'{missing[0]}' is missing", f"add '{missing[0]}: …'", ()
    if rule == "type":
        kinds = [said] if isinstance(said, str) else said
        wanted = " or ".join(_TYPES.get(kind, kind) for kind in kinds)
        if value is None:
            further = "; what belongs to it must be indented further" if "object" in kinds else ""
            return f"nothing stands here{further}", f"give it {wanted}", ()
        return f"{_told(value)} is not {wanted}", f"give it {wanted}", ()
    if rule in ("enum", "const"):
        choices = [said] if rule == "const" else list(said)
        return f"{_told(value)} is not possible here", nearest(str(value), map(str, choices)), ()
    if rule == "pattern":
        return f"{_told(value)} does not look like {said}", "write it in that form", ()
    if rule in ("maxLength", "maxItems", "minLength", "minItems"):
        return f"{_told(value)} is too {'long' if rule.startswith('max') else 'short'}", f"the limit is {said}", ()
    if rule in ("minimum", "maximum"):
        return f"{_told(value)} is too {'small' if rule == 'minimum' else 'large'}", f"the limit is {said}", ()
    return f"{_told(value)} has no form that is known here", _forms(error), ()


def _forms(error: Any) -> str:
    offered: Iterable[Any] = error.validator_value if isinstance(error.validator_value, list) else ()
    kinds = {_TYPES.get(str(each.get("type")), "") for each in offered if isinstance(each, dict)} - {""}
    return f"give it {' or '.join(sorted(kinds))}" if kinds else "see the reference of valohai.yaml"


def _told(value: Any) -> str:
    if value is None:
        return "nothing"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


_KINDS = ("step", "pipeline", "task", "endpoint", "deployment")


def _strange(item: Any) -> bool:
    return isinstance(item, dict) and not any(kind in item for kind in _KINDS)


def _unknown_item(index: int, item: dict[str, Any], normal: Normal, path: Path) -> Finding:
    key = next(iter(item), "")
    return Finding(
        level="warning",
        path=path,
        line=normal.line(index),
        key=str(key),
        fact=f"'{key}' defines nothing that is known" if item else "an empty entry",
        remedy=nearest(str(key), _KINDS),
    )
