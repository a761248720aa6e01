"""Optimizers: who asks for treatments and is told what they gave. Knows nothing of experiments."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from crystallize.experiment.objects.treatment import Treatment


@dataclass
class Objective:
    """The metric that counts, and which way is better; the direction informs the optimizer only."""

    metric: str
    direction: str
    """``minimize`` or ``maximize``."""


class BaseOptimizer(ABC):
    """Searches for the best treatment: each trial calls `ask`, then `tell`; `get_best_treatment` is last."""

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
