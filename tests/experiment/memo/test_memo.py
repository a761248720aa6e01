"""Step memos: what is shared, what never is, and what counts."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from crystallize import (
    FrozenContext,
    PipelineStep,
    SeedPlugin,
    Treatment,
    pipeline_step,
    resource_factory,
)

from ..memoising import RAN, experiment, fit, hits, metrics, prepare, ran, run, step


@pytest.fixture(autouse=True)
def _nothing_ran() -> None:
    RAN.clear()


# what is shared


def test_conditions_share_a_prefix_that_reads_nothing_they_differ_in(tmp_path: Path) -> None:
    result = run(tmp_path, [prepare(), fit()], {"high": {"lr": 10}})

    assert ran() == ["prepare", "fit", "fit"]
    assert metrics(result) == {"baseline": {"loss": [12]}, "high": {"loss": [120]}}
    assert (hits(result), hits(result, "high"), result.memo_hits) == ([False, False], [True, False], 1)


@pytest.mark.contract("7.1.1")
def test_a_step_that_takes_a_treatment_value_as_a_parameter_never_shares_across_it(tmp_path: Path) -> None:
    result = run(tmp_path, [prepare(), fit()], {"ten": {"scale": 10}})

    assert ran() == ["prepare", "fit", "prepare", "fit"]
    assert metrics(result) == {"baseline": {"loss": [12]}, "ten": {"loss": [60]}}
    assert result.memo_hits == 0


def by_index(data: Any, ctx: FrozenContext) -> Any:
    try:
        return data, {"seen": ctx["lr"]}
    except KeyError:
        return data, {"seen": None}


def by_get(data: Any, ctx: FrozenContext) -> Any:
    return data, {"seen": ctx.get("lr")}


def by_in(data: Any, ctx: FrozenContext) -> Any:
    return data, {"seen": "lr" in ctx}


def by_iteration(data: Any, ctx: FrozenContext) -> Any:
    return data, {"seen": "lr" in list(ctx)}


def by_length(data: Any, ctx: FrozenContext) -> Any:
    return data, {"seen": len(ctx)}


def by_as_dict(data: Any, ctx: FrozenContext) -> Any:
    return data, {"seen": ctx.as_dict().get("lr")}


def by_injection(data: Any, lr: Any = None) -> Any:
    return data, {"seen": lr}


READERS = [by_index, by_get, by_in, by_iteration, by_length, by_as_dict, by_injection]


@pytest.mark.contract("7.1.1", "1.4.25")
@pytest.mark.parametrize("read", READERS)
def test_a_step_that_reads_a_treatment_value_in_any_way_never_shares_across_it(tmp_path: Path, read: Any) -> None:
    plain = run(tmp_path / "plain", [pipeline_step(read)()], {"one": {"lr": 1}})
    result = run(tmp_path / "memo", [step(read)], {"one": {"lr": 1}})

    assert metrics(result) == metrics(plain)
    assert metrics(result)["baseline"] != metrics(result)["one"]
    assert result.memo_hits == 0


@pytest.mark.parametrize("read", [by_index, by_get, by_in, by_as_dict, by_injection])
def test_a_reader_finds_its_own_memo_again_in_each_condition(tmp_path: Path, read: Any) -> None:
    treatments = {"one": {"lr": 1}, "two": {"lr": 2}}
    run(tmp_path, [step(read)], treatments)
    again = run(tmp_path, [step(read), fit()], treatments)

    assert again.memo_hits == 3
    assert metrics(again)["two"]["seen"] in ([2], [True])


def test_shapes_that_depend_on_what_was_read_are_all_tried(tmp_path: Path) -> None:
    def branch(data: Any, ctx: FrozenContext) -> Any:
        RAN.append("branch")
        return data, {"seen": ctx["left"] if ctx["way"] == "left" else ctx["right"]}

    def treatment(way: str, left: int, right: int) -> dict[str, Any]:
        return {"way": way, "left": left, "right": right}

    treatments = {
        "a": treatment("left", 1, 2),
        "b": treatment("left", 1, 3),
        "c": treatment("right", 4, 3),
        "d": treatment("right", 5, 3),
    }
    result = run(tmp_path, [step(branch)], {"baseline": treatment("left", 1, 9), **treatments})

    assert ran() == ["branch", "branch"]
    assert {name: each["seen"] for name, each in metrics(result).items()} == {
        "baseline": [1],
        "a": [1],
        "b": [1],
        "c": [3],
        "d": [3],
    }


def test_values_are_told_apart_by_type(tmp_path: Path) -> None:
    treatments = {
        "int": {"lr": 1},
        "float": {"lr": 1.0},
        "bool": {"lr": True},
        "text": {"lr": "1"},
        "none": {"lr": None},
    }
    result = run(tmp_path, [step(by_get)], treatments)

    assert [type(metrics(result)[name]["seen"][0]) for name in treatments] == [int, float, bool, str, type(None)]


def test_a_treatment_function_counts_by_what_it_adds(tmp_path: Path) -> None:
    def apply(ctx: FrozenContext) -> None:
        ctx.add("lr", 10)

    made = experiment(tmp_path, [prepare(), fit()])
    made.treatments = [Treatment("high", apply)]
    result = made.run(strategy="resume")

    assert (ran(), metrics(result)["high"]) == (["prepare", "fit", "fit"], {"loss": [120]})


def test_replicates_share_what_reads_no_seed_and_no_replicate(tmp_path: Path) -> None:
    result = run(tmp_path, [prepare(), fit()], replicates=3)

    assert ran() == ["prepare", "fit", "fit", "fit"]
    assert metrics(result) == {"baseline": {"loss": [12, 12, 12]}}


@pytest.mark.parametrize("key", ["replicate", "seed_used", "condition"])
def test_what_reads_the_trial_itself_is_not_shared_with_another(tmp_path: Path, key: str) -> None:
    def read(data: Any, ctx: FrozenContext) -> Any:
        return data, {"seen": ctx[key]}

    treatments = {"one": {"lr": 1}}
    result = run(tmp_path / "memo", [step(read)], treatments, replicates=2)

    assert metrics(result) == metrics(run(tmp_path / "plain", [pipeline_step(read)()], treatments, replicates=2))


def test_a_step_that_is_not_cacheable_is_never_kept(tmp_path: Path) -> None:
    result = run(tmp_path, [fit()], replicates=3)

    assert (ran(), result.memo_hits) == (["fit"] * 3, 0)


def test_cacheable_is_settable_per_instance_and_changes_no_trial(tmp_path: Path) -> None:
    first, second = prepare(), prepare()
    second.cacheable = False
    run(tmp_path, [first, fit()])
    again = run(tmp_path, [second, fit()])

    assert again.reused == {"baseline": 1}
    second.cacheable = True
    assert run(tmp_path, [second, fit()], {"high": {"lr": 10}}).memo_hits == 1


class Shift(PipelineStep):
    def __init__(self, by: Any) -> None:
        self.by = by

    @property
    def params(self) -> dict[str, Any]:
        return {"by": self.by}

    def __call__(self, data: Any, ctx: FrozenContext) -> Any:
        RAN.append("shift")
        return [value + self.by for value in data]


def test_the_fields_of_an_instance_count_and_whether_it_is_cacheable_does_not(tmp_path: Path) -> None:
    def shifted(by: int, cacheable: bool) -> Shift:
        made = Shift(by)
        made.cacheable = cacheable
        return made

    run(tmp_path, [shifted(1, True), fit()], replicates=2)
    assert ran() == ["shift", "fit", "fit"]
    assert run(tmp_path, [shifted(1, False), fit()], replicates=2).ran == {"baseline": 0}
    other = run(tmp_path, [shifted(2, True), fit()], replicates=2)
    assert (ran(), metrics(other)) == (["shift", "fit", "fit"], {"baseline": {"loss": [12, 12]}})


# what counts


@pytest.mark.contract("1.4.25")
def test_code_parameters_and_data_count(tmp_path: Path) -> None:
    run(tmp_path, [prepare(), fit()])
    ran()
    for steps in ([prepare(scale=3), fit()], [step(lambda data: [len(data)]), fit()], [fit(), prepare(), fit()]):
        ran()
        run(tmp_path, steps)
    assert ran() == ["fit", "fit"], "the last: another step before it gives the same data"


def test_the_next_run_takes_the_prefix_from_the_last_one(tmp_path: Path) -> None:
    run(tmp_path, [prepare(), fit()])
    ran()
    again = run(tmp_path, [prepare(), fit(lr=5)])

    assert (ran(), again.memo_hits) == (["fit"], 1)
    assert metrics(again) == {"baseline": {"loss": [60]}}


def test_what_a_callable_value_of_the_context_asks_for_counts(tmp_path: Path) -> None:
    def rate(ctx: FrozenContext) -> Any:
        return ctx["base"] * 2

    def use(data: Any, lr: Any) -> Any:
        return data, {"seen": lr}

    result = run(tmp_path, [step(use)], {"baseline": {"base": 1}, "two": {"base": 2}}, initial_ctx={"lr": rate})

    assert (metrics(result)["baseline"], metrics(result)["two"]) == ({"seen": [2]}, {"seen": [4]})


def test_what_a_resource_was_made_of_counts_for_every_step_that_uses_it(tmp_path: Path) -> None:
    def make(ctx: FrozenContext) -> Any:
        return [ctx["url"]]

    client = resource_factory(make)

    def first(data: Any, ctx: FrozenContext, client: Any) -> Any:
        return data

    def second(data: Any, ctx: FrozenContext, client: Any) -> Any:
        return data, {"seen": len(client)}

    initial = {"client": client, "url": "a"}
    run(tmp_path, [pipeline_step(first)(), step(second)], initial_ctx=initial)
    other = run(tmp_path, [pipeline_step(first)(), step(second)], initial_ctx={**initial, "url": "b"})

    assert other.memo_hits == 0


def test_metrics_of_earlier_steps_that_a_step_reads_count(tmp_path: Path) -> None:
    def measure(data: Any, lr: int = 1) -> Any:
        return data, {"loss": lr}

    def double(data: Any, ctx: FrozenContext) -> Any:
        return data, {"twice": ctx.metrics["loss"][0] * 2}

    def summarise(data: Any, ctx: FrozenContext) -> Any:
        return data, {"count": sum(sum(values) for values in ctx.metrics.as_dict().values())}

    steps = [pipeline_step(measure)(), step(double), step(summarise)]
    result = run(tmp_path, steps, {"ten": {"lr": 10}})

    assert metrics(result)["baseline"] == {"loss": [1], "twice": [2], "count": [3]}
    assert metrics(result)["ten"] == {"loss": [10], "twice": [20], "count": [30]}


def test_a_key_that_a_step_would_set_must_be_free(tmp_path: Path) -> None:
    def announce(data: Any, ctx: FrozenContext) -> Any:
        ctx.add("lr", 1)
        return data

    made = experiment(tmp_path, [step(announce)], {"one": {"lr": 1}})
    result = made.run(strategy="resume")

    assert list(result.errors) == ["one_rep_0"]
    assert "Cannot mutate" in str(result.errors["one_rep_0"])


def test_a_treatment_value_that_only_a_replayed_step_reads_counts_as_read(tmp_path: Path) -> None:
    run(tmp_path, [step(by_injection)], {"one": {"lr": 1}})
    again = run(tmp_path, [step(by_injection), fit(lr=2)], {"one": {"lr": 1}})

    assert again.memo_hits == 2
    assert not [notice for notice in again.notices if "nothing reads" in notice]


def plant_global(seed: int) -> None:
    random.seed(seed)


def test_with_a_seed_function_of_the_users_own_replicates_never_share(tmp_path: Path) -> None:
    result = run(
        tmp_path, [prepare(), fit()], {"high": {"lr": 2}}, replicates=2, plugins=[SeedPlugin(seed_fn=plant_global)]
    )

    assert ran() == ["prepare", "fit", "fit", "prepare", "fit", "fit"]
    assert result.memo_hits == 2
