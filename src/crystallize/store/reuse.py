"""The one decision: is there an earlier result that serves in a job's place, and if not, why?

Everything that asks goes through `decide_many`: the run, the dry run, `explain`. Knows nothing of jobs or
experiments. One readable ladder, after rattle's (nothing to do / take from the store / run and record).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias

from crystallize.errors import PinnedRecordGone
from crystallize.fingerprint.digest import Digest
from crystallize.fingerprint.manifest import Change, Manifest, diff
from crystallize.store.ahead import Held
from crystallize.store.details import Previous
from crystallize.store.reason import tell_changes, tell_unclear
from crystallize.store.record import Record
from crystallize.store.records import once_fingerprint
from crystallize.store.store import Store

NOT_REUSABLE = "not_reusable"
"""The fact of a record that must not be reused: why."""


class Use:
    """Any record under the fingerprint serves."""

    __slots__ = ()

    def admits(self, record: Record, run: int) -> bool:
        """Whether a record under the fingerprint may serve in the run of this number; 0: outside a run."""
        return True


class Force(NamedTuple):
    """The job runs, unless this very run has recorded its fingerprint already."""

    why: str
    """One word or two: ``rerun``."""

    def admits(self, record: Record, run: int) -> bool:
        """See `Use.admits`."""
        return 0 < run == record.run


class After(NamedTuple):
    """Only records above a number serve; older ones were discarded by the user or by a failure."""

    number: int
    why: str
    """``completion marker removed``, ``failed since``."""

    def admits(self, record: Record, run: int) -> bool:
        """See `Use.admits`."""
        return record.number > self.number


class Exactly(NamedTuple):
    """Only this record serves, whatever its fingerprint."""

    number: int
    why: str = ""
    """``pinned from run 3``; empty where nobody pinned it."""


Policy: TypeAlias = Use | Force | After | Exactly


class Hit(NamedTuple):
    """The job is reused."""

    record: Record


class Miss(NamedTuple):
    """The job runs."""

    kind: Literal["first", "changed", "forced", "unclear", "gone", "after"]
    """first: no record of this label; changed: the last one, or what its job read, differs; forced, after: by its
    policy; unclear: a part, or the last result, cannot be told apart; gone: a record is there, but not all that it
    wrote."""
    why: str
    """One line for people."""
    changes: tuple[Change, ...] = ()
    """What differs from `previous`."""
    previous: int | None = None
    """Number of the last record of the same label."""


Decision: TypeAlias = Hit | Miss


class Flaw(NamedTuple):
    """Why a record under the fingerprint does not serve."""

    kind: Literal["gone", "changed"]
    """gone: an output is not there; changed: what its job was seen to read."""
    why: str


class Question(NamedTuple):
    """A job that could run now."""

    manifest: Manifest
    policy: Policy
    label: str
    """What earlier records of the same job are called; it never decides, it only explains."""


def decide(question: Question, store: Store, run: int = 0) -> Decision:
    """The decision on one job; see `decide_many`."""
    return decide_many([question], store, run)[0]


def decide_many(questions: Sequence[Question], store: Store, run: int = 0) -> list[Decision]:
    """One decision per question, in order: those of `decide`, with the look-ups in batches.

    Parameters
    ----------
    run : number of the present run, for rung 3; 0 outside a run.

    Raises PinnedRecordGone when a policy names a record that is gone or has lost an output.
    """
    ahead = store.read_ahead()
    newest = store.lookup.newest([q.manifest.fingerprint for q in questions if _asks_for_any(q)], ahead)
    own = [q.manifest.fingerprint for q in questions if isinstance(q.policy, Force)] if run else []
    made = store.lookup.newest_of_run(own, run) if own else {}
    admitted = [_admit(q, made if isinstance(q.policy, Force) else newest, store, run) for q in questions]
    flaws = _flaws([records[0] for records in admitted if records], store, ahead)
    if flaws:
        _add_older(questions, admitted, flaws, store, run)
    decisions = [_climb(q, records, flaws, store) for q, records in zip(questions, admitted, strict=True)]
    unanswered = [index for index, decision in enumerate(decisions) if decision is None]
    previous = store.previous_of([questions[index].label for index in unanswered]) if unanswered else {}
    for index in unanswered:
        question = questions[index]
        discarded = not admitted[index] and question.manifest.fingerprint in newest
        flaw = flaws[admitted[index][0].number] if admitted[index] else None
        decisions[index] = _explain(question, discarded, flaw, previous.get(question.label), store)
    return [decision for decision in decisions if decision is not None]


def _climb(question: Question, admitted: Sequence[Record], flaws: Mapping[int, Flaw], store: Store) -> Decision | None:
    """Rungs 1 to 4 over the records that the policy admits; None: nothing serves, and rung 5 says why."""
    policy = question.policy
    if isinstance(policy, Exactly):
        return Hit(_pinned(question, policy, admitted, flaws))
    sound = _newest_sound(admitted, flaws, store)
    if question.manifest.table.unclear:
        return Miss("unclear", tell_unclear(question.manifest.table.unclear))
    if sound is not None:
        return Hit(sound)
    if isinstance(policy, Force):
        return Miss("forced", f"forced ({policy.why})")
    return None


def _explain(question: Question, discarded: bool, flaw: Flaw | None, previous: Previous | None, store: Store) -> Miss:
    """Rung 5: why nothing serves, with the difference to the last record of the same label.

    Parameters
    ----------
    discarded : there are records under the fingerprint, but the policy admits none.
    flaw : why the newest admitted record does not serve; None when none was admitted.
    """
    manifest, policy = question.manifest, question.policy
    changes = () if previous is None else _changes_since(previous, manifest, store)
    number = None if previous is None else previous.number
    if flaw is not None:
        return Miss(flaw.kind, flaw.why, changes, number)
    if discarded and isinstance(policy, After):
        return Miss("after", policy.why, changes, number)
    if previous is None:
        return _FIRST
    if previous.fingerprint == manifest.fingerprint:
        return Miss("gone", f"record {number} cannot be read", changes, number)
    if previous.fingerprint == once_fingerprint(manifest.fingerprint, previous.number):
        return Miss("unclear", _tell_once(previous.number, store), changes, number)
    return Miss("changed", tell_changes(changes, manifest, previous.kind, store.pieces_of), changes, number)


_FIRST = Miss("first", "first run")
"""Of very many jobs at once."""


def _tell_once(number: int, store: Store) -> str:
    record = store.record(number)
    why = None if record is None else record.facts.get(NOT_REUSABLE)
    return f"its last result, record {number}, may not be reused" + (f": {why}" if why else "")


def _asks_for_any(question: Question) -> bool:
    return not isinstance(question.policy, (Exactly, Force)) and not question.manifest.table.unclear


def _admit(question: Question, newest: Mapping[Digest, Record], store: Store, run: int) -> list[Record]:
    """The newest record, if the policy lets it serve; `newest` knows it by fingerprint."""
    policy = question.policy
    if isinstance(policy, Exactly):
        pinned = store.record(policy.number)
        return [] if pinned is None else [pinned]
    record = newest.get(question.manifest.fingerprint)
    return [] if record is None or not policy.admits(record, run) else [record]


def _add_older(
    questions: Sequence[Question], admitted: Sequence[list[Record]], flaws: Mapping[int, Flaw], store: Store, run: int
) -> None:
    """Adds the older records that the policy lets serve, newest first, where the newest has a flaw."""
    flawed = [
        (question.manifest.fingerprint, question.policy, records)
        for question, records in zip(questions, admitted, strict=True)
        if records and records[0].number in flaws and not isinstance(question.policy, Exactly)
    ]
    under = store.lookup.all([fingerprint for fingerprint, _, _ in flawed])
    for fingerprint, policy, records in flawed:
        number = records[0].number
        records += [each for each in under.get(fingerprint, ()) if each.number < number and policy.admits(each, run)]


def _flaws(records: Sequence[Record], store: Store, ahead: Held | None = None) -> dict[int, Flaw]:
    """Record number → why it does not serve, for those that do not."""
    flaws = {number: Flaw("gone", why) for number, why in store.missing_outputs(records, ahead).items()}
    changed = store.changed_observations(records)
    return {number: Flaw("changed", why) for number, why in changed.items()} | flaws


def _newest_sound(admitted: Sequence[Record], flaws: Mapping[int, Flaw], store: Store) -> Record | None:
    """The first of `admitted` without a flaw; `flaws` knows it of the first one only."""
    for record in admitted:
        known = flaws if record is admitted[0] else _flaws([record], store)
        if record.number not in known:
            return record
    return None


def _pinned(question: Question, policy: Exactly, admitted: Sequence[Record], flaws: Mapping[int, Flaw]) -> Record:
    """The pinned record, whatever its job read; raises PinnedRecordGone when it is not whole."""
    flaw = flaws.get(policy.number)
    if admitted and (flaw is None or flaw.kind != "gone"):
        return admitted[0]
    fact = flaw.why if admitted and flaw is not None else "it is no longer in the store"
    raise PinnedRecordGone(f"{question.label}: pinned to record {policy.number}: {fact}; remove the pin")


def _changes_since(previous: Previous, manifest: Manifest, store: Store) -> tuple[Change, ...]:
    if previous.table == manifest.table.digest:
        return tuple(diff(previous.own, manifest.own))
    return tuple(diff((*store.shared_parts(previous.table), *previous.own), manifest.parts()))
