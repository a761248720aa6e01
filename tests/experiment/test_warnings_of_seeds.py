"""Warnings where seeds cannot do what people expect of them."""

from __future__ import annotations

import logging
import sys
from types import ModuleType
from typing import Any

import pytest

from crystallize import BasePlugin, Experiment, FrozenContext, ParallelExecution, Pipeline, SeedPlugin, pipeline_step
from crystallize import data_source as source_of


@source_of
def nothing(ctx: FrozenContext) -> None:
    return None


@pipeline_step()
def same(data: Any) -> Any:
    return data


def warnings_of(caplog: pytest.LogCaptureFixture, *plugins: BasePlugin, **asked: Any) -> list[str]:
    experiment = Experiment(nothing(), Pipeline([same()]), plugins, name="e", replicates=3)
    with caplog.at_level(logging.WARNING, "crystallize"):
        experiment.run(**asked)
    return [record.message for record in caplog.records if record.levelno == logging.WARNING]


def test_threads_share_the_generators_that_are_seeded(caplog: pytest.LogCaptureFixture) -> None:
    [told] = warnings_of(caplog, ParallelExecution(max_workers=2))

    assert "executor_type='thread'" in told
    assert "ctx.rng" in told


@pytest.mark.parametrize(
    "plugin", [ParallelExecution(max_workers=2, executor_type="process"), ParallelExecution(max_workers=1)]
)
def test_processes_and_a_single_thread_share_nothing(caplog: pytest.LogCaptureFixture, plugin: BasePlugin) -> None:
    assert warnings_of(caplog, plugin) == []


def test_nothing_is_said_of_a_run_that_reuses_everything(caplog: pytest.LogCaptureFixture) -> None:
    warnings_of(caplog, ParallelExecution(max_workers=2))
    caplog.clear()

    assert warnings_of(caplog, ParallelExecution(max_workers=2), strategy="resume") == []


def test_generators_that_nobody_seeds_are_named(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", ModuleType("torch"))

    [told] = warnings_of(caplog, SeedPlugin(seed=1))
    caplog.clear()

    assert "SeedPlugin has no seed_fn, so nobody seeds the generators of torch" in told
    assert warnings_of(caplog, SeedPlugin(seed=1, seed_fn=lambda seed: None)) == []
