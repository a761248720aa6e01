"""Making: the result of an experiment, from how its trials ended; of a few trials only when somebody looks at it.

Most results of a large graph are only asked whether there are errors. What they are made of is data of the end of the
run, so they come out the same whenever that is.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from crystallize.experiment.objects.constants import BASELINE_CONDITION
from crystallize.experiment.results.collect import Collected
from crystallize.experiment.results.result import Result, made_later
from crystallize.experiment.results.structs import ExperimentMetrics, TreatmentMetrics
from crystallize.store.store import Store

FEW_TRIALS = 4
"""The ends of so many take less memory than the result that is made of them."""
NO_RECORD = -1
"""In place of the number of a record, of a trial that did not succeed."""


@dataclass(slots=True)
class Making:
    """What results are made of, beside their names, errors and notices."""

    collected: Collected
    top: str
    """The version folder of the experiment's view."""
    signature: str
    """Of its pipeline."""
    pinned: int | None
    """The run whose trials were taken."""
    fetched: int
    root: Path
    """Of the store, which has the provenance of its steps."""
    folder: Path
    """Likewise."""

    def result(self, *, name: str, errors: dict[str, BaseException], notices: list[str]) -> Result:
        """The result with these parts; the others are made of few trials only when somebody looks at one of them."""
        if len(self.collected) <= FEW_TRIALS:
            return made_later(self, name=name, errors=errors, notices=notices)
        result = self()
        result.name, result.errors, result.notices = name, errors, notices
        return result

    def __call__(self) -> Result:
        """A result with all but these."""
        collected = self.collected
        treatments = {
            condition: _metrics_of(condition, collected)
            for condition in collected.conditions
            if condition != BASELINE_CONDITION
        }
        metrics = ExperimentMetrics(_metrics_of(BASELINE_CONDITION, collected), treatments, [])
        result = Result(metrics, self._artifacts(), provenance=self._provenance())
        result.pinned, result.fetched = self.pinned, self.fetched
        for condition in collected.conditions:
            ends = [end for _, end in collected.of(condition)]
            result.reused[condition] = sum(1 for end in ends if end.how.reused)
            result.ran[condition] = sum(1 for end in ends if not end.how.reused and not end.how.blocked)
            result.memo_hits += sum(end.how.facts.get("memo_hits", 0) for end in ends if not end.how.reused)
        result._reasons = Reasons(collected.conditions, collected.whys())
        return result

    def _artifacts(self) -> dict[str, dict[str, Path]]:
        """File name → condition → path of the first replicate's file; of several steps that write it, the last's."""
        paths: dict[str, dict[str, Path]] = {}
        for condition in self.collected.conditions:
            known: set[str] = set()
            for replicate, end in self.collected.of(condition):
                written = {name: step for name, step, _ in end.how.files}
                for name in [name for name in written if name not in known]:
                    known.add(name)
                    path = Path(f"{self.top}/replicate_{replicate}/{condition}/{written[name]}/{name}")
                    paths.setdefault(name, {})[condition] = path
        return paths

    def _provenance(self) -> dict[str, Any]:
        collected = self.collected
        seeds: dict[str, list[int | None]] = {}
        numbers: dict[str, array[int]] = {}
        for condition in collected.conditions:
            ends = [(replicate, end) for replicate, end in collected.of(condition) if end.how.succeeded]
            if ends:
                seeds[condition] = [end.seed for _, end in ends]
                numbers[condition] = array("q", [NO_RECORD]) * collected.replicates
                for replicate, end in ends:
                    numbers[condition][replicate] = end.number
        return {
            "pipeline_signature": self.signature,
            "replicates": collected.replicates,
            "seeds": seeds,
            "reused_from": {
                condition: {r: end.how.run for r, end in collected.of(condition) if end.how.reused}
                for condition in collected.conditions
            },
            "ctx_changes": ContextChanges(self.root, self.folder, numbers),
        }


class Reasons:
    """``<condition>_rep_<replicate>`` and why it ran. There may be very many, so names are made when somebody asks.

    Parameters
    ----------
    whys : as the trials follow in a plan; empty for those that did not run.
    """

    def __init__(self, conditions: Sequence[str], whys: Sequence[str]) -> None:
        self._conditions, self._whys = conditions, whys

    def __iter__(self) -> Iterator[tuple[str, str]]:
        trials = product(range(len(self._whys) // len(self._conditions)), self._conditions)
        named = zip(trials, self._whys, strict=True)
        return ((f"{condition}_rep_{replicate}", why) for (replicate, condition), why in named if why)


class ContextChanges(Mapping[str, dict[int, Any]]):
    """Condition → replicate → provenance records of its steps; read from the store when first asked for.

    Parameters
    ----------
    numbers : condition → number of the record of each replicate, or `NO_RECORD`.
    """

    def __init__(self, root: Path, folder: Path, numbers: Mapping[str, Sequence[int]]) -> None:
        self._root, self._folder, self._numbers = root, folder, numbers
        self._loaded: dict[str, dict[int, Any]] = {}

    def __getitem__(self, condition: str) -> dict[int, Any]:
        if condition not in self._loaded:
            store = Store.open(self._root, folder=self._folder, write=False)
            try:
                self._loaded[condition] = {
                    replicate: store.provenance_of(number)
                    for replicate, number in enumerate(self._numbers[condition])
                    if number != NO_RECORD
                }
            finally:
                store.close()
        return self._loaded[condition]

    def __iter__(self) -> Iterator[str]:
        return iter(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)


def _metrics_of(condition: str, collected: Collected) -> TreatmentMetrics:
    return TreatmentMetrics(collected.metrics(condition), collected.tags(condition), collected.origins(condition))
