"""Small builders for tests of the store, and the dict bucket."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from crystallize.fingerprint.digest import Digest, digest_bytes
from crystallize.fingerprint.manifest import Manifest, Part, PartTable, Piece, Unclear
from crystallize.store.record import NewRecord
from crystallize.store.reuse import Policy, Question, Use
from crystallize.store.store import Store


class MemoryBucket:
    """A bucket that keeps its blobs in a dict and writes one to `folder` when a path is asked for."""

    def __init__(self, folder: Path) -> None:
        self.blobs: dict[Digest, bytes] = {}
        self._folder = folder

    def path_of(self, digest: Digest) -> Path | None:
        path = self._folder / digest.hex()
        if digest not in self.blobs:
            return None
        if not path.exists():
            path.write_bytes(self.blobs[digest])
        return path

    def put_bytes(self, data: bytes) -> Digest:
        digest = digest_bytes(data)
        self.blobs[digest] = data
        return digest

    def put_file(self, path: Path, *, move: bool) -> tuple[Digest, int]:
        digest = self.put_bytes(path.read_bytes())
        if move:
            path.unlink()
        return digest, len(self.blobs[digest])

    def remove(self, digest: Digest) -> None:
        self.blobs.pop(digest, None)

    def digests(self) -> Iterator[Digest]:
        yield from self.blobs


def part(name: str, value: object) -> Part:
    return Part(name, digest_bytes(repr(value).encode()), repr(value))


def piece(name: str, text: str) -> Piece:
    return Piece(name, digest_bytes(text.encode(errors="replace")), text)


def code(name: str, *pieces: Piece) -> tuple[Part, dict[Digest, Sequence[Piece]]]:
    digest = digest_bytes(b"".join(piece.digest for piece in pieces))
    return Part(f"code.{name}", digest, name), {digest: pieces}


def manifest(
    *own: Part,
    shared: Sequence[Part] = (),
    unclear: Sequence[Unclear] = (),
    pieces: dict[Digest, Sequence[Piece]] | None = None,
    kind: str = "trial/1",
) -> Manifest:
    return Manifest(kind, PartTable(shared, unclear=unclear, pieces=pieces), own)


def job(lr: float = 0.1, *, seed: int = 0) -> Manifest:
    return manifest(part("seed", seed), shared=[part("param.train.lr", lr)])


def new(made_of: Manifest | None = None, label: str = "a/baseline/0", **fields: Any) -> NewRecord:
    return NewRecord(manifest=made_of or job(), label=label, metrics=fields.pop("metrics", {"acc": [0.5]}), **fields)


def wrote(store: Store, name: str, data: bytes, step: str = "S") -> dict[str, Any]:
    output, small = store.keep_bytes(name, step, data)
    return {"outputs": (output,), "small_blobs": small}


def ask(made_of: Manifest | None = None, policy: Policy | None = None, label: str = "a/baseline/0") -> Question:
    return Question(made_of or job(), policy or Use(), label)
