"""Jobs: the unit of work, as both languages compile to it. Plain data, and the seam `Work`.

Knows neither who compiles a job nor where it runs.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeAlias

from crystallize.fingerprint.manifest import Part, PartTable
from crystallize.fingerprint.reads.observations import Observation
from crystallize.plan.needs import NOTHING_SPECIAL, Needs
from crystallize.plan.workspace import Workspace
from crystallize.store.record import Output
from crystallize.store.reuse import Exactly, Policy

FETCH = "fetch/1"
"""Kind of the manifests of jobs that only fetch for others."""


class Source(NamedTuple):
    """One artifact of one upstream job."""

    job: int
    """Index of the upstream job in the plan; always lower than the reader's."""
    output: str
    """Name of the artifact."""
    step: str | None = None
    """Class name of the step that must have written it; None: whichever wrote it last."""


class Input(NamedTuple):
    """What a job reads through one port."""

    port: str
    """Name of the port, unique in the job; the manifest part is ``input.<port>``."""
    sources: tuple[Source, ...]
    gather: bool = False
    """True: the port yields all `sources` as a list, in order, whatever their count. False: exactly one."""


@dataclass(frozen=True, slots=True)
class Yield:
    """What an upstream job left for those that read it."""

    outputs: tuple[Output, ...] = ()
    metrics: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a job is when all it waits for is settled."""

    task: Any
    """In place of `Job.task`."""
    parts: tuple[Part, ...]
    """Of its manifest, after `Job.own`."""


Late: TypeAlias = Callable[[Mapping[int, Yield]], Resolved]
"""Called with what each job of `Job.waits` left, by index; one that failed may have left nothing. Pure: the run, the
dry run and whoever else asks get the same. Raises what makes the job fail unrun."""


@dataclass(slots=True, kw_only=True)
class Job:
    """One trial or execution. Built by a compiler, changed by nobody afterwards."""

    index: int
    """Position in the plan's list."""
    label: str
    """``experiment/condition/replicate``: what people and the history call it; never part of the key."""
    group: int
    """Index of its group in the plan."""
    task: Any
    """Handed to `Work.run` as it is; the engine never looks inside."""
    table: PartTable = field(repr=False)
    """The parts shared with the other jobs of its condition. Gone once a run has told that the job is settled."""
    own: tuple[Part, ...]
    """The parts of its own that are known at compile time (replicate, seed)."""
    inputs: tuple[Input, ...] = ()
    after: tuple[int, ...] = ()
    """Upstream jobs whose artifacts count as a whole though no port reads them."""
    waits: tuple[int, ...] = ()
    """Upstream jobs that must be settled first; what they left counts only as `late` says."""
    late: Late | None = None
    """How what it reads, and what it is told to do, follow from what those left: a glob over their files, a value."""
    goes_on: bool = False
    """What waits for it runs although it failed."""
    policy: Policy

    @property
    def pinned(self) -> str:
        """``pinned from run 3``; empty when it was not pinned."""
        return self.policy.why if isinstance(self.policy, Exactly) else ""


@dataclass(slots=True)
class Outcome:
    """What a job that succeeded hands back, beside the artifacts in its workspace."""

    metrics: Mapping[str, Sequence[Any]]
    """Name → values, in the order recorded."""
    facts: dict[str, Any] = field(default_factory=dict)
    """JSON-able: seed, tags, notices."""
    provenance: Any = None
    """JSON-able; kept apart."""
    observations: tuple[Observation, ...] = ()
    """What the job was seen to read beside its inputs; its record serves only while all of it is still so."""
    unrecordable: str | None = None
    """Why the result must not be reused, although the job succeeded; None: it may."""
    error: BaseException | None = None
    """The job failed with this, and all the same left what is worth keeping: recorded, and never reused."""
    recorded_by: Mapping[str, str] = field(default_factory=dict)
    """Metric → what of the job recorded it, for messages of those that carry it elsewhere; may be empty."""


class Work(Protocol):
    """What the jobs of one group do. The first of the three seams.

    One `Work` serves all jobs of its group (an experiment, a pipeline's step) in one run of a plan.

    ``begin`` is called at most once, in the driver, before the first job of the group that really runs; never when all
    are reused. If it raises, every job of the group that would run fails with that exception, unrun, and ``end`` is
    still called. It may open what all jobs share.

    ``run`` is called once for each job that runs, with the job's task and a fresh workspace, possibly several at a time
    on an executor that says so, never twice for one job in one run. Everything it writes goes through the
    workspace. It returns an `Outcome`, or raises whatever the user's code raised: the job is then failed and nothing
    is recorded. It must not assume that another job of the group ran before it: that one may have been reused.

    On an executor of other machines the work is pickled (by cloudpickle) after ``begin``, and ``run`` is called on what
    it becomes in a worker there: a process that has crystallize, and nothing of what the driver has loaded.

    ``end`` is called exactly once after ``begin`` was called, when no job of the group runs or will run, also after
    failures and after Ctrl-C. An exception from it is reported and fails the run's exit code; what was recorded stays.
    """

    def begin(self) -> None:
        """Opens what the jobs share."""

    async def run(self, task: Any, workspace: Workspace) -> Outcome:
        """Does one job and returns what it recorded."""

    def end(self) -> None:
        """Closes what `begin` opened."""

    def missing(self, task: Any, source: Source, written: Sequence[Output]) -> Exception:
        """The error for a reader when the job of `task` wrote only `written`, and not what `source` names."""


Ask: TypeAlias = Callable[[int], Awaitable[Any]]
"""Called with the index of a job of the group, in the driver's loop: the job may start from now on. Gives the event
that tells how the job ended (`events.Settled`)."""
Lead: TypeAlias = Callable[[Ask], Awaitable[None]]
"""Orders the jobs of a group. Awaited at most once, in the driver's loop, after the work's ``begin`` and before any job
of the group runs; never when all are reused. A job starts only when it was asked for; one that is reused is told of at
once. Jobs that were not asked for when it returns are cancelled; when it raises, they fail with what it raised."""


@dataclass(slots=True, kw_only=True)
class Group:
    """Jobs that share a `Work`, a store and an executor: the trials of an experiment."""

    name: str
    kind: str
    """Kind of its manifests: ``trial/1``, or `FETCH`."""
    work: Work
    root: Path
    """Artifact root whose store records the jobs."""
    workers: int = 1
    """How many of its jobs may run at once, where the executor allows."""
    fetches_for: int | None = None
    """Index of the group whose jobs read what the jobs of this one fetch, each its own; None: it fetches for nobody.
    Fetches are no work that people asked for: they are told of as fetches, and never counted among jobs."""
    executor: str = "serial"
    """``serial``, ``async``, ``thread``, ``process`` or ``ray``."""
    address: str = "auto"
    """Of the Ray cluster."""
    needs: Needs = NOTHING_SPECIAL
    """Of each of its jobs."""
    lead: Lead | None = None
    """Who says when its jobs may start; None: each as soon as it can."""
