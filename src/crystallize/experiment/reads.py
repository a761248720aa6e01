"""What the trials of one experiment are seen to read: who is charged with it, and what their records are told of it.

Stands between trials and the audit hook. Design 5.2: what is read at set-up or at import counts for every trial, and
where code keeps state between calls, what one trial reads counts for all later ones.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

from crystallize.fingerprint.code.codebase import Code
from crystallize.fingerprint.code.keeping import Keeping
from crystallize.fingerprint.code.modules import Module
from crystallize.fingerprint.code.source import Source
from crystallize.fingerprint.reads.looks import look_at
from crystallize.fingerprint.reads.observations import NOTHING_READ, Concluded, Observation, Surveyor
from crystallize.fingerprint.reads.observe import READS, Observer, Seen, kept_by, observing
from crystallize.plan.job import Outcome

STARTS_PROCESSES = "may read more: what child processes read is not seen; declare it with reads=[…]"

_NATIVE = frozenset({"cv2", "duckdb", "h5py", "lightgbm", "netCDF4", "polars", "pyarrow", "rasterio", "tables", "zarr"})
_NATIVE_CALL = re.compile(r"\bread_(?:parquet|feather|orc|hdf)\b")
_LONGEST_NAME = 255
_CONTAINERS = (list, tuple, set, frozenset)
_NUMBERS = (int, float, bool, type(None))


class Reads:
    """Observes the trials of one experiment.

    Parameters
    ----------
    homes : the project modules that its code reaches, each with its text.
    holders : its instances of the user's own classes, which live from trial to trial.
    texts : condition → texts in values and code; those that name a file count as read, whoever opens it.
    ignore : globs of what does not count.
    """

    def __init__(
        self,
        surveyor: Surveyor,
        keeping: Keeping,
        *,
        homes: Collection[tuple[Module, Source]],
        holders: Iterable[object],
        texts: Mapping[str, Collection[str]],
        ignore: Sequence[str],
    ) -> None:
        self._surveyor = surveyor
        self._keeping = keeping
        self._homes = tuple(homes)
        self._late = [module for module, _ in self._homes if not module.live]
        """Those that only running code imports."""
        self._holders = tuple(holders)
        self._texts = texts
        self._ignore = ignore
        self._named: dict[str, tuple[str, ...]] = {}
        """Condition → names of files that its texts name."""
        self._setting_up: Observer | None = None
        """What set-up reads; None: it has not begun."""
        self._unloaded: dict[Module, Seen] = {}
        """What was read for modules that keep state and that only running code imports."""
        self._elsewhere = NOTHING_READ
        """What counts for every trial and was read in another process."""

    def __getstate__(self) -> dict[str, Any]:
        """Where they arrive, what was read here still counts; modules are those that are loaded there."""
        return {
            **vars(self),
            "_keeping": None,
            "_late": [],
            "_homes": [(module.name, module.path, source.text) for module, source in self._homes],
            "_setting_up": None,
            "_unloaded": {},
            "_elsewhere": self._joined(self._surveyor.conclude(Observer(), before=self._before(), ignore=self._ignore)),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        homes = tuple((Module(name, path=path), Source(text)) for name, path, text in state["_homes"])
        vars(self).update(state, _keeping=Keeping(), _homes=homes)

    def setting_up(self) -> AbstractContextManager[None]:
        """What is read inside counts for every trial."""
        self._setting_up = Observer()
        return observing(self._setting_up)

    def trial(self, condition: str, inputs: Iterable[Path | list[Path]]) -> TrialReads:
        """The reads of one trial that is about to begin; its `inputs` are known by other means."""
        texts = self._texts.get(condition)
        if texts and condition not in self._named:
            self._named[condition] = tuple(self._surveyor.files_named(texts, self._ignore))
        names = self._named.get(condition, ())
        named = [Observation("file", name, self._surveyor.digest("file", name)) for name in names]
        flat = [str(path) for each in inputs for path in (each if isinstance(each, list) else [each])]
        return TrialReads(self, Observer(self._keepers, flat), named)

    def conclude(self, trial: TrialReads) -> Concluded:
        """What the record of a trial is told."""
        concluded = self._surveyor.conclude(
            trial.observer,
            before=self._before(),
            named=trial.named,
            inputs=trial.observer.inputs,
            ignore=self._ignore,
        )
        edited = [module.display for module in self._late if module.was_loaded_otherwise()]
        if edited and concluded.doubt is None:
            concluded = concluded._replace(doubt=f"{', '.join(edited)}: edited during the run, before it was imported")
        return self._joined(concluded)

    def changes(self, observations: Iterable[Observation]) -> list[str]:
        """A sentence on each that is not so any more."""
        return self._surveyor.changes(observations)

    def charge(self, observer: Observer, observations: Iterable[Observation]) -> None:
        """Tells `observer` of what was read earlier, and is still so, in place of its trial."""
        for key in map(self._surveyor.key, observations):
            observer.read(key, look_at(key))

    def names_counted(self, paths: Iterable[str]) -> list[str]:
        """The names of those files, by absolute path, that count when they are read."""
        return self._surveyor.names_counted(paths, self._ignore)

    def _before(self) -> list[Seen]:
        """What was read earlier, and counts for every trial."""
        setting_up = {} if self._setting_up is None else self._setting_up.seen
        return [setting_up, *map(kept_by, self._holders), *self._in_modules(), *self._unloaded.values()]

    def _joined(self, concluded: Concluded) -> Concluded:
        """With what was read elsewhere; doubt where that was not the same."""
        if not concluded.observations and self._elsewhere is NOTHING_READ:
            return concluded
        rows = {row[:2]: row for row in self._elsewhere.observations}
        changed = [row.name for row in concluded.observations if rows.setdefault(row[:2], row) != row]
        doubt = self._elsewhere.doubt or concluded.doubt
        if changed and doubt is None:
            doubt = f"{changed[0]}: is not the same on every machine; share it, or run again when nothing writes it"
        return Concluded(tuple(sorted(rows.values())), doubt)

    def _keepers(self) -> Iterator[Seen]:
        """Where what a trial reads may stay for later ones."""
        yield from map(kept_by, self._holders)
        for module, source in self._homes:
            if self._keeping.keeps_state(source):
                names = _names_of(module)
                yield self._unloaded.setdefault(module, {}) if names is None else names.setdefault(READS, {})

    def _in_modules(self) -> Iterator[Seen]:
        """What reached modules hold of what was read while they were imported, or by earlier trials."""
        for module, seen in self._unloaded.items():
            names = _names_of(module)
            if names is not None:
                names[READS] = seen | names.get(READS, {})
        for module, _ in self._homes:
            names = _names_of(module)
            if names is not None and READS in names:
                yield names[READS]


class TrialReads(NamedTuple):
    """The reads of one trial."""

    reads: Reads
    observer: Observer
    named: Sequence[Observation]
    """Files that count as read, whoever opens them, as they were at the beginning."""

    def charged(self) -> AbstractContextManager[None]:
        """What is read inside is the trial's."""
        return observing(self.observer)

    def complete(self, outcome: Outcome) -> None:
        """Adds to `outcome` what was read."""
        concluded = self.reads.conclude(self)
        outcome.observations = concluded.observations
        outcome.unrecordable = outcome.unrecordable or concluded.doubt
        if self.observer.starts_processes:
            outcome.facts["notes"] = [STARTS_PROCESSES]


def native_readers(code: Code) -> Iterator[str]:
    """A note on each package in `code` that reads files where Python cannot see it."""
    found = code.packages & _NATIVE
    if "pandas" in code.packages and any(_NATIVE_CALL.search(piece.text) for piece in code.pieces):
        found |= {"pandas"}
    for package in sorted(found):
        yield f"may read more: what {package} reads is not seen; declare it with reads=[…]"


def texts_in(value: Any) -> Iterator[str]:
    """The texts and paths in a value and in the containers it is made of, as far as they may name a file."""
    if type(value) in _NUMBERS:
        return
    if isinstance(value, str):
        if 0 < len(value) <= _LONGEST_NAME and "\n" not in value:
            yield value
    elif isinstance(value, os.PathLike):
        yield os.fsdecode(value)
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from texts_in(inner)
    elif isinstance(value, _CONTAINERS):
        for inner in value:
            yield from texts_in(inner)


def _names_of(module: Module) -> dict[str, Any] | None:
    """The namespace of a module as it is now; None while it is not loaded."""
    if isinstance(module.live, dict) and module.live:
        return module.live
    loaded = sys.modules.get(module.name)
    return None if loaded is None else vars(loaded)
