"""Explanations: why each trial would run or be reused, with what changed since, from the foresight of a run.

Trials of an experiment that have the same explanation share one. What is printed and what goes out as JSON is made
from the same explanations.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from crystallize.engine.foresee import Foreseen
from crystallize.experiment.reports.difference import Difference, differences
from crystallize.fingerprint.manifest import Change, Manifest
from crystallize.fingerprint.reads.observations import describe
from crystallize.history.history import JobRow
from crystallize.store.record import Record
from crystallize.store.reuse import Hit, Miss
from crystallize.store.store import Store
from crystallize.words import ago


@dataclass(slots=True)
class Explanation:
    """What would become of some trials of one experiment, and why."""

    experiment: str
    state: str
    """``run``, ``reuse``, ``undecided``, or ``fail`` before it starts."""
    reason: str
    changes: tuple[Difference, ...] = ()
    notes: tuple[str, ...] = ()
    """What to know of the code beside the parts."""
    read: dict[str, None] = field(default_factory=dict)
    """What the last of these trials were seen to read, in order."""
    trials: dict[str, list[int]] = field(default_factory=dict)
    """Condition → replicates."""
    seconds: float = 0.0
    """That these trials took last time, as far as they ever ran."""

    @property
    def count(self) -> int:
        """How many trials it is about."""
        return sum(map(len, self.trials.values()))


def explain_all(
    foreseen: Iterable[Foreseen], names: Mapping[int, str], stores: Mapping[int, Store]
) -> list[Explanation]:
    """One explanation per experiment and cause, in the order in which they first occur.

    Parameters
    ----------
    names, stores : group of a job → its experiment, and the store of its earlier records.
    """
    found: dict[tuple[object, ...], Explanation] = {}
    for each in foreseen:
        group = each.job.group
        key = (group, state_of(each), *_cause(each))
        if key not in found:
            found[key] = Explanation(
                experiment=names[group],
                state=state_of(each),
                reason=_reason(each, names),
                changes=changes_of(each, stores[group]),
                notes=tuple(_notes(each)),
            )
        explanation = found[key]
        last = _last(each)
        if last is not None:
            explanation.read |= dict.fromkeys(map(describe, stores[group].observations_of(last.number)))
        explanation.trials.setdefault(each.job.task.condition, []).append(each.job.task.replicate)
        explanation.seconds += each.previous.seconds if each.previous is not None else 0.0
    return list(found.values())


def foreseen_row(foreseen: Foreseen, names: Mapping[int, str]) -> JobRow:
    """A foreseen trial as a row, in the states of `state_of`; its seconds are those of last time."""
    record = foreseen.decision.record if isinstance(foreseen.decision, Hit) else None
    last = _last(foreseen)
    return JobRow(
        label=foreseen.job.label,
        group=names[foreseen.job.group],
        state=state_of(foreseen),
        reason=_reason(foreseen, names),
        fingerprint=_fingerprint(foreseen),
        record=None if record is None else record.number,
        seconds=0.0 if last is None else last.seconds,
        error=None if foreseen.error is None else str(foreseen.error),
    )


def _fingerprint(foreseen: Foreseen) -> bytes | None:
    """Of the record that would serve (a pinned one has its own), else of the trial as it is now."""
    if isinstance(foreseen.decision, Hit):
        return foreseen.decision.record.fingerprint
    return None if foreseen.manifest is None else foreseen.manifest.fingerprint


def _last(foreseen: Foreseen) -> Record | None:
    """The record that would serve, else the last one of the trial."""
    return foreseen.decision.record if isinstance(foreseen.decision, Hit) else foreseen.previous


def _notes(foreseen: Foreseen) -> Iterator[str]:
    if foreseen.manifest is not None:
        yield from foreseen.manifest.table.notes
    last = _last(foreseen)
    if last is not None:
        yield from last.facts.get("notes", ())
        if last.facts.get("observed") is False:
            yield "what it read was not observed (observe = false): declare it with reads=[…]"


def state_of(foreseen: Foreseen) -> str:
    """What a run would do with a trial: ``run``, ``reuse``, ``undecided``, or ``fail`` before it starts."""
    if foreseen.error is not None:
        return "fail"
    if foreseen.decision is None:
        return "undecided"
    return "reuse" if isinstance(foreseen.decision, Hit) else "run"


def _reason(foreseen: Foreseen, names: Mapping[int, str]) -> str:
    decision = foreseen.decision
    if isinstance(decision, Miss):
        return decision.why
    if isinstance(decision, Hit):
        return foreseen.job.pinned or f"nothing changed since {_made_by(decision.record, names[foreseen.job.group])}"
    if foreseen.waits_for is not None:
        return f"waits for {names[foreseen.waits_for.group]}"
    return str(foreseen.error)


def _made_by(record: Record, experiment: str) -> str:
    owner = record.label.split("/", 1)[0]
    of_other = f" of '{owner}'" if owner != experiment else ""
    return f"run {record.run}{of_other} ({ago(record.created, time.time())})"


def _cause(foreseen: Foreseen) -> Iterator[object]:
    """What two trials of an experiment must share to be explained together."""
    decision = foreseen.decision
    if isinstance(decision, Hit):
        yield foreseen.job.pinned or decision.record.run
        yield decision.record.label.split("/", 1)[0]
    elif isinstance(decision, Miss):
        yield decision.why
        for change in decision.changes:
            yield change.name
            if not change.name.startswith(("input.", "after.")):  # these differ from replicate to replicate
                yield change.new and change.new.digest
    elif foreseen.waits_for is not None:
        yield foreseen.waits_for.group
    else:
        yield str(foreseen.error)


def changes_of(foreseen: Foreseen, store: Store) -> tuple[Difference, ...]:
    """What differs from the last record of a job that would run, each thing once."""
    if not isinstance(foreseen.decision, Miss) or foreseen.manifest is None:
        return ()
    manifest = foreseen.manifest
    listed = (each for change in foreseen.decision.changes for each in _differences(change, manifest, store))
    return tuple(dict.fromkeys(listed))


def _differences(change: Change, manifest: Manifest, store: Store) -> Iterator[Difference]:
    """What a changed part comes down to: the definitions behind it, where it is one of code and they are known."""
    old = store.pieces_of(change.old.digest) if change.old is not None else []
    new = manifest.table.pieces.get(change.new.digest, ()) if change.new is not None else ()
    return differences(change, old, new)
