"""Files with holes have the digests and the contents of any others."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crystallize.fingerprint import sparse
from crystallize.fingerprint.digest import digest_bytes
from crystallize.fingerprint.files import file_digest
from crystallize.fingerprint.sparse import copy_sparse, has_holes, sparse_digest

BLOCK = 4096


def write(path: Path, blocks: list[bool], tail: int) -> bytes:
    """A file of blocks of letters (True) and holes, and a hole of `tail` bytes."""
    with path.open("wb") as file:
        for index, has_contents in enumerate(blocks):
            if has_contents:
                file.seek(index * BLOCK)
                file.write(b"a" * BLOCK)
        file.truncate(len(blocks) * BLOCK + tail)
    return path.read_bytes()


@given(
    blocks=st.lists(st.booleans(), max_size=12), tail=st.integers(0, 3 * BLOCK), chunk=st.sampled_from([1000, 1 << 23])
)
def test_contents_are_the_same_wherever_holes_are(
    tmp_path_factory: pytest.TempPathFactory, blocks: list[bool], tail: int, chunk: int
) -> None:
    folder = tmp_path_factory.mktemp("sparse")
    data = write(folder / "a", blocks, tail)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sparse, "CHUNK_BYTES", chunk)
        digest = sparse_digest(folder / "a")
        copy_sparse(folder / "a", folder / "b")

    assert digest == digest_bytes(data)
    assert (folder / "b").read_bytes() == data


def test_a_large_hole_is_neither_read_nor_written(tmp_path: Path) -> None:
    with (tmp_path / "a").open("wb") as file:
        file.write(b"beginning")
        file.truncate(1 << 30)
    if not has_holes((tmp_path / "a").stat()):
        pytest.skip("this file system has no holes")

    copy_sparse(tmp_path / "a", tmp_path / "b")

    found = (tmp_path / "b").stat()
    assert found.st_size == 1 << 30
    assert found.st_blocks * 512 < 1 << 20
    assert file_digest(tmp_path / "b") == file_digest(tmp_path / "a")
