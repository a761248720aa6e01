"""The driver: brings a plan about. Asks the schedule what is ready, the store what may be reused, runs the rest.

Knows nothing of experiments, screens or SQL. What can be decided without running anything is decided in `prepare`,
before any event loop exists; a wholly reused plan never starts one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

from crystallize.engine.attempts import attempted
from crystallize.engine.claims import Claim, Claims
from crystallize.engine.executors import Executors
from crystallize.engine.floors import JobFloors
from crystallize.engine.growing import Growing
from crystallize.engine.leads import LeadEnd, Leads
from crystallize.engine.machine import Machine
from crystallize.engine.manifests import Settled, question_for
from crystallize.engine.pulse import Pulse
from crystallize.engine.queues import Queued, Queues
from crystallize.engine.recorder import Recorder, new_record
from crystallize.engine.schedule import SETTLED, Schedule, State
from crystallize.engine.spared import Spared
from crystallize.engine.teller import Teller
from crystallize.errors import message_of
from crystallize.fingerprint.reads.observe import unobserved
from crystallize.plan import events
from crystallize.plan.job import Group, Job, Outcome, Yield
from crystallize.plan.plan import Plan
from crystallize.plan.workspace import Workspace
from crystallize.store.compare import compared
from crystallize.store.record import Output, Record
from crystallize.store.reuse import Force, Hit, Miss, Question, decide, decide_many
from crystallize.store.store import Store

if TYPE_CHECKING:
    import asyncio

POLL_SECONDS = 0.05
DECIDED_AT_ONCE = 512
"""More gain nothing, and what is known of all of them takes memory until the last is told of."""

DISCARDS_EARLIER = ("forced", "after")
"""Kinds of misses that mean: what earlier runs left must not serve."""
MAY_HAVE_RUN_BEFORE = ("forced", "after", "gone")
"""Kinds of misses at which there may be a record under the very fingerprint."""


class _Finished(NamedTuple):
    """What is told of a job that ran, when its record is committed."""

    miss: Miss
    note: str | None
    """Why it may not be reused, though it succeeded."""
    error: BaseException | None
    """What it failed with, though it left something."""


class Driver:
    """One run of one plan. Call `prepare`, then await `drive` unless it said that all is settled.

    Parameters
    ----------
    stores : artifact root → open store; every root of the plan's groups.
    runs : artifact root → number of this run in the history kept there.
    watchers : told every event, in this order.
    stop_asked : whether the user wants no further job to be started.
    checkpoint : awaited before each job starts.
    gate : awaited whenever jobs might be started, when all that has ended has been told.
    executors : where jobs run; the driver closes them.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        stores: Mapping[Path, Store],
        runs: Mapping[Path, int],
        watchers: Sequence[events.Watcher],
        stop_asked: Callable[[], bool],
        checkpoint: Callable[[], Awaitable[None]] | None = None,
        gate: Callable[[], Awaitable[object]] | None = None,
        executors: Executors | None = None,
    ) -> None:
        self._plan = plan
        self._stores = [stores[group.root] for group in plan.groups]
        self._runs = [runs[group.root] for group in plan.groups]
        self._stop_asked = stop_asked
        self._checkpoint = checkpoint
        self._gate = gate
        self._versions = {store: store.outside_version() for store in dict.fromkeys(self._stores)}
        """As last looked at: what is looked up later has seen at least that."""
        self._floors = JobFloors(plan, self._stores)
        self._schedule = Schedule(plan)
        self._settled = Settled(plan)
        self.pulse = Pulse(plan, stores)
        self._executors = executors or Executors(Machine())
        self._queues = Queues(plan, self._executors)
        self._leads = Leads(plan, self._queues.ask)
        watching: list[events.Watcher] = [self.pulse, *watchers, *self._leads.watchers, self._executors.ending(plan)]
        self._teller = Teller(plan, watching)
        self._growing = Growing(plan, self._schedule, self._settled, self._teller)
        self.recorder: Recorder[int] = Recorder()
        self._claims = Claims()
        self._elsewhere: list[int] = []
        self._uncommitted: dict[int, _Finished] = {}
        self.spared = Spared()
        self.interrupted = False
        """Whether the user stopped the run before everything was started."""

    @property
    def finished(self) -> bool:
        """Whether every job is settled."""
        return self._schedule.finished

    def prepare(self) -> bool:
        """Decides everything that can be decided before anything runs; True when that settles the whole plan."""
        self._teller.tell(events.RunStarted(self._plan, next(iter(self._runs), 0), self.pulse.now))
        self._decide_ready()
        return self._schedule.finished

    async def drive(self) -> None:
        """Runs what was not reused until every job is settled. Raises only what the store or a watcher raises."""
        with unobserved():
            await self._drive()

    async def _drive(self) -> None:
        import asyncio

        running: set[asyncio.Task[None]] = set()
        try:
            while not self._schedule.finished or self._leads.active:
                if self._gate is not None:
                    self._commit()
                    await self._gate()
                if self._stop_asked() and not self._schedule.finished:
                    self._cancel_unstarted()
                self._decide_ready()
                self._follow_leads()
                queued = next(filter(self._may_start, self._queues.startable()), None)
                if self._checkpoint is not None:
                    await self._checkpoint()
                if queued is None:
                    await self._wait(running)
                elif running or self._executors.key(self._group_of(queued.job)):
                    running.add(asyncio.create_task(self._execute(queued)))
                    await asyncio.sleep(0)
                else:
                    await self._execute(queued)
            self._commit()
        finally:
            await self._leads.stop()
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            with suppress(Exception):  # what is finished is kept, whatever ended the run
                self._commit()
            self._executors.close()
            self._teller.end_all()

    async def _wait(self, running: set[asyncio.Task[None]]) -> None:
        """Nothing can be started: waits for a running job, or looks again at what other processes hold."""
        import asyncio

        if self._uncommitted:
            self._commit()
        elif running or self._leads.active:
            awaited = {*running, *self._leads.awaited()} if self._leads.active else running
            done, _ = await asyncio.wait(awaited, timeout=POLL_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            for task in running & done:
                running.remove(task)
                task.result()
        elif self._elsewhere:
            await asyncio.sleep(POLL_SECONDS)
        waiting, self._elsewhere = self._elsewhere, []
        self._decide(waiting)

    # deciding

    def _decide_ready(self) -> None:
        while (ready := self._schedule.take_ready()) or self._growing.take_up():
            for start in range(0, len(ready), DECIDED_AT_ONCE):
                self._decide(ready[start : start + DECIDED_AT_ONCE])

    def _decide(self, indices: Sequence[int]) -> None:
        """Settles the hits among jobs whose inputs are known and queues the misses."""
        asked: dict[Store, list[tuple[int, Question]]] = {}
        for index in indices:
            job = self._plan.jobs[index]
            try:
                question = question_for(job, self._settled.manifest(job), self._floors.of(job.group))
            except Exception as error:
                self._fail(index, error, None, 0.0)
            else:
                asked.setdefault(self._stores[job.group], []).append((index, question))
        for store, batch in asked.items():
            run = self._runs[self._plan.jobs[batch[0][0]].group]
            decisions = decide_many([question for _, question in batch], store, run)
            for (index, question), decision in zip(batch, decisions, strict=True):
                if isinstance(decision, Hit):
                    self._reuse(index, decision.record)
                else:
                    self._queues.put(Queued(index, question.manifest, decision, self._versions[store]))
                    self._claims.expect(question.manifest.fingerprint, store)
                    if decision.kind == "forced" and not self._fetches(index):
                        self.spared.note(question, store)

    def _reuse(self, index: int, record: Record) -> None:
        self._commit_upstream_of(index)
        if self._schedule.has_consumers(index):
            self._settled.keep(index, record)
        self._schedule.settle(index, State.REUSED)
        self._teller.tell_settled(events.JobReused(self._plan.jobs[index], record))

    # starting

    def _follow_leads(self) -> None:
        """Begins leads whose jobs wait to be asked for, and settles what nobody will ask for any more."""
        for group in self._queues.led():
            error = self._teller.begin(group)
            if error is not None:
                for queued in self._queues.take_unasked(group):
                    self._fail(queued.job, error, queued.miss, 0.0)
            elif not self._leads.has_begun(group):
                self._teller.hold(group)
                self._leads.begin(group)
        for ended in self._leads.take_ended():
            self._end_lead(ended)

    def _end_lead(self, ended: LeadEnd) -> None:
        self._queues.take_unasked(ended.group)
        for job in self._plan.jobs:
            index = job.index
            if job.group != ended.group or self._schedule.state(index) in SETTLED or self._queues.is_asked(index):
                continue
            if ended.error is not None:
                self._fail(index, ended.error, None, 0.0)
                continue
            below = self._schedule.settle(index, State.CANCELLED)
            self._teller.tell_settled(events.JobCancelled(job))
            for each in below:
                self._teller.tell_blocked(self._plan.jobs[each], f"{job.label}, which it reads, was not asked for")
        self._teller.release(ended.group, ended.error)

    def _may_start(self, queued: Queued) -> bool:
        index, manifest, miss, version = queued
        job = self._plan.jobs[index]
        if self.recorder.due:
            self._commit()
        self._commit_upstream_of(index)
        store = self._store_of(index)
        store.database.require_writable(f"{job.label} has to run ({miss.why})")
        # What was told just now may have said that nothing more is to start.
        claim = Claim.ELSEWHERE if self._stop_asked() else self._claims.ask(index, manifest.fingerprint, store)
        if claim is Claim.ELSEWHERE:
            self._elsewhere.append(index)
        elif claim is Claim.FAILED:
            self._fail(index, self._claims.error(manifest.fingerprint, store), miss, 0.0)
        if claim is not Claim.HELD:
            return False
        now = store.outside_version()
        if now != version or self._claims.is_double(manifest.fingerprint, store):
            self._versions[store] = now
            decision = decide(question_for(job, manifest, self._floors.of(job.group)), store, self._runs[job.group])
            if isinstance(decision, Hit):
                twins = self._claims.release(index)
                self._reuse(index, decision.record)
                self._decide(twins)
                return False
        error = self._teller.begin(job.group)
        if error is not None:
            self._fail(index, error, miss, 0.0)
            return False
        self._teller.tell_started(job, miss)
        return True

    async def _execute(self, queued: Queued) -> None:
        job = self._settled.final(self._plan.jobs[queued.job])
        workspace = Workspace(
            self._stores[job.group],
            self._inputs(job),
            run=self._runs[job.group],
            only_this_run=queued.miss.kind in DISCARDS_EARLIER,
        )
        workspace.tell = partial(self._teller.tell_emitted, job)
        self.pulse.begin(job, workspace)
        started = perf_counter()
        try:
            outcome = await attempted(self._executors, self._plan.groups[job.group], job, workspace)
        except BaseException as error:
            from crystallize.engine.loops import is_being_cancelled

            if isinstance(error, KeyboardInterrupt) or is_being_cancelled():
                raise
            self._fail(job.index, error, queued.miss, perf_counter() - started)
        else:
            self._done(queued, outcome, workspace, perf_counter() - started)
        finally:
            self.pulse.end(job)
            workspace.close()

    def _inputs(self, job: Job) -> dict[str, tuple[Store, Output] | list[tuple[Store, Output]]]:
        inputs: dict[str, tuple[Store, Output] | list[tuple[Store, Output]]] = {}
        for port in job.inputs:
            found = [(self._store_of(source.job), self._settled.require(source)) for source in port.sources]
            inputs[port.port] = found if port.gather else found[0]
        return inputs

    # settling

    def _done(self, queued: Queued, outcome: Outcome, workspace: Workspace, seconds: float) -> None:
        index, manifest, miss, _ = queued
        job, store = self._plan.jobs[index], self._store_of(index)
        failed = None if outcome.error is None else "it failed"
        unrecordable = failed or outcome.unrecordable or workspace.changed_input()
        record = new_record(job, manifest, outcome, workspace, seconds, unrecordable)
        if unrecordable is None and miss.kind in MAY_HAVE_RUN_BEFORE and not self._fetches(index):
            record = compared(record, store)
        if self._schedule.has_consumers(index):
            self._settled.keep(index, Yield(workspace.outputs, outcome.metrics, outcome.facts))
        self.recorder.add(store, record, index)
        self._uncommitted[index] = _Finished(miss, unrecordable, outcome.error)
        if outcome.error is None:
            self._schedule.settle(index, State.DONE)

    def _commit(self) -> None:
        """Commits what is finished, frees its fingerprints, tells of it, and decides the jobs that waited for it."""
        for index, record in self.recorder.flush():
            miss, note, error = self._uncommitted.pop(index)
            if error is not None:
                self._fail(index, error, miss, record.seconds)
                continue
            if note is None and record.number == 0:
                note = "its metrics cannot be kept"
            twins = self._claims.release(index)
            self._floors.lift(self._plan.jobs[index])
            self._teller.tell_settled(events.JobDone(self._plan.jobs[index], record, miss, note))
            self._decide(twins)

    def _commit_upstream_of(self, index: int) -> None:
        """Whoever is told of the job has been told of what it reads."""
        job = self._plan.jobs[index]
        if self._uncommitted and not self._uncommitted.keys().isdisjoint(self._plan.upstream_of(job)):
            self._commit()

    def _fail(self, index: int, error: BaseException, miss: Miss | None, seconds: float) -> None:
        """Settles a job as failed, its twins with it, and what lies below as blocked."""
        job = self._plan.jobs[index]
        if miss is not None and miss.kind in ("forced", "after"):
            self._floors.put(job)
        blocked = self._schedule.settle(index, State.FAILED)
        self._teller.tell_settled(events.JobFailed(job, error, miss, seconds))
        for below in blocked:
            stopped = self._plan.jobs[below]
            if self._fetches(index) and index in self._plan.upstream_of(stopped):
                if isinstance(stopped.policy, Force):
                    self._floors.put(stopped)
                self._teller.tell_settled(events.JobFailed(stopped, error, None, seconds))
                continue
            self._teller.tell_blocked(stopped, f"{job.label}, which it reads, failed ({message_of(error)})")
        for twin in self._claims.release(index, error):
            self._fail(twin, error, miss, 0.0)

    def _cancel_unstarted(self) -> None:
        """Settles every job that has not started as cancelled."""
        self.interrupted = True
        while self._growing.take_up(all_of_it=True):
            pass  # what has grown may grow further
        waiting, self._elsewhere = [*self._queues.take_all(), *self._elsewhere], []
        stopped = self._schedule.cancel_unstarted()
        for index in waiting:
            stopped += [index, *self._schedule.settle(index, State.CANCELLED)]
        for index in stopped:
            self._teller.tell_settled(events.JobCancelled(self._plan.jobs[index]))

    def _fetches(self, index: int) -> bool:
        """Whether the job only fetches for another one."""
        return self._group_of(index).fetches_for is not None

    def _group_of(self, index: int) -> Group:
        return self._plan.groups[self._plan.jobs[index].group]

    def _store_of(self, index: int) -> Store:
        return self._stores[self._plan.jobs[index].group]
