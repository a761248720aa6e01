"""Manifests: the ordered, named parts that decide whether a job is the same as an earlier one.

One list of parts yields the fingerprint, the stored reason and the explanation, so an explanation can never disagree
with the decision (after n2's single manifest walk with two writers). A plan may have millions of jobs, so parts that
many jobs share live in one `PartTable`; a manifest is that table and a few rows of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from crystallize.fingerprint.digest import Digest, digest_of


class Part(NamedTuple):
    """One named part of a manifest."""

    name: str
    """Dotted, unique in its manifest: ``code.train``, ``param.train.lr``, ``input.clean``, ``env.numpy``."""
    digest: Digest
    """Of the part's contents."""
    preview: str
    """At most 200 characters for people; never a secret."""


class Piece(NamedTuple):
    """One definition behind a code part, kept so that two versions of it can be compared."""

    name: str
    """Qualified name as the user knows it: ``steps.train``, ``helpers.scale``, ``steps.FACTOR``."""
    digest: Digest
    """Of the normalised definition (or of the value's contents)."""
    text: str
    """Its source text, or a preview of the value."""


class Unclear(NamedTuple):
    """A part that cannot be told apart from another: the job runs every time."""

    name: str
    """The part's name, as in `Part.name`."""
    value: str
    """What the value is: ``steps.Train.handle: an open file``."""
    remedy: str
    """What the user can do."""


class PartTable:
    """Parts that many manifests share; order counts. Built once, never changed."""

    __slots__ = ("digest", "notes", "parts", "pieces", "unclear")

    def __init__(
        self,
        parts: Iterable[Part],
        *,
        unclear: Iterable[Unclear] = (),
        pieces: Mapping[Digest, Sequence[Piece]] | None = None,
        notes: Iterable[str] = (),
    ) -> None:
        self.parts: tuple[Part, ...] = tuple(parts)
        self.unclear: tuple[Unclear, ...] = tuple(unclear)
        self.pieces: Mapping[Digest, Sequence[Piece]] = pieces or {}
        """Digest of a code part → the definitions behind it."""
        self.notes: tuple[str, ...] = tuple(notes)
        """What `explain` tells beside the parts: names reached only by getattr, values known by initialiser."""
        self.digest: Digest = _parts_digest("parts/1", self.parts)


class Rows(tuple[Part, ...]):
    """The parts of a job's own, in order. Jobs that have the same may share them, and with them their digest."""

    def __init__(self, parts: Iterable[Part]) -> None:
        self.digest = _parts_digest("parts/1", self)


class Manifest:
    """What a job is made of: a shared table and the job's own rows."""

    __slots__ = ("fingerprint", "kind", "own", "table")

    def __init__(self, kind: str, table: PartTable, own: Sequence[Part]) -> None:
        self.kind = kind
        """The format and its version: ``trial/1``, ``execution/1``, ``fetch/1``."""
        self.table = table
        self.own = own if isinstance(own, Rows) else Rows(own)
        self.fingerprint: Digest = digest_of(kind, table.digest, self.own.digest)

    def parts(self) -> Iterator[Part]:
        """The shared parts in order, then the job's own."""
        yield from self.table.parts
        yield from self.own


class Change(NamedTuple):
    """One difference between two manifests; `old` is None for an added part, `new` for a removed one."""

    name: str
    old: Part | None
    new: Part | None


def diff(old: Iterable[Part], new: Iterable[Part]) -> list[Change]:
    """The parts that differ, in the order of `new`, then those only `old` has."""
    before = {part.name: part for part in old}
    changes = []
    for part in new:
        earlier = before.pop(part.name, None)
        if earlier is None or earlier.digest != part.digest:
            changes.append(Change(part.name, earlier, part))
    changes.extend(Change(name, part, None) for name, part in before.items())
    return changes


def _parts_digest(kind: str, parts: Sequence[Part]) -> Digest:
    pieces: list[bytes] = []
    for part in parts:
        pieces.append(part[0].encode())
        pieces.append(part[1])
    return digest_of(kind, *pieces)
