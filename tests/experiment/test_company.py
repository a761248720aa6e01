"""Trials of several experiments in one process: a global generator that they share belongs to none of them."""

from __future__ import annotations

import random
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from crystallize import (
    Artifact,
    Experiment,
    ExperimentGraph,
    FrozenContext,
    ParallelExecution,
    Pipeline,
    SerialExecution,
    data_source,
    pipeline_step,
)
from crystallize.experiment.results.result import Result

DRAWING, DRAWN = Event(), Event()
PATIENCE_SECONDS = 5


@data_source
def nothing() -> None:
    return None


@pipeline_step()
def draw_last(data: Any, ctx: FrozenContext) -> tuple[Any, dict[str, float]]:
    DRAWING.set()
    DRAWN.wait(PATIENCE_SECONDS)
    return data, {"drawn": random.random()}


@pipeline_step()
def draw_first(data: Any, ctx: FrozenContext) -> tuple[Any, dict[str, float]]:
    DRAWING.wait(PATIENCE_SECONDS)
    drawn = random.random()
    DRAWN.set()
    return data, {"drawn": drawn}


@pipeline_step()
def draw(data: Any, ctx: FrozenContext, *, out: Artifact) -> tuple[Any, dict[str, float]]:
    out.write(b"made")
    return data, {"drawn": random.random()}


@pytest.fixture(autouse=True)
def cleared() -> None:
    DRAWING.clear()
    DRAWN.clear()


def run(*experiments: Experiment) -> dict[str, Result]:
    graph = ExperimentGraph()
    for experiment in experiments:
        graph.add_experiment(experiment)
    return graph.run(strategy="resume")


def in_threads(name: str, step: Any) -> Experiment:
    return Experiment(nothing(), Pipeline([step]), [ParallelExecution()], name=name)


def test_single_trials_of_two_experiments_in_threads_share_a_generator_and_are_never_reused() -> None:
    def both() -> dict[str, Result]:
        return run(in_threads("a", draw_last()), in_threads("b", draw_first()))

    first, second = both(), both()

    assert "not reproducible" in " ".join(first["a"].notices)
    assert {name: result.ran for name, result in second.items()} == {"a": {"baseline": 1}, "b": {"baseline": 1}}


def test_a_trial_in_the_driver_beside_one_in_a_thread_does_not_own_the_generator() -> None:
    def both() -> dict[str, Result]:
        threaded = in_threads("threaded", draw_first())
        return run(threaded, Experiment(nothing(), Pipeline([draw_last()]), [SerialExecution()], name="serial"))

    first, second = both(), both()

    assert "not reproducible" in " ".join(first["serial"].notices)
    assert second["serial"].ran == {"baseline": 1}


def test_single_trials_that_come_one_after_the_other_own_the_generator(tmp_path: Path) -> None:
    def chain() -> dict[str, Result]:
        out = Artifact("out")
        maker = Experiment(nothing(), Pipeline([draw(out=out)]), [ParallelExecution()], name="maker", outputs=[out])
        reader = Experiment(out, Pipeline([draw_first()]), [ParallelExecution()], name="reader")
        return run(maker, reader)

    DRAWING.set()
    first, second = chain(), chain()

    assert [result.notices for result in first.values()] == [[], []]
    assert {name: result.ran for name, result in second.items()} == {
        "maker": {"baseline": 0},
        "reader": {"baseline": 0},
    }
