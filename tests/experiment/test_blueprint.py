"""What is given to an experiment is checked where it enters."""

from __future__ import annotations

from typing import Any

import pytest

from crystallize import Artifact, Experiment, Pipeline, SeedPlugin, data_source, pipeline_step


@data_source
def one() -> int:
    return 1


@pipeline_step()
def same(data: int) -> int:
    return data


def experiment(**given: Any) -> Experiment:
    return Experiment(**{"datasource": one(), "pipeline": Pipeline([same()]), "name": "e", **given})


WRONG: dict[str, dict[str, Any]] = {
    "plugins": {"plugins": ["seed"]},
    "plugins: .* is SeedPlugin.. meant": {"plugins": [SeedPlugin]},
    "treatments: .* a list of Treatment": {"treatments": {"high": {"rate": 1}}},
    "treatments: 'high' is of type str": {"treatments": ["high"]},
    "outputs: 'model' is of type str": {"outputs": ["model"]},
    "outputs: .* a list of Artifact": {"outputs": "model"},
    "hypotheses: 'better' is of type str": {"hypotheses": ["better"]},
    "initial_ctx: .* is of type list": {"initial_ctx": [1]},
}


@pytest.mark.parametrize(("told", "given"), WRONG.items(), ids=WRONG.keys())
def test_wrong_kinds_are_refused_by_key(told: str, given: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match=told):
        experiment(**given)


@pytest.mark.parametrize(
    "given", [{"datasource": "one"}, {"datasource": one}, {"pipeline": [same()]}, {"pipeline": same()}]
)
def test_wrong_parts_are_refused_before_anything_runs(given: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match=rf"{next(iter(given))}: .* is of type .*; give a"):
        experiment(**given).run()


def test_two_outputs_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="artifact name 'model' is given twice"):
        experiment(outputs=[Artifact("model"), Artifact("model")])
