"""Section 6 of the contract, promises about graphs, drawings and the tutorial."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from crystallize import Experiment, ExperimentGraph, ExperimentInput, ReplicateMismatchError, Treatment

from ..stories.story import TUTORIAL, Story
from .making import calls, experiment, producer, read


def consumer(root: Path, *upstreams: Experiment, by_path: bool = False, **settings: Any) -> Experiment:
    """Reads the output of each of `upstreams` under its name."""
    sources: dict[str, Any] = {
        str(each.name): each.artifact_datasource("WriteStep", "o.txt") if by_path else each.outputs["o.txt"]
        for each in upstreams
    }
    return experiment(root, read(), name="c", source=ExperimentInput(**sources), **settings)


@pytest.mark.contract("6.11")
def test_a_name_activates_its_treatment_on_every_node_that_defines_it_and_nowhere_else(tmp_path: Path) -> None:
    defines = producer(tmp_path, name="defines", treatments=[Treatment("t", {"value": 9})])
    does_not = producer(tmp_path, name="does_not")
    graph = ExperimentGraph(defines, does_not, consumer(tmp_path, defines, does_not))

    results = graph.run(treatments=["t"])

    assert results["c"].metrics.treatments["t"].metrics == {"defines": ["t:9"], "does_not": ["baseline:1"]}
    assert list(results["does_not"].metrics.treatments) == []


@pytest.mark.contract("6.14", "1.9.3")
def test_an_input_of_paths_of_several_experiments_wires_the_graph(tmp_path: Path) -> None:
    first, second = producer(tmp_path, name="first", value=1), producer(tmp_path, name="second", value=2)
    graph = ExperimentGraph(consumer(tmp_path, first, second, by_path=True), first, second)

    results = graph.run()

    assert graph.edges()["c"] == ["first", "second"]
    assert results["c"].metrics.baseline.metrics == {"first": ["baseline:1"], "second": ["baseline:2"]}


@pytest.mark.contract("6.15", "1.3.24")
@pytest.mark.parametrize("by_path", [False, True], ids=["artifact", "artifact_datasource"])
def test_counts_of_replicates_that_do_not_fit_are_refused_before_anything_runs(tmp_path: Path, by_path: bool) -> None:
    first, second = producer(tmp_path, name="first", replicates=2), producer(tmp_path, name="second", replicates=3)
    graph = ExperimentGraph(first, second, consumer(tmp_path, first, second, by_path=by_path))

    with pytest.raises(ReplicateMismatchError, match="first=2, second=3"):
        graph.run()
    assert calls() == []


FORGETFUL = {
    "experiments/producer/steps.py": TUTORIAL["experiments/producer/steps.py"].replace("summary.write", "print")
}


@pytest.mark.contract("6.16")
def test_a_missing_artifact_is_told_with_its_path_and_nothing_that_failed_counts_as_complete(tmp_path: Path) -> None:
    story = Story(tmp_path, TUTORIAL | FORGETFUL)

    done = story.command("run", code=1)

    path = tmp_path / "data/producer/v0/replicate_0/baseline/Produce_SummaryStep/summary.json"
    assert str(path) in done.stdout + done.stderr
    assert not (tmp_path / "data/consumer/v0/baseline/.crystallize_complete").exists()
    assert list(story.run(code=1)) == ["consumer/baseline/0"]


@pytest.mark.contract("6.18")
def test_a_new_graph_experiment_has_no_icon_that_would_hide_that_it_is_one(tmp_path: Path) -> None:
    story = Story(tmp_path, TUTORIAL)
    story.command("new", "reader", "--input", "producer#summary")

    text = (tmp_path / "experiments/reader/config.yaml").read_text(encoding="utf-8")

    assert "icon" not in text
    assert "group: Graphs" in text


@pytest.mark.contract("6.23")
def test_artifacts_lie_under_v0_however_often_they_are_made_anew(tmp_path: Path) -> None:
    story = Story(tmp_path, TUTORIAL)
    story.run()
    story.edit("experiments/producer/datasources.py", "[1, 2, 3]", "[1, 2, 4]")

    ran = story.run()

    assert len(ran) == 2
    assert [path.name for path in (tmp_path / "data/producer").iterdir()] == ["v0"]
    assert story.metrics("consumer") == {"total_from_producer": [7]}


@pytest.mark.contract("6.24", "1.9.6", "3.3.3")
def test_a_folder_is_loaded_with_all_that_lies_below_it_connected_or_not(tmp_path: Path) -> None:
    story = Story(tmp_path, TUTORIAL)
    for name in ("config.yaml", "steps.py", "datasources.py", "outputs.py"):
        text = TUTORIAL[f"experiments/producer/{name}"]
        story.write(f"experiments/deep/down/lone/{name}", text.replace("name: producer", "name: lone"))

    graph = ExperimentGraph.from_yaml("experiments/")
    results = graph.run()

    assert sorted(results) == ["consumer", "lone", "producer"]
    assert all(result.errors == {} for result in results.values())
