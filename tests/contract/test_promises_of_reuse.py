"""Section 6 of the contract, promises about reuse: what upstream's prose promised and 0.27 did not do, done."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from crystallize import (
    ArtifactPlugin,
    Experiment,
    ExperimentGraph,
    ExperimentInput,
    FrozenContext,
    Pipeline,
    PipelineStep,
    Treatment,
)

from ..stories.story import TUTORIAL, Story
from .making import calls, experiment, note, nothing, producer, read


@pytest.mark.contract("6.1")
def test_a_changed_parameter_or_another_step_under_the_same_name_runs_again(tmp_path: Path) -> None:
    experiment(tmp_path, note()).run(strategy="resume")
    calls()

    unchanged = experiment(tmp_path, note()).run(strategy="resume"), calls()
    parameter = experiment(tmp_path, note(value=99)).run(strategy="resume"), calls()
    other_step = producer(tmp_path, name="e").run(strategy="resume"), calls()

    assert [ran for _, ran in (unchanged, parameter, other_step)] == [[], ["baseline/0"], ["baseline/0"]]
    assert parameter[0].metrics.baseline.metrics == {"value": [99]}


class Interrupted(PipelineStep):
    """Records `value`; the user stops the run in replicate 2 unless the file ``go`` is there."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __call__(self, data: Any, ctx: FrozenContext) -> Any:
        if self.value == 99 and ctx["replicate"] == 2 and not Path("go").exists():
            raise KeyboardInterrupt
        ctx.artifacts.add("o.txt", str(self.value).encode())
        return data, {"value": self.value}

    @property
    def params(self) -> dict[str, Any]:
        return {}


@pytest.mark.contract("6.5")
def test_after_an_interrupted_rerun_nothing_old_counts_as_complete(tmp_path: Path) -> None:
    def made(value: int) -> Experiment:
        return experiment(tmp_path, Interrupted(value), replicates=3)

    made(1).run()
    with pytest.raises(KeyboardInterrupt):
        made(99).run(strategy="rerun")
    marker = tmp_path / "e/v0/baseline/.crystallize_complete"
    left_standing = marker.exists()
    Path("go").touch()

    result = made(99).run(strategy="resume")

    assert not left_standing
    assert marker.exists()
    assert result.ran == {"baseline": 1}
    assert result.metrics.baseline.metrics == {"value": [99, 99, 99]}
    assert {path.read_text() for path in tmp_path.glob("e/v0/replicate_*/baseline/Interrupted/o.txt")} == {"99"}


@pytest.mark.contract("6.8")
def test_resume_lets_consumers_run_exactly_when_what_they_read_changed(tmp_path: Path) -> None:
    def run(value: int, factor: int) -> tuple[dict[str, int], dict[str, int]]:
        upstream = producer(tmp_path, value=value)
        source = ExperimentInput(up=upstream.outputs["o.txt"])
        consumer = experiment(tmp_path, read(), note(value=factor), name="c", source=source)
        results = ExperimentGraph(upstream, consumer).run(strategy="resume")
        return results["p"].ran, results["c"].ran

    first, same, below, above = run(1, 1), run(1, 1), run(1, 2), run(2, 2)

    ran, reused = {"baseline": 1}, {"baseline": 0}
    assert (first, same, below, above) == ((ran, ran), (reused, reused), (reused, ran), (ran, ran))


@pytest.mark.contract("6.9")
@pytest.mark.parametrize("by_path", [False, True], ids=["artifact", "artifact_datasource"])
def test_one_upstream_replicate_serves_every_replicate_below(tmp_path: Path, by_path: bool) -> None:
    upstream = producer(tmp_path, replicates=1)
    source = upstream.artifact_datasource("WriteStep", "o.txt") if by_path else upstream.outputs["o.txt"]
    consumer = experiment(tmp_path, read(), name="c", source=ExperimentInput(up=source), replicates=5)

    results = ExperimentGraph(upstream, consumer).run()

    assert results["c"].errors == {}
    assert results["c"].metrics.baseline.metrics == {"up": ["baseline:1"] * 5}


@pytest.mark.contract("6.10")
def test_an_artifact_that_is_gone_is_brought_back_whatever_its_alias(tmp_path: Path) -> None:
    story = Story(tmp_path, TUTORIAL)
    story.run()
    [artifact] = tmp_path.glob("data/producer/v0/**/summary.json")
    artifact.unlink()

    ran = story.run()

    assert ran == {}
    assert json.loads(artifact.read_text(encoding="utf-8")) == {"total": 6}


@pytest.mark.contract("6.10")
def test_an_artifact_that_is_gone_from_the_store_as_well_runs_its_producer(tmp_path: Path) -> None:
    story = Story(tmp_path, TUTORIAL)
    story.run()
    [artifact] = tmp_path.glob("data/producer/v0/**/summary.json")
    artifact.unlink()
    story.command("store", "forget", "producer")

    ran = story.run()

    assert list(ran) == ["producer/baseline/0"]
    assert json.loads(artifact.read_text(encoding="utf-8")) == {"total": 6}


@pytest.mark.contract("6.12")
def test_inherited_treatments_survive_a_resume(tmp_path: Path) -> None:
    def run() -> Any:
        upstream = producer(tmp_path, treatments=[Treatment("high", {"value": 9})])
        consumer = experiment(tmp_path, read(), name="c", source=ExperimentInput(up=upstream.outputs["o.txt"]))
        return ExperimentGraph(upstream, consumer).run(strategy="resume")["c"]

    first, second = run(), run()

    assert second.ran == {"baseline": 0, "high": 0}
    assert second.metrics == first.metrics
    assert list(second.metrics.treatments) == ["high"]


@pytest.mark.contract("6.25")
def test_two_objects_have_the_same_seeds_and_another_base_gives_others(tmp_path: Path) -> None:
    def seeds(**asked: Any) -> Any:
        plugins = [ArtifactPlugin(root_dir=tmp_path)]
        made = Experiment(nothing(), Pipeline([note()]), plugins, name="e", replicates=2)
        return made.run(**asked).provenance["seeds"]["baseline"]

    assert seeds() == seeds() == [0, 31337]
    assert seeds(seed=7) == [7, 31344]


@pytest.mark.contract("6.25")
def test_a_configuration_says_its_seed(tmp_path: Path) -> None:
    story = Story(tmp_path, TUTORIAL)
    story.edit("experiments/producer/config.yaml", "name: producer", "name: producer\nseed: 5")
    story.edit("experiments/producer/steps.py", "data: dict, *,", "data: dict, ctx, *,")
    story.edit("experiments/producer/steps.py", "return data", 'return data, {"seed": ctx["seed_used"]}')

    story.run("producer")

    assert story.metrics("producer") == {"seed": [5]}


@pytest.mark.contract("6.26")
def test_values_that_come_from_the_context_count_for_every_step(tmp_path: Path) -> None:
    def run(value: int) -> dict[str, int]:
        return experiment(tmp_path, note(), initial_ctx={"value": value}).run(strategy="resume").ran

    assert [run(1), run(2), run(1)] == [{"baseline": 1}, {"baseline": 1}, {"baseline": 0}]
