"""Files with holes: hashed and copied without reading what is not there, or writing it.

A hole reads as zeros, so digests and copies are those of any other file with these contents.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from os import stat_result
from pathlib import Path
from typing import IO

from blake3 import blake3

from crystallize.fingerprint.digest import Digest

CHUNK_BYTES = 1 << 23
_BLOCK_BYTES = 512
"""What ``st_blocks`` counts in, whatever the file system."""


def has_holes(found: stat_result) -> bool:
    """Whether a file takes less room than it is long; where that is not told, no file does."""
    blocks: int | None = getattr(found, "st_blocks", None)
    return blocks is not None and blocks * _BLOCK_BYTES < found.st_size


def sparse_digest(path: Path) -> Digest:
    """The digest of the bytes of a file."""
    hasher, zeros, position = blake3(max_threads=blake3.AUTO), memoryview(bytes(CHUNK_BYTES)), 0
    with path.open("rb", buffering=0) as file:
        size_bytes = os.fstat(file.fileno()).st_size
        for start, end in [*_data(file, size_bytes), (size_bytes, size_bytes)]:
            for at in range(position, start, CHUNK_BYTES):
                hasher.update(zeros[: start - at])
            for chunk in _chunks(file, start, end):
                hasher.update(chunk)
            position = end
    return Digest(hasher.digest())


def copy_sparse(source: Path, target: Path) -> None:
    """Makes `target` a file with `source`'s contents and its holes."""
    with source.open("rb", buffering=0) as reader, target.open("wb", buffering=0) as writer:
        size_bytes = os.fstat(reader.fileno()).st_size
        writer.truncate(size_bytes)
        for start, end in _data(reader, size_bytes):
            writer.seek(start)
            for chunk in _chunks(reader, start, end):
                left = memoryview(chunk)
                while left:
                    left = left[writer.write(left) :]


def _data(file: IO[bytes], size_bytes: int) -> Iterator[tuple[int, int]]:
    """Where the file has contents: beginnings and ends, in order; all of it where that is not told."""
    descriptor, position = file.fileno(), 0
    with suppress(OSError):  # no more contents
        while position < size_bytes:
            start = os.lseek(descriptor, position, os.SEEK_DATA) if hasattr(os, "SEEK_DATA") else position
            position = os.lseek(descriptor, start, os.SEEK_HOLE) if hasattr(os, "SEEK_HOLE") else size_bytes
            yield start, min(position, size_bytes)


def _chunks(file: IO[bytes], start: int, end: int) -> Iterator[bytes]:
    file.seek(start)
    while start < end and (chunk := file.read(min(end - start, CHUNK_BYTES))):
        yield chunk
        start += len(chunk)
