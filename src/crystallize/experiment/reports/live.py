"""A run as it goes on: how every trial stands, why it ran, what failed. For displays that look when they like.

A watcher, told in the driver's thread. It only counts and notes, so a display of any speed costs the run nothing; other
threads read it without locks: what is there from the start keeps its shape, what grows is only added to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from time import monotonic

from crystallize.errors import BlockedError
from crystallize.experiment.folders.user_code import place_of
from crystallize.experiment.pinning import trial_of
from crystallize.experiment.reports.summary import told
from crystallize.plan import events
from crystallize.plan.job import Job
from crystallize.plan.plan import Plan
from crystallize.plan.standing import Standing


class State(IntEnum):
    """How a trial stands; the worst of several that are settled is the highest."""

    WAITING = 0
    RUNNING = 1
    REUSED = 2
    DONE = 3
    CANCELLED = 4
    BLOCKED = 5
    FAILED = 6

    @property
    def word(self) -> str:
        """As people read it."""
        return "ran" if self is State.DONE else self.name.lower()


_NONE = 255
_SETTLED = (State.REUSED, State.DONE, State.CANCELLED, State.BLOCKED, State.FAILED)


class Standings:
    """How some trials stand together."""

    def __init__(self) -> None:
        self.counts = [0] * len(State)

    def count(self, before: State, state: State) -> None:
        """One of them stands otherwise from now on."""
        self.counts[state] += 1
        self.counts[before] -= 1

    @property
    def total(self) -> int:
        return sum(self.counts)

    @property
    def settled(self) -> int:
        """Trials of which nothing more will become."""
        return sum(self.counts[state] for state in _SETTLED)

    @property
    def state(self) -> State:
        """The one that stands for all: what is going on, else the worst that became of any."""
        if self.counts[State.RUNNING]:
            return State.RUNNING
        if self.settled < self.total:
            return State.RUNNING if self.settled else State.WAITING
        return max((state for state in _SETTLED if self.counts[state]), default=State.WAITING)

    def told(self) -> str:
        """``ran 3 · reused 7``; empty before anything is settled."""
        return " · ".join(f"{state.word} {self.counts[state]}" for state in _SETTLED if self.counts[state])


class LiveCondition(Standings):
    """The trials of one condition of one experiment."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self._trials = bytearray()
        """A byte per replicate: how its trial stands, or `_NONE`."""

    def __getitem__(self, replicate: int) -> State:
        """How the trial of a replicate stands."""
        state = self._trials[replicate] if replicate < len(self._trials) else _NONE
        return State.WAITING if state == _NONE else State(state)

    def __iter__(self) -> Iterator[State]:
        """How each trial stands, by replicate."""
        return (State(state) for state in bytes(self._trials) if state != _NONE)

    def add(self, replicate: int) -> None:
        """There is a trial more."""
        self._trials.extend([_NONE] * (replicate + 1 - len(self._trials)))
        self._trials[replicate] = State.WAITING
        self.counts[State.WAITING] += 1

    def move(self, replicate: int, state: State) -> State:
        """A trial stands otherwise from now on; how it stood before."""
        before = self[replicate]
        self._trials[replicate] = state
        self.count(before, state)
        return before


class LiveNode(Standings):
    """The trials of one experiment."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.conditions: dict[str, LiveCondition] = {}
        self.reasons: dict[str, Counter[str]] = {}
        """Why trials ran, or where they were taken from → condition → trials."""
        self.seconds = 0.0
        """Spent in its trials."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Something that went wrong."""

    where: str
    """Label of the trial, or the experiment."""
    text: str
    """The user's traceback, or one line."""
    place: tuple[str, int] | None = None
    """File and line of the user's code, where there is one."""
    is_blocked: bool = False
    """Whether it only lacks what failed elsewhere."""

    @classmethod
    def of(cls, where: str, error: BaseException) -> Failure:
        """`error`, as it is told everywhere."""
        return cls(where, told(error), place_of(error), isinstance(error, BlockedError))


@dataclass(slots=True)
class LiveRun:
    """One run, by experiment. Used for one run only."""

    nodes: dict[str, LiveNode] = field(default_factory=dict)
    """In the order of the plan; filled when the run starts."""
    failures: list[Failure] = field(default_factory=list)
    number: int = 0
    """Of the run in the history; 0 where none is kept."""
    changes: int = 0
    """Rises with everything that is told: a display draws again when it differs."""
    began: float = 0.0
    ended: float = 0.0
    """Both of `time.monotonic`; 0 before."""
    now: Callable[[], Standing] = Standing
    """Rate, time left, and what runs where."""
    place: Callable[[Job, str], tuple[str, str, int]] = lambda job, group: (group, *trial_of(job.label))
    """Job and its group → the experiment, condition and replicate that it is shown as."""
    _plan: Plan = field(default_factory=Plan)

    def __call__(self, event: events.Event) -> None:
        """Notes what `event` says."""
        if isinstance(event, events.RunStarted):
            self._start(event)
        elif isinstance(event, events.PlanGrew):
            self._add(event.jobs)
        elif isinstance(event, events.JobStarted):
            self._move(event.job, State.RUNNING)
        elif isinstance(event, events.Settled):
            self._settle(event)
        elif isinstance(event, events.GroupSettled) and event.error is not None:
            self.failures.append(Failure.of(self._plan.groups[event.group].name, event.error))
        elif isinstance(event, events.RunFinished):
            self.ended = monotonic()
            self._plan, self.now = Plan(), Standing  # nobody asks for them again: a screen may show a run for days
        self.changes += 1

    @property
    def total(self) -> int:
        """Trials of the run."""
        return sum(node.total for node in self.nodes.values())

    @property
    def settled(self) -> int:
        """Those of which nothing more will become."""
        return sum(node.settled for node in self.nodes.values())

    def _start(self, event: events.RunStarted) -> None:
        self._plan, self.number, self.now, self.began = event.plan, event.run, event.now, monotonic()
        self._add(event.plan.jobs)

    def _add(self, jobs: Iterable[Job]) -> None:
        nodes = dict(self.nodes)
        for job in jobs:
            group = self._plan.groups[job.group]
            if group.fetches_for is None:
                name, condition, replicate = self.place(job, group.name)
                node = nodes.setdefault(name, LiveNode(name))
                if condition not in node.conditions:
                    # As a whole, for whoever walks over them at this moment: the plan may have grown.
                    node.conditions = {**node.conditions, condition: LiveCondition(condition)}
                node.conditions[condition].add(replicate)
                node.counts[State.WAITING] += 1
        self.nodes = nodes

    def _settle(self, event: events.Settled) -> None:
        job = event.job
        name, condition, _ = self.place(job, self._plan.groups[job.group].name)
        node = self.nodes[name]
        why = ""
        if isinstance(event, events.JobReused):
            self._move(job, State.REUSED)
            why = job.pinned or f"nothing changed since run {event.record.run}"
        elif isinstance(event, events.JobDone):
            self._move(job, State.DONE)
            node.seconds += event.record.seconds
            why = event.note or event.miss.why
        elif isinstance(event, events.JobCancelled):
            self._move(job, State.CANCELLED)
        else:
            failed = isinstance(event, events.JobFailed)
            self._move(job, State.FAILED if failed else State.BLOCKED)
            self.failures.append(Failure.of(job.label, event.error))
            why = "failed" if failed else "blocked"
        if why:
            counts = node.reasons.get(why)
            if counts is None:
                # As a whole, for whoever walks over the reasons at this moment.
                node.reasons = {**node.reasons, why: (counts := Counter())}
            counts[condition] += 1

    def _move(self, job: Job, state: State) -> None:
        name, condition, replicate = self.place(job, self._plan.groups[job.group].name)
        node = self.nodes[name]
        node.count(node.conditions[condition].move(replicate, state), state)
