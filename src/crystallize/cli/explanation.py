"""Explanations: why each trial would run or be reused, with what changed since, from the foresight of a run.

Trials of an experiment that have the same explanation share one. What is printed and what goes out as JSON is made
from the same explanations.
"""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from crystallize.cli.console import ago, duration
from crystallize.engine.foresee import Foreseen
from crystallize.errors import PinnedRecordGone
from crystallize.fingerprint.digest import short
from crystallize.fingerprint.manifest import Change, Manifest, Piece
from crystallize.history.history import JobRow
from crystallize.store.reason import changed_pieces
from crystallize.store.reuse import Hit, Miss
from crystallize.store.store import Store

STATES = ("ran", "reused", "undecided", "failed")
"""What would become of a trial, in the words of a run."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that changed."""

    name: str
    """Of the definition (``steps.train``) or of the part (``param.train.lr``, ``input.rows``)."""
    old: str | None
    new: str | None
    """Previews; None: not there. A definition that was edited has a `diff` instead."""
    diff: str = ""
    """Unified, empty where there is none."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What would become of some trials of one experiment, and why."""

    experiment: str
    trials: dict[str, list[int]]
    """Condition → replicates."""
    state: str
    reason: str
    changes: tuple[Difference, ...] = ()
    notes: tuple[str, ...] = ()
    """What to know of the code beside the parts."""
    seconds: float = field(default=0.0, compare=False)
    """That these trials took last time."""


def job_row(foreseen: Foreseen, experiment: str) -> JobRow:
    """One foreseen trial as a run would have it."""
    state, reason = _state(foreseen), _reason(foreseen)
    seconds = foreseen.previous.seconds if foreseen.previous is not None else 0.0
    hit = foreseen.decision.record if isinstance(foreseen.decision, Hit) else None
    fingerprint = foreseen.manifest.fingerprint if foreseen.manifest is not None else None
    error = None if foreseen.error is None else str(foreseen.error)
    number = None if hit is None else hit.number
    return JobRow(
        foreseen.job.label, experiment, state, reason, fingerprint, number, hit.seconds if hit else seconds, error
    )


def explain_all(
    foreseen: Iterable[Foreseen], name_of: Callable[[Foreseen], str], store_of: Callable[[Foreseen], Store]
) -> list[Explanation]:
    """One explanation per experiment and cause, in the order in which they first occur.

    Parameters
    ----------
    name_of : the experiment of a foreseen trial.
    store_of : the store that its earlier records lie in.
    """
    found: dict[tuple[object, ...], Explanation] = {}
    for each in foreseen:
        key = (name_of(each), _state(each), *_cause(each))
        explanation = found.get(key)
        if explanation is None:
            explanation = found[key] = _explain(each, name_of(each), store_of(each))
        explanation.trials.setdefault(each.job.task.condition, []).append(each.job.task.replicate)
        if each.previous is not None:
            found[key] = replace(explanation, seconds=explanation.seconds + each.previous.seconds)
    return list(found.values())


def _explain(foreseen: Foreseen, experiment: str, store: Store) -> Explanation:
    manifest, decision = foreseen.manifest, foreseen.decision
    changes: tuple[Difference, ...] = ()
    if isinstance(decision, Miss) and manifest is not None:
        changes = tuple(
            difference for change in decision.changes for difference in _differences(change, manifest, store)
        )
    notes = manifest.table.notes if manifest is not None else ()
    return Explanation(experiment, {}, _state(foreseen), _reason(foreseen), changes, notes)


def _state(foreseen: Foreseen) -> str:
    if foreseen.error is not None:
        return "failed"
    if foreseen.decision is None:
        return "undecided"
    return "reused" if isinstance(foreseen.decision, Hit) else "ran"


def _reason(foreseen: Foreseen) -> str:
    decision = foreseen.decision
    if foreseen.error is not None:
        return str(foreseen.error)
    if isinstance(decision, Miss):
        return decision.why
    if isinstance(decision, Hit):
        record = decision.record
        when = ago(record.created, time.time())
        return f"nothing changed since run {record.run}, {when}"
    return "" if foreseen.waits_for is None else f"waits for {foreseen.waits_for.label}"


def _cause(foreseen: Foreseen) -> tuple[object, ...]:
    """What two trials must share to be explained together."""
    decision = foreseen.decision
    if isinstance(decision, Hit):
        return (decision.record.run,)
    if isinstance(decision, Miss):
        changes = [(change.name, change.old and change.old.digest, change.new and change.new.digest) for change in decision.changes]
        return decision.kind, decision.why, tuple(changes)
    if foreseen.waits_for is not None:
        return (foreseen.waits_for.group,)
    return (str(foreseen.error),)
