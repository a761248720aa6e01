"""Global random generators: who moved them, while trials run side by side in one process.

They belong to the process, so a trial that draws from one beside other trials has other numbers each time (design 5.7).
"""

from __future__ import annotations

import random
import sys
from typing import Any


class GeneratorWatch:
    """Notes during which step of a trial a global generator moved. An observer of the trial's pipeline."""

    def __init__(self) -> None:
        self._state = _states()
        self._moved_in: str | None = None
        self._step = "the datasource"

    def before_step(self, step: Any) -> None:
        """What moved before the first step moved in the datasource."""
        self._look()
        self._step = f"step {type(step).__name__}"

    def after_step(self, step: Any, data: Any, ctx: Any) -> None:
        """What moved since `before_step` moved in this step, or in another trial beside it."""
        self._look()

    def verdict(self) -> str | None:
        """Why the trial must not be reused; None when no generator moved while it ran."""
        self._look()
        if self._moved_in is None:
            return None
        return (
            f"not reproducible: a global random generator moved during {self._moved_in} while other trials ran; "
            f"draw from ctx.rng, or run trials one by one"
        )

    def _look(self) -> None:
        state = _states()
        if state != self._state:
            self._moved_in = self._moved_in or self._step
            self._state = state


def _states() -> tuple[Any, ...]:
    numpy = sys.modules.get("numpy.random")
    if numpy is None:
        return (random.getstate(),)
    kind, keys, position, has_gauss, gauss = numpy.get_state(legacy=True)
    return random.getstate(), kind, keys.tobytes(), position, has_gauss, gauss
