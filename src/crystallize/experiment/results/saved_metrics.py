"""Reads the metrics of earlier runs from the folders of an experiment. Knows nothing of stores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from crystallize.experiment.objects.constants import BASELINE_CONDITION
from crystallize.experiment.results.structs import TreatmentMetrics

Metrics = dict[str, Any]
"""Metric → its values, as `results.json` has them."""


def load_metrics(exp_dir: Path | str, version: int | None = None) -> tuple[int, Metrics, dict[str, Metrics]]:
    """The version, the baseline's metrics and each treatment's; of the newest version by default.

    ``(-1, {}, {})`` when there is none.

    Examples
    --------
    >>> @data_source
    ... def number():
    ...     return 4
    >>> @pipeline_step
    ... def scale(data, *, factor=1):
    ...     return data, {"scaled": factor * data}
    >>> ten = Treatment("ten", {"factor": 10})
    >>> result = Experiment(number(), Pipeline([scale()]), name="scales", treatments=[ten]).run()
    >>> load_metrics("data/scales")
    (0, {'scaled': [4]}, {'ten': {'scaled': [40]}})
    >>> load_metrics("data/absent")
    (-1, {}, {})
    """
    folder = Path(exp_dir)
    known = _versions(folder)
    if not known:
        return -1, {}, {}
    chosen = known[-1] if version is None else version
    saved = _saved(folder / f"v{chosen}")
    return chosen, saved.pop(BASELINE_CONDITION, {}), saved


def load_all_metrics(
    exp_dir: Path | str, version: int | None = None
) -> tuple[int, Metrics, dict[str, tuple[int, Metrics]]]:
    """As `load_metrics`, with the newest metrics of every treatment that any version up to `version` has.

    The treatments are name → (the version they are from, metrics).

    Examples
    --------
    >>> @data_source
    ... def number():
    ...     return 4
    >>> @pipeline_step
    ... def scale(data, *, factor=1):
    ...     return data, {"scaled": factor * data}
    >>> ten = Treatment("ten", {"factor": 10})
    >>> result = Experiment(number(), Pipeline([scale()]), name="scales", treatments=[ten]).run()
    >>> load_all_metrics("data/scales")
    (0, {'scaled': [4]}, {'ten': (0, {'scaled': [40]})})
    """
    chosen, baseline, _ = load_metrics(exp_dir, version)
    folder = Path(exp_dir)
    newest: dict[str, tuple[int, Metrics]] = {}
    for number in _versions(folder):
        if number <= chosen:
            newest.update({name: (number, metrics) for name, metrics in _saved(folder / f"v{number}").items()})
    newest.pop(BASELINE_CONDITION, None)
    return chosen, baseline, dict(sorted(newest.items()))


def load_parts(exp_dir: Path, version: int | None = None) -> tuple[int, dict[str, TreatmentMetrics]]:
    """The version, and what `results.json` has of each condition, the baseline first; ``(-1, {})`` without a version.

    Which replicate a value of a curve is from is not in the file: a new one begins where a step comes again.
    """
    known = _versions(exp_dir)
    if not known:
        return -1, {}
    chosen = known[-1] if version is None else version
    saved = {name: _part(told) for name, told in _results(exp_dir / f"v{chosen}").items()}
    return chosen, {BASELINE_CONDITION: saved.pop(BASELINE_CONDITION, TreatmentMetrics({})), **saved}


def _part(told: Mapping[str, Any]) -> TreatmentMetrics:
    tags = told.get("tags", {})
    return TreatmentMetrics(told.get("metrics", {}), tags, {name: _replicates(each) for name, each in tags.items()})


def _replicates(tags: Sequence[Mapping[str, Any]]) -> list[int]:
    replicates: list[int] = []
    number, seen = 0, set[str]()
    for each in map(repr, tags):
        if each in seen:
            number, seen = number + 1, set()
        seen.add(each)
        replicates.append(number)
    return replicates


def _versions(folder: Path) -> list[int]:
    """The numbers of the version folders, ascending."""
    if not folder.is_dir():
        return []
    names = [path.name for path in folder.iterdir() if path.is_dir()]
    return sorted(int(name[1:]) for name in names if name[:1] == "v" and name[1:].isdecimal())


def _saved(version: Path) -> dict[str, Metrics]:
    """Condition → metrics, sorted by name."""
    return {name: told.get("metrics", {}) for name, told in _results(version).items()}


def _results(version: Path) -> dict[str, dict[str, Any]]:
    """Condition → what its `results.json` says, sorted by name."""
    import json

    return {
        path.parent.name: json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(version.glob("*/results.json"))
    }
