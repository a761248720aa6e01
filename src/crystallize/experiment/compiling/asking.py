"""What users ask of a run, checked before anything else happens."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TypedDict, Unpack

from crystallize.experiment.blueprint import checked_replicates, chosen_strategy
from crystallize.experiment.compiling.node import Asked
from crystallize.experiment.compiling.placing import checked_executor, checked_jobs
from crystallize.experiment.objects.hypothesis import Hypothesis
from crystallize.experiment.objects.treatment import Treatment
from crystallize.settings import Settings


class Wishes(TypedDict, total=False):
    """The fields of `Asked` that users give, as they give them."""

    strategy: str | None
    rerun: Collection[str]
    treatments: Sequence[Treatment | str] | None
    beside: Sequence[Treatment]
    hypotheses: Sequence[Hypothesis] | None
    replicates: int | None
    seed: int | None
    executor: str | None
    address: str | None
    jobs: int | None
    restore: bool
    pin: Mapping[str, int]
    switched_off: Mapping[str, frozenset[str]]


def asked_of(settings: Settings, default_strategy: str = "rerun", **wishes: Unpack[Wishes]) -> Asked:
    """What is asked of a run. Raises DefinitionError, or a TypeError, for wishes that cannot be met.

    Parameters
    ----------
    default_strategy : where neither wishes, settings nor definitions give one.
    """
    asked = Asked(default_strategy=settings.strategy or default_strategy, **wishes)
    return replace(
        asked,
        strategy=None if asked.strategy is None else chosen_strategy(asked.strategy),
        treatments=None if asked.treatments is None else list(asked.treatments),
        hypotheses=None if asked.hypotheses is None else list(asked.hypotheses),
        replicates=checked_replicates(asked.replicates),
        jobs=checked_jobs(asked.jobs),
        executor=checked_executor(asked.executor, asked.address),
    )
