"""Optimizers: asked for treatments, told what they gave."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from crystallize import (
    BaseOptimizer,
    Experiment,
    FrozenContext,
    MissingMetricError,
    Objective,
    Pipeline,
    Treatment,
    data_source,
    pipeline_step,
)
from crystallize.experiment.results.saved_metrics import load_metrics

RAN: list[tuple[str, int]] = []


@pytest.fixture(autouse=True)
def nothing_ran() -> None:
    RAN.clear()


@data_source
def nothing(ctx: FrozenContext) -> None:
    return None


@pipeline_step()
def parabola(data: Any, ctx: FrozenContext, *, x: float = 10.0) -> Any:
    RAN.append((ctx["condition"], ctx["replicate"]))
    if x < 0:
        raise ValueError("out of range")
    ctx.record("loss", (x - 3) ** 2)
    ctx.record("pair", [x, x + 1])
    ctx.record("text", "loss")
    return data


class Walk(BaseOptimizer):
    """Tries the given values, several at a time."""

    def __init__(self, rounds: Sequence[Sequence[float]], metric: str = "loss", direction: str = "minimize") -> None:
        super().__init__(Objective(metric, direction))
        self.rounds = list(rounds)
        self.tried: list[float] = []
        self.told: list[float] = []

    def ask(self) -> list[Treatment]:
        values = self.rounds.pop(0)
        self.tried.extend(values)
        return [Treatment(f"x={value}", {"x": value}) for value in values]

    def tell(self, objective_values: dict[str, float]) -> None:
        self.told.append(objective_values[self.objective.metric])

    def get_best_treatment(self) -> Treatment:
        x = self.tried[self.told.index(min(self.told))]
        return Treatment(f"x={x}", {"x": x})


def made() -> Experiment:
    return Experiment(nothing(), Pipeline([parabola()]), name="e")


@pytest.mark.contract("7.2.12")
def test_the_optimizer_is_told_the_mean_under_each_treatment_it_asked_for() -> None:
    optimizer = Walk([[1.0], [4.0, 2.0], [3.0]])
    best = made().optimize(optimizer, 3, 2)

    assert optimizer.told == [4.0, 1.0, 1.0, 0.0]
    assert best.apply_map == {"x": 3.0}


def test_each_round_runs_as_many_replicates_as_asked() -> None:
    made().optimize(Walk([[1.0]]), 1, 3)

    assert [ran for ran in RAN if ran[0] == "x=1.0"] == [("x=1.0", 0), ("x=1.0", 1), ("x=1.0", 2)]


def test_what_was_tried_before_is_reused_unless_told_otherwise() -> None:
    made().optimize(Walk([[1.0], [2.0]]), 2)
    assert RAN == [("baseline", 0), ("x=1.0", 0), ("x=2.0", 0)]

    RAN.clear()
    optimizer = Walk([[2.0], [1.0]])
    made().optimize(optimizer, 2)
    assert (RAN, optimizer.told) == ([], [1.0, 4.0])

    made().optimize(Walk([[2.0]]), 1, strategy="rerun")
    assert RAN == [("baseline", 0), ("x=2.0", 0)]


@pytest.mark.contract("7.2.12")
@pytest.mark.parametrize(("direction", "worst"), [("minimize", math.inf), ("maximize", -math.inf)])
def test_a_treatment_that_failed_counts_worst(direction: str, worst: float) -> None:
    optimizer = Walk([[-1.0, 2.0]], direction=direction)
    made().optimize(optimizer, 1)

    assert optimizer.told == [worst, 1.0]


@pytest.mark.contract("7.2.12")
def test_lists_of_numbers_have_a_mean_and_texts_have_none() -> None:
    optimizer = Walk([[2.0]], "pair")
    made().optimize(optimizer, 1)

    assert optimizer.told == [2.5]
    with pytest.raises(TypeError, match="metric 'text' holds \\['loss'\\], which has no mean"):
        made().optimize(Walk([[2.0]], "text"), 1)


def test_a_metric_that_nobody_records_is_missing() -> None:
    with pytest.raises(MissingMetricError, match="accuracy"):
        made().optimize(Walk([[2.0]], "accuracy"), 1)


@pytest.mark.contract("7.2.12")
def test_an_optimizer_that_asks_for_nothing_ends_the_search() -> None:
    best = made().optimize(Walk([[2.0], []]), 9)

    assert best.apply_map == {"x": 2.0}


def test_hypotheses_are_left_out_and_steps_set_up_in_every_round() -> None:
    def never(baseline: Any, treatment: Any) -> Any:
        raise AssertionError

    from crystallize import Hypothesis

    experiment = Experiment(
        nothing(), Pipeline([parabola()]), name="e", hypotheses=[Hypothesis(never)], treatments=[Treatment("t", {})]
    )
    optimizer = Walk([[1.0], [2.0]])
    experiment.optimize(optimizer, 2)

    assert optimizer.told == [4.0, 1.0]


def test_aoptimize_searches_inside_a_running_loop() -> None:
    best = asyncio.run(made().aoptimize(Walk([[1.0], [3.0]]), 2))

    assert best.apply_map == {"x": 3.0}


def test_what_is_no_optimizer_is_refused() -> None:
    with pytest.raises(TypeError, match="give a BaseOptimizer"):
        made().optimize(Walk, 3)  # type: ignore[arg-type]


def test_all_that_was_tried_is_shown_when_the_search_is_over() -> None:
    walk = Walk([[0.0], [1.0, 2.0], [4.0]])
    experiment = made()
    experiment.optimize(walk, 3, replicates_per_trial=2)
    folder = Path("data") / experiment.label / "v0"
    shown = load_metrics(folder.parent)[2]

    assert sorted(metrics["loss"][0] for metrics in shown.values()) == [1.0, 1.0, 4.0, 9.0]
    assert all((folder / name / ".crystallize_complete").exists() for name in shown)


def test_a_new_search_shows_what_it_tries_itself() -> None:
    experiment = made()
    experiment.optimize(Walk([[0.0], [1.0]]), 2)
    experiment.optimize(Walk([[2.0]]), 1)

    assert [metrics["loss"] for metrics in load_metrics(Path("data") / experiment.label)[2].values()] == [[1.0]]
