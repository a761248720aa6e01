"""Experiments with cacheable steps for tests, and a note of every step that really ran."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from crystallize import (
    ArtifactPlugin,
    Experiment,
    FrozenContext,
    Pipeline,
    Result,
    Treatment,
    data_source,
    pipeline_step,
)

RAN: list[Any] = []
"""What steps noted of themselves when they ran; emptied by whoever looks."""


def ran() -> list[Any]:
    """What ran since this was last asked."""
    seen = list(RAN)
    RAN.clear()
    return seen


@data_source
def numbers(ctx: FrozenContext, values: tuple[int, ...] = (1, 2, 3)) -> list[int]:
    return list(values)


@pipeline_step(cacheable=True)
def prepare(data: list[int], scale: int = 2) -> list[int]:
    RAN.append("prepare")
    return [value * scale for value in data]


@pipeline_step()
def fit(data: list[int], lr: int = 1) -> Any:
    RAN.append("fit")
    return data, {"loss": sum(data) * lr}


@functools.cache
def table() -> int:
    """What ``table.txt`` holds, read once."""
    return int(Path("table.txt").read_text())


def cached_table(data: Any) -> Any:
    return [value + table() for value in data]


def step(fn: Callable[..., Any], **settings: Any) -> Any:
    """A cacheable step of a function."""
    return pipeline_step(cacheable=True, **settings)(fn)()


def experiment(
    root: Path, steps: Sequence[Any], treatments: dict[str, dict[str, Any]] | None = None, **more: Any
) -> Any:
    """An experiment over `numbers`; `treatments`: name → what it adds to the context."""
    plugins = [ArtifactPlugin(root_dir=root), *more.pop("plugins", ())]
    named = [Treatment(name, payload) for name, payload in (treatments or {}).items()]
    source = more.pop("datasource", None) or numbers()
    return Experiment(source, Pipeline(list(steps)), plugins, name="e", treatments=named, **more)


def run(root: Path, steps: Sequence[Any], treatments: dict[str, dict[str, Any]] | None = None, **more: Any) -> Result:
    """The result of a run that resumes, unless `strategy` says otherwise."""
    strategy = more.pop("strategy", "resume")
    result: Result = experiment(root, steps, treatments, **more).run(strategy=strategy)
    assert result.errors == {}
    return result


def metrics(result: Result) -> dict[str, Any]:
    """Condition → metric → values."""
    return dict(result.metrics.conditions())


def hits(result: Result, condition: str = "baseline", replicate: int = 0) -> list[bool]:
    """For each step of a trial whether it was replayed."""
    return [record["cache_hit"] for record in result.provenance["ctx_changes"][condition][replicate]]
