"""Section 7.3 of the contract: where 0.27 cut those who came near, ours is blunt."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from crystallize import (
    Artifact,
    ArtifactPlugin,
    BasePlugin,
    ExperimentGraph,
    FrozenContext,
    pipeline_step,
    resource_factory,
    standalone_context,
)

from ..stories.story import TUTORIAL, Story
from ..stories.training import TRAINING
from .making import experiment, note, nothing, producer


@pytest.mark.contract("7.3.1", "7.3.2", "7.3.3")
def test_a_context_contains_lists_and_freezes_what_one_expects(tmp_path: Path) -> None:
    rows = [1, 2]

    @pipeline_step()
    def look(data: Any, ctx: FrozenContext) -> Any:
        rows.append(3)
        typo = ctx.metrics["lsos"]
        return data, {"has": "rows" in ctx, "listed": "rows" in list(ctx), "rows": ctx["rows"], "typo": typo}

    result = experiment(tmp_path, look(), initial_ctx={"rows": rows}).run()

    assert result.errors == {}
    assert result.metrics.baseline.metrics == {"has": [True], "listed": [True], "rows": [[1, 2]], "typo": [()]}


@pytest.mark.contract("7.3.4")
def test_a_pair_of_mappings_passes_on_as_data_when_metrics_stand_beside_it(tmp_path: Path) -> None:
    @pipeline_step()
    def split(data: Any) -> Any:
        return ({"train": 1}, {"test": 2}), {}

    @pipeline_step()
    def count(data: Any) -> Any:
        train, test = data
        return train, {"test": test["test"]}

    result = experiment(tmp_path, split(), count()).run()

    assert result.metrics.baseline.metrics == {"test": [2]}


@pytest.mark.contract("7.3.5")
def test_a_step_may_be_decorated_without_parentheses(tmp_path: Path) -> None:
    @pipeline_step
    def plain(data: Any) -> Any:
        return data, {"ran": True}

    assert experiment(tmp_path, plain()).run().metrics.baseline.metrics == {"ran": [True]}


@pytest.mark.contract("7.3.6")
def test_a_callable_default_is_handed_over_uncalled(tmp_path: Path) -> None:
    @pipeline_step()
    def order(data: Any, *, key: Any = len) -> Any:
        return data, {"longest": max(["a", "bbb", "cc"], key=key)}

    assert experiment(tmp_path, order()).run().metrics.baseline.metrics == {"longest": ["bbb"]}


@pytest.mark.contract("7.3.7")
def test_resources_of_one_function_with_other_values_are_different_ones() -> None:
    def client(host: str) -> Any:
        return resource_factory(lambda ctx: [host])

    ctx = standalone_context()

    assert [client(host)(ctx) for host in ("A", "B")] == [["A"], ["B"]]


class Diary(BasePlugin):
    """Writes down for which experiment it is called."""

    affects_results = False

    def __init__(self) -> None:
        self.begun: list[str] = []

    def before_run(self, experiment: Any) -> None:
        self.begun.append(experiment.name)


@pytest.mark.contract("7.3.8", "1.7.3")
def test_one_list_of_plugins_serves_many_experiments(tmp_path: Path) -> None:
    diary = Diary()
    plugins = [diary, ArtifactPlugin(root_dir=tmp_path, versioned=True)]
    given = list(plugins)
    made = [producer(tmp_path, name=name, value=value) for name, value in (("one", 1), ("two", 2))]
    both = [type(each)(nothing(), each.pipeline, plugins, name=each.name, outputs=each.outputs) for each in made]

    both[0].run()
    both[0].run()
    results = [each.run() for each in both]

    assert plugins == given
    assert diary.begun == ["one", "one", "one", "two"]
    assert [result.artifacts["o.txt"]["baseline"] for result in results] == [
        tmp_path / "one/v2/replicate_0/baseline/WriteStep/o.txt",
        tmp_path / "two/v0/replicate_0/baseline/WriteStep/o.txt",
    ]
    assert [result.artifacts["o.txt"]["baseline"].read_text() for result in results] == ["baseline:1", "baseline:2"]


@pytest.mark.contract("7.3.9")
def test_each_run_of_a_graph_gives_a_mapping_of_its_own(tmp_path: Path) -> None:
    graph = ExperimentGraph(experiment(tmp_path, note()))
    first = graph.run()

    second = graph.run(replicates=2)

    assert first is not second
    assert [each["e"].provenance["replicates"] for each in (first, second)] == [1, 2]


@pytest.mark.contract("7.3.10", "1.4.11")
def test_functions_whose_classes_are_called_alike_are_told_apart(tmp_path: Path) -> None:
    @pipeline_step(cacheable=True)
    def load_csv(data: Any, ctx: FrozenContext) -> Any:
        ctx.artifacts.add("a.txt", b"a")
        return "a"

    @pipeline_step(cacheable=True)
    def Load_Csv(data: Any, ctx: FrozenContext) -> Any:
        ctx.artifacts.add("b.txt", b"b")
        return "b", {"given": data or "nothing"}

    def run(*steps: Any) -> Any:
        return experiment(tmp_path, *steps).run(strategy="resume")

    first, both = run(load_csv()), run(load_csv(), Load_Csv())

    assert type(load_csv()).__name__ == type(Load_Csv()).__name__ == "Load_CsvStep"
    assert (first.ran, both.ran) == ({"baseline": 1}, {"baseline": 1})
    assert both.metrics.baseline.metrics == {"given": ["a"]}
    assert [path["baseline"].read_text() for path in both.artifacts.values()] == ["a", "b"]


@pytest.mark.contract("7.3.11")
@pytest.mark.parametrize("name", ["../../x", "sub/f.txt", "/etc/x", "a\\b", ".."])
def test_no_name_leads_anywhere_else(tmp_path: Path, name: str) -> None:
    @pipeline_step()
    def add(data: Any, ctx: FrozenContext) -> Any:
        ctx.artifacts.add(name, b"out")
        return data

    made = experiment(tmp_path / "data", add())

    with pytest.raises(ValueError, match="artifact name"):
        Artifact(name)
    with pytest.raises(ValueError, match="experiment name"):
        experiment(tmp_path, note(), name=name)
    assert "artifact name" in str(made.run().errors["baseline_rep_0"])
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


@pytest.mark.contract("7.3.12", "3.2.4")
def test_the_files_of_an_experiment_are_executed_once_for_each_load(tmp_path: Path) -> None:
    story = Story(tmp_path, TUTORIAL)
    path = "experiments/producer/steps.py"
    story.edit(
        path, "@pipeline_step", "print('loaded')\n\n@pipeline_step()\ndef more(data): return data\n\n@pipeline_step"
    )
    story.edit("experiments/producer/config.yaml", "- produce_summary", "- produce_summary\n  - more\n  - more")

    done = story.command("run", "producer", "--dry-run")

    assert (done.stdout + done.stderr).count("loaded") == 1


@pytest.mark.contract("7.3.12")
def test_a_source_that_registers_itself_is_loaded_as_often_as_one_likes(tmp_path: Path) -> None:
    story = Story(tmp_path, TUTORIAL)
    story.edit("experiments/producer/datasources.py", "@data_source", '@data_source("numbers", register=True)')

    graphs = [ExperimentGraph.from_yaml("experiments/consumer") for _ in range(2)]

    assert [graph.order() for graph in graphs] == [["producer", "consumer"]] * 2


@pytest.mark.contract("7.3.12")
def test_a_value_error_in_the_users_module_is_raised_once(tmp_path: Path) -> None:
    story = Story(tmp_path, TUTORIAL)
    story.write("experiments/producer/steps.py", "print('loaded')\nraise ValueError('mine')\n")

    done = story.command("run", "producer", code=2)

    assert (done.stdout + done.stderr).count("loaded") == 1
    assert "experiments/producer/steps.py" in done.stderr and "mine" in done.stderr


@pytest.mark.contract("7.3.13", "3.1.7")
def test_a_section_without_anything_in_it_is_as_good_as_none(tmp_path: Path) -> None:
    story = Story(tmp_path, TUTORIAL)
    story.write(
        "experiments/consumer/config.yaml",
        """
        datasource: {producer_summary: producer#summary}
        steps:
          - inspect_summary:
        outputs:
        treatments:
        hypotheses:
        """,
    )

    story.run()

    assert story.metrics("consumer") == {"total_from_producer": [6]}


@pytest.mark.contract("7.3.14", "3.1.8")
def test_hypotheses_never_vanish_with_a_misspelt_file(tmp_path: Path) -> None:
    story = Story(tmp_path, TRAINING)
    (tmp_path / "experiments/train/verifiers.py").rename(tmp_path / "experiments/train/verifers.py")

    done = story.command("run", "train", code=2)

    assert "experiments/train/config.yaml" in done.stderr
    assert "verifiers.py" in done.stderr


@pytest.mark.contract("7.3.15")
def test_the_order_of_keys_does_not_count(tmp_path: Path) -> None:
    def run(values: dict[str, int]) -> Any:
        return experiment(tmp_path, note(), initial_ctx={"table": values}).run(strategy="resume").ran

    ran = [run({"a": 1, "b": 2}), run({"b": 2, "a": 1})]

    assert ran == [{"baseline": 1}, {"baseline": 0}]


@pytest.mark.contract("7.3.16", "4.3.7")
def test_a_failed_run_is_called_failed_wherever_it_is_told(tmp_path: Path) -> None:
    story = Story(tmp_path, TRAINING)
    story.edit("experiments/train/steps.py", 'FAILS = ""', 'FAILS = "strong"')

    document = json.loads(story.command("run", "--format", "json", code=1).stdout)

    assert {job["label"]: job["state"] for job in document["jobs"] if job["state"] != "ran"} == {
        "train/strong/0": "failed",
        "train/strong/1": "failed",
        "report/strong/0": "blocked",
    }
    assert "failed" in story.command("history").stdout
    assert "failed" in story.command("show", "1").stdout


@pytest.mark.contract("7.3.18")
def test_settings_of_a_project_hold_until_the_command_says_otherwise(tmp_path: Path) -> None:
    story = Story(tmp_path, TUTORIAL | {"crystallize.toml": 'strategy = "rerun"\n'})
    story.run()

    by_file, by_option = story.run(), story.run("--strategy", "resume")

    assert (len(by_file), len(by_option)) == (2, 0)
