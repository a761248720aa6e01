"""Optimizers: who asks for treatments and is told what they gave. Knows nothing of experiments."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from crystallize.experiment.objects.treatment import Treatment


@dataclass
class Objective:
    """The metric that counts, and which way is better; the direction informs the optimizer only.

    Examples
    --------
    >>> Objective("loss", "minimize")
    Objective(metric='loss', direction='minimize')
    """

    metric: str
    """Its name; an optimizer is told its mean over the replicates."""
    direction: str
    """``minimize`` or ``maximize``."""


class BaseOptimizer(ABC):
    """Searches for the best treatment: each trial calls `ask`, then `tell`; `get_best_treatment` is last.

    Examples
    --------
    >>> class OneAfterTheOther(BaseOptimizer):
    ...     def __init__(self, values):
    ...         super().__init__(Objective("loss", "minimize"))
    ...         self.left, self.losses = list(values), {}
    ...     def ask(self):
    ...         self.value = self.left.pop()
    ...         return [Treatment(f"x_{self.value}", {"x": self.value})]
    ...     def tell(self, objective_values):
    ...         self.losses[self.value] = objective_values["loss"]
    ...     def get_best_treatment(self):
    ...         best = min(self.losses, key=self.losses.get)
    ...         return Treatment(f"x_{best}", {"x": best})
    >>> @data_source
    ... def target():
    ...     return 3
    >>> @pipeline_step
    ... def miss(data, *, x=0):
    ...     return x, {"loss": abs(data - x)}
    >>> Experiment(target(), Pipeline([miss()]), name="search").optimize(OneAfterTheOther([1, 2, 5]), num_trials=3)
    Treatment('x_2')
    """

    def __init__(self, objective: Objective) -> None:
        self.objective = objective

    @abstractmethod
    def ask(self) -> list[Treatment]:
        """The treatments to try next, at least one."""

    @abstractmethod
    def tell(self, objective_values: dict[str, float]) -> None:
        """Learn what the last trial gave: metric → mean."""

    @abstractmethod
    def get_best_treatment(self) -> Treatment:
        """The best treatment so far."""
