"""Children of a task: which values each of them has, by the type of the task and the styles of its parameters.

A random search draws from a generator seeded by its own definition: the same task has the same children every time.
"""

from __future__ import annotations

import itertools
import json
import math
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crystallize.errors import DefinitionError
from crystallize.fingerprint.digest import digest_of
from crystallize.valohai.spec import TaskSpec

MOST_CHILDREN = 10_000
SUPPORTED = ("grid_search", "random_search", "manual_search")


def children_of(task: TaskSpec, *, path: Path, key: str) -> list[dict[str, Any]]:
    """The values that each child has of its own, in order; one child without any where nothing varies.

    Raises DefinitionError for a type that is not carried out here, and for rules that make no sense.
    """
    if task.type not in SUPPORTED:
        raise DefinitionError(
            f"tasks of type '{task.type}' are not carried out here",
            path=path,
            key=key,
            remedy=f"use {', '.join(SUPPORTED)}",
        )
    try:
        children = _children(task)
    except (KeyError, TypeError, ValueError, ZeroDivisionError, OverflowError) as error:
        fact = f"its rules cannot be followed: {error or type(error).__name__}"
        raise DefinitionError(fact, path=path, key=key, remedy="mend the rules of its parameters") from error
    if len(children) > MOST_CHILDREN:
        raise DefinitionError(f"it has {len(children)} children", path=path, key=key, remedy="vary less")
    return children


def _children(task: TaskSpec) -> list[dict[str, Any]]:
    if task.type == "random_search":
        return _random(task)
    columns = {name: _values(style, rules, _generator(task, name)) for name, (style, rules) in task.variants.items()}
    if task.type == "manual_search":
        rows = [dict(row) for row in task.sets]
        length = max((len(values) for values in columns.values()), default=0)
        zipped = [{name: values[i] for name, values in columns.items() if i < len(values)} for i in range(length)]
        return rows + zipped or [{}]
    count = math.prod(map(len, columns.values()))
    if count > MOST_CHILDREN:
        raise ValueError(f"{count} combinations")
    return [dict(zip(columns, row, strict=True)) for row in itertools.product(*columns.values())]


def _random(task: TaskSpec) -> list[dict[str, Any]]:
    count = task.count or 1
    if count > MOST_CHILDREN:
        raise ValueError(f"{count} executions")
    draws = {name: _generator(task, name) for name in task.variants}
    return [
        {name: _draw(style, rules, draws[name]) for name, (style, rules) in task.variants.items()} for _ in range(count)
    ]


def _generator(task: TaskSpec, name: str) -> random.Random:
    style, rules = task.variants[name]
    said = json.dumps([task.type, task.count, name, style, dict(rules)], sort_keys=True, default=str)
    return random.Random(rules.get("seed", digest_of("variants/1", said.encode()).hex()))


def _values(style: str, rules: Mapping[str, Any], generator: random.Random) -> list[Any]:
    if style == "single":
        return [rules["value"]]
    if style == "multiple":
        return list(rules["items"])
    if style == "linear":
        return _linear(rules["start"], rules["end"], rules.get("step", 1))
    if style == "logspace":
        return _logspace(rules)
    return [_draw(style, rules, generator) for _ in range(int(rules.get("count", 1)))]


def _draw(style: str, rules: Mapping[str, Any], generator: random.Random) -> Any:
    if style != "random":
        return generator.choice(_values(style, rules, generator))
    low, high = rules.get("min", 0), rules.get("max", 1)
    middle, width = (low + high) / 2, (high - low) / 6
    drawn = generator.gauss(middle, width) if rules.get("distribution") == "normal" else generator.uniform(low, high)
    value = min(max(drawn, low), high)
    return round(value) if rules.get("integerify") else value


def _linear(start: float, end: float, step: float) -> list[Any]:
    if step == 0:
        return [start]
    count = math.floor((end - start) / step + 1e-9) + 1
    if count > MOST_CHILDREN:
        raise ValueError(f"{count} values")
    return [start + step * i for i in range(count)]


def _logspace(rules: Mapping[str, Any]) -> list[Any]:
    start, end = rules.get("start", rules.get("min", 0)), rules.get("end", rules.get("max", 1))
    base, count = rules.get("base", 10), int(rules.get("count", 1))
    exponents = [start + (end - start) * i / max(count - 1, 1) for i in range(count)]
    values = [base**exponent for exponent in exponents]
    return [round(value) for value in values] if rules.get("integerify") else values
