"""How jobs left the mutable values that definitions hold: a counter in `self`, a cache, a list in a closure.

What a job changes on an instance is no edit of the user's, so a value found as it was left is keyed as it was
compiled. Knows digests and the identity of holders; knows nothing of how values are encoded.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from threading import Lock
from typing import NamedTuple

from crystallize.errors import NotReusableError
from crystallize.fingerprint.digest import Digest

_Place = tuple[int, str]


class _Keyed(NamedTuple):
    holder: object
    encode: Callable[[], Digest]
    compiled: Digest


class _Left(NamedTuple):
    holder: Callable[[], object]
    """Yields the holder, or None when it is gone: its id may then belong to another object."""
    found: Digest
    compiled: Digest


class LeftStates:
    """Remembers, for each slot of a holder, the digest it was left with beside the one it was compiled with.

    Thread-safe. The order of calls: `begin`, `key` for each value as a plan is compiled, the jobs, `leave`.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._keyed: dict[_Place, _Keyed] = {}
        self._left: dict[_Place, _Left] = {}

    def begin(self) -> None:
        """Forget what was keyed and never left: a change after a plan that did not run is the user's edit."""
        with self._lock:
            self._keyed = {}

    def key(self, holder: object, slot: str, found: Digest, encode: Callable[[], Digest]) -> Digest:
        """The digest to use: `found`, or the one it was compiled with if the value is as jobs left it.

        Parameters
        ----------
        holder : the instance, module or cell that holds the value; told apart by identity.
        slot : name of the value in it.
        found : digest of the value as it is now.
        encode : reads the value again; called by `leave`, raises NotReusableError if it cannot.
        """
        place = (id(holder), slot)
        with self._lock:
            left = self._left.get(place)
            as_left = left is not None and left.found == found and left.holder() is holder
            digest = left.compiled if left is not None and as_left else found
            self._keyed[place] = _Keyed(holder, encode, digest)
        return digest

    def leave(self) -> None:
        """Read again all that was keyed since `begin`, and remember what the jobs changed.

        A value that can no longer be encoded is forgotten. A second call changes nothing.
        """
        with self._lock:
            keyed, self._keyed = self._keyed, {}
        changed: dict[_Place, _Left] = {}
        for place, (holder, encode, compiled) in keyed.items():
            try:
                now = encode()
            except NotReusableError:
                continue
            if now != compiled:
                changed[place] = _Left(_reference(holder), now, compiled)
        with self._lock:
            kept = {
                place: left for place, left in self._left.items() if place not in keyed and left.holder() is not None
            }
            self._left = kept | changed


def _reference(holder: object) -> Callable[[], object]:
    try:
        return weakref.ref(holder)
    except TypeError:
        # Cells and slotted instances allow no weak reference; holding them keeps their id from being reused.
        return lambda: holder


LEFT = LeftStates()
"""The process's one memory. It may change because it mirrors what changes: the user's own live objects."""
