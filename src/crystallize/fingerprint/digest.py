"""Digests: 32 bytes of BLAKE3 over pre-images that cannot be confused.

Every pre-image starts with its kind, which carries a format version (``value/1``), and every piece after it is
length-prefixed, so no two different lists of pieces ever have the same bytes.
"""

from __future__ import annotations

from typing import NewType

from blake3 import blake3

Digest = NewType("Digest", bytes)


def digest_bytes(data: bytes | memoryview) -> Digest:
    """The digest of raw contents, as a blob or a file has it: no kind, no prefix."""
    return Digest(blake3(data).digest())


def digest_of(kind: str, *pieces: bytes) -> Digest:
    """The digest of a framed pre-image: `kind` (with its version), then each piece behind its length."""
    return Digest(blake3(frame(kind, *pieces)).digest())


def frame(kind: str, *pieces: bytes) -> bytes:
    """`kind` and `pieces`, each behind its length as 8 bytes, least significant first."""
    head = kind.encode()
    parts = [len(head).to_bytes(8, "little"), head]
    for piece in pieces:
        parts.append(len(piece).to_bytes(8, "little"))
        parts.append(piece)
    return b"".join(parts)


def short(digest: bytes) -> str:
    """The first 12 hexadecimal digits, for people."""
    return digest.hex()[:12]
