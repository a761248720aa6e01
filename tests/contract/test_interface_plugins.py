"""Sections 1.10 and 1.11 of the contract: plugins, and how trials are executed."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crystallize import (
    AsyncExecution,
    BasePlugin,
    DataSource,
    FrozenContext,
    ParallelExecution,
    PipelineStep,
    SeedPlugin,
    SerialExecution,
    Treatment,
    pipeline_step,
    resource_factory,
)

from .making import calls, experiment, note


class Backwards(BasePlugin):
    """Asks for the last replicate first, and says what it was given."""

    affects_results = False

    def __init__(self) -> None:
        self.seen: list[Any] = []

    async def run_experiment_loop(self, experiment: Any, replicate_fn: Callable[[int], Any]) -> list[Any]:
        self.seen = [await replicate_fn(replicate) for replicate in reversed(range(experiment.replicates))]
        return self.seen[::-1]


class Careless(BasePlugin):
    """Returns nothing of what it ran; not a coroutine function."""

    affects_results = False

    def run_experiment_loop(self, experiment: Any, replicate_fn: Callable[[int], Any]) -> list[Any]:
        for replicate in range(experiment.replicates):
            replicate_fn(replicate)
        return []


@pipeline_step()
def draw(data: Any, ctx: FrozenContext) -> Any:
    """What the generator and the seed of a trial are."""
    return data, {"drawn": random.random(), "seed": ctx["seed_used"]}


@pipeline_step()
async def wait(data: Any, ctx: FrozenContext) -> Any:
    """Lets others go first."""
    await asyncio.sleep(0)
    return data, {"waited": ctx["replicate"]}


class InitialiseClient(PipelineStep):
    """As `crystallize_extras` begins its clients: passes data through, its `setup` adds a keyed factory."""

    def __init__(self, host: str, context_key: str = "client") -> None:
        self.host, self.context_key = host, context_key

    def __call__(self, data: Any, ctx: FrozenContext) -> Any:
        return data

    @property
    def params(self) -> dict[str, Any]:
        return {"host": self.host, "context_key": self.context_key}

    def setup(self, ctx: FrozenContext) -> None:
        made = resource_factory(lambda ctx: {"connected to": self.host}, key=("client", self.host))
        ctx.add(self.context_key, made)


@pipeline_step()
def ask(data: Any, *, client: Any) -> Any:
    """Uses a client that the context supplies."""
    return data, {"answer": client["connected to"]}


@pytest.mark.contract("1.10.2")
def test_the_last_plugin_with_a_loop_orders_the_replicates(tmp_path: Path) -> None:
    backwards = Backwards()
    hot = Treatment("hot", {"value": 9})
    made = experiment(tmp_path, note(), treatments=[hot], plugins=[Careless(), backwards], replicates=3)

    result = made.run()

    assert [label.partition("/")[2] for label in calls()] == ["2", "2", "1", "1", "0", "0"]
    assert result.metrics.baseline.metrics == {"value": [1, 1, 1]}
    assert [each.baseline_metrics for each in backwards.seen] == [{"value": [1]}] * 3
    assert backwards.seen[0].treatment_metrics == {"hot": {"value": [9]}}


@pytest.mark.contract("1.10.3")
def test_what_was_recorded_is_the_result_whatever_a_loop_returns(tmp_path: Path) -> None:
    result = experiment(tmp_path, note(), plugins=[Careless()], replicates=2).run()

    assert result.metrics.baseline.metrics == {"value": [1, 1]}


@pytest.mark.contract("1.10.5", "1.10.6")
@pytest.mark.parametrize("seeds", [SeedPlugin(seed=7), SeedPlugin(seed=7, auto_seed=False)])
def test_each_replicate_has_its_seed_in_every_condition(seeds: SeedPlugin, tmp_path: Path) -> None:
    made = experiment(tmp_path, draw(), plugins=[seeds], treatments=[Treatment("hot", {"heat": 1})], replicates=3)

    metrics = made.run().metrics

    expected = [7, (7 + 31337) % 2**32, (7 + 2 * 31337) % 2**32] if seeds.auto_seed else [7, 7, 7]
    assert metrics.baseline.metrics["seed"] == metrics.treatments["hot"].metrics["seed"] == expected
    assert metrics.baseline.metrics["drawn"] == metrics.treatments["hot"].metrics["drawn"]
    assert metrics.baseline.metrics["drawn"] == [random.Random(seed).random() for seed in expected]


@pytest.mark.contract("1.10.8")
def test_a_seed_without_a_function_needs_no_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "crystallize"):
        experiment(tmp_path, draw(), plugins=[SeedPlugin(seed=7)]).run()

    assert caplog.text == ""


@pytest.mark.contract("1.11.1")
def test_a_bar_counts_replicates_when_asked_and_something_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = experiment(tmp_path, note(), plugins=[SerialExecution(progress=True)], treatments=[Treatment("hot", {})])

    made.run(replicates=3)
    said = capsys.readouterr().err
    made.run(replicates=3, strategy="resume")
    reused = capsys.readouterr().err
    made.run(replicates=1)
    single = capsys.readouterr().err

    assert "Replicates" in said and "3/3" in said
    assert "Replicates" not in reused + single
    assert SerialExecution().progress is False


@pytest.mark.contract("1.11.3", "5.36")
def test_threads_cannot_wait_for_coroutines_and_say_what_can() -> None:
    async def replicate(number: int) -> int:
        return number

    class Three:
        replicates = 3

    with pytest.raises(TypeError, match="AsyncExecution"):
        ParallelExecution().run_experiment_loop(Three(), replicate)


@pytest.mark.contract("1.11.2", "5.21")
def test_a_wrong_executor_type_is_told_with_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"'fork'.*'process', 'thread'"):
        ParallelExecution(executor_type="fork")


@pytest.mark.contract("1.11.4", "5.35")
def test_threads_with_seeds_are_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    threads, processes = ParallelExecution(2), ParallelExecution(2, executor_type="process")
    with caplog.at_level(logging.WARNING, "crystallize"):
        experiment(tmp_path, note(), plugins=[threads, SeedPlugin(seed=1)], replicates=2).run()
    said = caplog.text
    caplog.clear()
    with caplog.at_level(logging.WARNING, "crystallize"):
        experiment(tmp_path, note(), name="f", plugins=[processes, SeedPlugin(seed=1)], replicates=2).run()

    assert "executor_type='thread'" in said
    assert "executor_type='thread'" not in caplog.text


@pytest.mark.contract("1.11.6", "1.11.8")
@pytest.mark.parametrize(
    "plugin", [ParallelExecution(2), ParallelExecution(2, "process"), AsyncExecution(), SerialExecution()]
)
def test_coroutine_steps_work_under_every_executor(plugin: BasePlugin, tmp_path: Path) -> None:
    result = experiment(tmp_path, wait(), plugins=[plugin], replicates=3).run()

    assert result.metrics.baseline.metrics == {"waited": [0, 1, 2]}


@pytest.mark.contract("1.11.8")
def test_asynchronous_replicates_wait_side_by_side(tmp_path: Path) -> None:
    met: list[int] = []

    class Gathering(DataSource):
        takes_context = True

        async def fetch(self, ctx: FrozenContext) -> None:
            met.append(ctx["replicate"])
            while len(met) < 3:
                await asyncio.sleep(0)

    result = experiment(tmp_path, note(), source=Gathering(), plugins=[AsyncExecution()], replicates=3).run()

    assert sorted(met) == [0, 1, 2]
    assert result.errors == {}


@pytest.mark.contract("1.14.7")
def test_a_step_that_puts_a_client_into_the_context_runs_unchanged(tmp_path: Path) -> None:
    made = experiment(tmp_path, InitialiseClient("localhost"), ask(), plugins=[ParallelExecution(2)], replicates=3)

    assert made.run().metrics.baseline.metrics == {"answer": ["localhost"] * 3}
    assert made.run(strategy="resume").reused == {"baseline": 3}
