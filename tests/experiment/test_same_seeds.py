"""Replicates that share seed, code and data are pointed out: they are one sample, however many there are."""

from __future__ import annotations

from pathlib import Path

import pytest

from crystallize import Experiment, FrozenContext, Pipeline, SeedPlugin, data_source, pipeline_step

SAID = "share the seed 7 and their code: they are no independent samples; leave auto_seed of SeedPlugin on"


@data_source
def numbers(ctx: FrozenContext) -> list[int]:
    return [1, 2]


@pipeline_step()
def total(data: list[int]) -> tuple[list[int], dict[str, int]]:
    return data, {"total": sum(data)}


def notices(*, auto_seed: bool, replicates: int, strategy: str = "resume") -> list[str]:
    experiment = Experiment(
        name="totals",
        datasource=numbers(),
        pipeline=Pipeline([total()]),
        plugins=[SeedPlugin(seed=7, auto_seed=auto_seed)],
        replicates=replicates,
    )
    return list(experiment.run(strategy=strategy).notices)


@pytest.mark.parametrize("again", [False, True])
def test_replicates_of_one_seed_are_no_independent_samples(tmp_path: Path, again: bool) -> None:
    if again:
        notices(auto_seed=False, replicates=7)

    told = notices(auto_seed=False, replicates=7)

    assert f"replicates 0, 1, 2, 3, 4, … {SAID}" in told


@pytest.mark.parametrize(("auto_seed", "replicates"), [(True, 3), (False, 1)])
def test_seeds_of_their_own_and_single_replicates_are_fine(tmp_path: Path, auto_seed: bool, replicates: int) -> None:
    assert not any("independent" in told for told in notices(auto_seed=auto_seed, replicates=replicates))
