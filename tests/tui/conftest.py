"""Keys and pauses that are over when the app has done all that they asked for."""

from __future__ import annotations

from functools import wraps
from typing import Any

import pytest
from textual.pilot import Pilot

ROUNDS = 6
"""So many times every widget empties its queue: a key begets messages, which beget more."""


@pytest.fixture(autouse=True)
def _nothing_left_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Textual takes a process that uses no time for idle; on a busy machine it may only wait for a core."""

    def settled(real: Any) -> Any:
        @wraps(real)
        async def go(pilot: Pilot[Any], *given: Any, **named: Any) -> Any:
            told = await real(pilot, *given, **named)
            for _ in range(ROUNDS):
                await pilot._wait_for_screen()
                await pilot.app.animator.wait_until_complete()
            return told

        return go

    for name in ("pause", "press", "click"):
        monkeypatch.setattr(Pilot, name, settled(getattr(Pilot, name)))
