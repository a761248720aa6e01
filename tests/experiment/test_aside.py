"""`apply` and `debug`: runs aside, of which nothing of the saved results knows."""

from __future__ import annotations

import asyncio
import gc
import logging
import tempfile
from pathlib import Path
from typing import Any

import pytest

from crystallize import (
    Artifact,
    ArtifactPlugin,
    BasePlugin,
    Experiment,
    FrozenContext,
    ParallelExecution,
    Pipeline,
    PipelineExecutionError,
    SeedPlugin,
    Treatment,
    UnknownNameError,
    data_source,
    pipeline_step,
)

HOOKS: list[str] = []


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    aside = tmp_path / "tmp"
    aside.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(aside))
    HOOKS.clear()


class Watching(BasePlugin):
    affects_results = False

    def before_run(self, experiment: Any) -> None:
        HOOKS.append("before_run")

    def before_replicate(self, experiment: Any, ctx: FrozenContext) -> None:
        HOOKS.append(f"before_replicate {ctx['condition']}")

    def before_step(self, experiment: Any, step: Any) -> None:
        HOOKS.append("before_step")

    def after_run(self, experiment: Any, result: Any) -> None:
        HOOKS.append("after_run")


@data_source
def one(ctx: FrozenContext) -> int:
    HOOKS.append("fetch")
    return 1


@pipeline_step()
async def add(data: int, ctx: FrozenContext, *, k: int, out: Artifact) -> Any:
    await asyncio.sleep(0)
    out.write(str(data))
    return data + k, {"sum": data + k}


@pipeline_step()
def tenfold(data: int) -> int:
    if data > 900:
        raise ValueError("too much")
    return 10 * data


def made(*plugins: BasePlugin, **settings: Any) -> Experiment:
    out = Artifact("o.txt", loader=_number)
    return Experiment(
        one(),
        Pipeline([add(out=out), tenfold()]),
        [Watching(), *plugins],
        name="e",
        **{
            "initial_ctx": {"k": 1},
            "replicates": 4,
            "treatments": [Treatment("high", {"kk": 5})],
            "outputs": [out],
            **settings,
        },
    )


def _number(path: Path) -> int:
    return int(path.read_text())


def aside_folders() -> list[Path]:
    return list(Path(tempfile.gettempdir()).glob("crystallize-*"))


@pytest.mark.contract("7.1.9")
def test_apply_gives_what_the_last_step_gives_and_saves_nothing() -> None:
    given = made().apply()

    assert given == 20
    assert not Path("data").exists()
    assert aside_folders() == []


@pytest.mark.contract("7.1.9")
def test_apply_leaves_saved_results_alone() -> None:
    experiment = made()
    experiment.run()
    before = {path: path.read_bytes() for path in Path("data/e").rglob("*") if path.is_file()}

    experiment.apply("high")

    assert before == {path: path.read_bytes() for path in Path("data/e").rglob("*") if path.is_file()}
    assert experiment.artifacts.version == 0


@pytest.mark.contract("7.1.9")
def test_apply_runs_one_condition_with_all_hooks_in_order() -> None:
    made().apply("high")

    assert HOOKS == ["before_run", "before_replicate high", "fetch", "before_step", "before_step", "after_run"]


def test_apply_takes_a_treatment_that_the_experiment_does_not_have() -> None:
    given = made(initial_ctx={}).apply(Treatment("other", {"k": 7}))

    assert given == 80


def test_given_data_is_not_fetched_and_may_be_none() -> None:
    @pipeline_step()
    def same(data: Any) -> Any:
        return data

    experiment = Experiment(one(), Pipeline([same()]), name="e")

    assert [experiment.apply(data=each) for each in (5, None, object)] == [5, None, object]
    assert HOOKS == []


def test_given_data_wins_over_the_datasource_of_a_treatment() -> None:
    given = made().apply(Treatment("swapped", datasource=one()), data=100)

    assert given == 1010
    assert "fetch" not in HOOKS


def test_the_seed_of_apply_is_the_one_that_is_given() -> None:
    planted = []

    @pipeline_step()
    def drawn(data: Any, ctx: FrozenContext) -> Any:
        return ctx["seed_used"]

    experiment = Experiment(one(), Pipeline([drawn()]), [SeedPlugin(seed=1, seed_fn=planted.append)], name="e")

    assert experiment.apply(seed=77) == 77
    assert planted == [77]


def test_apply_raises_what_the_step_raised_and_cleans_up() -> None:
    with pytest.raises(PipelineExecutionError, match="too much"):
        made().apply(data=1000)

    assert aside_folders() == []


def test_a_name_that_no_treatment_has_is_an_error_before_anything_runs() -> None:
    for call in (made().apply, made().debug):
        with pytest.raises(UnknownNameError, match="nearest: high"):
            call("hihg")

    assert HOOKS == []


def test_aapply_is_for_running_loops_where_apply_says_so() -> None:
    async def both() -> Any:
        with pytest.raises(RuntimeError, match="already running"):
            made().apply()
        return await made().aapply()

    assert asyncio.run(both()) == 20


@pytest.mark.contract("7.1.10")
def test_debug_runs_one_replicate_of_the_baseline_and_of_one_treatment() -> None:
    experiment = made(hypotheses=[])
    experiment.run()
    before = {path: path.read_bytes() for path in Path("data/e").rglob("*") if path.is_file()}
    HOOKS.clear()

    result = experiment.debug("high")

    assert result.metrics.baseline.metrics == result.metrics.treatments["high"].metrics == {"sum": [2]}
    assert HOOKS.count("fetch") == 2
    assert before == {path: path.read_bytes() for path in Path("data/e").rglob("*") if path.is_file()}
    assert experiment.replicates == 4


@pytest.mark.contract("7.1.10")
def test_debug_runs_in_this_process_and_leaves_the_plugins_as_they_were(caplog: pytest.LogCaptureFixture) -> None:
    experiment = made(ParallelExecution(executor_type="process"))
    plugins = list(experiment.plugins)
    with caplog.at_level(logging.INFO, "crystallize"):
        experiment.debug()
    told = [record.message for record in caplog.records]
    caplog.clear()
    with caplog.at_level(logging.INFO, "crystallize"):
        experiment.debug(verbose=False)

    assert HOOKS.count("fetch") == 2
    assert "finished step AddStep" in told
    assert "finished step AddStep" not in [record.message for record in caplog.records]
    assert experiment.plugins == plugins


def test_artifacts_and_provenance_of_a_debugged_run_last_as_long_as_its_result(
    capsys: pytest.CaptureFixture[str],
) -> None:
    result = made().debug()
    result.print_tree()

    path = result.artifacts["o.txt"]["baseline"]
    assert path.read_text() == "1"
    assert "AddStep" in capsys.readouterr().out
    del result
    gc.collect()
    assert aside_folders() == []


def test_upstream_results_are_read_as_they_were_recorded(tmp_path: Path) -> None:
    upstream = made()
    reader = Experiment(upstream.outputs["o.txt"], Pipeline([tenfold()]), [ArtifactPlugin("other")], name="reader")

    with pytest.raises(Exception, match=r"'e' has no recorded trial to read in .*; run it first"):
        reader.apply()
    upstream.run(replicates=3)
    history = Path("data/.crystallize/store.sqlite").stat().st_mtime_ns

    assert reader.apply() == 10
    assert reader.debug().errors == {}
    assert Path("data/.crystallize/store.sqlite").stat().st_mtime_ns == history
    assert not Path("other").exists()
