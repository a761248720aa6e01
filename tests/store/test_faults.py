"""Faults of disks, clocks and files: told with a remedy, mended where that can be done, never a wrong result."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crystallize.errors import StoreError
from crystallize.store.record import Record
from crystallize.store.reuse import Hit, decide
from crystallize.store.store import Store
from crystallize.store.verify import verify

from ..mounts import SmallDisk, small_disk
from .making import ask, job, new, wrote

JOBS = 40
LARGE = b"x" * 50_000
METRICS = {n: {"acc": [n / 7], "name": [f"job {n}"]} for n in range(JOBS)}


def contents(n: int) -> bytes:
    return f"artifact {n} ".encode() * (3 if n % 2 else 3_000)


def filled(root: Path) -> Path:
    """A store of many records, closed; its database is one file."""
    store = Store.open(root)
    store.put_many(
        [
            new(job(n), f"a/baseline/{n}", metrics=METRICS[n], **wrote(store, "out.bin", contents(n)))
            for n in range(JOBS)
        ]
    )
    store.close()
    return root


def decided(store: Store) -> list[tuple[int, Record]]:
    """The jobs for which a record serves, with it."""
    decisions = [(n, decide(ask(job(n), label=f"a/baseline/{n}"), store)) for n in range(JOBS)]
    return [(n, decision.record) for n, decision in decisions if isinstance(decision, Hit)]


def recorded_anew(root: Path) -> bool:
    """Whether a record could be added."""
    store = Store.open(root)
    try:
        store.put_many([new(job(0), metrics=METRICS[0])])
    except StoreError as error:
        assert "was set aside" in str(error)
        return False
    finally:
        store.close()
    return True


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return filled(tmp_path_factory.mktemp("sound") / "data")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk") as mounted:
        yield mounted


@settings(deadline=None)
@given(
    place=st.floats(0, 1, exclude_max=True),
    length=st.sampled_from([1, 1, 16, 4096]),
    mask=st.integers(1, 255),
    truncate=st.booleans(),
    write=st.booleans(),
)
def test_whatever_is_damaged_in_the_database_no_result_is_wrong(
    tmp_path_factory: pytest.TempPathFactory,
    sound: Path,
    place: float,
    length: int,
    mask: int,
    truncate: bool,
    write: bool,
) -> None:
    root = tmp_path_factory.mktemp("copy") / "data"
    shutil.copytree(sound, root)
    path = root / ".crystallize/store.sqlite"
    data = bytearray(path.read_bytes())
    at = int(place * len(data))
    data[at : at + length] = b"" if truncate else bytes(byte ^ mask for byte in data[at : at + length])
    path.write_bytes(data[:at] if truncate else data)
    read: dict[int, bytes] = {}
    hits: list[tuple[int, Record]] = []

    try:
        with closing(Store.open(root, write=write)) as store:
            hits = decided(store)
            for n, record in hits:
                read[n] = store.read_bytes(record.outputs[0])
            verify(store)
    except StoreError as error:
        assert ";" in str(error)  # it says what to do
    kept = [recorded_anew(root) for _ in range(3)]

    assert [record.metrics for _, record in hits] == [METRICS[n] for n, _ in hits]
    assert all(data == contents(n) for n, data in read.items())
    assert kept.count(False) <= 1  # damage that is found late is told once, and then over
    shutil.rmtree(root)


@pytest.mark.parametrize("keep", [0, 1, 100, 4096, 20_000])
def test_a_truncated_database_is_set_aside_and_the_next_run_goes_on(tmp_path: Path, keep: int) -> None:
    root = filled(tmp_path / "data")
    path = root / ".crystallize/store.sqlite"
    path.write_bytes(path.read_bytes()[:keep])

    kept = [recorded_anew(root) for _ in range(2)]
    store = Store.open(root)
    hits = decided(store)
    store.close()

    assert kept[1]
    assert [n for n, _ in hits] == [0]


@pytest.mark.parametrize("suffix", ["-wal", "-shm"])
def test_rubbish_beside_the_database_is_no_result(tmp_path: Path, suffix: str) -> None:
    root = filled(tmp_path / "data")
    (root / f".crystallize/store.sqlite{suffix}").write_bytes(b"rubbish" * 10_000)

    store = Store.open(root)
    hits = decided(store)
    store.close()

    assert [n for n, _ in hits] == list(range(JOBS))


def test_a_full_disk_is_told_and_what_was_there_stays(disk: SmallDisk) -> None:
    root = filled(disk.folder / "data")
    store = Store.open(root)
    disk.fill(spare_bytes=20_000)

    with pytest.raises(StoreError, match="full; free some disk space, then run again"):
        store.put_many([new(job(1000 + n), metrics={"m": [str(n) * 500]}) for n in range(1000)])
    with pytest.raises(OSError, match="No space left on device"):
        store.keep_bytes("big", "S", bytes(3_000_000))
    hits = decided(store)
    disk.free()
    store.put_many([new(job(999))])
    found = verify(store)
    store.close()

    assert [n for n, _ in hits] == list(range(JOBS))
    assert found.is_sound and found.records == JOBS + 1


def test_half_a_blob_never_counts_as_one(disk: SmallDisk) -> None:
    store = Store.open(disk.folder / "data")
    disk.fill(spare_bytes=30_000)

    with pytest.raises(OSError, match="No space left on device"):
        store.keep_bytes("big", "S", LARGE)
    disk.free()
    sizes = store.blobs.sizes()
    store.close()

    assert sizes == {}


def test_a_read_only_disk_is_told_and_can_be_read(disk: SmallDisk) -> None:
    root = filled(disk.folder / "data")
    disk.make_read_only()

    with pytest.raises(StoreError, match=r"set CRYSTALLIZE_STORE to another (one|folder)"):
        Store.open(root).put_many([new(job(999))])
    store = Store.open(root, write=False)
    hits = decided(store)
    store.close()

    assert [n for n, _ in hits] == list(range(JOBS))


def test_a_clock_that_was_set_back_decides_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.put_many([new(metrics={"acc": [1.0]})])
    monkeypatch.setattr("time.time", lambda: 0.0)
    store.put_many([new(metrics={"acc": [2.0]})])

    decision = decide(ask(), store)

    assert isinstance(decision, Hit)
    assert decision.record.metrics == {"acc": [2.0]}


def test_a_database_of_somebody_else_is_refused_or_set_aside(tmp_path: Path) -> None:
    folder = tmp_path / "data/.crystallize"
    folder.mkdir(parents=True)
    connection = sqlite3.connect(folder / "store.sqlite")
    connection.execute("CREATE TABLE other (x)")
    connection.close()

    store = Store.open(tmp_path / "data")
    hits = decided(store)
    store.close()

    assert hits == []
