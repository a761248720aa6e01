"""Digests: 32 bytes of BLAKE3 over pre-images that cannot be confused.

Every pre-image names its kind, which carries a format version (``value/1``), and tells the length of every piece before
the pieces, so no two different lists of pieces ever have the same bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NewType

from blake3 import blake3

Digest = NewType("Digest", bytes)


_PACKS = [struct.Struct(f"<{count + 2}Q").pack for count in range(64)]
"""By number of pieces."""


def digest_bytes(data: bytes | memoryview) -> Digest:
    """The digest of raw contents, as a blob or a file has it: no kind, no prefix."""
    return Digest(blake3(data).digest())


def digest_of(kind: str, *pieces: bytes) -> Digest:
    """The digest of a framed pre-image: `kind` (with its version), then each piece behind its length."""
    return Digest(blake3(frame(kind, pieces)).digest())


def frame(kind: str, pieces: Sequence[bytes] = ()) -> bytes:
    """Lengths of kind and pieces and the number of pieces, 8 bytes each, least significant first; then kind, pieces."""
    head, count = kind.encode(), len(pieces)
    pack = _PACKS[count] if count < len(_PACKS) else struct.Struct(f"<{count + 2}Q").pack
    return b"".join((pack(len(head), count, *map(len, pieces)), head, *pieces))


def short(digest: bytes) -> str:
    """The first 12 hexadecimal digits, for people."""
    return digest.hex()[:12]
