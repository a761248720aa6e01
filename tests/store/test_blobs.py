from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from crystallize.errors import StoreError
from crystallize.fingerprint.digest import Digest
from crystallize.store.bucket import FolderBucket
from crystallize.store.database import Database
from crystallize.store.record import Output, Record
from crystallize.store.store import Store
from crystallize.store.views import View

from .making import MemoryBucket, new

SMALL, LARGE = b"small", os.urandom(2 << 20)


def put(store: Store, name: str, data: bytes) -> Record:
    output, small = store.keep_bytes(name, "S", data)
    return store.put_many([new(outputs=(output,), small_blobs=small)])[0]


def put_tree(store: Store, folder: Path) -> Record:
    output, small = store.keep_path("model", "S", folder)
    return store.put_many([new(outputs=(output,), small_blobs=small)])[0]


def tree(folder: Path) -> Path:
    (folder / "sub" / "empty").mkdir(parents=True)
    (folder / "sub" / "weights").write_bytes(LARGE)
    (folder / "config").write_bytes(SMALL)
    (folder / "same").symlink_to("sub/weights")
    return folder


def blob(store: Store, digest: Digest) -> Path:
    path = FolderBucket(store.folder / "blobs").path_of(digest)
    assert path is not None
    return path


def damage(path: Path, data: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(data)
    os.utime(path, ns=(1, 1))


@pytest.fixture
def reopened(store: Store) -> Iterator[Store]:
    """A second store over the same root, as another process would have it; records of `store` are in it."""
    store.keep_bytes("warm", "S", b"")
    opened = Store.open(store.root)
    yield opened
    opened.close()


@pytest.mark.parametrize("data", [b"", SMALL, b"x" * 16384, b"x" * 16385, LARGE], ids=len)
def test_bytes_come_back(store: Store, data: bytes) -> None:
    [output] = put(store, "x", data).outputs

    assert (output.name, output.step, output.size_bytes, output.is_tree) == ("x", "S", len(data), False)
    assert store.read_bytes(output) == data


def test_small_blobs_lie_in_the_database_and_large_ones_in_the_bucket(store: Store) -> None:
    put(store, "small", b"x" * 16384)
    put(store, "large", b"x" * 16385)

    assert store.database.read("SELECT length(data) FROM blobs") == [(16384,)]
    assert len(list(FolderBucket(store.folder / "blobs").digests())) == 1


def test_small_blobs_can_be_read_before_they_are_committed(store: Store) -> None:
    output, small = store.keep_bytes("x", "S", SMALL)

    assert store.read_bytes(output, small) == SMALL
    with pytest.raises(StoreError, match="artifact 'x' of step 'S' is gone from the store"):
        store.read_bytes(output)


def test_a_file_given_as_a_path_moves_into_the_store(store: Store, tmp_path: Path) -> None:
    for data in (SMALL, LARGE):
        source = tmp_path / "given"
        source.write_bytes(data)

        output, small = store.keep_path("x", "S", source)

        assert not source.exists()
        assert store.read_bytes(output, small) == data


def test_what_a_link_leads_to_stays(store: Store, tmp_path: Path) -> None:
    (tmp_path / "theirs").write_bytes(LARGE)
    (tmp_path / "given").symlink_to("theirs")

    output, _ = store.keep_path("x", "S", tmp_path / "given")

    assert not (tmp_path / "given").is_symlink()
    assert (tmp_path / "theirs").read_bytes() == store.read_bytes(output) == LARGE


def test_a_file_with_another_name_is_copied(store: Store, tmp_path: Path) -> None:
    (tmp_path / "theirs").write_bytes(LARGE)
    (tmp_path / "given").hardlink_to(tmp_path / "theirs")
    output, _ = store.keep_path("x", "S", tmp_path / "given")

    (tmp_path / "theirs").write_bytes(b"changed")

    assert not (tmp_path / "given").exists()
    assert store.read_bytes(output) == LARGE


def test_a_path_with_nothing_there_is_told(store: Store, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="absent: artifact 'x' of step 'S' is not there; write it before"):
        store.keep_path("x", "S", tmp_path / "absent")


@pytest.mark.parametrize("data", [SMALL, LARGE], ids=len)
@pytest.mark.parametrize("verify", [True, False])
def test_a_laid_file_has_the_contents_in_place_of_what_was_there(store: Store, data: bytes, verify: bool) -> None:
    [output] = put(store, "x", data).outputs
    target = store.root / "a" / "v0" / "x"
    store.lay(output, target)
    target.chmod(0o644)

    stat = store.lay(output, target, verify=verify)

    assert target.read_bytes() == data
    assert (stat.st_size, stat.st_mtime_ns) == (len(data), target.stat().st_mtime_ns)
    assert [path.name for path in target.parent.iterdir()] == ["x"]


def test_a_folder_comes_back_with_its_empty_folders_and_what_links_led_to(store: Store, tmp_path: Path) -> None:
    [output] = put_tree(store, tree(tmp_path / "given")).outputs
    gone = not (tmp_path / "given").exists()

    store.lay(output, tmp_path / "laid")

    laid = tmp_path / "laid"
    assert gone
    assert (output.is_tree, output.size_bytes) == (True, 2 * len(LARGE) + len(SMALL))
    assert sorted(path.relative_to(laid).as_posix() for path in laid.rglob("*")) == [
        *("config", "same", "sub", "sub/empty", "sub/weights")
    ]
    assert (laid / "same").read_bytes() == (laid / "sub" / "weights").read_bytes() == LARGE
    assert not (laid / "same").is_symlink()


def test_equal_folders_have_equal_digests(store: Store, tmp_path: Path) -> None:
    first, second = (store.keep_path("model", "S", tree(tmp_path / name))[0] for name in ("one", "two"))

    assert first == second


def test_a_link_out_of_the_folder_is_refused_and_the_files_stay(store: Store, tmp_path: Path) -> None:
    folder = tree(tmp_path / "given")
    (folder / "out").symlink_to("/etc/hosts")

    with pytest.raises(StoreError, match="given/out: the link leads out of the artifact's folder"):
        store.keep_path("model", "S", folder)

    assert (folder / "sub" / "weights").read_bytes() == LARGE


def test_a_folder_has_no_bytes(store: Store, tmp_path: Path) -> None:
    [output] = put_tree(store, tree(tmp_path / "given")).outputs

    with pytest.raises(StoreError, match="is a folder; read it through a loader"):
        store.read_bytes(output)


@pytest.mark.parametrize("data", [SMALL, LARGE], ids=len)
def test_outputs_that_are_there_are_not_missing(store: Store, reopened: Store, data: bytes) -> None:
    assert reopened.missing_output(put(store, "x", data)) is None


def test_a_whole_folder_is_not_missing(store: Store, reopened: Store, tmp_path: Path) -> None:
    assert reopened.missing_output(put_tree(store, tree(tmp_path / "given"))) is None


def test_only_the_records_that_lost_something_are_named(store: Store) -> None:
    records = [put(store, name, LARGE + name.encode()) for name in ("one", "two")]
    blob(store, records[1].outputs[0].digest).unlink()

    assert store.missing_outputs(records) == {2: "artifact 'two' of step 'S' is gone from the store"}


def test_an_output_without_a_step_is_named_without_one(store: Store) -> None:
    lost = Output("out.txt", "", Digest(b"x" * 32), 5)
    [record] = store.put_many([new(outputs=(lost,))])

    assert store.missing_output(record) == "artifact 'out.txt' is gone from the store"


@pytest.mark.parametrize("member", ["sub/weights", "config", None])
def test_a_folder_that_lost_anything_is_missing(store: Store, tmp_path: Path, member: str | None) -> None:
    record = put_tree(store, tree(tmp_path / "given"))
    if member == "sub/weights":
        shutil.rmtree(store.folder / "blobs")
    with store.database.transaction() as connection:
        small = () if member == "sub/weights" else (len(SMALL), len(SMALL)) if member else (0, 10**6)
        if small:
            connection.execute("DELETE FROM blobs WHERE length(data) BETWEEN ? AND ?", small)

    assert store.missing_output(record) == "artifact 'model' of step 'S' is gone from the store"


def test_an_unchanged_large_blob_is_not_read_again(
    store: Store, reopened: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = put(store, "x", LARGE)

    def refuse(*_: object) -> Digest:
        raise AssertionError("read")

    monkeypatch.setattr("crystallize.store.large.file_digest", refuse)

    assert reopened.missing_output(record) is None


def test_a_large_blob_with_another_time_is_hashed_once(
    store: Store, reopened: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = put(store, "x", LARGE)
    os.utime(blob(store, record.outputs[0].digest), ns=(1, 1))

    first = reopened.missing_output(record)
    reopened.close()
    monkeypatch.setattr("crystallize.store.large.file_digest", lambda path: b"never asked")
    last = Store.open(store.root)
    second = last.missing_output(record)
    last.close()

    assert (first, second) == (None, None)


@pytest.mark.parametrize("data", [LARGE[::-1], b"torn"], ids=len)
def test_a_damaged_large_blob_is_missing_and_set_aside(store: Store, reopened: Store, data: bytes) -> None:
    record = put(store, "x", LARGE)
    path = blob(store, record.outputs[0].digest)
    damage(path, data)

    assert reopened.missing_output(record) == "artifact 'x' of step 'S' is gone from the store"
    assert not path.exists()
    assert path.with_name(path.name + ".damaged").exists()


def test_damage_under_an_unchanged_time_is_found_when_a_job_reads(store: Store, reopened: Store) -> None:
    record = put(store, "x", LARGE)
    path = blob(store, record.outputs[0].digest)
    before = path.stat().st_mtime_ns
    damage(path, LARGE[::-1])
    os.utime(path, ns=(before, before))

    unseen = reopened.missing_output(record)

    assert unseen is None
    with pytest.raises(StoreError, match="gone from the store, or damaged; run again"):
        reopened.lay(record.outputs[0], store.root / "x")
    assert not (store.root / "x").exists()
    assert reopened.missing_output(record) is not None


def test_a_damaged_small_blob_is_found_when_it_is_read(store: Store) -> None:
    record = put(store, "x", SMALL)
    with store.database.transaction() as connection:
        connection.execute("UPDATE blobs SET data = ?", (b"other",))

    with pytest.raises(StoreError, match="gone from the store, or damaged; run again"):
        store.read_bytes(record.outputs[0])
    assert store.missing_output(record) is not None


@pytest.mark.parametrize("data", [SMALL, LARGE], ids=len)
def test_what_a_view_still_shows_is_mended_from_there(store: Store, data: bytes) -> None:
    record = put(store, "x", data)
    target = store.root / "a" / "x"
    target.parent.mkdir(parents=True)
    target.write_bytes(data)
    store.views.put(
        [View("a/v0", "baseline", "complete", files=(store.views.describe(target, record.outputs[0].digest),))]
    )
    shutil.rmtree(store.folder / "blobs", ignore_errors=True)
    with store.database.transaction() as connection:
        connection.execute("DELETE FROM blobs")

    assert store.missing_output(record) is None
    target.unlink()
    assert store.missing_output(record) is None
    assert store.read_bytes(record.outputs[0]) == data


def test_a_folder_is_mended_from_a_view(store: Store, tmp_path: Path) -> None:
    record = put_tree(store, tree(tmp_path / "given"))
    [output] = record.outputs
    store.lay(output, store.root / "model")
    for path in (store.root / "model" / "same", store.root / "model" / "sub" / "weights"):
        data = path.read_bytes()
        path.unlink()
        path.write_bytes(data)
    file = store.views.describe(store.root / "model", output.digest, is_tree=True)
    store.views.put([View("a/v0", "baseline", "complete", files=(file,))])
    shutil.rmtree(store.folder / "blobs")

    assert store.missing_output(record) is None
    shutil.rmtree(store.root / "model")
    assert store.missing_output(record) is None


def test_a_reader_says_that_it_could_be_mended_and_mends_nothing(store: Store) -> None:
    record = put(store, "x", LARGE)
    target = store.root / "a" / "x"
    target.parent.mkdir(parents=True)
    target.write_bytes(LARGE)
    store.views.put(
        [View("a/v0", "baseline", "complete", files=(store.views.describe(target, record.outputs[0].digest),))]
    )
    shutil.rmtree(store.folder / "blobs")

    reader = Store.open(store.root, write=False)
    found = reader.missing_output(record)
    reader.close()

    assert found is None
    assert not (store.folder / "blobs").exists()


def test_a_reader_sets_nothing_aside(store: Store) -> None:
    record = put(store, "x", LARGE)
    path = blob(store, record.outputs[0].digest)
    damage(path, b"torn")

    reader = Store.open(store.root, write=False)
    found = reader.missing_output(record)
    reader.close()

    assert found is not None
    assert path.exists()


def test_any_bucket_serves(tmp_path: Path) -> None:
    (tmp_path / "laid").mkdir()
    database = Database.open(tmp_path / "store.sqlite", write=True)
    store = Store(tmp_path, tmp_path, database, MemoryBucket(tmp_path / "laid"))
    record = put(store, "x", LARGE)

    missing, data = store.missing_output(record), store.read_bytes(record.outputs[0])
    store.close()

    assert (missing, data) == (None, LARGE)
