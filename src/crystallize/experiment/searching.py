"""Searches: an optimizer asks for treatments and is told what they gave. Each round is a run like any other."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from numbers import Real
from typing import Any

from crystallize.errors import DefinitionTypeError, MissingMetricError
from crystallize.experiment.blueprint import checked_replicates
from crystallize.experiment.objects.optimize import BaseOptimizer
from crystallize.experiment.objects.treatment import Treatment
from crystallize.experiment.results.result import Result

WORST = {"minimize": math.inf, "maximize": -math.inf}
"""Direction → what a treatment counts that failed."""

logger = logging.getLogger("crystallize")


class Search:
    """One search for the best treatment.

    Raises DefinitionTypeError (a TypeError) for counts that are none.
    """

    def __init__(self, optimizer: BaseOptimizer, rounds: int) -> None:
        if not isinstance(optimizer, BaseOptimizer):
            raise DefinitionTypeError(f"{optimizer!r} is no optimizer", remedy="give a BaseOptimizer")
        self._optimizer = optimizer
        self._rounds = checked_replicates(rounds) or 1
        self._tried: dict[str, Treatment] = {}

    @property
    def tried(self) -> list[Treatment]:
        """What was asked for in the rounds before the present one; of several of one name the last."""
        return list(self._tried.values())

    def rounds(self) -> Iterator[list[Treatment]]:
        """The treatments of each round, asked for when the round begins; ends early when none is left to try."""
        for _ in range(self._rounds):
            asked = list(self._optimizer.ask())
            if not asked:
                return
            yield asked
            self._tried |= {treatment.name: treatment for treatment in asked}

    def tell(self, treatments: Sequence[Treatment], result: Result) -> None:
        """Tells the optimizer the mean of its metric under each treatment, in the order in which it asked for them.

        One that failed in every replicate counts worst. Raises MissingMetricError where a treatment succeeded and did
        not record the metric, DefinitionTypeError for values without a mean.
        """
        objective = self._optimizer.objective
        for treatment in treatments:
            metrics = result.metrics.treatments[treatment.name].metrics
            values = metrics.get(objective.metric)
            failures = [error for key, error in result.errors.items() if key.startswith(f"{treatment.name}_rep_")]
            if values:
                mean = _mean(objective.metric, values)
            elif failures:
                mean = WORST.get(objective.direction, math.nan)
                logger.warning("treatment '%s' failed and counts as %s: %s", treatment.name, mean, failures[0])
            else:
                raise MissingMetricError(objective.metric)
            self._optimizer.tell({objective.metric: mean})

    def best(self) -> Treatment:
        """The best treatment, as the optimizer says."""
        return self._optimizer.get_best_treatment()


def _mean(metric: str, values: Sequence[Any]) -> float:
    numbers = list(_numbers(values))
    if not numbers or not all(isinstance(number, Real) for number in numbers):
        raise DefinitionTypeError(
            f"metric '{metric}' holds {values!r}, which has no mean", key="objective", remedy="record numbers"
        )
    return math.fsum(map(float, numbers)) / len(numbers)


def _numbers(values: Any) -> Iterator[Any]:
    """The values, those of lists and arrays one by one."""
    for value in values:
        if isinstance(value, list | tuple) or getattr(value, "shape", None):
            yield from _numbers(value)
        else:
            yield value
