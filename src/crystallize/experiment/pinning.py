"""Pinning: an experiment takes the trials of an earlier run as they are, whatever has changed since.

What lies below is decided as usual, on the bytes of that run. Everything that could be lacking is asked for while the
plan is compiled, so a pin is refused before anything runs. Knows no plan.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from crystallize.errors import PinnedRecordGone, UnknownNameError, nearest_of
from crystallize.experiment.objects.constants import BASELINE_CONDITION
from crystallize.history.history import History
from crystallize.store.pins import Pin
from crystallize.store.record import Record
from crystallize.store.reuse import Exactly
from crystallize.store.store import Store

CANDIDATES = 5
"""How many runs a refusal offers."""


class PinnedTrials:
    """The trials of one experiment as one run had them.

    Parameters
    ----------
    experiment : its name.
    numbers : label → number of the record that served it in `run`.
    candidates : other runs of the experiment, to be offered where this one lacks something.

    Raises PinnedRecordGone when the run has no whole baseline of the experiment.
    """

    def __init__(
        self, experiment: str, run: int, numbers: Mapping[str, int], store: Store, candidates: Sequence[int]
    ) -> None:
        self.experiment = experiment
        self.run = run
        self._store = store
        self._candidates = [each for each in candidates if each != run]
        self._numbers = {trial_of(label): number for label, number in numbers.items()}
        self._records: dict[int, Record] = {}
        self.missing: dict[str, int] = {}
        """Condition that is defined now → its first replicate that the run lacks."""
        counts = [replicate + 1 for condition, replicate in self._numbers if condition == BASELINE_CONDITION]
        self.replicates = max(counts, default=0)
        """How many replicates of the baseline the run has."""
        lacking = self._first_missing(BASELINE_CONDITION, max(self.replicates, 1))
        if lacking is not None:
            raise self._refusal(f"has no {BASELINE_CONDITION}/{lacking}" if counts else "has no result of it")

    @property
    def why(self) -> str:
        """What everybody is told."""
        return f"pinned from run {self.run}"

    def conditions_among(self, conditions: Iterable[str], replicates: int) -> tuple[str, ...]:
        """Those of `conditions` of which the run has all `replicates`; the others are then `missing`."""
        whole = []
        for condition in conditions:
            lacking = self._first_missing(condition, replicates)
            if lacking is None:
                whole.append(condition)
            else:
                self.missing[condition] = lacking
        return tuple(whole)

    def policy(self, condition: str, replicate: int) -> Exactly:
        """What decides one trial."""
        return Exactly(self._numbers[(condition, replicate)], self.why)

    def pin(self, condition: str, replicate: int) -> Pin:
        """What is kept of the choice."""
        label = f"{self.experiment}/{condition}/{replicate}"
        return Pin(label, self._numbers[(condition, replicate)], self.run)

    def check_condition(self, condition: str, reader: str) -> None:
        """Raises PinnedRecordGone when `reader` needs a condition that the run lacks."""
        if condition in self.missing:
            raise self._refusal(f"has no {condition}/{self.missing[condition]}, which '{reader}' needs")

    def check_output(self, condition: str, replicate: int, output: str, step: str | None, reader: str) -> None:
        """Raises PinnedRecordGone when a trial did not write what `reader` reads."""
        record = self._record(condition, replicate)
        if record.output(output, step) is None:
            raise self._refusal(f"wrote no artifact '{output}' in {condition}/{replicate}, which '{reader}' needs")

    def check_there(self, trials: Iterable[tuple[str, int]]) -> None:
        """Raises PinnedRecordGone when a record, or contents that it names, are no longer in the store."""
        records = {trial: self._record(*trial) for trial in trials}
        lost = self._store.missing_outputs(list(records.values()))
        for (condition, replicate), record in records.items():
            if record.number in lost:
                raise self._refusal(f"has lost {condition}/{replicate}: {lost[record.number]}")

    def notices(self, replicates: int) -> list[str]:
        """What the user should know: that nothing was compared, and what is left out."""
        left_out = "".join(f"; it has no {condition}/{lacking}" for condition, lacking in self.missing.items())
        fewer = f", which has {self.replicates} of {replicates} replicates" if self.replicates < replicates else ""
        return [f"{self.why}{fewer}: its present code and parameters do not count{left_out}"]

    def _record(self, condition: str, replicate: int) -> Record:
        number = self._numbers[(condition, replicate)]
        if number not in self._records:
            record = self._store.record(number)
            if record is None:
                raise self._refusal(f"has lost {condition}/{replicate}: record {number} cannot be read")
            self._records[number] = record
        return self._records[number]

    def _first_missing(self, condition: str, replicates: int) -> int | None:
        return next((r for r in range(replicates) if (condition, r) not in self._numbers), None)

    def _refusal(self, fact: str) -> PinnedRecordGone:
        return refusal(self.experiment, self.run, f"run {self.run} {fact}", self._candidates)


def pinned_trials(experiment: str, run: int, history: History, store: Store) -> PinnedTrials:
    """The trials of `experiment` in `run`.

    Raises PinnedRecordGone when there is no such run, or it lacks a whole baseline.
    """
    candidates = [row.number for row in history.runs(experiment, CANDIDATES)]
    if history.run(run) is None:
        raise refusal(experiment, run, f"there is no run {run}", candidates)
    return PinnedTrials(experiment, run, history.served.of(run, experiment), store, candidates)


def refusal(experiment: str, run: int, fact: str, candidates: Sequence[int]) -> PinnedRecordGone:
    """The error of a pin that cannot be kept."""
    offered = f"runs that had it: {', '.join(map(str, candidates))}" if candidates else "no other run had it"
    return PinnedRecordGone(
        f"pin {experiment}={run}: {fact}; {offered} (crystallize history {experiment}), or leave the pin out"
    )


def check_pinned_names(pins: Iterable[str], known: Sequence[str]) -> None:
    """Raises UnknownNameError when something is pinned that is not part of the run."""
    for name in pins:
        if name not in known:
            raise UnknownNameError(
                f"there is no experiment '{name}' in this run", key="pin", remedy=nearest_of(name, known)
            )


def trial_of(label: str) -> tuple[str, int]:
    """Condition and replicate of a trial's label; of an execution's the node, and the number of a task's child."""
    group, _, rest = label.partition("/")
    condition, _, replicate = rest.rpartition("/")
    return (condition, int(replicate)) if condition and replicate.isdecimal() else (rest or group, 0)
