"""Audits: trials that would be reused run again, aside, and their outcomes are compared with the records bit by bit.

An audit is a plan like any other, run by the same engine: what the audited trials read stands in with its records, the
trials themselves are forced, and only their root is another one, which is thrown away. Records and views stay as they
are.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from crystallize.engine.foresee import Foreseen
from crystallize.plan import events
from crystallize.plan.job import Input, Job
from crystallize.plan.plan import Plan
from crystallize.session import Request, Session
from crystallize.store.compare import first_difference
from crystallize.store.record import Record
from crystallize.store.reuse import Exactly, Force, Hit, Use
from crystallize.store.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """One trial that ran again."""

    experiment: str
    label: str
    record: int
    """Number of the record that it was compared with."""
    difference: str | None = None
    """The first artifact or metric that came out differently; None: all are the same bits, or it failed."""
    step: str | None = None
    """Class name of the first step that did something else, where that can be told."""
    error: BaseException | None = None
    """What it failed with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What became of an audit."""

    trials: tuple[Audited, ...]
    reusable: int
    """Trials that would be reused, whether they were audited or not."""
    others: int
    """Trials that would run, which there is nothing to compare with."""
    interrupted: bool

    @property
    def sound(self) -> bool:
        """Whether every audited trial came out the same."""
        return not any(each.difference or each.error for each in self.trials)

    def steps(self) -> dict[str, Counter[str]]:
        """Experiment → class name of a step that is not deterministic → audited trials in which it came first."""
        found: dict[str, Counter[str]] = {}
        for each in self.trials:
            if each.difference is not None:
                found.setdefault(each.experiment, Counter())[each.step or "(unknown)"] += 1
        return found


def audit(
    plan: Plan,
    groups: Collection[int],
    session: Session,
    aside: Path,
    each: int | None,
    watchers: Sequence[events.Watcher] = (),
) -> Audit:
    """Runs trials of `plan` again that would be reused, and compares.

    Parameters
    ----------
    groups : whose trials may be audited.
    session : reads the stores of the plan and writes to that of `aside` only.
    each : how many trials of each experiment, spread over its conditions and replicates; None: all.
    """
    plan = _fetching_nothing(plan)
    settled = session.foresee(plan)
    foreseen = [one for one in settled if one.job.group in groups]
    hits = {one.job.index: one.decision.record for one in foreseen if isinstance(one.decision, Hit)}
    chosen = [job for group in _by_group(foreseen, hits) for job in _spread(group, each)]
    if not chosen:
        return Audit(trials=(), reusable=len(hits), others=len(foreseen) - len(hits), interrupted=False)
    audit_plan, audited = _audit_plan(plan, chosen, settled, aside)
    outcomes: dict[int, Record | BaseException] = {}

    def keep(event: events.Event) -> None:
        if isinstance(event, (events.JobDone, events.JobReused)):
            outcomes[event.job.index] = event.record
        elif isinstance(event, (events.JobFailed, events.JobBlocked)):
            outcomes[event.job.index] = event.error

    names = tuple(dict.fromkeys(plan.groups[job.group].name for job in chosen))
    request = Request(targets=names, strategy="rerun", what="audit")
    report = session.run(audit_plan, request, [keep, *watchers])
    trials = [
        _compare(plan, job, hits[job.index], outcomes[index], session, aside)
        for index, job in audited.items()
        if index in outcomes
    ]
    return Audit(
        trials=tuple(trials), reusable=len(hits), others=len(foreseen) - len(hits), interrupted=report.interrupted
    )


def _fetching_nothing(plan: Plan) -> Plan:
    """The plan with what was fetched last in place of fetches, which is what the trials in the store have read."""
    jobs = [job if plan.groups[job.group].fetches_for is None else replace(job, policy=Use()) for job in plan.jobs]
    return Plan(plan.groups, jobs)


def _by_group(foreseen: Iterable[Foreseen], hits: Mapping[int, Record]) -> Iterator[list[Job]]:
    """The jobs that would be reused, by group; of those that one record serves, the first."""
    groups: dict[int, list[Job]] = {}
    seen: set[tuple[int, int]] = set()
    for one in foreseen:
        record = hits.get(one.job.index)
        if record is not None and (one.job.group, record.number) not in seen:
            seen.add((one.job.group, record.number))
            groups.setdefault(one.job.group, []).append(one.job)
    yield from groups.values()


def _spread(jobs: Sequence[Job], count: int | None) -> list[Job]:
    """`count` of the jobs, at even distances, the first among them."""
    if count is None or count >= len(jobs):
        return list(jobs)
    return [jobs[number * len(jobs) // count] for number in range(count)]


def _audit_plan(
    plan: Plan, chosen: Sequence[Job], settled: Sequence[Foreseen], aside: Path
) -> tuple[Plan, dict[int, Job]]:
    """The plan of an audit, and which of its jobs audits which job of `plan`."""
    made = Plan(groups=list(plan.groups))
    stand_ins: dict[int, int] = {}
    for job in chosen:
        for upstream in sorted(plan.upstream_of(job) - stand_ins.keys()):
            decision = settled[upstream].decision
            assert isinstance(decision, Hit), "what a reusable job reads is settled"
            stand_ins[upstream] = _add(made, plan.jobs[upstream], policy=Exactly(decision.record.number))
    aside_groups: dict[int, int] = {}
    audited: dict[int, Job] = {}
    for job in chosen:
        if job.group not in aside_groups:
            aside_groups[job.group] = len(made.groups)
            made.groups.append(replace(plan.groups[job.group], root=aside))
        index = _add(
            made,
            job,
            group=aside_groups[job.group],
            inputs=tuple(_moved(port, stand_ins) for port in job.inputs),
            after=tuple(stand_ins[upstream] for upstream in job.after),
            policy=Force("audit"),
        )
        audited[index] = job
    return made, audited


def _add(plan: Plan, job: Job, **changes: Any) -> int:
    index = len(plan.jobs)
    plan.jobs.append(replace(job, **{"inputs": (), "after": (), **changes, "index": index}))
    return index


def _moved(port: Input, indices: Mapping[int, int]) -> Input:
    return port._replace(sources=tuple(source._replace(job=indices[source.job]) for source in port.sources))


def _compare(
    plan: Plan, job: Job, old: Record, outcome: Record | BaseException, session: Session, aside: Path
) -> Audited:
    group = plan.groups[job.group]
    if isinstance(outcome, BaseException):
        return Audited(experiment=group.name, label=job.label, record=old.number, error=outcome)
    difference = first_difference(old.outputs, old.metrics, outcome.outputs, outcome.metrics)
    step = None
    if difference is not None:
        step = _first_step(old, outcome, session.store(group.root), session.store(aside))
    return Audited(experiment=group.name, label=job.label, record=old.number, difference=difference, step=step)


def _first_step(old: Record, new: Record, store: Store, aside: Store) -> str | None:
    """The first step that wrote another value, metric or artifact; what follows it may only pass that on."""
    before, after = store.provenance_of(old.number) or [], aside.provenance_of(new.number) or []
    for one, other in zip(before, after, strict=False):
        step = str(other["step"])
        if _doings(one) != _doings(other) or _written(old, step) != _written(new, step):
            return step
    return next((output.step for output in new.outputs if output not in old.outputs), None)


def _doings(record: Mapping[str, Any]) -> str:
    """What a step recorded, as a text, in which NaN equals NaN."""
    changes = record.get("ctx_changes", {})
    return json.dumps([record["step"], changes.get("wrote"), changes.get("metrics")], sort_keys=True)


def _written(record: Record, step: str) -> list[tuple[str, bytes]]:
    return [(output.name, output.digest) for output in record.outputs if output.step == step]
