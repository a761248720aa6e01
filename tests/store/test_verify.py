"""Verifying: damage is found wherever it lies, mended where a view still shows the contents, and told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from crystallize.store.record import Record
from crystallize.store.reuse import Hit, Miss, decide
from crystallize.store.store import Store
from crystallize.store.sweep import Rules, sweep
from crystallize.store.verify import verify
from crystallize.store.views import View, ViewFile

from .making import ask, job, new, wrote

LARGE = b"x" * 50_000


def recorded(store: Store, data: bytes) -> Record:
    [record] = store.put_many([new(job(), **wrote(store, "out.bin", data))])
    return record


def shown(store: Store, record: Record) -> Path:
    path = "a/v0/replicate_0/baseline/S/out.bin"
    [output] = record.outputs
    stat = store.lay(output, store.root / path)
    file = ViewFile(path, output.digest, output.size_bytes, stat.st_mtime_ns, output.is_tree)
    store.views.put([View("a/v0", "baseline", "complete", None, None, (file,))])
    return store.root / path


def damaged(store: Store, record: Record) -> None:
    """Flips a byte of the blob, keeping size and time."""
    [output] = record.outputs
    if output.size_bytes < len(LARGE):
        with store.database.transaction() as connection:
            connection.execute("UPDATE blobs SET data = ?", (b"damage",))
        return
    name = output.digest.hex()
    path = store.folder / "blobs" / name[:2] / name[2:]
    stat = path.stat()
    path.chmod(0o644)
    path.write_bytes(LARGE[:-1] + b"!")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def test_a_sound_store_is_said_to_be_sound(store: Store) -> None:
    recorded(store, LARGE)
    recorded(store, b"small")

    found = verify(store)

    assert found.is_sound
    assert (found.blobs, found.records, found.bytes) == (2, 2, len(LARGE) + 5)


@pytest.mark.parametrize("data", [b"intact", LARGE])
def test_a_damaged_blob_is_lost_and_its_job_runs_again(tmp_path: Path, data: bytes) -> None:
    store = Store.open(tmp_path)
    record = recorded(store, data)
    store.close()
    store = Store.open(tmp_path)
    damaged(store, record)

    found, again = verify(store), verify(store)
    decision = decide(ask(), store)
    store.close()

    assert not found.is_sound
    assert found.lost == ("artifact 'out.bin' of step 'S' of a/baseline/0",) == again.lost
    assert isinstance(decision, Miss) and decision.kind == "gone"


@pytest.mark.parametrize("data", [b"intact", LARGE])
def test_what_a_view_shows_whole_is_mended_from_there(tmp_path: Path, data: bytes) -> None:
    store = Store.open(tmp_path)
    record = recorded(store, data)
    path = shown(store, record)
    store.close()
    store = Store.open(tmp_path)
    damaged(store, record)

    found, again = verify(store), verify(store)
    contents = store.read_bytes(record.outputs[0])
    store.close()

    assert found.mended == ("artifact 'out.bin' of step 'S' of a/baseline/0",)
    assert found.is_sound and again.is_sound and not again.mended
    assert contents == data == path.read_bytes()


def test_a_blob_deleted_by_hand_is_lost(store: Store) -> None:
    record = recorded(store, LARGE)
    name = record.outputs[0].digest.hex()
    (store.folder / "blobs" / name[:2] / name[2:]).unlink()

    assert verify(store).lost


def test_a_swept_artifact_is_no_loss(store: Store) -> None:
    recorded(store, LARGE)
    sweep(store, Rules(keep_last=0))

    found = verify(store)

    assert found.is_sound
    assert found.swept == 1


@pytest.mark.parametrize("column", ["payload", "outputs", "fingerprint"])
def test_a_flipped_bit_in_a_record_is_told_and_never_a_result(store: Store, column: str) -> None:
    recorded(store, b"small")
    [[value]] = store.database.read(f"SELECT {column} FROM records")
    flipped = value[:-1] + bytes([value[-1] ^ 1])
    with store.database.transaction() as connection:
        connection.execute(f"UPDATE records SET {column} = ?", (flipped,))

    found = verify(store)
    decision = decide(ask(), store)

    assert found.faults == ("record 1 (a/baseline/0): its row is damaged; its job runs again",)
    assert not isinstance(decision, Hit)


def test_a_manifest_that_is_not_the_one_recorded_is_told(store: Store) -> None:
    store.put_many([new(job())])
    with store.database.transaction() as connection:
        connection.execute("UPDATE details SET own = x'0000000000'")

    assert "record 1 (a/baseline/0): its manifest" in verify(store).faults[0]


def test_metrics_that_are_pickles_are_not_loaded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.put_many([new(metrics={"m": [range(3)]})])
    monkeypatch.setattr("pickle.loads", lambda data: pytest.fail("loaded"))

    assert verify(store).is_sound
