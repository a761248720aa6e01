"""What is given on the command line: values to replace, and what a target means."""

from __future__ import annotations

from pathlib import Path

import pytest

from crystallize.cli.targets import parse_overrides, path_of
from crystallize.errors import DefinitionError, MissingFileError


def test_values_are_yaml_and_paths_begin_behind_the_experiment() -> None:
    given = ["train.steps.fit.rate=0.5", "train.replicates=3", "clean.datasource.rows.names=[a, b]"]

    assert parse_overrides(given) == {
        "train": {"steps.fit.rate": 0.5, "replicates": 3},
        "clean": {"datasource.rows.names": ["a", "b"]},
    }


def test_an_experiment_may_have_dots_in_its_name() -> None:
    assert parse_overrides(["v1.2.steps.fit.rate=1"]) == {"v1.2": {"steps.fit.rate": 1}}


def test_a_value_may_hold_an_equals_sign_and_may_be_empty() -> None:
    assert parse_overrides(["a.description=x=y", "a.name="]) == {"a": {"description": "x=y", "name": None}}


@pytest.mark.parametrize("text", ["train", "train=3", "train.replicates", ""])
def test_what_is_no_override_is_an_error_with_an_example(text: str) -> None:
    with pytest.raises(DefinitionError, match=r"--set: .*write for instance"):
        parse_overrides([text])


def test_a_value_that_is_no_yaml_is_an_error() -> None:
    with pytest.raises(DefinitionError, match=r"--set a\.seed"):
        parse_overrides(["a.seed=[1"])


def test_a_target_is_a_path_or_the_name_of_an_experiment(tmp_path: Path) -> None:
    config = tmp_path / "experiments/first/config.yaml"
    config.parent.mkdir(parents=True)
    config.write_text("name: called\n", encoding="utf-8")

    assert path_of("experiments") == Path("experiments")
    assert path_of("called") == path_of("first") == config
    with pytest.raises(MissingFileError, match=r"did you mean 'called'"):
        path_of("caled")
