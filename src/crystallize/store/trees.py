"""Folders as blobs: a listing that names every file by its digest. Reads and writes listings, moves nothing.

Links inside a folder count as what they lead to; modes, owners and times do not count.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from crystallize.errors import StoreError
from crystallize.fingerprint.digest import Digest

_HEAD = b"crystallize tree/1\n"
"""Makes it practically impossible that a file of the user's is taken for a listing."""


class Member(NamedTuple):
    """One file of a folder, or a folder below it that holds nothing."""

    path: str
    """Posix, relative to the folder."""
    digest: Digest | None
    """Of the contents; None for an empty folder."""
    size_bytes: int


def encode_tree(members: list[Member]) -> bytes:
    """The listing, the same for the same members in any order."""
    rows = [[path, digest and digest.hex(), size] for path, digest, size in sorted(members)]
    return _HEAD + json.dumps(rows, separators=(",", ":")).encode()


def decode_tree(listing: bytes) -> list[Member]:
    """The members of a listing, by path. Raises ValueError for bytes that are none."""
    if not listing.startswith(_HEAD):
        raise ValueError("no listing of a folder")
    rows = json.loads(listing[len(_HEAD) :])
    return [Member(path, digest and Digest(bytes.fromhex(digest)), size) for path, digest, size in rows]


def walk_tree(folder: Path) -> Iterator[tuple[str, Path | None]]:
    """The files below `folder` after their posix paths relative to it, sorted; None for an empty folder.

    Raises StoreError for a link that leads out of the folder, round in a circle or nowhere, and for anything
    that is neither file nor folder.
    """
    yield from _walk(folder, "", folder.resolve(), ())


def _walk(folder: Path, prefix: str, root: Path, above: tuple[Path, ...]) -> Iterator[tuple[str, Path | None]]:
    real = folder.resolve()
    if real in above:
        raise StoreError(f"{folder}: the link leads to a folder that holds it; remove the link")
    entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    if not entries and prefix:
        yield prefix, None
    for entry in entries:
        path, name = Path(entry.path), f"{prefix}/{entry.name}" if prefix else entry.name
        if entry.is_symlink():
            _check_link(path, root)
        if entry.is_dir():
            yield from _walk(path, name, root, (*above, real))
        elif entry.is_file():
            yield name, path
        else:
            kind = stat.filemode(path.stat().st_mode)[0]
            raise StoreError(f"{path}: neither file nor folder (type '{kind}'); write a file in its place")


def _check_link(path: Path, root: Path) -> None:
    try:
        target = path.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise StoreError(f"{path}: the link leads nowhere; remove it, or write the file itself") from error
    if not target.is_relative_to(root):
        raise StoreError(f"{path}: the link leads out of the artifact's folder, to {target}; write the file itself")
