from __future__ import annotations

import logging
import multiprocessing
import os
import stat
from datetime import timedelta
from pathlib import Path
from threading import Lock
from typing import Any

import pytest

from crystallize.errors import StoreError
from crystallize.store.codecs import pack
from crystallize.store.database import SCHEMA_VERSION
from crystallize.store.record import NewRecord
from crystallize.store.records import seal
from crystallize.store.reuse import Hit, decide
from crystallize.store.store import Store

from .making import ask, code, job, manifest, new, part, piece, wrote


def test_a_record_comes_back_as_it_was_returned(store: Store) -> None:
    fields = wrote(store, "x.json", b"{}")
    [put] = store.put_many(
        [new(metrics={"acc": (0.5, 1), "name": ["a"]}, facts={"seed": 7}, seconds=1.5, run=3, **fields)]
    )

    assert (put.number, put.run, put.seconds, put.kind, put.facts) == (1, 3, 1.5, "trial/1", {"seed": 7})
    assert store.record(1) == put
    assert store.last_of_label("a/baseline/0") == put
    assert store.lookup.all([put.fingerprint]) == {put.fingerprint: [put]}


def test_records_are_there_for_the_next_process(tmp_path: Path) -> None:
    first = Store.open(tmp_path)
    [put] = first.put_many([new()])
    key = first.secret_key
    first.close()

    second = Store.open(tmp_path)
    found, kept_key = second.record(1), second.secret_key
    second.close()

    assert found == put
    assert kept_key == key


def test_many_fingerprints_are_found_newest_first(store: Store) -> None:
    store.put_many([new(job(n % 600)) for n in range(1200)])
    wanted = [job(n).fingerprint for n in range(700)]

    found = store.lookup.all(wanted)

    assert [found[f][0].number for f in wanted[:600]] == [n + 601 for n in range(600)]
    assert all(found[f][1].number == n + 1 for n, f in enumerate(wanted[:600]))
    assert not any(fingerprint in found for fingerprint in wanted[600:])


def test_records_whose_jobs_wrote_the_same_share_their_outputs(store: Store) -> None:
    store.put_many([new(job(seed=n), **wrote(store, "x.json", b"{}")) for n in range(2)])

    [[first], [second]] = store.lookup.all([job(seed=n).fingerprint for n in range(2)]).values()

    assert first.outputs is second.outputs


def test_numbers_are_never_given_twice(store: Store) -> None:
    store.put_many([new(), new()])
    with store.database.transaction() as connection:
        connection.execute("DELETE FROM records")

    assert store.latest_number() == 2
    assert store.put_many([new()])[0].number == 3


def test_returned_records_share_nothing_with_the_job(store: Store) -> None:
    metrics: dict[str, list[Any]] = {"acc": [1]}
    [put] = store.put_many([new(metrics=metrics)])

    metrics["acc"].append(2)

    assert put.metrics == {"acc": [1]}


def test_what_cannot_be_kept_is_not_recorded_but_its_outputs_are(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    fields = wrote(store, "x", b"x")
    first, second = store.put_many([new(metrics={"lock": [Lock()]}, **fields), new(job(2))])

    assert (first.number, second.number) == (0, 1)
    assert store.read_bytes(fields["outputs"][0]) == b"x"
    assert store.lookup.all([job().fingerprint]) == {}
    assert "a/baseline/0: not recorded: metric 'lock': cannot be kept" in caplog.text


def test_a_record_that_cannot_be_read_is_left_out_with_a_warning(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    [record] = store.put_many([new(metrics={"m": [timedelta(1)]})])
    payload = seal(record.fingerprint, b't[[["m",[{"pickle":"AAAA"}]]],[]]', pack([], []))
    with store.database.transaction() as connection:
        connection.execute("UPDATE records SET payload = ?", (payload,))

    decision = decide(ask(), store)

    assert not isinstance(decision, Hit)
    assert (decision.kind, decision.why) == ("gone", "record 1 cannot be read")
    assert "record 1 (a/baseline/0): its metrics cannot be read" in caplog.text


def test_a_failed_batch_leaves_nothing(store: Store) -> None:
    bad = NewRecord(manifest=job(), label=None, metrics={})  # type: ignore[arg-type]

    with pytest.raises(Exception, match="NOT NULL"):
        store.put_many([new(), bad])

    assert store.latest_number() == 0
    assert [record.number for record in store.put_many([new()])] == [1]


def test_the_manifest_of_a_record_comes_back(store: Store) -> None:
    made_of = manifest(part("seed", 1), shared=[part("param.lr", 0.1)])
    store.put_many([new(made_of)])

    assert store.manifest_of(1) == ("trial/1", list(made_of.parts()))
    assert store.manifest_of(2) is None


def test_shared_parts_are_stored_once(store: Store) -> None:
    store.put_many([new(job(0.1, seed=n)) for n in range(3)])
    store.put_many([new(job(0.1, seed=3)), new(job(0.2))])

    assert store.database.read("SELECT count(*) FROM part_tables") == [(2,)]


def test_the_source_behind_a_code_part_comes_back(store: Store) -> None:
    pieces = (piece("steps.train", "def train(): ..."), piece("steps.NAME", "'\ud800'"))
    shared, behind = code("train", *pieces)
    store.put_many([new(manifest(shared=[shared], pieces=behind))])

    assert store.pieces_of(shared.digest) == list(pieces)
    assert store.pieces_of(job().fingerprint) == []


def test_provenance_is_kept_apart(store: Store) -> None:
    store.put_many([new(provenance={"steps": [1]}), new()])

    assert store.provenance_of(1) == {"steps": [1]}
    assert store.provenance_of(2) is None
    assert store.provenance_of(3) is None


def test_floors_stay_until_they_are_cleared(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    store.set_floor("a", 3, "failed since")
    store.set_floor("a", 4, "failed since")
    store.set_floor("b", 5, "failed since")
    store.clear_floors(["b", "never set"])
    store.close()

    again = Store.open(tmp_path)
    floors = again.floors()
    again.close()

    assert floors == {"a": (4, "failed since")}


def test_remembered_digests_are_there_for_the_next_process(tmp_path: Path) -> None:
    key, other = ("/x", 1, 2, 3, 4, 5), ("/x", 1, 2, 3, 4, 6)
    store = Store.open(tmp_path)
    store.remember(key, job().fingerprint)
    at_once = store.recall(key), store.recall(other)
    store.close()

    again = Store.open(tmp_path, write=False)
    later = again.recall(key), again.recall(other)
    again.close()

    assert at_once == later == (job().fingerprint, None)


def test_an_inode_beyond_63_bits_is_remembered(tmp_path: Path) -> None:
    key = ("/x", 1, 2, 3, 2**64 - 1, 2**63)
    store = Store.open(tmp_path)
    store.remember(key, job().fingerprint)
    store.close()

    again = Store.open(tmp_path)
    found = again.recall(key)
    again.close()

    assert found == job().fingerprint


def test_only_commits_of_others_count_as_changes(store: Store) -> None:
    before = store.outside_version()
    store.put_many([new()])
    own = store.outside_version()
    other = Store.open(store.root)
    opened = store.outside_version()
    other.put_many([new()])
    other.close()

    assert (own, opened) == (before, before)
    assert store.outside_version() != before


def test_a_store_ignores_itself_in_git_and_may_be_closed_twice(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "data")
    store.close()
    store.close()

    assert (tmp_path / "data" / ".crystallize" / ".gitignore").read_text(encoding="utf-8") == "*\n"


def test_a_store_may_lie_elsewhere(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "data", folder=tmp_path / "cache")
    store.close()

    assert not (tmp_path / "data").exists()
    assert (tmp_path / "cache" / "store.sqlite").exists()


def test_reading_an_absent_store_creates_nothing(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "data", write=False)
    found = store.latest_number(), store.floors(), store.views.of("a/v0"), len(store.secret_key)
    store.close()

    assert found == (0, {}, {}, 32)
    assert [path.name for path in tmp_path.iterdir()] == []


@pytest.mark.parametrize("still_open", [True, False])
def test_reading_a_store_changes_nothing(tmp_path: Path, still_open: bool) -> None:
    writer = Store.open(tmp_path)
    writer.put_many([new()])
    if not still_open:
        writer.close()
    before = {
        path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".sqlite-shm"
    }

    reader = Store.open(tmp_path, write=False)
    found = decide(ask(), reader)
    reader.close()

    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".sqlite-shm"}
    writer.close()
    assert isinstance(found, Hit)
    assert {p for p in before if p.name != "store.sqlite-shm"} == {p for p in after if p.name != "store.sqlite-shm"}


def test_a_store_of_a_newer_version_is_refused_with_the_remedy(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    with store.database.transaction() as connection:
        connection.execute("UPDATE meta SET value = ? WHERE name = 'version'", (SCHEMA_VERSION + 1,))
    store.close()

    with pytest.raises(StoreError, match=r"store\.sqlite: written by a newer crystallize \(format 2.*; update"):
        Store.open(tmp_path)


@pytest.mark.parametrize("write", [True, False])
def test_a_damaged_database_is_set_aside_only_by_a_writer(
    tmp_path: Path, write: bool, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / ".crystallize"
    folder.mkdir()
    (folder / "store.sqlite").write_bytes(b"no database at all" * 500)

    store = Store.open(tmp_path, write=write)
    number = store.latest_number()
    store.close()

    assert number == 0
    assert (folder / "store.sqlite.damaged-1").exists() == write
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_damage_found_later_is_told_and_the_next_run_starts_anew(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    store.put_many([new(job(n), provenance="x" * 500) for n in range(200)])
    store.close()
    path = tmp_path / ".crystallize" / "store.sqlite"
    whole = path.read_bytes()
    half = len(whole) // 2
    path.write_bytes(whole[:half] + b"\xff" * half)

    damaged = Store.open(tmp_path)
    with pytest.raises(StoreError, match="is damaged; it was set aside as"):
        damaged.lookup.all([job(n).fingerprint for n in range(200)])
    damaged.close()
    again = Store.open(tmp_path)
    number = again.latest_number()
    again.close()

    assert number == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is unwritable for root")
def test_an_unwritable_root_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)

    with pytest.raises(StoreError, match="Permission denied; make the folder writable, or set CRYSTALLIZE_STORE"):
        Store.open(tmp_path / "data")


def test_a_root_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"")

    with pytest.raises(StoreError, match="Not a directory; make the folder writable, or set CRYSTALLIZE_STORE"):
        Store.open(tmp_path / "data")


def test_a_network_file_system_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crystallize.store.database.network_file_system", lambda folder: "nfs4")

    with pytest.raises(StoreError, match=r"network file system \(nfs4\).*; set CRYSTALLIZE_STORE"):
        Store.open(tmp_path)


def _write(root: Path, name: int) -> None:
    store = Store.open(root)
    for batch in range(5):
        store.put_many([new(job(name * 100 + batch * 10 + n)) for n in range(10)])
    store.close()


def test_processes_that_open_and_write_at_once_lose_nothing(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_write, args=(tmp_path / "data", name)) for name in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    store = Store.open(tmp_path / "data")
    found = store.lookup.all([job(n).fingerprint for n in range(350)])
    store.close()

    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert sorted(record.number for [record] in found.values()) == list(range(1, 151))
