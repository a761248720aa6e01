"""The JSON that commands print, version 1. `docs/reference/json.md` documents every field, and a test compares."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from crystallize.experiment.reports.tally import by_group
from crystallize.history.history import GroupRow, JobRow, RunRow
from crystallize.history.stats import share_reused
from crystallize.store.codecs import plain

if TYPE_CHECKING:
    from pathlib import Path

    from crystallize.errors import CrystallizeError
    from crystallize.experiment.reports.candidates import Candidate
    from crystallize.experiment.reports.difference import Difference
    from crystallize.experiment.reports.explanation import Explanation
    from crystallize.experiment.reports.foresight import Foresight
    from crystallize.experiment.reports.status import ExperimentStatus, Status
    from crystallize.experiment.results.result import Result
    from crystallize.history.stats import Stats
    from crystallize.session import Report

SCHEMA = 1

Json = dict[str, Any]


def run_document(
    command: str,
    *,
    run: int | None,
    strategy: str,
    jobs: Iterable[JobRow],
    groups: Mapping[str, GroupRow],
    seconds: float,
    dry_run: bool = False,
    interrupted: bool = False,
    undecided: int = 0,
    experiments: Iterable[Json] | None = None,
    left_out: Iterable[CrystallizeError] = (),
    explanations: Iterable[Explanation] = (),
) -> Json:
    """What `run`, `run --dry-run`, `explain` and `show RUN` print.

    Parameters
    ----------
    groups : experiment → its counts; their sums are the counts of the document.
    experiments : as `experiment_entry` makes them; None: the counts of `groups` alone.
    """
    counts = list(groups.values())
    entries = list(experiments if experiments is not None else map(experiment_entry, counts))
    return {
        "schema": SCHEMA,
        "command": command,
        "dry_run": dry_run,
        "run": run,
        "strategy": strategy,
        "interrupted": interrupted,
        "ran": sum(group.ran for group in counts),
        "reused": sum(group.reused for group in counts),
        "failed": sum(group.failed for group in counts),
        "blocked": sum(group.blocked for group in counts),
        "undecided": undecided,
        "memo_hits": sum(entry["memo_hits"] for entry in entries),
        "fetched": sum(entry["fetched"] for entry in entries),
        "seconds": seconds,
        "seconds_saved": sum(group.seconds_saved for group in counts),
        "jobs": [job_entry(job) for job in jobs],
        "experiments": entries,
        "left_out": [str(error) for error in left_out],
        "explanations": [explanation_entry(each) for each in explanations],
    }


def finished_document(
    report: Report,
    strategy: str,
    jobs: Sequence[JobRow],
    results: Mapping[str, Result],
    left_out: Iterable[CrystallizeError],
) -> Json:
    """What `run` prints."""
    groups = {name: GroupRow(name) for name in results} | by_group(jobs)
    return run_document(
        "run",
        run=report.run or None,
        strategy=strategy,
        jobs=jobs,
        groups=groups,
        seconds=report.seconds,
        interrupted=report.interrupted,
        experiments=[experiment_entry(counts, results.get(name)) for name, counts in groups.items()],
        left_out=left_out,
    )


def foresight_document(
    command: str,
    foresight: Foresight,
    explanations: Iterable[Explanation],
    left_out: Iterable[CrystallizeError],
) -> Json:
    """What `run --dry-run` and `explain` print: a run that has not happened."""
    jobs = foresight.rows()
    groups = by_group(jobs)
    return run_document(
        command,
        run=None,
        strategy=foresight.strategy,
        jobs=jobs,
        groups=groups,
        seconds=sum(group.seconds for group in groups.values()),
        dry_run=True,
        undecided=sum(job.state == "undecided" for job in jobs),
        left_out=left_out,
        explanations=explanations,
    )


def job_entry(job: JobRow) -> Json:
    """One trial."""
    return {
        "label": job.label,
        "state": job.state,
        "reason": job.reason,
        "fingerprint": None if job.fingerprint is None else bytes(job.fingerprint).hex(),
        "record": job.record,
        "seconds": job.seconds,
        "error": job.error,
    }


def experiment_entry(counts: GroupRow, result: Result | None = None) -> Json:
    """One experiment: its counts, and its result where there is one."""
    entry: Json = {
        "name": counts.name,
        "ran": counts.ran,
        "reused": counts.reused,
        "failed": counts.failed,
        "blocked": counts.blocked,
        "memo_hits": 0,
        "fetched": 0,
        "seconds": counts.seconds,
        "seconds_saved": counts.seconds_saved,
        "conditions": {},
        "metrics": {},
        "artifacts": {},
        "hypotheses": [],
        "notices": [],
        "errors": {},
    }
    if result is not None:
        from crystallize.experiment.reports.summary import told

        entry |= {
            "memo_hits": result.memo_hits,
            "fetched": result.fetched,
            "conditions": {
                name: {"ran": ran, "reused": result.reused.get(name, 0)} for name, ran in result.ran.items()
            },
            "metrics": exact(dict(result.metrics.conditions())),
            "artifacts": exact(result.artifacts),
            "hypotheses": [
                {"name": each.name, "results": exact(each.results), "ranking": exact(each.ranking)}
                for each in result.metrics.hypotheses
            ],
            "notices": list(result.notices),
            "errors": {key: told(error) for key, error in result.errors.items()},
        }
    return entry


def explanation_entry(explanation: Explanation) -> Json:
    """Trials of one experiment that have one explanation."""
    return {
        "experiment": explanation.experiment,
        "trials": explanation.trials,
        "state": explanation.state,
        "reason": explanation.reason,
        "changes": [difference_entry(change) for change in explanation.changes],
        "notes": list(explanation.notes),
        "read": list(explanation.read),
    }


def difference_entry(change: Difference) -> Json:
    """One thing that changed."""
    return {"name": change.name, "old": change.old, "new": change.new, "diff": change.diff}


def detached_document(run: int, process: int, log: Path) -> Json:
    """What `run --detach` prints."""
    return {"schema": SCHEMA, "command": "run --detach", "run": run, "process": process, "log": str(log)}


def history_document(runs: Iterable[tuple[RunRow, Iterable[GroupRow]]], candidates: Iterable[Candidate] = ()) -> Json:
    """What `history` prints; with `candidates` for one experiment."""
    return {
        "schema": SCHEMA,
        "command": "history",
        "runs": [run_entry(run, groups) for run, groups in runs],
        "candidates": [candidate_entry(each) for each in candidates],
    }


def candidate_entry(candidate: Candidate) -> Json:
    """What one run had of one experiment."""
    return {
        "run": candidate.run.number,
        "reasons": candidate.reasons,
        "metrics": exact(candidate.metrics),
        "records": candidate.records,
        "pinned": candidate.pinned,
    }


def run_entry(run: RunRow, groups: Iterable[GroupRow]) -> Json:
    """One run as the history has it."""
    from datetime import UTC, datetime

    counts = list(groups)
    return {
        "run": run.number,
        "started": datetime.fromtimestamp(run.started, UTC).isoformat(),
        "targets": list(run.targets),
        "strategy": run.strategy,
        "what": run.what,
        "state": run.state,
        "seconds": run.seconds,
        "ran": sum(group.ran for group in counts),
        "reused": sum(group.reused for group in counts),
        "failed": sum(group.failed for group in counts),
        "blocked": sum(group.blocked for group in counts),
        "seconds_saved": sum(group.seconds_saved for group in counts),
    }


def experiment_document(
    name: str,
    *,
    version: int,
    metrics: Mapping[str, Any],
    artifacts: Mapping[str, Mapping[str, Sequence[Path]]],
    runs: Iterable[tuple[RunRow, Iterable[GroupRow]]],
) -> Json:
    """What `show EXPERIMENT` prints."""
    return {
        "schema": SCHEMA,
        "command": "show",
        "experiment": name,
        "version": version,
        "metrics": exact(metrics),
        "artifacts": exact(artifacts),
        "runs": [run_entry(run, groups) for run, groups in runs],
    }


def stats_document(runs: Iterable[tuple[RunRow, Iterable[GroupRow]]], stats: Stats) -> Json:
    """What `stats` prints."""
    return {
        "schema": SCHEMA,
        "command": "stats",
        "runs": [run_entry(run, groups) for run, groups in runs],
        "experiments": [worth_entry(group) for group in stats.experiments],
        "causes": [
            {
                "why": cause.why,
                "experiments": list(cause.experiments),
                "trials": cause.trials,
                "runs": cause.runs,
                "seconds": cause.seconds,
            }
            for cause in stats.causes
        ],
        "never_reused": [{"name": each.name, "runs": each.runs, "why": each.why} for each in stats.never],
    }


def worth_entry(group: GroupRow) -> Json:
    """What all runs together did with one experiment."""
    return {
        "name": group.name,
        "ran": group.ran,
        "reused": group.reused,
        "failed": group.failed,
        "blocked": group.blocked,
        "share_reused": share_reused(group),
        "seconds": group.seconds,
        "seconds_saved": group.seconds_saved,
    }


def status_document(status: Status) -> Json:
    """What `store status` prints."""
    return {
        "schema": SCHEMA,
        "command": "store status",
        "folder": str(status.folder),
        "bytes": status.bytes,
        "records": status.records,
        "blobs": status.blobs,
        "blob_bytes": status.blob_bytes,
        "orphans": status.orphans,
        "orphan_bytes": status.orphan_bytes,
        "pinned": status.pinned,
        "experiments": [stored_entry(each) for each in status.experiments],
    }


def stored_entry(experiment: ExperimentStatus) -> Json:
    """What one experiment holds in the store."""
    return {
        "name": experiment.name,
        "trials": experiment.trials,
        "results": experiment.results,
        "seconds": experiment.seconds,
        "bytes": experiment.bytes,
        "needed_bytes": experiment.needed_bytes,
    }


def exact(value: Any) -> Any:
    """`value` as JSON has it: numbers that JSON lacks become the texts ``NaN``, ``Infinity`` and ``-Infinity``."""
    return _finite(plain(value))


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_finite(inner) for inner in value]
    return value
