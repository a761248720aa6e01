"""Plans, jobs and events as a front end sees them, with nothing behind them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crystallize.fingerprint.digest import digest_bytes
from crystallize.fingerprint.manifest import PartTable
from crystallize.plan.job import Group, Job
from crystallize.plan.plan import Plan
from crystallize.store.record import Record
from crystallize.store.reuse import Miss, Use


@dataclass(frozen=True)
class Task:
    """What the command line reads of a trial."""

    condition: str
    replicate: int


def plan_of(workers: int = 1, **counts: int) -> Plan:
    """A plan with one group per experiment and so many replicates of its baseline."""
    plan, nothing = Plan(), PartTable(())
    for name, count in counts.items():
        work: Any = None
        plan.groups.append(Group(name=name, kind="trial/1", work=work, root=Path("data"), workers=workers))
        for replicate in range(count):
            plan.jobs.append(
                Job(
                    index=len(plan.jobs),
                    label=f"{name}/baseline/{replicate}",
                    group=len(plan.groups) - 1,
                    task=Task("baseline", replicate),
                    table=nothing,
                    own=(),
                    policy=Use(),
                )
            )
    return plan


def record_of(job: Job, seconds: float = 1.0, number: int = 7, run: int = 1) -> Record:
    """A record that the job may have made."""
    return Record(
        number=number,
        fingerprint=digest_bytes(job.label.encode()),
        label=job.label,
        kind="trial/1",
        metrics={},
        facts={},
        outputs=(),
        seconds=seconds,
        run=run,
        created=0.0,
    )


FIRST = Miss("first", "first run")
