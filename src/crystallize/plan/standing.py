"""How a run stands at one moment, as plain data: for displays in the same process and in any other."""

from __future__ import annotations

from contextvars import ContextVar
from typing import NamedTuple

MOST_BUSY = 8
"""How many running jobs a standing names."""


job_here: ContextVar[str] = ContextVar("crystallize_job", default="")
"""Label of the job that the present code of the driver works for: whose print is this?"""


class Busy(NamedTuple):
    """A job that is running."""

    label: str
    where: str
    """``driver``, or ``worker 4711``: the process id."""
    since: float
    """Seconds since the epoch."""
    said: str = ""
    """What its code emitted last, in a few words."""


class Standing(NamedTuple):
    """Counts of jobs, what runs, and what is left. Fetches are among what runs, and not counted."""

    at: float = 0.0
    """When this was so, in seconds since the epoch."""
    driver: int = 0
    """Id of the process that drives the run."""
    total: int = 0
    ran: int = 0
    reused: int = 0
    failed: int = 0
    blocked: int = 0
    cancelled: int = 0
    seconds_saved: float = 0.0
    """That the reused jobs took when they ran."""
    per_second: float = 0.0
    """How many jobs ended of late, those that ran; 0 before the second one."""
    seconds_left: float | None = None
    """None while nothing is known of any job."""
    busy_count: int = 0
    busy: tuple[Busy, ...] = ()
    """The first `MOST_BUSY` of them, those that began first at the head."""

    @property
    def settled(self) -> int:
        """Jobs of which nothing more will become."""
        return self.ran + self.reused + self.failed + self.blocked + self.cancelled
