"""Small experiments for the tests of the contract: one source, steps that say what they did."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from crystallize import (
    Artifact,
    ArtifactPlugin,
    DataSource,
    Experiment,
    FrozenContext,
    Pipeline,
    PipelineStep,
    data_source,
    pipeline_step,
)

CALLS: list[str] = []
"""What steps noted of themselves when they ran; emptied by whoever looks."""


def calls() -> list[str]:
    """What ran since this was last asked."""
    seen = list(CALLS)
    CALLS.clear()
    return seen


@data_source
def nothing(ctx: FrozenContext) -> None:
    return None


@pipeline_step()
def note(data: Any, ctx: FrozenContext, *, value: Any = 1) -> Any:
    """Notes its trial and records `value`."""
    CALLS.append(f"{ctx['condition']}/{ctx['replicate']}")
    return data, {"value": value}


@pipeline_step()
def write(data: Any, ctx: FrozenContext, *, out: Artifact, value: Any = 1) -> Any:
    """Writes condition and value."""
    CALLS.append(f"{ctx['condition']}/{ctx['replicate']}")
    out.write(f"{ctx['condition']}:{value}")
    return data, {"value": value}


@pipeline_step()
def read(data: Any) -> Any:
    """Records what each alias of its data gives."""
    seen = {alias: each.decode() if isinstance(each, bytes) else each.read_text() for alias, each in data.items()}
    return data, seen


def experiment(
    root: Path, *steps: PipelineStep, name: str = "e", source: DataSource | None = None, **settings: Any
) -> Experiment:
    """An experiment whose results lie in `root`."""
    plugins: Sequence[Any] = [*settings.pop("plugins", ()), ArtifactPlugin(root_dir=root)]
    return Experiment(source or nothing(), Pipeline(steps), plugins, name=name, **settings)


def producer(root: Path, *, name: str = "p", value: Any = None, **settings: Any) -> Experiment:
    """An experiment with the single output ``o.txt``, written by `write`; without `value` a treatment may set it."""
    out = Artifact("o.txt")
    given = {} if value is None else {"value": value}
    return experiment(root, write(out=out, **given), name=name, outputs=[out], **settings)
