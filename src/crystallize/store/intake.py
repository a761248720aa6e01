"""Outputs on their way into the store: bytes, files and folders become digests.

Needs a bucket only, no database, so a worker in another process can do it: what is small goes back with the
record, what is large is in the bucket when the call returns.
"""

from __future__ import annotations

from pathlib import Path

from crystallize.errors import StoreError
from crystallize.fingerprint.digest import Digest, digest_bytes
from crystallize.store.bucket import Bucket
from crystallize.store.placing import discard
from crystallize.store.record import Output
from crystallize.store.trees import Member, encode_tree, walk_tree

SMALL_BYTES = 16 * 1024
"""Blobs up to this size lie in the database, larger ones in the bucket."""

Kept = tuple[Output, dict[Digest, bytes]]
"""What was kept, and the small blobs of it that the record must carry into the database."""


def keep_bytes(bucket: Bucket, name: str, step: str, data: bytes) -> Kept:
    """Keeps `data` as the output `name` of `step`."""
    small: dict[Digest, bytes] = {}
    return Output(name, step, _keep(bucket, data, small), len(data)), small


def keep_path(bucket: Bucket, name: str, step: str, path: Path) -> Kept:
    """Moves the file or folder at `path` into the store as the output `name` of `step`.

    Nothing is left at `path`; what a link there leads to is copied and stays. Raises StoreError when there is
    nothing at `path`, and for what `walk_tree` refuses; the files are then untouched.
    """
    small: dict[Digest, bytes] = {}
    if path.is_dir():
        members = _keep_members(bucket, path, small)
        listing = _keep(bucket, encode_tree(members), small)
        output = Output(name, step, listing, sum(member.size_bytes for member in members), is_tree=True)
    elif path.is_file():
        output = Output(name, step, *_keep_file(bucket, path, small, move=not path.is_symlink()))
    else:
        raise StoreError(f"{path}: artifact '{name}' of step '{step}' is not there; write it before the step returns")
    discard(path)
    return output, small


def _keep_members(bucket: Bucket, folder: Path, small: dict[Digest, bytes]) -> list[Member]:
    """The folder's members, each file taken once, whatever links lead to it."""
    taken: dict[tuple[int, int], tuple[Digest, int]] = {}
    members = []
    for name, path in tuple(walk_tree(folder)):
        if path is None:
            members.append(Member(name, None, 0))
            continue
        stat = path.stat()
        identity = (stat.st_dev, stat.st_ino)
        if identity not in taken:
            move = not (path.is_symlink() or folder.is_symlink())
            taken[identity] = _keep_file(bucket, path, small, move=move)
        members.append(Member(name, *taken[identity]))
    return members


def _keep(bucket: Bucket, data: bytes, small: dict[Digest, bytes]) -> Digest:
    if len(data) > SMALL_BYTES:
        return bucket.put_bytes(data)
    digest = digest_bytes(data)
    small[digest] = data
    return digest


def _keep_file(bucket: Bucket, path: Path, small: dict[Digest, bytes], *, move: bool) -> tuple[Digest, int]:
    """Takes one file's contents, without a copy if it may be moved and has no other name to be changed by."""
    stat = path.stat()
    if stat.st_size > SMALL_BYTES:
        return bucket.put_file(path, move=move and stat.st_nlink == 1)
    data = path.read_bytes()
    return _keep(bucket, data, small), len(data)
