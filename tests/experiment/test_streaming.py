"""Streams: trials one by one as they end, and a run that stops where nobody reads on."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from crystallize import Experiment, FrozenContext, Pipeline, Treatment, data_source, pipeline_step
from crystallize.history.history import History
from crystallize.store.store import Store

RAN: list[str] = []


@pytest.fixture(autouse=True)
def nothing_ran() -> None:
    RAN.clear()


@data_source
def nothing(ctx: FrozenContext) -> None:
    return None


@pipeline_step()
def note(data: Any, ctx: FrozenContext, *, fail_at: int = -1) -> Any:
    RAN.append(f"{ctx['condition']}/{ctx['replicate']}")
    if ctx["replicate"] == fail_at:
        raise ValueError("as told")
    return data, {"value": ctx["replicate"]}


def made(**params: Any) -> Experiment:
    return Experiment(
        nothing(), Pipeline([note(**params)]), name="e", replicates=3, treatments=[Treatment("t", {"k": 1})]
    )


def test_a_stream_yields_every_trial_and_then_has_the_result() -> None:
    stream = made().stream()
    trials = list(stream)

    assert [(trial.condition, trial.replicate, trial.metrics) for trial in trials] == [
        (condition, replicate, {"value": [replicate]}) for replicate in range(3) for condition in ("baseline", "t")
    ]
    assert stream.result.metrics.baseline.metrics == {"value": [0, 1, 2]}
    assert [trial.seed for trial in trials if trial.condition == "t"] == [0, 31337, 62674]


def test_no_trial_starts_while_another_one_is_looked_at() -> None:
    seen = [(f"{trial.condition}/{trial.replicate}", list(RAN)) for trial in made().stream()]

    assert all(ran[-1] == label and len(ran) == number for number, (label, ran) in enumerate(seen, 1))


def test_who_stops_reading_stops_the_run_and_the_next_one_goes_on() -> None:
    stream = made().stream()
    for trial in stream:
        if trial.replicate == 1:
            break
    stopped = list(RAN)
    RAN.clear()
    again = made().run(strategy="resume")

    assert stopped == ["baseline/0", "t/0", "baseline/1"]
    assert stream.result.metrics.baseline.metrics == {"value": [0, 1]}
    assert RAN == ["t/1", "baseline/2", "t/2"]
    assert again.metrics.treatments["t"].metrics == {"value": [0, 1, 2]}


def test_a_stopped_condition_has_no_completion_marker() -> None:
    for trial in made().stream():
        if trial.condition == "t":
            break

    assert not Path("data/e/v0/baseline/.crystallize_complete").exists()


def test_reused_trials_come_first_and_say_so() -> None:
    made().run(replicates=2)
    trials = list(made().stream(strategy="resume"))

    assert [trial.reused for trial in trials] == [True, True, True, True, False, False]


def test_a_trial_that_failed_has_its_error() -> None:
    trials = list(made(fail_at=1).stream(treatments=[]))

    assert [type(trial.error).__name__ for trial in trials] == ["NoneType", "PipelineExecutionError", "NoneType"]
    assert trials[1].metrics == {}


@pytest.mark.parametrize("executor", ["serial", "thread", "async", "process"])
def test_every_executor_streams(executor: str) -> None:
    stream = made().stream(executor=executor)
    found = {(trial.condition, trial.replicate) for trial in stream}

    assert found == {(condition, replicate) for condition in ("baseline", "t") for replicate in range(3)}
    assert stream.result.errors == {}


def test_an_asynchronous_stream_stops_where_it_is_left() -> None:
    async def first() -> Any:
        async with made().stream() as stream:
            async for trial in stream:
                if trial.condition == "t":
                    break
        return stream.result

    result = asyncio.run(first())

    assert RAN == ["baseline/0", "t/0"]
    assert result.metrics.treatments["t"].metrics == {"value": [0]}


def test_other_tasks_go_on_beside_an_asynchronous_stream() -> None:
    async def count() -> list[int]:
        return [trial.replicate async for trial in made().stream(treatments=[])]

    async def both() -> Any:
        return await asyncio.gather(count(), asyncio.sleep(0, "slept"))

    assert asyncio.run(both()) == [[0, 1, 2], "slept"]


def test_a_for_loop_inside_a_running_loop_says_what_to_do() -> None:
    async def wrong() -> None:
        for _ in made().stream():
            pass

    with pytest.raises(RuntimeError, match="already running"):
        asyncio.run(wrong())


def test_what_cannot_be_run_is_raised_by_the_stream() -> None:
    with pytest.raises(ValueError, match="no treatment 'x'"):
        list(made().stream(treatments=["x"]))


def test_the_result_is_there_only_when_the_run_is_over() -> None:
    stream = made().stream()

    with pytest.raises(RuntimeError, match="not over"):
        _ = stream.result


def test_a_stream_is_read_once() -> None:
    stream = made().stream()
    list(stream)

    with pytest.raises(RuntimeError, match="read once"):
        list(stream)


def test_the_history_says_that_a_stream_that_was_left_ended_well() -> None:
    for _ in made().stream():
        break

    store = Store.open(Path("data").resolve(), write=False)
    [run] = History(store).runs()
    store.close()
    assert run.state == "ok"
