"""What a fetch brings its trial, as bytes: the data of one source, and all that fetching it did beside that.

The bytes are an input of the trial and decide whether it is reused, so equal contents should have equal ones.
Knows no plans and no stores.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from crystallize.errors import NotReusableError
from crystallize.experiment.generators import moved_since, own_state
from crystallize.experiment.memo.contents import Contents, packed, unpacked
from crystallize.experiment.memo.look import Before
from crystallize.experiment.objects.context import FrozenContext
from crystallize.experiment.objects.values import is_same
from crystallize.fingerprint.files import file_digest


class Gift:
    """What one source gave.

    Parameters
    ----------
    name : of the source, for messages.
    before : how the context and the generators were before it was asked.
    ctx : how the context is now.
    passing : paths that are gone when the trial runs.
    written : files that were written meanwhile.
    generators : which global generators belong to the fetch.

    Raises NotReusableError naming the source when it wrote an artifact, or gave what cannot be pickled.
    """

    def __init__(
        self,
        name: str,
        data: Any,
        before: Before,
        ctx: FrozenContext,
        *,
        asked: Iterable[str],
        passing: Iterable[str],
        written: Iterable[str],
        generators: Iterable[str],
    ) -> None:
        self.name = name
        self._passing = tuple(passing)
        self._generator = ctx._plain._rng
        if len(ctx.artifacts._records) > len(before.written):
            raise NotReusableError(self._where, "writes an artifact", "give its contents, and write it in a step")
        own = own_state(self._generator)
        moved = moved_since(before.generators)
        self._contents = Contents(
            data=(data, sorted(asked), {}),
            added=before.added(ctx),
            recorded=before.recorded(ctx),
            folders=[],
            generators={each: moved[each] for each in generators if each in moved and each in before.generators},
            own_state=None if own == before.own_state else own,
            starts_processes=False,
        )
        self._contents = replace(self._contents, data=(data, sorted(asked), dict(_named(written, self.packed()))))

    def packed(self) -> bytes:
        """The bytes. Raises NotReusableError."""
        try:
            return packed(self._contents, self._passing, self._generator, ordered=True)
        except NotReusableError as error:
            raise NotReusableError(self._where, f"{error.where} {error.what}", error.remedy) from error

    def unsteady(self, earlier: bytes) -> str | None:
        """Why the bytes differ from `earlier` ones though nothing else seems to; None when the contents differ."""
        try:
            if self.packed() != self.packed():
                return f"{self.name}: its bytes differ each time; give plain values, or instances that keep no identity"
            if is_same(unpacked(earlier).data, self._contents.data):
                return f"{self.name}: its contents are as before, and not their order; give it an order of its own"
        except Exception:  # pickles and comparisons run the values' own code
            return None
        return None

    @property
    def _where(self) -> str:
        return f"volatile datasource '{self.name}'"


def unwrap(data: bytes, ctx: FrozenContext) -> Any:
    """What the source gave; does to `ctx`, and to generators, what fetching it did. Raises StoreError."""
    contents = unpacked(data)
    given, asked, _ = contents.data
    ctx._asked.update(asked)
    contents.replay(ctx)
    return given


def _named(written: Iterable[str], data: bytes) -> Iterator[tuple[str, bytes]]:
    """Files written by the source that `data` names, itself or by a folder: they count by their contents."""
    for path in sorted(written):
        if any(spelled in data for spelled in _spellings(path)) and Path(path).is_file():
            yield os.path.relpath(path), file_digest(Path(path))


def _spellings(path: str) -> Iterator[bytes]:
    for spelled in (path, os.path.relpath(path)):
        for each in (Path(spelled), *Path(spelled).parents):
            if str(each) not in (".", "..", os.sep):
                yield str(each).encode("utf-8", "surrogatepass")
