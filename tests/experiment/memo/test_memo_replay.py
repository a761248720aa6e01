"""Step memos: what a hit replays, and what forced runs, failures and damage do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from crystallize import (
    Artifact,
    AsyncExecution,
    FrozenContext,
    LoggingPlugin,
    ParallelExecution,
    pipeline_step,
)
from crystallize.store.store import Store

from ..memoising import RAN, experiment, fit, hits, metrics, prepare, ran, run, step


@pytest.fixture(autouse=True)
def _nothing_ran() -> None:
    RAN.clear()


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


@pytest.mark.contract("7.1.2")
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


def take_lr(data: Any, lr: Any = None) -> Any:
    return data, {"seen": lr}


def test_verbose_provenance_tells_the_reads_of_a_replayed_step(tmp_path: Path) -> None:
    verbose = LoggingPlugin(verbose=True, log_level="ERROR")
    run(tmp_path, [step(take_lr)], {"one": {"lr": 1}}, plugins=[verbose])
    again = run(tmp_path, [step(take_lr), fit()], {"one": {"lr": 1}}, plugins=[verbose])

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


@pytest.mark.contract("7.1.4")
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
