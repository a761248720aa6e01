"""Trees of crystallize 0.27: adopts the metrics of their `results.json`, to be read beside new ones.

They stand under names of their own, `train@v3`, and are never reused, nor read by any experiment: nobody knows which
code and values they come from.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crystallize.errors import DefinitionError, MissingFileError
from crystallize.experiment.objects.constants import METADATA_FILENAME
from crystallize.experiment.results.view_files import versions_of
from crystallize.fingerprint.digest import digest_bytes
from crystallize.fingerprint.manifest import Manifest, Part, PartTable
from crystallize.history.history import GroupRow, History, JobRow
from crystallize.store.record import NewRecord
from crystallize.store.store import Store

KIND = "import/1"
"""Kind of the manifests of what was adopted."""
IMPORTED = "imported"
"""The one part of such a manifest beside the replicate, and the fact of such a record: where it comes from."""
RESULTS = "results.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What became of a tree."""

    run: int
    """Number of the run that stands for the import; 0 when there was nothing new."""
    experiments: tuple[str, ...]
    """Names of what was adopted, as ``train@v3``."""
    conditions: int
    present: int
    """Conditions that were passed over: adopted before, or no results of 0.27 but of this store."""


def import_tree(folder: Path, store: Store, history: History) -> Imported:
    """Adopts what is new below `folder`, the data folder of a project or that of one experiment; called again, nothing.

    Raises MissingFileError when there is no result below it, DefinitionError for one that cannot be read.
    """
    found = list(_results_below(folder))
    if not found:
        raise MissingFileError(
            "there are no results of crystallize here", path=folder, remedy="name a folder like data/, or data/train/"
        )
    new = [path for path in found if not _is_known(path, store)]
    if not new:
        return Imported(run=0, experiments=(), conditions=0, present=len(found))
    names = tuple(dict.fromkeys(_name(path) for path in new))
    run = history.begin(targets=names, strategy="import", what=f"import {folder.name}")
    records = store.put_many([record for path in new for record in _records(path, run)])
    rows = [
        JobRow(record.label, record.label.partition("/")[0], "imported", f"from {folder}", record=record.number)
        for record in records
    ]
    history.add_jobs(run, rows)
    history.finish(run, [GroupRow(name) for name in names], "ok", 0.0)
    return Imported(run=run, experiments=names, conditions=len(new), present=len(found) - len(new))


def _results_below(folder: Path) -> Iterator[Path]:
    """The `results.json` of every condition of every version, of one experiment or of all in a folder."""
    if not folder.is_dir():
        return
    for experiment in [folder, *sorted(path for path in folder.iterdir() if path.is_dir())]:
        for version in sorted(versions_of(experiment)):
            yield from sorted((experiment / f"v{version}").glob(f"*/{RESULTS}"))


def _is_known(path: Path, store: Store) -> bool:
    """Whether the store has it, as a view of its own or from an earlier import."""
    if path.is_relative_to(store.root):
        relative = path.relative_to(store.root)
        if relative.parent.name in store.views.of(relative.parent.parent.as_posix()):
            return True
    record = store.last_of_label(f"{_name(path)}/{path.parent.name}/0")
    return record is not None and record.facts.get(IMPORTED) == _digest(path)


def _records(path: Path, run: int) -> Iterator[NewRecord]:
    """One per replicate where there is one value of each metric for each of them; else one with all values."""
    metrics = _metrics(path)
    replicates = _replicates(path.parent.parent)
    if any(len(values) != replicates for values in metrics.values()):
        replicates = 1
    condition, name = path.parent.name, _name(path)
    table = PartTable([Part(IMPORTED, digest_bytes(str(path).encode()), str(path))])
    for replicate in range(replicates):
        own = Part("replicate", digest_bytes(str(replicate).encode()), str(replicate))
        yield NewRecord(
            manifest=Manifest(KIND, table, [own]),
            label=f"{name}/{condition}/{replicate}",
            metrics={metric: values if replicates == 1 else [values[replicate]] for metric, values in metrics.items()},
            facts={IMPORTED: _digest(path)},
            run=run,
            once=True,
        )


def _metrics(path: Path) -> Mapping[str, Sequence[Any]]:
    try:
        metrics = json.loads(path.read_text(encoding="utf-8"))["metrics"]
        if all(isinstance(values, list) for values in metrics.values()):
            known: Mapping[str, Sequence[Any]] = metrics
            return known
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    raise DefinitionError("these are no metrics", path=path, remedy="remove the file, or its folder")


def _replicates(version: Path) -> int:
    try:
        count = json.loads((version / METADATA_FILENAME).read_text(encoding="utf-8"))["replicates"]
    except (OSError, ValueError, KeyError, TypeError):
        return 1
    return count if isinstance(count, int) and count > 0 else 1


def _name(path: Path) -> str:
    """``train@v3``."""
    version = path.parent.parent
    return f"{version.parent.name}@{version.name}"


def _digest(path: Path) -> str:
    return digest_bytes(path.read_bytes()).hex()
