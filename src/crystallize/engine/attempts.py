"""Attempts: a job that failed and may be tried again is begun anew, after a pause that grows (tenacity)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from crystallize.engine.executors import Executors
from crystallize.errors import CodeChangedError, NotTransferableError, StoreError, ValidationError, in_words
from crystallize.plan.job import Group, Job, Outcome
from crystallize.plan.workspace import Workspace

if TYPE_CHECKING:
    from tenacity import RetryCallState

PAUSE_SECONDS = 1.0
"""Before the second attempt; doubled for each one after it."""
LONGEST_PAUSE_SECONDS = 60.0

_REPEATED = (StoreError, NotTransferableError, CodeChangedError, ValidationError)
"""Failures that a further attempt would only repeat."""

logger = logging.getLogger("crystallize")


async def attempted(executors: Executors, group: Group, job: Job, workspace: Workspace) -> Outcome:
    """The outcome of the first attempt at `job` that succeeds; raises what the last one raised."""
    if not group.needs.retries and not group.needs.retries_of:
        return await executors.run(group, job.task, workspace)
    from tenacity import AsyncRetrying, wait_exponential

    async def attempt() -> Outcome:
        workspace.restart()
        return await executors.run(group, job.task, workspace)

    attempts = AsyncRetrying(
        retry=lambda state: _goes_on(group, state),
        wait=wait_exponential(PAUSE_SECONDS, max=LONGEST_PAUSE_SECONDS),
        before_sleep=lambda state: _tell(job, state),
        reraise=True,
    )
    outcome: Outcome = await attempts(attempt)
    begun = attempts.statistics.get("attempt_number", 1)
    if begun > 1:
        outcome.facts["attempts"] = begun
    return outcome


def _goes_on(group: Group, state: RetryCallState) -> bool:
    error = state.outcome.exception() if state.outcome is not None else None
    if not isinstance(error, Exception) or isinstance(error, _REPEATED):
        return False
    return state.attempt_number <= group.needs.retries_after(error)


def _tell(job: Job, state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome is not None else None
    failed = "" if error is None else f" ({in_words(error)})"
    logger.warning("%s: attempt %d failed%s; tried again", job.label, state.attempt_number, failed)
