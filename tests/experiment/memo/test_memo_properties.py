"""Whatever is cacheable, whatever conditions set and whatever ran before: results are those without memos."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from crystallize import FrozenContext, Result, pipeline_step

from ..memoising import experiment

KEYS = ("a", "b", "c")


def add_a(data: list[Any], a: int = 0) -> Any:
    return [*data, a]


def add_b_if_a(data: list[Any], ctx: FrozenContext) -> Any:
    if ctx.get("a", 0) > 1:
        return [*data, ctx.get("b")], {"b": ctx.get("b", -1)}
    return data


def has_c(data: list[Any], ctx: FrozenContext) -> Any:
    ctx.record("c", "c" in ctx, {"size": len(data)})
    return data


def names(data: list[Any], ctx: FrozenContext) -> Any:
    return data, {"names": sorted(key for key in ctx if key in KEYS)}


def draw(data: list[Any]) -> Any:
    return [*data, random.randrange(10**6)]


def draw_numpy(data: list[Any]) -> Any:
    return [*data, int(np.random.randint(10**6))]


def draw_own(data: list[Any], ctx: FrozenContext) -> Any:
    return [*data, float(ctx.rng.random())]


def forget(data: list[Any]) -> Any:
    return data[:1]


def write(data: list[Any], ctx: FrozenContext, b: int = 0) -> Any:
    ctx.artifacts.add(f"{len(data)}.txt", f"{data} {b}")
    return data


def sum_metrics(data: list[Any], ctx: FrozenContext) -> Any:
    return data, {"count": len(ctx.metrics["b"]) + len(ctx.metrics["c"])}


def announce(data: list[Any], ctx: FrozenContext, c: int = 0) -> Any:
    if "said" not in ctx:
        ctx.add("said", [c])
    return [*data, *ctx["said"]]


FUNCTIONS = [
    *(add_a, add_b_if_a, has_c, names, draw, draw_numpy, draw_own),
    *(forget, sum_metrics, announce),
]

payloads = st.dictionaries(st.sampled_from(KEYS), st.integers(0, 3))
lines = st.lists(st.tuples(st.sampled_from(FUNCTIONS), st.booleans()), min_size=1, max_size=6)


def result_of(root: Path, line: list[tuple[Any, bool]], treatments: Any, replicates: int, memos: bool) -> Result:
    steps = [pipeline_step(cacheable=memos and cacheable)(fn)() for fn, cacheable in line]
    steps.append(pipeline_step(cacheable=memos)(write)())
    done: Result = experiment(root, steps, treatments, replicates=replicates).run(strategy="resume")
    return done


def contents(result: Result) -> Any:
    return {
        (name, condition): path.read_bytes()
        for name, paths in result.artifacts.items()
        for condition, path in paths.items()
    }


def changes(result: Result) -> Any:
    return {
        (condition, replicate): [record["ctx_changes"] for record in records]
        for condition, trials in result.provenance["ctx_changes"].items()
        for replicate, records in trials.items()
    }


@settings(max_examples=40, deadline=None)
@given(
    runs=st.lists(
        st.tuples(lines, st.dictionaries(st.sampled_from("xyz"), payloads), st.integers(1, 2)), min_size=1, max_size=3
    )
)
def test_results_are_those_without_memos(runs: list[tuple[Any, Any, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for number, (line, treatments, replicates) in enumerate(runs):
            plain = result_of(Path(folder) / f"plain{number}", line, treatments, replicates, memos=False)
            memo = result_of(Path(folder) / "memo", line, treatments, replicates, memos=True)

            assert memo.metrics == plain.metrics
            assert contents(memo) == contents(plain)
            assert changes(memo) == changes(plain)
            assert {key: str(error) for key, error in memo.errors.items()} == {
                key: str(error) for key, error in plain.errors.items()
            }
