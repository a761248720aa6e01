"""Random generators as steps find and leave them: the global ones of the process, and the one of a trial.

The global ones belong to the process, so a trial that draws from one beside other trials has other numbers each time
(design 5.7).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

States = Mapping[str, Any]
"""``random``, and ``numpy`` once that is imported → the state of the global generator; equal states compare equal."""


_AT_IMPORT: dict[str, Any] = {}
"""The state of numpy's generator when this module imported numpy; the process's, as that generator is."""


class GeneratorWatch:
    """Notes during which step of a trial a global generator moved. An observer of the trial's pipeline."""

    def __init__(self) -> None:
        self._state = global_states()
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
        state = global_states()
        if state != self._state:
            self._moved_in = self._moved_in or self._step
            self._state = state


def global_states() -> States:
    """The states of the global generators now, in plain values."""
    import random

    numpy = sys.modules.get("numpy.random")
    if numpy is None:
        return {"random": random.getstate()}
    kind, keys, *rest = numpy.get_state(legacy=True)
    return {"random": random.getstate(), "numpy": (kind, keys.tobytes(), *rest)}


def moved_since(before: States) -> States:
    """The global generators that moved since they were as `before` → their states now.

    One that was imported meanwhile moved unless it is known to be as it was at first.
    """
    first = {**_AT_IMPORT, **before}
    return {name: state for name, state in global_states().items() if state != first.get(name)}


def restore_global(states: States) -> None:
    """Puts the named generators into the states that `global_states` gave."""
    if "random" in states:
        import random

        random.setstate(states["random"])
    if "numpy" in states:
        import numpy as np

        kind, keys, *rest = states["numpy"]
        np.random.set_state((kind, np.frombuffer(keys, dtype=np.uint32), *rest))


def make_own(seed: int | None) -> Any:
    """A generator for one trial: a numpy Generator, or a `random.Random` where numpy is missing."""
    was_imported = "numpy.random" in sys.modules
    try:
        from numpy.random import default_rng
    except ImportError:
        import random

        return random.Random(seed)
    if not was_imported:
        _AT_IMPORT.update(numpy=global_states()["numpy"])
    return default_rng(None if seed is None else seed % 2**64)


def own_state(generator: Any) -> Any:
    """The state of a trial's own generator, a numpy Generator or a `random.Random`; None while there is none."""
    if generator is None:
        return None
    return generator.getstate() if hasattr(generator, "getstate") else generator.bit_generator.state


def restore_own(generator: Any, state: Any) -> None:
    """Puts a trial's own generator into a state that `own_state` gave."""
    if hasattr(generator, "setstate"):
        generator.setstate(state)
    else:
        generator.bit_generator.state = state
