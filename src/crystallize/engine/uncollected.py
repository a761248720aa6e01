"""Stretches of work that make many long-lived objects and no cycles, without the cyclic garbage collector.

It would look through all of a plan again and again and find nothing: a quarter of the time of a reused run.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected(*, freeze: bool = False) -> Iterator[None]:
    """Switches the collector off, and on again if it was on. User code inside (verifiers) only has it later.

    With `freeze` all there is by then is left out of later collections as well, until `collected_again`.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on and freeze:
            gc.freeze()
        if was_on:
            gc.enable()


def collected_again() -> None:
    """Lets the collector look through everything."""
    gc.unfreeze()
