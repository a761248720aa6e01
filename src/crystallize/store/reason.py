"""The wording of misses: one line for people, from what differs. Decides nothing and reads no store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from crystallize.fingerprint.digest import Digest
from crystallize.fingerprint.manifest import Change, Manifest, Piece, Unclear

VALUE_SUFFIX = " (value)"
"""Ends the name of a piece that is the contents of a module-level name, beside the piece of its statement."""

SAID = 2
"""How many causes a sentence names before it counts the others."""


def tell_unclear(unclear: Sequence[Unclear]) -> str:
    """Which values cannot be told apart, each with its remedy."""
    return "cannot be told apart: " + _enumerate(f"{entry.value}; {entry.remedy}" for entry in unclear)


def tell_changes(
    changes: Sequence[Change],
    manifest: Manifest,
    old_kind: str,
    pieces_of: Callable[[Digest], Sequence[Piece]],
) -> str:
    """What differs between an earlier manifest and this one.

    Parameters
    ----------
    old_kind : kind of the earlier manifest.
    pieces_of : the definitions behind an earlier code part, empty when unknown.
    """
    causes: list[str] = []
    for change in changes:
        causes.extend(_code_causes(change, manifest, pieces_of) or [_part_cause(change)])
    if old_kind != manifest.kind:
        causes.append(f"kind: {old_kind} → {manifest.kind}")
    return _enumerate(causes or ["the same parts in another order"])


def changed_pieces(old: Sequence[Piece], new: Sequence[Piece]) -> list[tuple[Piece | None, Piece | None]]:
    """The definitions that differ, paired by name; one that only moved or was renamed does not differ.

    A value whose statement differs as well is told by its statement alone.
    """
    kept = {piece.digest for piece in old} & {piece.digest for piece in new}
    before = {piece.name: piece for piece in old if piece.digest not in kept}
    after = {piece.name: piece for piece in new if piece.digest not in kept}
    names = {**after, **before}
    told = [
        name
        for name in names
        if name.removesuffix(VALUE_SUFFIX) == name or name.removesuffix(VALUE_SUFFIX) not in names
    ]
    return [(before.get(name), after.get(name)) for name in told]


def _code_causes(change: Change, manifest: Manifest, pieces_of: Callable[[Digest], Sequence[Piece]]) -> list[str]:
    """The definitions behind a changed code part; empty when it is none, or when they are unknown."""
    if change.old is None or change.new is None or not change.name.startswith(("code.", "source")):
        return []
    old, new = pieces_of(change.old.digest), manifest.table.pieces.get(change.new.digest, ())
    if not old or not new:
        return []
    return [_piece_cause(*pair) for pair in changed_pieces(old, new)]


def _piece_cause(old: Piece | None, new: Piece | None) -> str:
    if old is None:
        return f"code now reaches {new.name if new else ''}"
    if new is None:
        return f"code no longer reaches {old.name}"
    if old.name.endswith(VALUE_SUFFIX):
        return f"{old.name.removesuffix(VALUE_SUFFIX)}: {old.text} → {new.text}"
    return f"code of {old.name} changed"


def _part_cause(change: Change) -> str:
    name, old, new = change
    family, _, rest = name.partition(".")
    if old is None:
        return f"{name}: new" + (f" ({new.preview})" if new and new.preview else "")
    if new is None:
        return f"{name}: removed" + (f" ({old.preview})" if old.preview else "")
    if family == "code":
        return f"code of {rest} changed"
    if family in ("input", "file", "after"):
        return f"{name}: other contents"
    return f"{name}: other value" if old.preview == new.preview else f"{name}: {old.preview} → {new.preview}"


def _enumerate(causes: Iterable[str]) -> str:
    """Each cause once, the first few in words: ``a; b; and 2 more``."""
    distinct = list(dict.fromkeys(causes))
    more = len(distinct) - SAID
    return "; ".join(distinct[:SAID] + ([f"and {more} more"] if more > 0 else []))
