"""`datasource:` of a treatment in a `config.yaml`: other data in one condition."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from crystallize import Experiment, ExperimentGraph
from crystallize.errors import DefinitionError, UnknownNameError
from crystallize.experiment.drawing.outline import outline_of_path
from crystallize.experiment.folders.config import read_config

from ..projects import write_experiment

SOURCES = """
from crystallize import data_source

@data_source
def cats(ctx, *, legs=4):
    return legs

@data_source
def snakes():
    return 0

@data_source
def ages():
    return 7
"""
STEPS = """
from crystallize import Artifact, pipeline_step

@pipeline_step()
def show(data, *, k=0):
    return data, {"data": repr(data), "k": k}

@pipeline_step()
def write(data, *, out: Artifact):
    out.write(str(data))
    return data
"""
OUTPUTS = """
def number(path):
    return int(path.read_text())
"""
UP = "datasource: {cats: cats}\nsteps: [write]\nreplicates: 2\noutputs:\n  out: {file_name: o.txt, loader: number}\n"


@pytest.fixture(autouse=True)
def project(tmp_path: Path) -> None:
    (tmp_path / "experiments").mkdir()


def written(name: str, config: str) -> Path:
    return write_experiment(
        Path("experiments", name), config, datasources=SOURCES, steps=STEPS, outputs=OUTPUTS
    ).absolute()


def shown(experiment: Experiment, **asked: Any) -> dict[str, list[Any]]:
    result = experiment.run(**asked)
    assert result.errors == {}
    return {name: metrics["data"] for name, metrics in result.metrics.conditions()}


def test_a_condition_has_the_data_of_its_treatment_and_no_key_of_that_name() -> None:
    path = written(
        "one", "datasource: {cats: cats}\nsteps: [show]\ntreatments:\n  bare: {datasource: {cats: snakes}, k: 1}\n"
    )
    experiment = Experiment.from_yaml(path)

    assert experiment.treatments[0].apply_map == {"k": 1}
    assert shown(experiment) == {"baseline": ["4"], "bare": ["0"]}


def test_an_implied_datasource_is_swapped_by_the_name_of_its_function() -> None:
    write_experiment(
        Path("experiments/one"),
        "steps: [show]\ntreatments:\n  more: {datasource: {cats: cats}}\n",
        datasources=SOURCES.partition("@data_source\ndef snakes")[0],
        steps=STEPS,
    )

    assert shown(Experiment.from_yaml("experiments/one")) == {"baseline": ["4"], "more": ["4"]}


def test_the_other_aliases_stay() -> None:
    path = written(
        "one",
        "datasource: {legs: cats, age: ages}\nsteps: [show]\ntreatments:\n  bare: {datasource: {legs: snakes}}\n",
    )

    assert shown(Experiment.from_yaml(path)) == {
        "baseline": ["{'legs': 4, 'age': 7}"],
        "bare": ["{'legs': 0, 'age': 7}"],
    }


def test_a_grid_has_it_in_every_point() -> None:
    path = written(
        "one",
        "datasource: {cats: cats}\nsteps: [show]\ntreatments:\n  s: {datasource: {cats: snakes}, grid: {k: [1, 2]}}\n",
    )

    assert shown(Experiment.from_yaml(path)) == {"baseline": ["4"], "s-k=1": ["0"], "s-k=2": ["0"]}


def test_a_treatment_may_read_another_experiment_and_the_data_keep_their_shape() -> None:
    written("up", UP)
    path = written(
        "one", "datasource: {cats: cats}\nsteps: [show]\ntreatments:\n  fed: {datasource: {cats: 'up#out'}}\n"
    )
    outline, faults = outline_of_path(path)
    results = ExperimentGraph.from_yaml(path).run()

    assert (faults, [(edge.upstream, edge.downstream) for edge in outline.edges]) == ([], [("up", "one")])
    assert results["one"].errors == {}
    assert results["one"].metrics.treatments["fed"].metrics["data"] == ["4", "4"]


def test_what_several_conditions_read_is_drawn_once() -> None:
    written("up", UP)
    path = written(
        "one",
        "datasource: {a: 'up#out'}\nsteps: [show]\ntreatments:\n  t: {datasource: {a: 'up#out[*]'}}\n"
        "  u: {datasource: {a: 'up#out[*]'}}\n",
    )
    outline, _ = outline_of_path(path)

    assert [edge.label for edge in outline.edges] == ["out", "out[*]"]


def test_one_of_two_inputs_of_other_experiments_is_swapped() -> None:
    written("up", UP)
    written("other", UP.replace("cats: cats", "cats: snakes"))
    path = written(
        "one",
        "datasource: {a: 'up#out', b: 'up#out'}\nsteps: [show]\n"
        "treatments:\n  mixed: {datasource: {b: 'other#out[*]'}}\n",
    )
    results = ExperimentGraph.from_yaml(path).run()

    assert results["one"].errors == {}
    assert results["one"].metrics.baseline.metrics["data"] == ["{'a': 4, 'b': 4}"] * 2
    assert results["one"].metrics.treatments["mixed"].metrics["data"] == ["{'a': 4, 'b': [0, 0]}"] * 2


def test_another_source_runs_that_condition_alone_again() -> None:
    text = "datasource: {{cats: cats}}\nsteps: [show]\ntreatments:\n  x: {{datasource: {{cats: {0}}}}}\n"
    Experiment.from_yaml(written("one", text.format("snakes"))).run()
    result = Experiment.from_yaml(written("one", text.format("ages"))).run(strategy="resume")

    assert result.ran == {"baseline": 0, "x": 1}


def test_parameters_of_the_command_line_reach_the_experiments_own_source_only() -> None:
    from crystallize.experiment.folders.folder import load_folder

    path = written("one", "datasource: {cats: cats}\nsteps: [show]\ntreatments:\n  x: {datasource: {cats: cats}}\n")
    definition = load_folder(path, {"datasource.cats.legs": 3})

    assert getattr(definition.datasource["cats"], "params", None) == {"legs": 3}
    assert getattr(definition.swapped["x"]["cats"], "params", None) == {"legs": 4}


@pytest.mark.parametrize(
    ("swap", "kind", "message"),
    [
        ("{dogs: snakes}", UnknownNameError, r"config.yaml:4: treatments.x.datasource.dogs: .*no datasource 'dogs'"),
        ("{cats: snake}", UnknownNameError, r"config.yaml:4: treatments.x.datasource.cats: .*'snake'.*snakes"),
        ("{cats: 'up#'}", DefinitionError, r"config.yaml:4: treatments.x.datasource.cats: 'up#' is no reference"),
        ("{cats: 'up#out'}", FileNotFoundError, r"config.yaml:4.*no experiment 'up'"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(swap: str, kind: type[Exception], message: str) -> None:
    path = written("one", f"datasource: {{cats: cats}}\nsteps: [show]\ntreatments:\n  x: {{datasource: {swap}}}\n")

    with pytest.raises(kind, match=message):
        Experiment.from_yaml(path)


@pytest.mark.parametrize("value", ["rows", "{rows: 3}", "4", "{}", "[a]"])
def test_a_key_called_datasource_that_names_no_sources_stays_a_key(value: str) -> None:
    path = written("one", f"datasource: {{cats: cats}}\nsteps: [show]\ntreatments:\n  x: {{datasource: {value}}}\n")
    [entry] = read_config(path).treatments

    assert (list(entry.payload), entry.sources) == (["datasource"], ())
