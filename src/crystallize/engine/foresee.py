"""The dry run: what a run would do, by the same schedule, the same manifests and the same decision.

Writes nothing, locks nothing, runs nothing. A job below one that would run is undecided: it waits for what that one
writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from crystallize.engine.growing import grown
from crystallize.engine.manifests import Floors, Settled, question_for
from crystallize.engine.schedule import Schedule, State
from crystallize.fingerprint.manifest import Manifest
from crystallize.plan.job import Job
from crystallize.plan.plan import Plan
from crystallize.store.record import Record
from crystallize.store.reuse import Hit, Miss, decide_many
from crystallize.store.store import Store


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What would become of one job."""

    job: Job
    manifest: Manifest | None
    """None when what it reads is not known yet, or is missing."""
    decision: Hit | Miss | None
    """None: undecided, or it would fail."""
    waits_for: Job | None = None
    """Of an undecided job: the upstream job that would run first."""
    error: BaseException | None = None
    """Why the job would fail before it is started."""
    previous: Record | None = None
    """The last record of the same label, if any: how long it took last time."""


def foresee(plan: Plan, stores: Mapping[Path, Store]) -> list[Foreseen]:
    """What a run of `plan` would do with each job, in plan order."""
    schedule, settled = Schedule(plan), Settled(plan)
    floors = {root: store.floors() for root, store in stores.items()}
    seen: dict[int, Foreseen] = {}
    while (ready := schedule.take_ready()) or plan.growths:
        if not ready:
            jobs = grown(plan, schedule, settled, all_of_it=True)
            for below in schedule.take_up(jobs):
                job = plan.jobs[below]
                seen[below] = _undecided(job, plan.jobs[schedule.cause(below)], stores[plan.groups[job.group].root])
        for index in ready:
            job = plan.jobs[index]
            root = plan.groups[job.group].root
            seen[index] = _ask(job, settled, stores[root], floors[root])
            hit = seen[index].decision
            if isinstance(hit, Hit):
                settled.keep(index, hit.record)
                schedule.settle(index, State.REUSED)
            else:
                # What goes on after a failure reads what is there by then: that is not known yet.
                fate = State.CANCELLED if seen[index].error is None else State.FAILED
                for below in schedule.settle(index, fate):
                    seen[below] = _undecided(plan.jobs[below], job, stores[plan.groups[plan.jobs[below].group].root])
    return [seen[job.index] for job in plan.jobs]


def _ask(job: Job, settled: Settled, store: Store, floors: Floors) -> Foreseen:
    try:
        manifest = settled.manifest(job)
    except Exception as error:
        return Foreseen(job, None, None, error=error)
    decision = decide_many([question_for(job, manifest, floors)], store)[0]
    return Foreseen(job, manifest, decision, previous=store.last_of_label(job.label))


def _undecided(job: Job, waits_for: Job, store: Store) -> Foreseen:
    return Foreseen(job, None, None, waits_for=waits_for, previous=store.last_of_label(job.label))
