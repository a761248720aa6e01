from __future__ import annotations

from pathlib import Path

import pytest

from crystallize.fingerprint.digest import Digest, digest_bytes
from crystallize.store.bucket import Bucket, FolderBucket

from .making import MemoryBucket

DATA = b"x" * 20_000


@pytest.fixture(params=["folder", "memory"])
def bucket(request: pytest.FixtureRequest, tmp_path: Path) -> Bucket:
    return FolderBucket(tmp_path / "blobs") if request.param == "folder" else MemoryBucket(tmp_path)


def read(bucket: Bucket, digest: Digest) -> bytes | None:
    path = bucket.path_of(digest)
    return path.read_bytes() if path else None


def test_bytes_lie_under_their_digest(bucket: Bucket) -> None:
    digest = bucket.put_bytes(DATA)

    assert digest == digest_bytes(DATA)
    assert read(bucket, digest) == DATA
    assert list(bucket.digests()) == [digest]


def test_a_moved_file_is_gone_from_its_place(bucket: Bucket, tmp_path: Path) -> None:
    source = tmp_path / "model.bin"
    source.write_bytes(DATA)

    assert bucket.put_file(source, move=True) == (digest_bytes(DATA), len(DATA))
    assert not source.exists()
    assert read(bucket, digest_bytes(DATA)) == DATA


def test_a_copied_file_stays(bucket: Bucket, tmp_path: Path) -> None:
    source = tmp_path / "model.bin"
    source.write_bytes(DATA)
    bucket.put_file(source, move=False)

    source.write_bytes(b"other")

    assert read(bucket, digest_bytes(DATA)) == DATA


def test_putting_twice_keeps_one(bucket: Bucket, tmp_path: Path) -> None:
    source = tmp_path / "model.bin"
    source.write_bytes(DATA)
    bucket.put_bytes(DATA)

    bucket.put_file(source, move=True)

    assert list(bucket.digests()) == [digest_bytes(DATA)]
    assert not source.exists()


def test_an_absent_blob_has_no_path_and_may_be_removed(bucket: Bucket) -> None:
    digest = bucket.put_bytes(DATA)
    bucket.remove(digest)
    bucket.remove(digest)

    assert bucket.path_of(digest) is None


def test_a_blob_of_the_folder_is_not_writable_and_nothing_is_left_behind(tmp_path: Path) -> None:
    bucket = FolderBucket(tmp_path / "blobs")
    path = bucket.path_of(bucket.put_bytes(DATA))

    assert path is not None
    assert path.stat().st_mode & 0o222 == 0
    assert [path.name for path in (tmp_path / "blobs" / "new").iterdir()] == []
    assert path.relative_to(tmp_path / "blobs").as_posix() == f"{digest_bytes(DATA).hex()[:2]}/{path.name}"


def test_other_files_in_the_folder_are_no_blobs(tmp_path: Path) -> None:
    bucket = FolderBucket(tmp_path / "blobs")
    path = bucket.path_of(bucket.put_bytes(DATA))
    assert path is not None

    path.rename(path.with_name(path.name + ".damaged"))

    assert list(bucket.digests()) == []
