"""What the code of an experiment reaches, all its definitions together. Experiments that share them share this too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from crystallize.experiment.reads import native_readers
from crystallize.fingerprint.code.codebase import Code
from crystallize.fingerprint.code.modules import Module
from crystallize.fingerprint.code.nodes import Name
from crystallize.fingerprint.code.source import Source
from crystallize.fingerprint.digest import Digest
from crystallize.fingerprint.manifest import Piece


@dataclass(frozen=True, slots=True, eq=False)
class Reached:
    """The union of what several definitions reach; the fields are those of `Code`."""

    codes: tuple[Code, ...]
    packages: frozenset[str]
    environ: tuple[str, ...]
    """Sorted."""
    homes: frozenset[tuple[Module, Source]]
    names: frozenset[Name]
    texts: frozenset[str]
    pieces: Mapping[Digest, Sequence[Piece]]
    """By the digest of the code that reaches them."""
    notes: tuple[str, ...]
    """With those on packages that read files where Python cannot see it."""


class ReachedBy:
    """Makes each union once. Threads may share it."""

    def __init__(self) -> None:
        self._made: dict[tuple[int, ...], Reached] = {}

    def __call__(self, codes: Iterable[Code]) -> Reached:
        """What `codes`, each listed once, reach together."""
        listed = tuple(codes)
        key = tuple(map(id, listed))
        found = self._made.get(key)
        if found is None:  # it holds the codes, so their ids cannot be given to others
            found = self._made[key] = _union(listed)
        return found

    def together(self, several: Sequence[Reached]) -> Reached:
        """What all of `several` come to."""
        if len(several) == 1:
            return several[0]
        return self({id(code): code for each in several for code in each.codes}.values())


def _union(codes: tuple[Code, ...]) -> Reached:
    return Reached(
        codes=codes,
        packages=frozenset().union(*(code.packages for code in codes)),
        environ=tuple(sorted(frozenset().union(*(code.environ for code in codes)))),
        homes=frozenset().union(*(code.homes for code in codes)),
        names=frozenset().union(*(code.names for code in codes)),
        texts=frozenset().union(*(code.texts for code in codes)),
        pieces={code.digest: code.pieces for code in codes},
        notes=tuple(dict.fromkeys(note for code in codes for note in (*code.notes, *native_readers(code)))),
    )
