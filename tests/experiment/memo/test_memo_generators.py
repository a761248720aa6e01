"""Random generators and step memos: the state before is among the reads, the state left is restored."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crystallize import AsyncExecution, FrozenContext, ParallelExecution, SeedPlugin, pipeline_step

from ..memoising import hits, metrics, run, step

TREATMENTS = {"one": {"lr": 1}, "two": {"lr": 2}}


def draw_random(data: Any) -> Any:
    return data, {"drawn": random.random()}


def draw_numpy(data: Any) -> Any:
    return data, {"drawn": float(np.random.random())}


def draw_own(data: Any, ctx: FrozenContext) -> Any:
    return data, {"drawn": float(ctx.rng.random())}


def seed_anew(data: Any) -> Any:
    random.seed(7)
    return data, {"drawn": random.random()}


def draw_all(data: Any, ctx: FrozenContext, lr: int = 0) -> Any:
    drawn = {"random": random.random(), "numpy": float(np.random.random()), "own": float(ctx.rng.random())}
    return data, {**drawn, "lr": lr}


DRAWS = [draw_random, draw_numpy, draw_own, seed_anew]


@pytest.mark.parametrize("draw", DRAWS)
def test_a_replayed_draw_leaves_the_generators_as_the_draw_did(tmp_path: Path, draw: Any) -> None:
    plain = run(tmp_path / "a", [pipeline_step(draw)(), pipeline_step(draw_all)()], TREATMENTS, replicates=3)
    result = run(tmp_path / "b", [step(draw), pipeline_step(draw_all)()], TREATMENTS, replicates=3)

    assert metrics(result) == metrics(plain)
    assert hits(result, "two", 2) == [True, False]


@pytest.mark.parametrize("draw", [draw_random, draw_numpy, draw_own])
def test_replicates_have_numbers_of_their_own(tmp_path: Path, draw: Any) -> None:
    result = run(tmp_path, [step(draw)], replicates=4)

    assert len(set(metrics(result)["baseline"]["drawn"])) == 4
    assert result.memo_hits == 0


@pytest.mark.parametrize("draw", DRAWS)
def test_a_draw_after_another_number_of_draws_is_another(tmp_path: Path, draw: Any) -> None:
    def warm_up(data: Any, ctx: FrozenContext, lr: int = 0) -> Any:
        for _ in range(lr):
            random.random(), np.random.random(), ctx.rng.random()
        return data

    steps = [pipeline_step(warm_up)(), step(draw), step(draw)]
    plain = run(tmp_path / "a", [pipeline_step(warm_up)(), *[pipeline_step(draw)()] * 2], TREATMENTS)

    assert metrics(run(tmp_path / "b", steps, TREATMENTS)) == metrics(plain)


def test_an_own_generator_that_a_step_only_moves_through_another_name_counts(tmp_path: Path) -> None:
    def hold(data: Any, ctx: FrozenContext) -> Any:
        return {"rng": ctx.rng}

    def draw(data: Any) -> Any:
        return 0, {"drawn": float(data["rng"].random())}

    plain_steps = [pipeline_step(hold)(), pipeline_step(draw)(), pipeline_step(draw_all)()]
    plain = run(tmp_path / "a", plain_steps, TREATMENTS)
    result = run(tmp_path / "b", [pipeline_step(hold)(), step(draw), pipeline_step(draw_all)()], TREATMENTS)

    assert metrics(result) == metrics(plain)


@pytest.mark.parametrize("execution", [ParallelExecution(max_workers=3), AsyncExecution()], ids=["thread", "async"])
def test_beside_other_trials_what_moves_a_global_generator_is_neither_kept_nor_replayed(
    tmp_path: Path, execution: Any
) -> None:
    run(tmp_path, [step(draw_random)], TREATMENTS)
    result = run(tmp_path, [step(draw_random), pipeline_step(draw_all)()], TREATMENTS, plugins=[execution])

    assert result.memo_hits == 0
    assert any("ctx.rng" in notice for notice in result.notices)


@pytest.mark.parametrize("execution", [ParallelExecution(max_workers=3), AsyncExecution()], ids=["thread", "async"])
def test_the_trials_own_generator_is_replayed_under_every_executor(tmp_path: Path, execution: Any) -> None:
    plain = run(tmp_path / "a", [step(draw_own), pipeline_step(draw_own)()], replicates=3)
    run(tmp_path / "b", [step(draw_own)], replicates=3, plugins=[execution])
    result = run(tmp_path / "b", [step(draw_own), pipeline_step(draw_own)()], replicates=3, plugins=[execution])

    assert metrics(result) == metrics(plain)
    assert result.memo_hits == 3


def test_another_seed_is_another_memo(tmp_path: Path) -> None:
    first = run(tmp_path, [step(draw_own)], plugins=[SeedPlugin(seed=1)])
    second = run(tmp_path, [step(draw_own)], plugins=[SeedPlugin(seed=2)])

    assert metrics(first) != metrics(second)
    assert second.memo_hits == 0
