"""What is known of a cacheable step before any trial calls it: the part of its memos' first key that all calls share.

Its code, parameters and fields by the parts that make up manifests, and what the whole experiment needs of the
environment. Knows no trials and no store of memos.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from threading import Lock
from typing import Any

from crystallize.errors import NotReusableError
from crystallize.experiment.blueprint import Blueprint
from crystallize.experiment.objects.constants import SEED_USED_KEY
from crystallize.experiment.objects.datasource import DataSource
from crystallize.experiment.objects.plugins import SeedPlugin
from crystallize.experiment.objects.step import PipelineStep
from crystallize.experiment.parts import PartMaker, Surroundings
from crystallize.fingerprint.digest import Digest, digest_of
from crystallize.fingerprint.left import LEFT
from crystallize.fingerprint.manifest import PartTable
from crystallize.fingerprint.values.canonical import encode
from crystallize.fingerprint.values.fields import fields_of
from crystallize.store.reason import tell_unclear
from crystallize.store.store import Store

_WATCHED = frozenset({"numpy"})
"""Packages whose global generators can be replayed."""
_NO_STATE = ("cacheable", "step_hash")


class StepKeys:
    """The keys of the cacheable steps of one experiment, in one run. Threads may share it.

    Parameters
    ----------
    store : of the experiment's artifact root.
    tables : of all its conditions: the packages that any of them imports count for every step.
    """

    def __init__(self, experiment: Blueprint, around: Surroundings, store: Store, tables: Iterable[PartTable]) -> None:
        self._steps = {id(step): step for step in experiment.pipeline.steps if step.cacheable}
        self._root = around.root
        self._maker = PartMaker(around, store, store.secret_key)
        self._maker.add_plugins(experiment.plugins)
        self._maker.add_files(experiment.reads, around.root, experiment.ignore)
        self._refused: dict[int, str] = {}
        self._keys = dict(self._make_keys(tables))
        self._fields: dict[int, dict[str, tuple[Digest, Any]]] = {}
        self._lock = Lock()
        self._code: dict[int, tuple[object, Digest]] = {}
        seeds = experiment.get_plugin(SeedPlugin)
        self.always_read: frozenset[str] = frozenset()
        """Names that are in every read shape."""
        if seeds is not None and seeds.seed_fn is not None:
            # A seed function of the user's own may seed anything: replicates then never share.
            self.always_read = frozenset({f"key:{SEED_USED_KEY}"})
            self._check_seeds(around, seeds.seed_fn)

    def begin(self) -> None:
        """Looks at the fields of the steps, which are set up and have not run yet."""
        for number, step in self._steps.items():
            if number not in self._refused:
                try:
                    self._fields[number] = {name: (self.digest(value), value) for name, value in _fields(step).items()}
                except NotReusableError as error:
                    self._refused[number] = f"self{error.where}: {error.what}"
                    continue
                if type(step).setup is not PipelineStep.setup:
                    self._keys[number] = digest_of("set up/1", self._keys[number], *self._set_up(step))

    def of(self, step: Any) -> Digest:
        """The key of `step` as it was set up.

        Raises NotReusableError when it has none, or when trials have changed a field of the step since, other than
        by counting in it.
        """
        refused = self._refused.get(id(step))
        if refused is not None:
            raise NotReusableError(type(step).__name__, refused, "or do without cacheable")
        before, now = self._fields[id(step)], _fields(step)
        for name in before.keys() | now.keys():
            digest, value = before.get(name, (None, None))
            if not _is_counter(value, now.get(name)) and self.digest(now.get(name)) != digest:
                remedy = "keep it in the result or in the context"
                raise NotReusableError(f"self.{name}", "is changed by trials", remedy)
        return self._keys[id(step)]

    def encode(self, value: Any) -> bytes:
        """Canonical bytes of a value met while trials run. Raises NotReusableError."""
        with self._lock:
            return encode(value, self._code_of, root=self._root, where="")

    def digest(self, value: Any) -> Digest:
        """The digest of a value likewise."""
        return digest_of("value/1", self.encode(value))

    def _code_of(self, definition: object) -> Digest:
        known = self._code.get(id(definition))
        if known is None:
            # the definition is kept beside its digest, so its id cannot be given to another
            known = self._code[id(definition)] = (definition, self._maker.code_digest(definition))
        return known[1]

    def _make_keys(self, tables: Iterable[PartTable]) -> Iterator[tuple[int, Digest]]:
        needs = {part.name: part.digest for table in tables for part in table.parts if part.name.startswith("env.")}
        environment = [piece for name, digest in sorted(needs.items()) for piece in (name.encode(), digest)]
        for number, step in self._steps.items():
            maker = self._maker.extended()
            maker.add_steps([step])
            table = maker.table()
            if table.unclear:
                self._refused[number] = tell_unclear(table.unclear)
            yield number, digest_of("memo of step/1", table.digest, *environment)

    def _set_up(self, step: Any) -> Iterator[bytes]:
        """The fields as `setup` left them; what trials change of them afterwards is no edit."""
        for name, (digest, _) in sorted(self._fields[id(step)].items()):
            again = partial(_digest_of_field, self, step, name)
            yield name.encode()
            yield LEFT.key(step, f"memo.{name}", digest, again)

    def _check_seeds(self, around: Surroundings, seed_fn: Any) -> None:
        """Where generators are seeded that nobody watches, nothing can be replayed."""
        try:
            unwatched = around.codebase.of(seed_fn).packages - _WATCHED
        except NotReusableError:
            return  # its part is unclear already
        if unwatched:
            names = ", ".join(sorted(unwatched))
            why = f"seed_fn may seed generators of {names}, which are not watched; draw from ctx.rng"
            self._refused.update(dict.fromkeys(self._steps, why))


def _digest_of_field(keys: StepKeys, step: Any, name: str) -> Digest:
    return keys.digest(_fields(step).get(name))


def _fields(step: Any) -> dict[str, Any]:
    """The state of a step; what it reads of other experiments is told apart by its contents elsewhere."""
    return {
        name: value
        for name, value in fields_of(step).items()
        if name not in _NO_STATE and not isinstance(value, DataSource)
    }


def _is_counter(before: object, now: object) -> bool:
    return type(before) is int and type(now) is int and now >= before
