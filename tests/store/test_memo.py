"""Memos as rows and blobs: newest shape first, whole or not at all, shared by stores, damage told."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from crystallize.errors import StoreError
from crystallize.fingerprint.digest import Digest, digest_bytes
from crystallize.fingerprint.reads.observations import Observation
from crystallize.store.memo import Memo
from crystallize.store.store import Store

FIRST, KEY = digest_bytes(b"first"), digest_bytes(b"key")


def put(
    store: Store, data: bytes = b"result", *, table: bytes = b"1", shape: tuple[str, ...] = ("key:lr",), run: int = 1
) -> Memo:
    contents, small = store.memos.keep_bytes("contents", data)
    artifact, more = store.memos.keep_bytes("a.txt", data * 2)
    memo = Memo(
        contents=contents,
        artifacts=(artifact,),
        observations=(Observation("file", "table.csv", digest_bytes(table)), Observation("file", "none", Digest(b""))),
        seconds=1.5,
        run=run,
        label="a/baseline/0",
    )
    store.memos.put(FIRST, shape, KEY, memo, {**small, **more})
    return memo


@pytest.mark.parametrize("size", [10, 40_000], ids=["small", "large"])
def test_a_memo_comes_back_as_it_was(store: Store, size: int) -> None:
    memo = put(store, b"x" * size)

    assert [memo] == store.memos.find(KEY)
    assert store.memos.read(memo.contents) == b"x" * size
    assert store.memos.read(memo.artifacts[0]) == b"xx" * size


def test_nothing_is_found_in_a_store_that_never_had_memos(store: Store) -> None:
    assert store.memos.shapes(FIRST) == []
    assert store.memos.find(KEY) == []


def test_shapes_come_newest_first_and_one_seen_again_is_the_newest(store: Store) -> None:
    for shape in (("a",), ("b",), ("c",), ("a",)):
        put(store, shape=shape)

    assert store.memos.shapes(FIRST) == [("a",), ("c",), ("b",)]
    assert store.memos.shapes(digest_bytes(b"other")) == []


def test_a_memo_takes_the_place_of_an_earlier_one(store: Store) -> None:
    put(store, b"old", run=1)
    put(store, b"new", run=2)
    [found] = store.memos.find(KEY)

    assert (found.run, store.memos.read(found.contents)) == (2, b"new")


def test_a_damaged_shape_is_passed_over(store: Store) -> None:
    put(store, shape=("a",))
    with store.database.transaction() as connection:
        connection.execute("INSERT INTO memo_shapes (first, names) VALUES (?, '[\"b')", (FIRST,))

    assert store.memos.shapes(FIRST) == [("a",)]


def test_memos_that_rest_on_other_files_lie_side_by_side_newest_first(store: Store) -> None:
    memos = [put(store, table=table, run=run) for run, table in enumerate((b"1", b"2", b"1"))]

    assert store.memos.find(KEY) == [memos[2], memos[1]]


def test_another_store_on_the_same_folder_finds_it(store: Store) -> None:
    memo = put(store)
    other = Store.open(store.root)
    try:
        assert (other.memos.shapes(FIRST), other.memos.find(KEY)) == ([("key:lr",)], [memo])
        assert other.memos.read(memo.contents) == b"result"
    finally:
        other.close()


def test_a_damaged_row_is_told(store: Store) -> None:
    put(store)
    with store.database.transaction() as connection:
        connection.execute("UPDATE memos SET outputs = ?", (b"junk",))

    with pytest.raises(StoreError, match="damaged"):
        store.memos.find(KEY)
    assert store.memos.find(KEY) == []


def test_damaged_contents_are_told_and_replaced(store: Store) -> None:
    memo = put(store, b"x" * 40_000)
    path = store.blobs._bucket.path_of(memo.contents.digest)
    assert path is not None
    path.chmod(0o644)
    path.write_bytes(b"y" * 40_000)

    with pytest.raises(StoreError, match="damaged"):
        store.memos.read(memo.contents)
    put(store, b"x" * 40_000)
    assert store.memos.read(memo.contents) == b"x" * 40_000


def test_a_store_that_may_not_be_written_finds_and_keeps_nothing_new(tmp_path: Path) -> None:
    with_memo = Store.open(tmp_path / "data")
    memo = put(with_memo)
    with_memo.close()
    store = Store.open(tmp_path / "data", write=False)
    try:
        store.memos.put(FIRST, ("other",), digest_bytes(b"other"), memo, {})

        assert store.memos.find(KEY) == [memo]
        assert store.memos.shapes(FIRST) == [("key:lr",)]
    finally:
        store.close()


def test_threads_and_stores_may_put_the_same_memo_at_once(store: Store) -> None:
    other = Store.open(store.root)
    threads = [threading.Thread(target=put, args=(each,)) for each in (store, other) * 8]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(store.memos.find(KEY)) == 1
    assert store.memos.find(KEY) == other.memos.find(KEY)
    assert store.memos.shapes(FIRST) == [("key:lr",)]
    other.close()
