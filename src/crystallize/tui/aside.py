"""Looking at files beside the screen, in a thread that belongs to no trial."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from textual import work

from crystallize.fingerprint.reads.observe import unobserved

F = TypeVar("F", bound=Callable[..., Any])


def aside(group: str) -> Callable[[F], F]:
    """Lets a method of a screen run in a thread, in place of what its group still does.

    What it reads is no trial's: elsewhere, reads of a thread that nobody knows count for all that run in the process.
    """

    def decorated(method: F) -> F:
        @wraps(method)
        def alone(*arguments: Any, **named: Any) -> Any:
            with unobserved():
                return method(*arguments, **named)

        made: F = work(thread=True, exclusive=True, group=group)(alone)  # type: ignore[assignment]
        return made

    return decorated
