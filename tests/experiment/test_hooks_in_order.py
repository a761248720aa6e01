"""Properties of a run as users see it: contexts never change, nothing recorded is lost, plugins are called in order."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crystallize import (
    BasePlugin,
    ContextMutationError,
    Experiment,
    FrozenContext,
    Pipeline,
    PipelineStep,
    Treatment,
    data_source,
    pipeline_step,
)

KEYS = st.text("abcde", min_size=1, max_size=2)
VALUES = st.recursive(
    st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=4,
)


@given(st.dictionaries(KEYS, VALUES, max_size=4), st.lists(st.tuples(KEYS, VALUES), max_size=8), st.data())
def test_a_context_never_changes_what_it_once_held(
    initial: dict[str, Any], added: list[tuple[str, Any]], data: st.DataObject
) -> None:
    ctx = FrozenContext(initial)
    held = deepcopy(initial)
    _spoil(initial)
    for key, value in added:
        if key in held:
            with pytest.raises(ContextMutationError, match=f"'{key}'"):
                ctx[key] = value
        else:
            ctx[key] = value
            held[key] = deepcopy(value)
            _spoil(value)
    for key in held:
        _spoil(ctx[key])
        _spoil(ctx.get(key))
        _spoil(ctx.as_dict()[key])

    assert dict(ctx.as_dict()) == held


def _spoil(value: Any) -> None:
    """Changes all that can be changed in a value."""
    if isinstance(value, dict):
        for inner in list(value.values()):
            _spoil(inner)
        value["spoilt"] = True
    elif isinstance(value, list):
        for inner in value:
            _spoil(inner)
        value.append("spoilt")


@settings(max_examples=20)
@given(st.integers(2, 8), st.integers(1, 200))
def test_what_many_threads_append_is_never_lost(threads: int, each: int) -> None:
    ctx = FrozenContext({})
    begin = threading.Barrier(threads)

    def append(number: int) -> None:
        begin.wait()
        for count in range(each):
            ctx.metrics.add("shared", (number, count), step=count)
            ctx.record(f"own_{number}", count)

    running = [threading.Thread(target=append, args=(number,)) for number in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()

    assert sorted(ctx.metrics["shared"]) == [(number, count) for number in range(threads) for count in range(each)]
    assert all(ctx.metrics[f"own_{number}"] == tuple(range(each)) for number in range(threads))
    assert [tags["step"] for tags in ctx.metrics.get_tags("shared")] == [c for _, c in ctx.metrics["shared"]]


class Noting(BasePlugin):
    """Notes each of its calls in a file, which worker processes append to as well."""

    affects_results = False

    def __init__(self, name: str, log: Path) -> None:
        self.name = name
        self.log = log

    def note(self, hook: str, ctx: FrozenContext | None = None) -> None:
        where = "" if ctx is None else f" {ctx['condition']}/{ctx['replicate']}"
        with self.log.open("a", encoding="utf-8") as file:
            file.write(f"{self.name} {hook}{where}\n")

    def init_hook(self, experiment: Any) -> None:
        self.note("init_hook")

    def before_run(self, experiment: Any) -> None:
        self.note("before_run")

    def before_replicate(self, experiment: Any, ctx: FrozenContext) -> None:
        self.note("before_replicate", ctx)

    def before_step(self, experiment: Any, step: Any) -> None:
        self.note(f"before_step {type(step).__name__}")

    def after_step(self, experiment: Any, step: Any, data: Any, ctx: FrozenContext) -> None:
        self.note(f"after_step {type(step).__name__}", ctx)

    def after_run(self, experiment: Any, result: Any) -> None:
        self.note("after_run")


class Steps(PipelineStep):
    """A step of a class, which notes when it is set up, called and torn down."""

    def __init__(self, plugin: Noting) -> None:
        self._plugin = plugin

    @property
    def params(self) -> dict[str, Any]:
        return {}

    def setup(self, ctx: FrozenContext) -> None:
        self._plugin.note("setup")

    def teardown(self, ctx: FrozenContext) -> None:
        self._plugin.note("teardown")

    def __call__(self, data: Any, ctx: FrozenContext) -> Any:
        self._plugin.note("call", ctx)
        return data


@pipeline_step()
async def waits(data: Any, ctx: FrozenContext) -> Any:
    import asyncio

    await asyncio.sleep(0)
    return data


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    executor=st.sampled_from(["serial", "thread", "async", "process"]),
    plugins=st.integers(1, 3),
    replicates=st.integers(1, 3),
    treatments=st.integers(0, 2),
)
def test_plugins_are_called_in_the_order_of_the_contract_under_every_executor(
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    executor: str,
    plugins: int,
    replicates: int,
    treatments: int,
) -> None:
    folder = tmp_path_factory.mktemp("hooks")
    monkeypatch.chdir(folder)
    log = folder / "log"
    listed = [Noting(f"p{number}", log) for number in range(plugins)]
    step = Noting("step", log)

    @data_source
    def source(ctx: FrozenContext) -> None:
        step.note("fetch", ctx)

    def named(name: str) -> Treatment:
        return Treatment(name, lambda ctx: step.note("apply", ctx))

    experiment = Experiment(
        source(),
        Pipeline([Steps(step), waits()]),
        listed,
        name="e",
        replicates=replicates,
        treatments=[named(f"t{number}") for number in range(treatments)],
    )
    result = experiment.run(executor=executor, jobs=2 if executor != "serial" else None)

    assert result.errors == {}
    told = log.read_text(encoding="utf-8").splitlines()
    names = [plugin.name for plugin in listed]
    head = [f"{name} init_hook" for name in names] + [f"{name} before_run" for name in names] + ["step setup"]
    tail = ["step teardown", *(f"{name} after_run" for name in names)]
    assert told[: len(head)] == head
    assert told[-len(tail) :] == tail
    middle = told[len(head) : -len(tail)]
    trials = [f"{condition}/{replicate}" for replicate in range(replicates) for condition in _conditions(treatments)]
    assert len(middle) == len(trials) * (len(list(_of_trial("", names))) - 1) + len(trials) - replicates
    for trial in trials:
        expected = [line for line in _of_trial(trial, names) if "before_step" not in line]
        if trial.startswith("baseline"):
            expected.remove(f"step apply {trial}")
        assert [line for line in middle if line.endswith(f" {trial}")] == expected
    if executor == "serial":
        assert middle == [
            line for trial in trials for line in _of_trial(trial, names) if not line.startswith("step apply baseline")
        ]


def _conditions(treatments: int) -> Iterator[str]:
    yield "baseline"
    yield from (f"t{number}" for number in range(treatments))


def _of_trial(trial: str, names: list[str]) -> Iterator[str]:
    """What is noted of one trial, in the order of contract 1.7."""
    yield f"step apply {trial}"
    yield from (f"{name} before_replicate {trial}" for name in names)
    yield f"step fetch {trial}"
    yield from (f"{name} before_step Steps" for name in names)
    yield f"step call {trial}"
    yield from (f"{name} after_step Steps {trial}" for name in names)
    yield from (f"{name} before_step WaitsStep" for name in names)
    yield from (f"{name} after_step WaitsStep {trial}" for name in names)
