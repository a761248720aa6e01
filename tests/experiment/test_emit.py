"""`ctx.emit`: what a step says while it runs reaches plugins and displays, from wherever it runs."""

from __future__ import annotations

import os
import threading
from typing import Any

import pytest

from crystallize import BasePlugin, Experiment, FrozenContext, Pipeline, data_source, pipeline_step, standalone_context
from crystallize.plan import events
from crystallize.plan.standing import Busy
from crystallize.words import in_few_words

DRIVER = os.getpid()
EXECUTORS = ("serial", "thread", "async", "process")


class Listening(BasePlugin):
    affects_results = False

    def __init__(self) -> None:
        self.heard: list[tuple[str, int, Any]] = []

    def on_emit(self, experiment: Any, condition: str, replicate: int, event: Any) -> None:
        assert os.getpid() == DRIVER
        self.heard.append((condition, replicate, event))


@data_source
def nothing(ctx: FrozenContext) -> None:
    return None


@pipeline_step()
def training(data: Any, ctx: FrozenContext) -> Any:
    for epoch in range(5):
        ctx.emit({"epoch": epoch})
    ctx.emit("x" * 100_000)
    return data


@pipeline_step()
def many_threads(data: Any, ctx: FrozenContext) -> Any:
    def talk(number: int) -> None:
        for each in range(20):
            ctx.emit((number, each, "y" * 3_000))

    threads = [threading.Thread(target=talk, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return data


def made(step: Any, plugin: BasePlugin, replicates: int = 2) -> Experiment:
    return Experiment(nothing(), Pipeline([step]), [plugin], name="e", replicates=replicates)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_plugins_hear_everything_in_order_whatever_the_executor(executor: str) -> None:
    plugin = Listening()
    made(training(), plugin).run(executor=executor)

    expected = [*({"epoch": epoch} for epoch in range(5)), "x" * 100_000]
    for wanted in range(2):
        assert [event for _, replicate, event in plugin.heard if replicate == wanted] == expected


@pytest.mark.parametrize("executor", EXECUTORS)
def test_what_many_threads_say_arrives_whole(executor: str) -> None:
    plugin = Listening()
    made(many_threads(), plugin, replicates=1).run(executor=executor)

    heard = [event for _, _, event in plugin.heard]
    assert sorted(heard) == sorted((number, each, "y" * 3_000) for number in range(8) for each in range(20))
    assert all([each for speaker, each, _ in heard if speaker == number] == list(range(20)) for number in range(8))


def test_what_cannot_travel_arrives_as_its_text() -> None:
    @pipeline_step()
    def locked(data: Any, ctx: FrozenContext) -> Any:
        ctx.emit(threading.Lock())
        return data

    plugin = Listening()
    made(locked(), plugin, replicates=1).run(executor="process")

    [(_, _, event)] = plugin.heard
    assert "lock object" in event


def test_what_a_hook_raises_is_logged_and_costs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(BasePlugin):
        affects_results = False

        def on_emit(self, experiment: Any, condition: str, replicate: int, event: Any) -> None:
            raise ValueError("the hook broke")

    for executor in ("serial", "process"):
        result = made(training(), Broken(), replicates=1).run(executor=executor)

        assert result.errors == {}
        assert "on_emit failed" in caplog.text
        caplog.clear()


def test_displays_see_what_was_said_last_beside_the_trial() -> None:
    seen = []

    @pipeline_step()
    def looks(data: Any, ctx: FrozenContext) -> Any:
        ctx.emit({"epoch": 3, "loss": 0.123456, "api_key": "geheim"})
        seen.append(now[0]().busy)
        return data

    now: list[Any] = []

    def watch(event: events.Event) -> None:
        if isinstance(event, events.RunStarted):
            now.append(event.now)

    from crystallize import ExperimentGraph

    graph = ExperimentGraph(made(looks(), Listening(), replicates=1))
    graph.running(watchers=[watch]).run()

    [[busy]] = seen
    assert isinstance(busy, Busy)
    assert busy.said == "epoch 3 · loss 0.1235 · api_key (hidden)"


def test_nothing_that_is_said_changes_a_result() -> None:
    plugin = Listening()
    made(training(), plugin).run()
    plugin.heard.clear()
    again = made(training(), plugin).run(strategy="resume")

    assert sum(again.ran.values()) == 0
    assert plugin.heard == []


def test_outside_a_run_nobody_hears() -> None:
    standalone_context().emit("alone")


@pytest.mark.parametrize(
    ("event", "told"),
    [({"epoch": 1, "loss": 0.5}, "epoch 1 · loss 0.5"), (0.3, "30%"), (7, "7"), ("two\nlines", "two lines")],
)
def test_events_in_a_few_words(event: Any, told: str) -> None:
    assert in_few_words(event) == told


def test_long_events_are_cut() -> None:
    assert len(in_few_words("word " * 100)) == 60
