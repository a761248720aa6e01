"""What a changed part of a manifest comes down to: values before and after, or the definitions behind code."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from crystallize.fingerprint.manifest import Change, Piece
from crystallize.store.reason import changed_pieces

BEFORE_AND_NOW = ("before", "now")


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that changed."""

    name: str
    """Of the definition (``steps.train``) or of the part (``param.train.lr``, ``input.rows``)."""
    old: str | None
    new: str | None
    """Previews; None: not there."""
    diff: str = ""
    """Unified, of an edited definition; empty elsewhere."""


def differences(
    change: Change, old: Sequence[Piece], new: Sequence[Piece], names: tuple[str, str] = BEFORE_AND_NOW
) -> Iterator[Difference]:
    """The differences that a change comes down to.

    Parameters
    ----------
    old, new : the definitions behind it, where it is one of code and they are known; else empty.
    names : what the two sides are called at the head of a diff.
    """
    pairs = changed_pieces(old, new) if old and new else []
    for before, after in pairs:
        yield _of_pieces(before, after, names)
    if not pairs:
        yield Difference(
            change.name,
            None if change.old is None else change.old.preview,
            None if change.new is None else change.new.preview,
        )


def _of_pieces(old: Piece | None, new: Piece | None, names: tuple[str, str]) -> Difference:
    name = (new or old or Piece("", b"", "")).name  # type: ignore[arg-type]
    before, after = ([] if piece is None else piece.text.splitlines() for piece in (old, new))
    one, other = (f"{name} ({each})" for each in names)
    diff = difflib.unified_diff(before, after, one, other, lineterm="")
    return Difference(name, _first_line(old), _first_line(new), "\n".join(diff))


def _first_line(piece: Piece | None) -> str | None:
    return None if piece is None else piece.text.strip().partition("\n")[0]
