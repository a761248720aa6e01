"""Making: the result of an experiment, from how its trials ended; of a few trials only when somebody looks at it.

Most results of a large graph are only asked whether there are errors. What they are made of is data of the end of the
run, so they come out the same whenever that is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crystallize.experiment.objects.constants import BASELINE_CONDITION
from crystallize.experiment.results.collect import Collected
from crystallize.experiment.results.result import Result, made_later
from crystallize.experiment.results.structs import ExperimentMetrics, TreatmentMetrics
from crystallize.store.store import Store

FEW_TRIALS = 4
"""The ends of so many take less memory than the result that is made of them."""


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
            result.reused[condition] = sum(1 for end in ends if end.reused)
            result.ran[condition] = sum(1 for end in ends if not end.reused and not end.blocked)
            result.memo_hits += sum(end.facts.get("memo_hits", 0) for end in ends if not end.reused)
        result.reasons = {
            f"{condition}_rep_{replicate}": end.why for condition, replicate, end in collected.all() if end.why
        }
        return result

    def _artifacts(self) -> dict[str, dict[str, Path]]:
        """File name → condition → path of the first replicate's file; of several steps that write it, the last's."""
        paths: dict[str, dict[str, Path]] = {}
        for condition in self.collected.conditions:
            known: set[str] = set()
            for replicate, end in self.collected.of(condition):
                written = {output.name: output.step for output in end.outputs}
                for name in [name for name in written if name not in known]:
                    known.add(name)
                    path = Path(f"{self.top}/replicate_{replicate}/{condition}/{written[name]}/{name}")
                    paths.setdefault(name, {})[condition] = path
        return paths

    def _provenance(self) -> dict[str, Any]:
        collected = self.collected
        seeds: dict[str, list[int | None]] = {}
        numbers: dict[str, dict[int, int]] = {}
        for condition in collected.conditions:
            for replicate, end in collected.of(condition):
                if end.succeeded:
                    seeds.setdefault(condition, []).append(end.seed)
                    numbers.setdefault(condition, {})[replicate] = end.number
        return {
            "pipeline_signature": self.signature,
            "replicates": collected.replicates,
            "seeds": seeds,
            "reused_from": {
                condition: {r: end.run for r, end in collected.of(condition) if end.reused}
                for condition in collected.conditions
            },
            "ctx_changes": ContextChanges(self.root, self.folder, numbers),
        }


class ContextChanges(Mapping[str, dict[int, Any]]):
    """Condition → replicate → provenance records of its steps; read from the store when first asked for."""

    def __init__(self, root: Path, folder: Path, numbers: Mapping[str, Mapping[int, int]]) -> None:
        self._root, self._folder, self._numbers = root, folder, numbers
        self._loaded: dict[str, dict[int, Any]] = {}

    def __getitem__(self, condition: str) -> dict[int, Any]:
        if condition not in self._loaded:
            store = Store.open(self._root, folder=self._folder, write=False)
            try:
                self._loaded[condition] = {
                    replicate: store.provenance_of(number) for replicate, number in self._numbers[condition].items()
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
