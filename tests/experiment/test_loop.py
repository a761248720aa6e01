"""A plugin's own `run_experiment_loop`: it says which replicates run, in which order; the schedule runs them."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from crystallize import (
    AsyncExecution,
    BasePlugin,
    Experiment,
    FrozenContext,
    ParallelExecution,
    Pipeline,
    SerialExecution,
    Treatment,
    data_source,
    pipeline_step,
)
from crystallize.errors import DefinitionError

RAN: list[tuple[str, int]] = []


@pytest.fixture(autouse=True)
def nothing_ran() -> None:
    RAN.clear()


@data_source
def nothing(ctx: FrozenContext) -> None:
    return None


@pipeline_step()
def note(data: Any, ctx: FrozenContext, *, fail_at: int = -1) -> Any:
    RAN.append((ctx["condition"], ctx["replicate"]))
    if ctx["replicate"] == fail_at:
        raise ValueError("as told")
    return data, {"value": ctx["replicate"]}


def made(*plugins: BasePlugin, replicates: int = 3, **settings: Any) -> Experiment:
    step = note(**settings.pop("params", {}))
    return Experiment(nothing(), Pipeline([step]), plugins, name="e", replicates=replicates, **settings)


class Loop(BasePlugin):
    """A loop that is given as a function of the experiment and `replicate_fn`."""

    affects_results = False

    def __init__(self, loop: Callable[[Any, Any], Any]) -> None:
        self.loop = loop
        self.given: Any = None

    def run_experiment_loop(self, experiment: Any, replicate_fn: Any) -> Any:
        self.given = self.loop(experiment, replicate_fn)
        return self.given


class AsyncLoop(Loop):
    async def run_experiment_loop(self, experiment: Any, replicate_fn: Any) -> Any:
        self.given = await self.loop(experiment, replicate_fn)
        return self.given


def backwards(experiment: Any, replicate_fn: Any) -> Any:
    return [replicate_fn(replicate) for replicate in reversed(range(experiment.replicates))]


async def one_by_one(experiment: Any, replicate_fn: Any) -> Any:
    return [await replicate_fn(replicate) for replicate in range(experiment.replicates)]


async def together(experiment: Any, replicate_fn: Any) -> Any:
    return await asyncio.gather(*map(replicate_fn, range(experiment.replicates)))


def in_threads(experiment: Any, replicate_fn: Any) -> Any:
    with ThreadPoolExecutor() as pool:
        return list(pool.map(lambda replicate: asyncio.run(replicate_fn(replicate)), range(experiment.replicates)))


LOOPS = [Loop(backwards), AsyncLoop(one_by_one), AsyncLoop(together), Loop(in_threads), Loop(together)]
EXECUTIONS = [
    [],
    [ParallelExecution(max_workers=2)],
    [AsyncExecution()],
    [ParallelExecution(max_workers=2, executor_type="process")],
]


@pytest.mark.parametrize("execution", EXECUTIONS, ids=["serial", "thread", "async", "process"])
@pytest.mark.parametrize("plugin", LOOPS, ids=["sync", "async", "gather", "threads", "awaitable"])
def test_every_shape_of_a_loop_runs_everything_under_every_executor(
    plugin: BasePlugin, execution: list[BasePlugin]
) -> None:
    result = made(*execution, plugin, treatments=[Treatment("t", {"k": 1})]).run()

    assert result.errors == {}
    assert result.metrics.baseline.metrics == {"value": [0, 1, 2]}
    assert result.metrics.treatments["t"].metrics == {"value": [0, 1, 2]}


def test_the_plugin_decides_the_order_and_each_replicate_begins_with_its_baseline() -> None:
    made(Loop(backwards), treatments=[Treatment("t", {"k": 1})]).run()

    assert RAN == [("baseline", 2), ("t", 2), ("baseline", 1), ("t", 1), ("baseline", 0), ("t", 0)]


def test_what_a_replicate_gave_is_told_to_the_plugin() -> None:
    plugin = AsyncLoop(one_by_one)
    made(plugin, treatments=[Treatment("t", {"k": 1})], params={"fail_at": 1}).run()

    first, second, _ = plugin.given
    assert (first.baseline_metrics, first.baseline_seed) == ({"value": [0]}, 0)
    assert (first.treatment_metrics, first.treatment_seeds) == ({"t": {"value": [0]}}, {"t": 0})
    assert [record["step"] for record in first.provenance["t"]] == ["NoteStep"]
    assert second.baseline_metrics is None
    assert sorted(second.errors) == ["baseline_rep_1", "t_rep_1"]


def test_the_count_that_the_run_is_asked_for_is_the_one_the_plugin_sees() -> None:
    experiment = made(Loop(backwards))
    result = experiment.run(replicates=5)

    assert result.metrics.baseline.metrics == {"value": [0, 1, 2, 3, 4]}
    assert experiment.replicates == 3


def test_a_plugin_may_stop_early_and_the_next_run_goes_on() -> None:
    async def two(experiment: Any, replicate_fn: Any) -> Any:
        return [await replicate_fn(0), await replicate_fn(1)]

    stopped = made(AsyncLoop(two)).run()
    RAN.clear()
    whole = made().run(strategy="resume")

    assert stopped.metrics.baseline.metrics == {"value": [0, 1]}
    assert "plugin AsyncLoop did not ask for replicate 2" in stopped.notices
    assert RAN == [("baseline", 2)]
    assert whole.metrics.baseline.metrics == {"value": [0, 1, 2]}


def test_what_is_reused_is_told_to_the_plugin_and_runs_not() -> None:
    made().run(replicates=2)
    RAN.clear()
    plugin = AsyncLoop(one_by_one)

    made(plugin).run(strategy="resume")

    assert [each.baseline_metrics for each in plugin.given] == [{"value": [0]}, {"value": [1]}, {"value": [2]}]
    assert RAN == [("baseline", 2)]


def test_the_loop_is_called_after_before_run_and_before_after_run() -> None:
    order = []

    class Watching(Loop):
        def before_run(self, experiment: Any) -> None:
            order.append("before_run")

        def after_run(self, experiment: Any, result: Any) -> None:
            order.append("after_run")

    def loop(experiment: Any, replicate_fn: Any) -> Any:
        order.append("loop")
        return [replicate_fn(0)]

    made(Watching(loop), replicates=1).run()

    assert order == ["before_run", "loop", "after_run"]


def test_what_the_loop_raises_is_raised_and_what_ran_is_kept() -> None:
    async def breaks(experiment: Any, replicate_fn: Any) -> Any:
        await replicate_fn(0)
        raise RuntimeError("the loop broke")

    with pytest.raises(RuntimeError, match="the loop broke"):
        made(AsyncLoop(breaks)).run()
    RAN.clear()
    made().run(strategy="resume")

    assert RAN == [("baseline", 1), ("baseline", 2)]


def test_not_implemented_means_the_usual_order() -> None:
    made(Loop(lambda experiment, replicate_fn: NotImplemented)).run()

    assert RAN == [("baseline", 0), ("baseline", 1), ("baseline", 2)]


def test_a_loop_that_returns_no_list_is_told_what_it_should_return() -> None:
    with pytest.raises(TypeError, match="run_experiment_loop of plugin Loop returned a NoneType; return the list"):
        made(Loop(lambda experiment, replicate_fn: None)).run()


def test_a_replicate_that_is_not_there_is_an_index_error() -> None:
    with pytest.raises(IndexError, match="runs 3 replicates, from 0, and none 3"):
        made(Loop(lambda experiment, replicate_fn: [replicate_fn(3)])).run()


def test_replicate_fn_says_why_it_cannot_travel() -> None:
    with pytest.raises(DefinitionError, match="cannot travel to another process; let ParallelExecution"):
        made(Loop(lambda experiment, replicate_fn: pickle.dumps(replicate_fn))).run()


def test_the_last_plugin_that_says_anything_of_execution_decides() -> None:
    made(Loop(backwards), SerialExecution()).run()

    assert RAN == [("baseline", 0), ("baseline", 1), ("baseline", 2)]


def test_a_plugin_that_asks_for_several_and_gets_one_by_one_is_told_of_it() -> None:
    serial = made(AsyncLoop(together)).run()
    concurrent = made(AsyncExecution(), AsyncLoop(together)).run()

    told = "plugin AsyncLoop asks for several replicates at a time"
    assert any(told in notice for notice in serial.notices)
    assert not any(told in notice for notice in concurrent.notices)


def test_our_own_loops_can_be_delegated_to() -> None:
    class Mine(ParallelExecution):
        def run_experiment_loop(self, experiment: Any, replicate_fn: Any) -> Any:
            RAN.append(("mine", -1))
            return super().run_experiment_loop(experiment, replicate_fn)

    async def delegating(experiment: Any, replicate_fn: Any) -> Any:
        return await SerialExecution().run_experiment_loop(experiment, replicate_fn)

    for plugin in (Mine(max_workers=2), AsyncLoop(delegating)):
        RAN.clear()
        result = made(plugin).run()

        assert result.metrics.baseline.metrics == {"value": [0, 1, 2]}
    assert RAN == [("baseline", 0), ("baseline", 1), ("baseline", 2)]


def test_threads_refuse_a_coroutine_function() -> None:
    async def replicate_fn(replicate: int) -> None: ...

    with pytest.raises(TypeError, match="AsyncExecution"):
        ParallelExecution().run_experiment_loop(made(), replicate_fn)


def test_arun_lets_a_plugin_loop_too() -> None:
    result = asyncio.run(made(AsyncLoop(together)).arun())

    assert result.metrics.baseline.metrics == {"value": [0, 1, 2]}
