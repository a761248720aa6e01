import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crystallize.errors import DefinitionError, DefinitionTypeError, UnknownNameError
from crystallize.experiment.folders.config import KEYS, parse_config, read_config
from crystallize.experiment.folders.entries import ExperimentConfig
from crystallize.yaml_lines import parse_document

PATH = Path("/project/experiments/train/config.yaml")
MINIMAL = "steps:\n  - scale\n"


def parsed(text: str) -> ExperimentConfig:
    return parse_config(parse_document(text, PATH))


@pytest.mark.contract("3.1.2", "3.1.3", "3.1.9", "3.1.11")
def test_every_key_is_read() -> None:
    config = parsed(
        """\
name: demo
description: what it is for
replicates: "3"
seed: 7
strategy: resume
versioned: true
reads: [tables/*.csv]
ignore: ["*.tmp"]
executor: process
max_workers: 2
x-mine: {anything: [1]}
datasource:
  numbers: load
  model: train#model
  scores: train#scores[*]
steps:
  - scale
  - fit: {lr: 0.1}
outputs:
  out:
  table: {file_name: table.csv, loader: load, writer: dump}
treatments:
  baseline:
  high: {lr: 1}
hypotheses:
  - verifier: greater
    metrics: [[a, b], [c]]
    name: order
cli: {group: G, priority: 1, icon: i, color: red, hidden: true}
"""
    )

    assert (config.name, config.description, config.replicates) == ("demo", "what it is for", 3)
    assert (config.seed, config.strategy, config.versioned) == (7, "resume", True)
    assert (config.reads, config.ignore) == (("tables/*.csv",), ("*.tmp",))
    assert (config.executor, config.max_workers) == ("process", 2)
    assert [str(reference) for reference in config.references] == ["train#model", "train#scores[*]"]
    assert [(step.name, step.params) for step in config.steps] == [("scale", {}), ("fit", {"lr": 0.1})]
    assert [(out.alias, out.file_name) for out in config.outputs] == [("out", "out"), ("table", "table.csv")]
    assert [(each.name, each.payload) for each in config.treatments] == [("baseline", {}), ("high", {"lr": 1})]
    assert config.hypotheses[0].metrics == [["a", "b"], ["c"]]
    assert (config.cli.group, config.cli.priority, config.cli.hidden) == ("G", 1, True)
    assert config.lines["outputs.table"] == 21
    assert config.lines["steps.fit"] == 18


def test_what_is_not_given_has_its_default() -> None:
    config = parsed(MINIMAL)

    assert config.name == "train"
    assert config.sources is None
    assert (config.replicates, config.seed, config.strategy, config.versioned) == (None, None, None, False)
    assert config.cli.priority == 999


@pytest.mark.parametrize("key", [key for key in KEYS if key != "steps"])
def test_a_null_section_counts_as_empty(key: str) -> None:
    config = parsed(f"{MINIMAL}{key}:\n")

    assert replace(config, lines={}) == replace(parsed(MINIMAL), lines={})


def test_datasources_may_be_a_list_of_mappings() -> None:
    config = parsed("datasource:\n  - a: one\n  - b: two\nsteps: [s]\n")

    assert [(entry.alias, entry.target, entry.line) for entry in config.sources or ()] == [
        ("a", "one", 2),
        ("b", "two", 3),
    ]


MALFORMED: list[tuple[str, int, str, type[DefinitionError]]] = [
    ("steps: [a]\nreplicate: 3\n", 2, "did you mean 'replicates'?", UnknownNameError),
    ("steps: [a]\noutputs:\n  m: {filename: x}\n", 3, "did you mean 'file_name'?", UnknownNameError),
    ("steps: [a]\nhypotheses:\n  - verifer: v\n", 3, "did you mean 'verifier'?", UnknownNameError),
    ("steps: [a]\ncli:\n  colour: red\n", 3, "did you mean 'color'?", UnknownNameError),
    ("steps: [a]\n1: x\n", 2, "1 is not a text as key", DefinitionTypeError),
    ("steps: [a]\nname: 12\n", 2, "is no text", DefinitionTypeError),
    ("steps: [a]\nname: no\n", 2, "put it in quotes", DefinitionTypeError),
    ("steps: [a]\nname: ../up\n", 2, "begins or ends with a dot", DefinitionError),
    ("steps: [a]\ndescription: [x]\n", 2, "a list is not a text", DefinitionTypeError),
    ("steps: [a]\nreplicates: 0\n", 2, "0 is below 1", DefinitionError),
    ("steps: [a]\nreplicates: -2\n", 2, "-2 is below 1", DefinitionError),
    ("steps: [a]\nreplicates: 2.5\n", 2, "2.5 is not a whole number", DefinitionTypeError),
    ("steps: [a]\nreplicates: ten\n", 2, "'ten' is not a whole number", DefinitionTypeError),
    ("steps: [a]\nreplicates: true\n", 2, "True is not a whole number", DefinitionTypeError),
    ("steps: [a]\nseed: x\n", 2, "'x' is not a whole number", DefinitionTypeError),
    ("steps: [a]\nstrategy: resum\n", 2, "did you mean 'resume'", DefinitionError),
    ("steps: [a]\nversioned: 1\n", 2, "1 is not true or false", DefinitionTypeError),
    ("steps: [a]\nreads: data.csv\n", 2, "'data.csv' is not a list", DefinitionTypeError),
    ("steps: [a]\nignore:\n  - 3\n", 3, "3 is not a text", DefinitionTypeError),
    ("steps: [a]\nexecutor: dask\n", 2, "'dask' is not known", DefinitionError),
    ("steps: [a]\naddress: auto\n", 2, "only a Ray cluster has an address", DefinitionError),
    ("steps: [a]\nexecutor: ray\naddress: 6379\n", 3, "6379 is not a text", DefinitionTypeError),
    ("steps: [a]\nmax_workers: 0\n", 2, "0 is below 1", DefinitionError),
    ("name: x\n", 1, "there is no step", DefinitionError),
    ("steps:\n", 1, "there is no step", DefinitionError),
    ("steps: {a: 1}\n", 1, "a mapping is not a list", DefinitionTypeError),
    ("steps:\n  - a\n  - 3\n", 3, "3 is not a step", DefinitionTypeError),
    ("steps:\n  - {a: 1, b: 2}\n", 2, "a mapping is not a step", DefinitionTypeError),
    ("steps:\n  - a: 3\n", 2, "3 is not a mapping", DefinitionTypeError),
    ("steps: [a]\ndatasource: numbers\n", 2, "'numbers' is not a mapping", DefinitionTypeError),
    ("steps: [a]\ndatasource: {}\n", 2, "no source is given", DefinitionError),
    ("steps: [a]\ndatasource:\n  n:\n", 3, "null is not a text", DefinitionTypeError),
    ("steps: [a]\ndatasource:\n  n: 'a#'\n", 3, "'a#' is no reference", DefinitionError),
    ("steps: [a]\ndatasource:\n  n: a#b[0]\n", 3, "'a#b[0]' is no reference", DefinitionError),
    ("steps: [a]\ndatasource:\n  - n: a\n  - n: b\n", 2, "alias 'n' is given 2 times", DefinitionError),
    ("steps: [a]\noutputs: [m]\n", 2, "a list is not a mapping", DefinitionTypeError),
    ("steps: [a]\noutputs:\n  m: {file_name: a/b}\n", 3, "contains '/'", DefinitionError),
    ("steps: [a]\noutputs:\n  a: {file_name: M}\n  m:\n", 2, "differ by case only", DefinitionError),
    ("steps: [a]\ntreatments: [high]\n", 2, "a list is not a mapping", DefinitionTypeError),
    ("steps: [a]\ntreatments:\n  high: 3\n", 3, "3 is not a mapping", DefinitionTypeError),
    ("steps: [a]\ntreatments:\n  high: {seed_used: 1}\n", 3, "the run itself sets", DefinitionError),
    ("steps: [a]\ntreatments:\n  Baseline: {}\n", 2, "differ by case only", DefinitionError),
    ("steps: [a]\ntreatments:\n  replicate_1: {}\n", 3, "is reserved", DefinitionError),
    ("steps: [a]\nhypotheses: {verifier: v}\n", 2, "a mapping is not a list", DefinitionTypeError),
    ("steps: [a]\nhypotheses:\n  - metrics: m\n", 3, "there is no verifier", DefinitionError),
    ("steps: [a]\nhypotheses:\n  - {verifier: v, metrics: [a, 1]}\n", 3, "choice of metrics", DefinitionTypeError),
    ("steps: [a]\ncli: {priority: high}\n", 2, "'high' is not a whole number", DefinitionTypeError),
]


@pytest.mark.contract("3.1.1", "3.1.3", "3.1.4", "3.1.10", "5.24")
@pytest.mark.parametrize(("text", "line", "fact", "kind"), MALFORMED, ids=[case[0] for case in MALFORMED])
def test_a_malformed_configuration_is_one_line_with_file_and_line(
    text: str, line: int, fact: str, kind: type[DefinitionError]
) -> None:
    with pytest.raises(kind) as caught:
        parsed(text)

    message = str(caught.value)
    assert fact in message
    assert "\n" not in message
    assert caught.value.remedy
    assert (caught.value.path, caught.value.line) == (PATH, line)


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(
        "name: demo\nreplicates: 2\ndatasource: {n: load}\nsteps: [scale, {fit: {lr: 0.1}}, fit.b]\n"
        "treatments: {high: {lr: 1}, high.er: {lr: 2}}\n"
    )
    return path


def test_overrides_replace_what_they_name(config_file: Path) -> None:
    changes: dict[str, Any] = {
        "replicates": 5,
        "steps.fit.lr": 0.5,
        "steps.scale.factor": 3,
        "treatments.high.er.lr": 9,
        "datasource.n.size": 4,
    }

    config = read_config(config_file, changes)

    assert config.replicates == 5
    assert [step.params for step in config.steps] == [{"factor": 3}, {"lr": 0.5}, {}]
    assert [each.payload for each in config.treatments] == [{"lr": 1}, {"lr": 9}]
    assert config.source_params == {"n": {"size": 4}}


@pytest.mark.parametrize(
    ("path", "value", "fact"),
    [
        ("replicate", 3, "did you mean 'replicates'?"),
        ("replicates", 0, "0 is below 1"),
        ("step.fit.lr", 1, "did you mean 'steps'?"),
        ("steps.fti.lr", 1, "did you mean 'fit'"),
        ("steps.fit", 1, "there is no step 'fit'"),
        ("treatments.hihg.lr", 1, "did you mean 'high'"),
        ("treatments.high.rl", 1, "there is no key of treatment 'high' 'rl'"),
        ("datasource.m.size", 1, "there is no datasource 'm'"),
    ],
)
def test_an_override_that_fits_nothing_is_an_error(config_file: Path, path: str, value: Any, fact: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        read_config(config_file, {path: value})

    assert fact in str(caught.value)
    assert str(config_file) in str(caught.value)


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("replicates", 0, "--set replicates: 0 is below 1"),
        ("name", "a/b", "--set name: experiment name 'a/b' contains '/'"),
        ("treatments", {"high": {"replicate": 1}}, "--set treatments.high.replicate: the run itself sets this key"),
    ],
)
def test_a_value_that_cannot_be_is_blamed_on_the_option_and_not_on_a_line_of_the_file(
    config_file: Path, path: str, value: Any, told: str
) -> None:
    with pytest.raises(DefinitionError, match=f"^{re.escape(f'{config_file}: {told}')}"):
        read_config(config_file, {path: value})


def test_an_override_never_guesses_between_equal_steps(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("steps: [scale, scale]\n")

    with pytest.raises(DefinitionError, match="more than once"):
        read_config(path, {"steps.scale.factor": 2})


def test_a_folder_means_the_configuration_in_it(config_file: Path) -> None:
    assert read_config(config_file.parent) == read_config(config_file)


def test_a_slip_in_the_replicates_is_told_before_it_fills_the_memory() -> None:
    with pytest.raises(DefinitionError, match=r"config.yaml:1: replicates: 100000000000 is above 1000000"):
        parse_config(parse_document("replicates: 100000000000\nname: e\nsteps: [a]\n", Path("config.yaml")))
