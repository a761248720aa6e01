"""Step memos: what is shared, what never is, what is replayed, and what a forced or damaged memo does."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from crystallize import (
    Artifact,
    AsyncExecution,
    FrozenContext,
    LoggingPlugin,
    ParallelExecution,
    PipelineStep,
    SeedPlugin,
    Treatment,
    pipeline_step,
    resource_factory,
)
from crystallize.store.store import Store

from .memoising import RAN, experiment, fit, hits, metrics, prepare, ran, run, step


@pytest.fixture(autouse=True)
def _nothing_ran() -> None:
    RAN.clear()


# what is shared


def test_conditions_share_a_prefix_that_reads_nothing_they_differ_in(tmp_path: Path) -> None:
    result = run(tmp_path, [prepare(), fit()], {"high": {"lr": 10}})

    assert ran() == ["prepare", "fit", "fit"]
    assert metrics(result) == {"baseline": {"loss": [12]}, "high": {"loss": [120]}}
    assert (hits(result), hits(result, "high"), result.memo_hits) == ([False, False], [True, False], 1)


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


# what is replayed


@pipeline_step(cacheable=True)
def all_kinds(data: Any, ctx: FrozenContext, model: Artifact) -> Any:
    RAN.append("all")
    ctx.record("loss", 1.5, {"fold": 1})
    ctx.record("loss", float("nan"))
    ctx.add("mean", [2])
    ctx.artifacts.add("log.txt", "text")
    model.write(b"m" * 40_000)
    return {"data": data}, {"last": 3}


@pipeline_step()
def look(data: Any, ctx: FrozenContext, lr: int = 1) -> Any:
    return data, {"mean": ctx["mean"][0] * lr, "size": len(data["data"])}


def test_metrics_tags_artifacts_and_context_are_replayed_exactly_once(tmp_path: Path) -> None:
    def made(root: Path, cacheable: bool) -> Any:
        first = all_kinds(model=Artifact("model.bin"))
        first.cacheable = cacheable
        return run(root, [first, look()], {"ten": {"lr": 10}})

    plain, result = made(tmp_path / "plain", False), made(tmp_path / "memo", True)

    assert ran() == ["all"] * 3
    assert result.metrics == plain.metrics
    assert (hits(result), hits(result, "ten")) == ([False, False], [True, False])
    for name in ("model.bin", "log.txt"):
        paths = result.get_artifact(name) or {}
        assert {path.read_bytes() for path in paths.values()} == {b"m" * 40_000 if name == "model.bin" else b"text"}
        assert list(paths) == ["baseline", "ten"]
    changes = [
        [record["ctx_changes"] for record in each.provenance["ctx_changes"]["ten"][0]] for each in (plain, result)
    ]
    assert changes[0] == changes[1]


def test_a_reused_trial_tells_the_hits_of_the_run_that_made_it_but_does_not_count_them(tmp_path: Path) -> None:
    run(tmp_path, [prepare(), fit()], {"high": {"lr": 10}})
    again = run(tmp_path, [prepare(), fit()], {"high": {"lr": 10}})

    assert (again.ran, again.memo_hits) == ({"baseline": 0, "high": 0}, 0)
    assert hits(again, "high") == [True, False]


@pytest.mark.parametrize("folder", [False, True], ids=["file", "folder"])
def test_what_was_written_to_a_path_is_replayed_and_later_changes_are_not_kept(tmp_path: Path, folder: bool) -> None:
    def write(data: Any, model: Artifact) -> Any:
        path = model.path()
        if folder:
            (path / "inner").mkdir(parents=True)
            (path / "inner" / "a.txt").write_text("kept")
        else:
            path.write_text("kept")
        return data

    def spoil(data: Any, ctx: FrozenContext, lr: int = 1) -> Any:
        for written in ctx.artifacts:
            path = Path(str(written.data)) / "inner" / "a.txt" if folder else Path(str(written.data))
            path.write_text(f"{path.read_text()} and {lr}")
        return data

    first = pipeline_step(cacheable=True)(write)(model=Artifact("model"))
    result = run(tmp_path, [first, pipeline_step(spoil)()], {"ten": {"lr": 10}})

    found = result.get_artifact("model") or {}
    texts = [path / "inner" / "a.txt" if folder else path for path in found.values()]
    assert [text.read_text() for text in texts] == ["kept and 1", "kept and 10"]
    assert result.memo_hits == 1


def test_a_result_is_a_copy_of_its_own_in_every_trial(tmp_path: Path) -> None:
    def grow(data: Any, lr: int = 1) -> Any:
        data.append(lr)
        return data, {"size": len(data)}

    result = run(tmp_path, [prepare(), pipeline_step(grow)()], {"one": {"lr": 1}, "two": {"lr": 2}}, replicates=2)

    assert {tuple(each["size"]) for each in metrics(result).values()} == {(4, 4)}


def test_asynchronous_steps_are_shared_too(tmp_path: Path) -> None:
    async def wait(data: Any) -> Any:
        RAN.append("wait")
        return data

    result = run(tmp_path, [step(wait), fit()], {"high": {"lr": 10}})

    assert (ran(), result.memo_hits) == (["wait", "fit", "fit"], 1)


@pytest.mark.parametrize("execution", [ParallelExecution(max_workers=3), AsyncExecution()], ids=["thread", "async"])
def test_trials_side_by_side_give_what_they_give_without_memos(tmp_path: Path, execution: Any) -> None:
    treatments = {"high": {"lr": 10}, "ten": {"scale": 10}}
    result = run(tmp_path, [prepare(), fit()], treatments, replicates=4, plugins=[execution])
    again = run(tmp_path, [prepare(), fit(), fit()], treatments, replicates=4, plugins=[execution])

    assert {name: each["loss"] for name, each in metrics(result).items()} == {
        "baseline": [12] * 4,
        "high": [120] * 4,
        "ten": [60] * 4,
    }
    assert again.memo_hits == 12


def test_verbose_provenance_tells_the_reads_of_a_replayed_step(tmp_path: Path) -> None:
    verbose = LoggingPlugin(verbose=True, log_level="ERROR")
    run(tmp_path, [step(by_injection)], {"one": {"lr": 1}}, plugins=[verbose])
    again = run(tmp_path, [step(by_injection), fit()], {"one": {"lr": 1}}, plugins=[verbose])

    assert hits(again, "one") == [True, False]
    assert again.provenance["ctx_changes"]["one"][0][0]["ctx_changes"]["reads"] == {"lr": 1}


# policy and damage


def test_a_rerun_ignores_the_memos_of_earlier_runs_and_makes_them_anew(tmp_path: Path) -> None:
    run(tmp_path, [prepare(), fit()], {"high": {"lr": 10}})
    ran()
    forced = run(tmp_path, [prepare(), fit()], {"high": {"lr": 10}}, strategy="rerun")

    assert (ran(), forced.memo_hits) == (["prepare", "fit", "fit"], 1)
    assert run(tmp_path, [prepare(), fit(lr=2)]).memo_hits == 1


def test_a_removed_marker_discards_the_memos_as_well(tmp_path: Path) -> None:
    run(tmp_path, [prepare(), fit()])
    ran()
    next(tmp_path.rglob("baseline/.crystallize_complete")).unlink()
    run(tmp_path, [prepare(), fit()])

    assert ran() == ["prepare", "fit"]


def test_a_failed_step_is_not_kept_and_what_ran_before_it_is(tmp_path: Path) -> None:
    broken = True

    def fail(data: Any) -> Any:
        RAN.append("fail")
        if broken:
            raise ValueError("no")
        return data

    made = experiment(tmp_path, [prepare(), step(fail)])
    assert list(made.run(strategy="resume").errors) == ["baseline_rep_0"]
    broken = False
    result = made.run(strategy="resume")

    assert (ran(), result.errors) == (["prepare", "fail", "fail"], {})


@pytest.mark.parametrize("damage", ["row", "contents", "artifact"])
def test_a_damaged_memo_is_told_once_and_made_anew(tmp_path: Path, damage: str) -> None:
    steps = [all_kinds(model=Artifact("model.bin"))]
    run(tmp_path, steps)
    store = Store.open(tmp_path)
    with store.database.transaction() as connection:
        if damage == "row":
            connection.execute("UPDATE memos SET outputs = ?", (b"junk",))
        elif damage == "contents":
            connection.execute("UPDATE blobs SET data = ? WHERE length(data) > 100", (b"junk",))
    if damage == "artifact":
        for path in [*tmp_path.rglob("blobs/??/*"), *tmp_path.rglob("v0/**/model.bin")]:
            path.chmod(0o644)
            path.write_bytes(b"n" * 40_000)
    store.close()
    ran()
    result = run(tmp_path, [*steps, look()])

    assert (ran(), result.memo_hits) == (["all"], 0)
    assert len([notice for notice in result.notices if "damaged" in notice]) == 1
    after = run(tmp_path, [*steps, look(lr=2)])
    assert (ran(), after.memo_hits) == ([], 1)
    assert not [notice for notice in after.notices if "damaged" in notice]


def test_contents_whose_class_is_gone_are_made_anew(tmp_path: Path) -> None:
    run(tmp_path, [step(make_point)])
    kept = globals().pop("Point")
    try:
        result = run(tmp_path, [step(make_point), pipeline_step(keep)()])
    finally:
        globals()["Point"] = kept

    assert result.memo_hits == 0
    assert any("is not kept" in notice or "damaged" in notice for notice in result.notices)


class Point:
    def __init__(self, x: int) -> None:
        self.x = x


POINT = Point


def make_point(data: Any) -> Any:
    return POINT(1)


def keep(data: Any) -> Any:
    return data


# what is not kept


class Handle:
    def __init__(self) -> None:
        self.lock = __import__("threading").Lock()


def gives_a_lock(data: Any) -> Any:
    return Handle()


def gives_a_lambda(data: Any) -> Any:
    return lambda: data


def gives_a_scratch_path(data: Any, model: Artifact) -> Any:
    path = model.path()
    path.write_text("x")
    return path


def gives_a_scratch_text(data: Any, model: Artifact) -> Any:
    path = model.path()
    path.write_text("x")
    return {"deep": [str(path)]}


def gives_its_context(data: Any, ctx: FrozenContext) -> Any:
    return ctx


def gives_its_generator(data: Any, ctx: FrozenContext) -> Any:
    return ctx.rng


def looks_at_artifacts(data: Any, ctx: FrozenContext) -> Any:
    return len(ctx.artifacts)


@pytest.mark.parametrize(
    "fn", [gives_a_lock, gives_a_lambda, gives_its_context, gives_its_generator, looks_at_artifacts]
)
def test_what_would_not_come_back_as_it_was_is_not_kept_and_said_once(tmp_path: Path, fn: Any) -> None:
    made = step(fn)
    result = run(tmp_path, [made], replicates=3)

    assert result.memo_hits == 0
    [notice] = result.notices
    assert type(made).__name__ in notice and "is not kept" in notice


@pytest.mark.parametrize("fn", [gives_a_scratch_path, gives_a_scratch_text])
def test_a_path_of_the_trial_itself_is_not_kept(tmp_path: Path, fn: Any) -> None:
    made = pipeline_step(cacheable=True)(fn)(model=Artifact("model"))
    result = run(tmp_path, [made], replicates=2)

    assert result.memo_hits == 0
    assert any("path" in notice for notice in result.notices)


def test_data_that_cannot_be_told_apart_is_said_and_the_step_runs(tmp_path: Path) -> None:
    def count(data: Any) -> Any:
        RAN.append("count")
        return 1, {"n": 1}

    result = run(tmp_path, [pipeline_step(gives_a_lock)(), step(count)], replicates=2)

    assert (ran(), metrics(result)) == (["count", "count"], {"baseline": {"n": [1, 1]}})
    assert any("a lock" in notice for notice in result.notices)


def test_a_value_of_the_context_that_cannot_be_told_apart_concerns_only_who_reads_it(tmp_path: Path) -> None:
    def ask(data: Any, ctx: FrozenContext) -> Any:
        return data, {"set": "lr" in ctx}

    result = run(tmp_path, [prepare(), step(ask)], {"odd": {"lr": Handle()}}, replicates=2)

    assert ran() == ["prepare"]
    assert [hits(result, "odd", replicate) for replicate in (0, 1)] == [[True, False], [True, False]]
    assert any("lr" in notice for notice in result.notices)


def test_a_volatile_step_is_never_kept(tmp_path: Path) -> None:
    def ask(data: Any) -> Any:
        RAN.append("ask")
        return data

    result = run(tmp_path, [step(ask, volatile=True)], replicates=2)

    assert (ran(), result.memo_hits) == (["ask", "ask"], 0)


class Learner(PipelineStep):
    """Leaves what it learned in itself, for the next step."""

    cacheable = True
    params: dict[str, Any] = {}  # noqa: RUF012

    def __init__(self) -> None:
        self.model: Any = None
        self.calls = 0

    def __call__(self, data: Any, ctx: FrozenContext) -> Any:
        self.calls += 1
        self.model = list(data)
        return data


class Counting(Learner):
    def __call__(self, data: Any, ctx: FrozenContext) -> Any:
        self.calls += 1
        return data


def test_a_step_that_changes_its_own_fields_is_not_kept(tmp_path: Path) -> None:
    learner = Learner()
    result = run(tmp_path, [learner], replicates=3)

    assert (learner.calls, result.memo_hits) == (3, 0)
    assert any("self.model" in notice for notice in result.notices)


def test_a_step_that_counts_in_itself_is_kept(tmp_path: Path) -> None:
    counting = Counting()
    first = run(tmp_path, [counting], replicates=3)
    second = run(tmp_path, [counting, fit()], replicates=3)

    assert (counting.calls, first.memo_hits, second.memo_hits) == (1, 2, 3)


class SetUp(Learner):
    """Takes a field from what it finds at set-up."""

    def setup(self, ctx: FrozenContext) -> None:
        self.model = RAN[:]

    def __call__(self, data: Any, ctx: FrozenContext) -> Any:
        return data, {"seen": len(self.model)}


def test_what_setup_leaves_in_a_step_counts(tmp_path: Path) -> None:
    first = run(tmp_path, [SetUp()], replicates=2)
    RAN.append("changed")
    second = run(tmp_path, [SetUp(), prepare()], replicates=2)

    assert (metrics(first), metrics(second)) == ({"baseline": {"seen": [0, 0]}}, {"baseline": {"seen": [1, 1]}})


# seeds of the user's own


def plant_global(seed: int) -> None:
    random.seed(seed)


def test_with_a_seed_function_of_the_users_own_replicates_never_share(tmp_path: Path) -> None:
    result = run(
        tmp_path, [prepare(), fit()], {"high": {"lr": 2}}, replicates=2, plugins=[SeedPlugin(seed_fn=plant_global)]
    )

    assert ran() == ["prepare", "fit", "fit", "prepare", "fit", "fit"]
    assert result.memo_hits == 2
