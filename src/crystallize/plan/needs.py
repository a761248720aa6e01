"""What jobs need and are allowed: time, attempts, processors, memory. Part of no key: results do not depend on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from crystallize.errors import PipelineExecutionError


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What each job of a group needs, as declared."""

    timeout: float | None = None
    """Seconds that one attempt may take; None: as long as it likes."""
    part_timeouts: bool = False
    """Whether parts of the job have time limits of their own, which the work sees to (`engine.watchdog.limited`)."""
    retries: int = 0
    """How often a failed job is tried again."""
    retries_of: Mapping[str, int] = field(default_factory=dict)
    """Step → how often, when it was this step that failed."""
    cpus: float = 1
    """Processors that it keeps busy."""
    gpus: float = 0
    """Whole ones, or a share of one."""
    memory: int | None = None
    """Bytes that it may take beyond what its process holds when it starts; None: any number."""

    @property
    def own_process(self) -> bool:
        """Whether only a process of its own can be held to this."""
        return self.timeout is not None or self.part_timeouts or self.memory is not None or self.gpus > 0

    def retries_after(self, error: BaseException) -> int:
        """How often a job that failed with `error` is tried again in all."""
        if isinstance(error, PipelineExecutionError):
            return max(self.retries, self.retries_of.get(error.step_name, 0))
        return self.retries


NOTHING_SPECIAL = Needs()
