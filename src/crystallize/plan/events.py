"""Events: what a run tells those who watch it, and nothing else does.

Views, history, progress bars and results are all watchers. A watcher is called in the driver's thread, in the order in
which watchers were given, and must not block. `RunStarted` is first, `RunFinished` last and always; each job is told
about exactly once with one of `JobReused`, `JobDone`, `JobFailed`, `JobBlocked`, after `JobStarted` if it ran. Jobs
that only fetch for others are told of with `FetchStarted` and `Fetched` alone: when one fails, the job it fetches for
has failed.
`JobEmitted` alone may be told in any thread, and while others are told; never two of them at a time.
`JobDone` and `JobReused` are told after the record is committed; `GroupSettled` when the last job of a group was told.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

from crystallize.plan.job import Job
from crystallize.plan.plan import Plan
from crystallize.plan.standing import Standing
from crystallize.store.record import Record
from crystallize.store.reuse import Miss


class RunStarted(NamedTuple):
    """A run begins; nothing has been decided."""

    plan: Plan
    run: int = 0
    """Its number in the history of the plan's first root; 0 where none is kept."""
    now: Callable[[], Standing] = Standing
    """How the run stands at the moment of the call; from any thread, as long as it goes on."""


class PlanGrew(NamedTuple):
    """The plan has more jobs than before: how many was not known before others had ended."""

    jobs: Sequence[Job]


class JobReused(NamedTuple):
    """A record serves in place of the job."""

    job: Job
    record: Record


class JobStarted(NamedTuple):
    """The job is about to run. Told before anything of it runs."""

    job: Job
    miss: Miss


class JobDone(NamedTuple):
    """The job ran and succeeded."""

    job: Job
    record: Record
    """Its `number` is 0 when the result may not be reused."""
    miss: Miss
    note: str | None = None
    """Why the result was not recorded."""


class JobFailed(NamedTuple):
    """The job ran, or could not be started, and failed."""

    job: Job
    error: BaseException
    """What the user's code raised, as it was."""
    miss: Miss | None
    seconds: float


class JobBlocked(NamedTuple):
    """The job will not run: something it reads failed."""

    job: Job
    error: BaseException
    """Names the upstream job that failed first."""


class JobCancelled(NamedTuple):
    """The job was not started, or was stopped, because the user interrupted the run."""

    job: Job


class JobEmitted(NamedTuple):
    """The user's code in a running job has something to say."""

    job: Job
    event: Any
    """Whatever it is."""


class FetchStarted(NamedTuple):
    """Outside state is about to be fetched for the job that reads it."""

    job: Job
    """The one that fetches."""


class Fetched(NamedTuple):
    """Nothing more will become of a fetch."""

    job: Job
    """The one that fetches."""
    record: Record | None
    """Of what was fetched; None when it failed or was never tried."""
    shared: bool = False
    """Whether another job of this run fetched it."""


class GroupSettled(NamedTuple):
    """Every job of the group has been told about. Not told of groups that only fetch."""

    group: int
    error: BaseException | None
    """What beginning or ending the group's work raised."""


class RunFinished(NamedTuple):
    """The run is over, however it went."""

    interrupted: bool
    seconds: float
    cancelled: bool = False
    """Whether it was interrupted from outside, by `crystallize cancel` or SIGTERM."""


Settled: TypeAlias = JobReused | JobDone | JobFailed | JobBlocked | JobCancelled
Event: TypeAlias = (
    RunStarted | PlanGrew | JobStarted | JobEmitted | Settled | FetchStarted | Fetched | GroupSettled | RunFinished
)
Watcher: TypeAlias = Callable[[Event], None]
