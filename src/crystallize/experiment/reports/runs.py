"""Runs as the history tells of them: one in full, or many, a line each."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.text import Text

from crystallize.experiment.reports import going
from crystallize.experiment.reports.archive import Archive
from crystallize.experiment.reports.lines import line, print_indented, table
from crystallize.history.history import GroupRow, RunRow
from crystallize.words import ago, count, duration

if TYPE_CHECKING:
    from rich.console import Console


def print_run(console: Console, archive: Archive, run: RunRow, *, only_trouble: bool = False) -> None:
    """What a run did, or did so far: its experiments, then the trials that did not just serve again.

    Parameters
    ----------
    only_trouble : of the trials those alone that failed or were blocked.
    """
    group_word, job_word = words_of([run])
    groups, jobs, standing = archive.groups(run.number), archive.history.jobs(run.number), archive.standing(run)
    about = f"  strategy {run.strategy} · {ago(run.started, time.time())} · {run.state} · {duration(run.seconds)}"
    line(console, (f"run {run.number}", "bold"), (about, "dim"))
    if standing is not None:
        line(console, f"  {standing.settled} of {standing.total} {job_word}s: {going.line(standing)}")
    for busy in standing.busy if standing is not None and run.state == "running" else ():
        line(console, f"  {going.busy_line(busy)}")
    counted = ("ran", "reused", "failed", "blocked")
    made = table(group_word, *counted, "took", "saved", numbers=counted)
    for group in groups:
        counts = (count(getattr(group, state)) for state in counted)
        made.add_row(group.name, *counts, duration(group.seconds), duration(group.seconds_saved))
    if groups:
        print_indented(console, made)
    if only_trouble:
        jobs = [job for job in jobs if job.state in ("failed", "blocked")]
    if jobs:
        console.print()
        listed = table(job_word, "state", "took", "why", folded="why")
        for job in jobs:
            listed.add_row(job.label, job.state, duration(job.seconds), job.error or job.reason)
        print_indented(console, listed)


def print_runs(console: Console, runs: Iterable[tuple[RunRow, list[GroupRow]]]) -> None:
    """One line per run, newest first."""
    listed = list(runs)
    troubles = [state for state in ("failed", "blocked") if any(_total(groups, state) for _, groups in listed)]
    counted = ["ran", "reused", *troubles]
    head = ["run", "when", "state", *counted, "took", "saved", "strategy", "what"]
    made = table(*head, numbers=["run", *counted], folded="what")
    now = time.time()
    for run, groups in listed:
        made.add_row(
            str(run.number),
            ago(run.started, now),
            Text(run.state, {"ok": "green", "failed": "red"}.get(run.state, "yellow")),
            *(count(_total(groups, state)) for state in counted),
            duration(run.seconds),
            duration(_total(groups, "seconds_saved")),
            run.strategy,
            ", ".join(run.targets),
        )
    console.print(made)


def words_of(runs: Iterable[RunRow]) -> tuple[str, str]:
    """What their groups and jobs are called: experiments have trials, pipelines have executions."""
    are_pipelines = {run.is_pipeline for run in runs}
    if are_pipelines == {True}:
        return "pipeline", "execution"
    return ("experiment", "trial") if are_pipelines <= {False} else ("experiment, pipeline", "job")


def _total(groups: Iterable[GroupRow], field: str) -> float:
    return sum(float(getattr(group, field)) for group in groups)
