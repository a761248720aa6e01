"""Sections 1.7 and 1.8 of the contract: experiments and their builder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from crystallize.utils import compute_hash  # type: ignore[import-not-found]

from crystallize import (
    Artifact,
    ArtifactPlugin,
    BaseOptimizer,
    BasePlugin,
    DataSource,
    Experiment,
    ExperimentGraph,
    FrozenContext,
    LoggingPlugin,
    Objective,
    ParallelExecution,
    Pipeline,
    PipelineExecutionError,
    SeedPlugin,
    Treatment,
    UnknownNameError,
    pipeline_step,
)

from .making import calls, experiment, note, nothing, producer


class Noted(BasePlugin):
    """Remembers whose `init_hook` it was given."""

    def __init__(self) -> None:
        self.made: list[Any] = []

    def init_hook(self, experiment: Any) -> None:
        self.made.append(experiment)


class Broken(DataSource):
    """Never gives anything."""

    def fetch(self, ctx: FrozenContext) -> Any:
        raise LookupError(f"nothing for {ctx['condition']}")


@pipeline_step()
def fail(data: Any, ctx: FrozenContext, *, where: str = "baseline") -> Any:
    """Fails in one condition."""
    if ctx["condition"] == where:
        raise ValueError(f"{where} is broken")
    return data, {"value": 1}


@pipeline_step()
async def later(data: Any, *, value: int = 1) -> Any:
    """Gives what it was given, from a coroutine."""
    return data, {"value": value}


@pipeline_step()
def miss(data: Any, *, x: int = 0) -> Any:
    """The distance to 3."""
    return x, {"loss": abs(3 - x)}


class Several(BaseOptimizer):
    """Tries given values, so many in a round."""

    def __init__(self, *rounds: list[int]) -> None:
        super().__init__(Objective("loss", "minimize"))
        self.rounds = list(rounds)
        self.told: list[float] = []
        self.asked: list[int] = []

    def ask(self) -> list[Treatment]:
        values = self.rounds.pop(0)
        self.asked += values
        return [Treatment(f"x{value}", {"x": value}) for value in values]

    def tell(self, objective_values: dict[str, float]) -> None:
        self.told.append(objective_values["loss"])

    def get_best_treatment(self) -> Treatment:
        best = min(zip(self.told, self.asked, strict=True))[1]
        return Treatment(f"x{best}", {"x": best})


@pytest.mark.contract("1.7.1", "5.22")
@pytest.mark.parametrize("wrong", ["3", 2.5, True])
def test_replicates_that_are_no_whole_number_are_told_with_their_type(wrong: Any) -> None:
    with pytest.raises(TypeError, match=type(wrong).__name__):
        Experiment(nothing(), Pipeline([note()]), replicates=wrong)


@pytest.mark.contract("1.7.2")
def test_outputs_are_known_by_name_and_know_their_producer() -> None:
    out = Artifact("o.txt")
    made = Experiment(nothing(), Pipeline([note()]), outputs=[out])

    assert made.outputs == {"o.txt": out}
    assert out.producer is made


@pytest.mark.contract("1.7.3", "1.7.6")
def test_default_plugins_come_after_the_users_and_all_are_told() -> None:
    noted, seeds = Noted(), SeedPlugin(seed=3)
    mine: list[BasePlugin] = [noted, seeds]
    made = Experiment(nothing(), Pipeline([note()]), mine)

    assert [type(plugin) for plugin in made.plugins] == [Noted, SeedPlugin, ArtifactPlugin, LoggingPlugin]
    assert noted.made == [made]
    assert len(mine) == 2
    assert made.get_plugin(SeedPlugin) is seeds
    assert Experiment(nothing(), Pipeline([note()])).get_plugin(Noted) is None
    assert made.artifacts.root_dir == "data"


@pytest.mark.contract("1.7.4")
def test_an_experiment_has_the_attributes_of_0_27(tmp_path: Path) -> None:
    hot = Treatment("hot", {"value": 9})
    made = experiment(tmp_path, note(), name="e", description="why", treatments=[hot], replicates=2)

    assert (made.name, made.description, made.treatments, made.hypotheses) == ("e", "why", [hot], [])
    assert (made.replicates, made.strategy, made.id) == (2, "rerun", None)
    made.replicates, made.strategy = 1, "resume"
    made.run()
    assert made.id == compute_hash(made.pipeline.signature())
    assert (made.replicates, made.strategy) == (1, "resume")


@pytest.mark.contract("1.7.5")
def test_what_is_incomplete_is_refused_by_validate_and_by_every_run(capsys: pytest.CaptureFixture[str]) -> None:
    for made in (Experiment(None, Pipeline([note()]), name="e"), Experiment(nothing(), None, name="e")):
        for act in (made.validate, made.run, made.apply, made.debug):
            with pytest.raises(ValueError, match=r"experiment 'e' has no (datasource|pipeline)"):
                act()

    assert capsys.readouterr().out == ""


@pytest.mark.contract("1.7.7", "1.8.1")
def test_a_builder_collects_parts_and_its_lists_replace(tmp_path: Path) -> None:
    hot, cold = Treatment("hot", {"value": 9}), Treatment("cold", {"value": 0})
    builder = Experiment.builder("built").datasource(nothing()).add_step(note()).description("why")
    builder = builder.treatments([hot]).treatments([cold]).hypotheses([]).replicates(2).initial_ctx({"a": 1})
    made = builder.plugins([ArtifactPlugin(tmp_path)]).outputs([Artifact("o.txt")]).build()

    assert (made.name, made.description, made.treatments, made.replicates) == ("built", "why", [cold], 2)
    assert (made.initial_ctx, list(made.outputs)) == ({"a": 1}, ["o.txt"])
    assert made.run().metrics.treatments["cold"].metrics == {"value": [0, 0]}


@pytest.mark.contract("1.8.2", "5.32")
def test_a_builder_needs_a_source_and_steps_and_takes_a_pipeline_first() -> None:
    whole = Pipeline([note(), note()])

    assert Experiment.builder().datasource(nothing()).pipeline(whole).add_step(note()).build().pipeline is whole
    with pytest.raises(ValueError, match="datasource must be provided"):
        Experiment.builder().add_step(note()).build()
    with pytest.raises(ValueError, match="no steps"):
        Experiment.builder().datasource(nothing()).build()


@pytest.mark.contract("1.7.8", "5.20")
def test_the_synchronous_interface_names_arun_inside_a_running_loop(tmp_path: Path) -> None:
    import asyncio

    made = experiment(tmp_path, later())

    async def inside() -> None:
        for act in (made.run, made.debug, made.apply, ExperimentGraph(made).run):
            with pytest.raises(RuntimeError, match=r"already running.*arun"):
                act()
        with pytest.raises(RuntimeError, match=r"already running.*arun"):
            made.optimize(Several([1]), 1)
        assert (await made.arun()).metrics.baseline.metrics == {"value": [1]}

    asyncio.run(inside())


@pytest.mark.contract("1.7.11")
def test_an_unknown_strategy_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'resume' or 'rerun'"):
        experiment(tmp_path, note()).run(strategy="resum")


@pytest.mark.contract("1.7.12", "5.8")
def test_a_failed_baseline_does_not_cost_the_treatments(tmp_path: Path) -> None:
    result = experiment(tmp_path, fail(), treatments=[Treatment("hot", {"heat": 1})], replicates=2).run()

    assert list(result.errors) == ["baseline_rep_0", "baseline_rep_1"]
    assert result.metrics.treatments["hot"].metrics == {"value": [1, 1]}


@pytest.mark.contract("1.7.14", "1.12.5", "5.6", "5.7")
def test_failures_stand_by_condition_and_replicate_with_their_text(tmp_path: Path) -> None:
    made = experiment(tmp_path, fail(where="hot"), treatments=[Treatment("hot", {"heat": 1})], replicates=2)
    errors = made.run().errors
    raw = experiment(tmp_path, note(), source=Broken(), name="raw").run().errors["baseline_rep_0"]

    assert list(errors) == ["hot_rep_0", "hot_rep_1"]
    error: Any = errors["hot_rep_1"]
    assert isinstance(error, PipelineExecutionError)
    assert "FailStep" in str(error) and "hot is broken" in str(error)
    assert isinstance(error.original_exception, ValueError)
    assert "hot is broken" in vars(error)["traceback_str"]
    assert type(raw) is LookupError
    assert str(raw) == "nothing for baseline"


@pytest.mark.contract("1.7.15")
def test_metrics_are_joined_over_what_succeeded(tmp_path: Path) -> None:
    @pipeline_step()
    def two_values(data: Any, ctx: FrozenContext) -> Any:
        if ctx["replicate"] == 1:
            raise ValueError("replicate 1")
        ctx.record("m", ctx["replicate"])
        ctx.record("m", 10 + ctx["replicate"])
        return data

    result = experiment(tmp_path, two_values(), replicates=3).run()

    assert result.metrics.baseline.metrics == {"m": [0, 10, 2, 12]}


@pytest.mark.contract("1.7.16", "1.7.17")
def test_what_setup_raises_aborts_and_what_was_set_up_is_torn_down(tmp_path: Path) -> None:
    told: list[str] = []

    class Afterwards(BasePlugin):
        affects_results = False

        def after_run(self, experiment: Any, result: Any) -> None:
            told.append("after_run")

    broken = note()
    broken.setup = lambda ctx: (_ for _ in ()).throw(OSError("no device"))  # type: ignore[method-assign]
    broken.teardown = lambda ctx: told.append("teardown")  # type: ignore[method-assign]

    with pytest.raises(OSError, match="no device"):
        experiment(tmp_path, broken, plugins=[Afterwards()]).run()
    assert told == ["teardown"]
    assert calls() == []


@pytest.mark.contract("1.7.18")
def test_debug_runs_one_replicate_aside(tmp_path: Path) -> None:
    made = experiment(tmp_path, note(), treatments=[Treatment("hot", {"value": 9})], replicates=3)
    made.run()
    before = {path: path.read_bytes() for path in tmp_path.rglob("v0/**/*") if path.is_file()}
    calls()

    result = made.debug("hot", verbose=False)

    assert calls() == ["baseline/0", "hot/0"]
    assert (result.metrics.baseline.metrics, result.metrics.treatments["hot"].metrics) == (
        {"value": [1]},
        {"value": [9]},
    )
    assert (made.replicates, len(made.plugins)) == (3, 3)
    assert {path: path.read_bytes() for path in tmp_path.rglob("v0/**/*") if path.is_file()} == before
    with pytest.raises(UnknownNameError, match="'hto'"):
        made.debug("hto")


@pytest.mark.contract("1.7.19")
def test_apply_gives_what_the_last_step_gives(tmp_path: Path) -> None:
    @pipeline_step()
    async def add(data: Any, ctx: FrozenContext, *, value: int = 1) -> Any:
        return data + value + ctx["offset"], {"noted": ctx["seed_used"]}

    hot = Treatment("hot", {"value": 9})
    made = experiment(tmp_path, add(), treatments=[hot], initial_ctx={"offset": 100})

    assert (made.apply(data=1), made.apply(hot, data=1), made.apply("hot", data=1, seed=5)) == (102, 110, 110)
    assert not (tmp_path / "e").exists()


@pytest.mark.contract("1.7.20", "1.13.1")
def test_optimizers_are_asked_told_and_give_the_best(tmp_path: Path) -> None:
    import asyncio

    search = Several([1, 5], [2])
    made = experiment(tmp_path, miss())

    best = made.optimize(search, num_trials=2, replicates_per_trial=2)

    assert (best.name, search.told, search.asked) == ("x2", [2, 2, 1], [1, 5, 2])
    assert asyncio.run(made.aoptimize(Several([4]), num_trials=1)).name == "x4"


@pytest.mark.contract("1.7.21", "5.13", "5.14")
def test_a_path_by_step_and_name_is_found_when_it_is_read(tmp_path: Path) -> None:
    @pipeline_step()
    def read_path(data: Path) -> Any:
        return data, {"text": data.read_text()}

    made = producer(tmp_path, treatments=[Treatment("hot", {"value": 9})], replicates=2)
    source = made.artifact_datasource("WriteStep", "o.txt")
    always = made.artifact_datasource("WriteStep", "o.txt", condition="baseline")
    reader = experiment(tmp_path, read_path(), name="reader", source=source)
    fixed = experiment(tmp_path, read_path(), name="fixed", source=always)
    more = experiment(tmp_path, read_path(), name="more", source=source, replicates=3)
    with pytest.raises(FileNotFoundError, match=str(tmp_path / "p/v0/metadata.json")):
        made.artifact_datasource("WriteStep", "o.txt", require_metadata=True)

    results = ExperimentGraph(made, reader, fixed).run()

    assert results["reader"].metrics.treatments["hot"].metrics == {"text": ["hot:9", "hot:9"]}
    assert made.artifact_datasource("WriteStep", "o.txt", require_metadata=True) is not None
    assert results["fixed"].metrics.treatments["hot"].metrics == {"text": ["baseline:1", "baseline:1"]}
    with pytest.raises(ValueError, match="'more' has 3 replicates and reads data=2"):
        more.run()


@pytest.mark.contract("1.7.19")
def test_worker_processes_begin_after_a_pass_whose_folder_is_gone(tmp_path: Path) -> None:
    made = experiment(tmp_path, note(), plugins=[ParallelExecution(2, "process")], replicates=2)
    made.apply()

    assert made.run().metrics.baseline.metrics == {"value": [1, 1]}
