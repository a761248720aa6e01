"""Comparisons of what was recorded: two conditions, two runs, two experiments. Loads none of the user's code.

Conditions are compared pair by pair: what their trials were made of, and what they gave.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from crystallize.errors import DefinitionError, UnknownNameError, nearest
from crystallize.experiment.objects.constants import BASELINE_CONDITION
from crystallize.experiment.pinning import trial_of
from crystallize.experiment.reports.archive import LATEST, Archive
from crystallize.experiment.reports.difference import Difference, differences
from crystallize.experiment.results.ends import ends_of
from crystallize.experiment.results.former import IMPORTED, KIND
from crystallize.experiment.results.structs import Samples, merged
from crystallize.fingerprint.manifest import diff
from crystallize.history.history import RunRow
from crystallize.store.record import Record

RUNS_LOOKED_AT = 200
"""So far back in the history a condition is looked for."""
_OWN = ("condition", "replicate")
"""Parts that say which trial it is; of what was imported nothing more is known than from where."""

Trials = dict[int, Record]
"""Replicate → the record that served it."""

BothSides = dict[str, tuple[list[Any], list[Any]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One condition of one experiment, on one side."""

    experiment: str
    condition: str
    run: int
    trials: Trials

    @property
    def name(self) -> str:
        """``train:high_lr``."""
        return f"{self.experiment}:{self.condition}"

    @property
    def records(self) -> list[Record]:
        """Those of all replicates, in order."""
        return [self.trials[replicate] for replicate in sorted(self.trials)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two conditions beside each other."""

    old: Part
    new: Part
    changes: tuple[Difference, ...]
    """In the first replicate that both have: values, inputs, code."""
    metrics: BothSides
    """Metric → its values on either side; empty where it was not recorded."""
    shown: BothSides
    """The same as tables have it: of curves their ends."""

    @property
    def is_same(self) -> bool:
        """Whether the very same results stand on both sides."""
        numbers = ({r: record.number for r, record in part.trials.items()} for part in (self.old, self.new))
        return next(numbers) == next(numbers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two sides of results."""

    old: str
    new: str
    """As people call them: ``run 3``, ``train:high_lr``."""
    pairs: tuple[Pair, ...]
    only_old: tuple[str, ...]
    only_new: tuple[str, ...]
    """``experiment:condition`` that one side alone has."""


def compare(archive: Archive, old: str, new: str) -> Comparison:
    """What two sides have in common and what not; each is a run's number, an experiment, or ``experiment:condition``.

    Raises UnknownNameError for what is not recorded, DefinitionError where the two are not of one kind.
    """
    kinds = {_kind(archive, old), _kind(archive, new)}
    if len(kinds) > 1:
        raise DefinitionError(
            f"'{old}' and '{new}' are not of one kind",
            remedy="give two runs (3 5), two experiments (train test) or two conditions (train:baseline train:high)",
        )
    kind = kinds.pop()
    left, right = _side(archive, old, kind), _side(archive, new, kind)
    names = (f"run {old}", f"run {new}") if kind == "run" else (old, new)
    common = [key for key in left if key in right]
    if not common:
        raise DefinitionError(f"{names[0]} and {names[1]} have no condition in common", remedy="compare two conditions")
    return Comparison(
        old=names[0],
        new=names[1],
        pairs=tuple(_pair(archive, left[key], right[key], names) for key in common),
        only_old=tuple(part.name for key, part in left.items() if key not in right),
        only_new=tuple(part.name for key, part in right.items() if key not in left),
    )


def _kind(archive: Archive, what: str) -> str:
    if what in archive.names():
        return "experiment"
    if what.isdecimal() or what == LATEST:
        return "run"
    return "condition" if ":" in what else "experiment"


def _side(archive: Archive, what: str, kind: str) -> Mapping[object, Part]:
    """What stands on one side, under keys that fit those of the other side."""
    if kind == "run":
        run = archive.run(what)
        parts = [part for group in archive.groups(run.number) for part in _parts(archive, group.name, run)]
        return {part.name: part for part in parts}
    if kind == "condition":
        experiment, _, condition = what.rpartition(":")
        return {None: _newest(archive, experiment, condition)}
    archive.check_known(what)
    found: dict[object, Part] = {}
    for run in archive.history.runs(what, RUNS_LOOKED_AT):
        for part in _parts(archive, what, run):
            found.setdefault(part.condition, part)
        if BASELINE_CONDITION in found:
            break
    if not found:
        raise UnknownNameError(f"there are no recorded trials of '{what}'", path=archive.root, remedy="run it first")
    return found


def _newest(archive: Archive, experiment: str, condition: str) -> Part:
    archive.check_known(experiment)
    seen: dict[str, None] = {}
    for run in archive.history.runs(experiment, RUNS_LOOKED_AT):
        for part in _parts(archive, experiment, run):
            seen[part.condition] = None
            if part.condition == condition:
                return part
    raise UnknownNameError(
        f"there are no recorded trials of '{condition}' of '{experiment}'",
        path=archive.root,
        remedy=nearest(condition, seen) if seen else "run it first",
    )


def _parts(archive: Archive, experiment: str, run: RunRow) -> Iterator[Part]:
    """The conditions of an experiment that a run had, the baseline first."""
    trials: dict[str, Trials] = {}
    for label, record in archive.served(run.number, experiment).items():
        condition, replicate = trial_of(label)
        trials.setdefault(condition, {})[replicate] = record
    for condition in sorted(trials, key=lambda name: (name != BASELINE_CONDITION, name)):
        yield Part(experiment=experiment, condition=condition, run=run.number, trials=trials[condition])


def _pair(archive: Archive, old: Part, new: Part, names: tuple[str, str]) -> Pair:
    common = sorted(old.trials.keys() & new.trials.keys())
    before, after = (
        (old.trials[common[0]], new.trials[common[0]])
        if common
        else (old.trials[min(old.trials)], new.trials[min(new.trials)])
    )
    return Pair(
        old=old,
        new=new,
        changes=tuple(dict.fromkeys(_changes(archive, before, after, names))),
        metrics=_both(*(merged(record.metrics for record in part.records) for part in (old, new))),
        shown=_both(ends_of(old.records), ends_of(new.records)),
    )


def _both(old: Samples, new: Samples) -> BothSides:
    return {name: (old.get(name, []), new.get(name, [])) for name in dict.fromkeys([*old, *new])}


def _changes(archive: Archive, old: Record, new: Record, names: tuple[str, str]) -> Iterator[Difference]:
    if old.number == new.number:
        return
    pieces: Callable[[Any], Any] = archive.pieces_of
    for change in diff(archive.parts_of(old), archive.parts_of(new)):
        if change.name in _OWN or (KIND in (old.kind, new.kind) and change.name != IMPORTED):
            continue
        before = pieces(change.old.digest) if change.old is not None else []
        after = pieces(change.new.digest) if change.new is not None else []
        yield from differences(change, before, after, names)
