"""Export and import: all of an experiment in one file, and nothing of it believed unseen."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from crystallize.errors import StoreError
from crystallize.fingerprint.digest import digest_bytes
from crystallize.fingerprint.reads.observations import Observation
from crystallize.store.adopt import adopt
from crystallize.store.export import export
from crystallize.store.reuse import After, Force, Hit, Miss, decide
from crystallize.store.store import Store
from crystallize.store.sweep import Rules, sweep
from crystallize.store.verify import verify

from .making import ask, code, job, manifest, new, part, piece, wrote

LARGE = b"x" * 50_000


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "other")
    yield opened
    opened.close()


def exported(store: Store, selection: str = "a") -> Path:
    file = store.root.parent / "a.crystals"
    export(store, selection, file)
    return file


def rewritten(file: Path, change: Callable[[str, bytes], bytes]) -> None:
    with zipfile.ZipFile(file) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in contents.items():
            archive.writestr(name, change(name, data))


def test_what_is_exported_is_reused_elsewhere(store: Store, other: Store, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    (folder / "empty").mkdir(parents=True)
    (folder / "weights").write_bytes(LARGE)
    model, small = store.keep_path("model", "S", folder)
    table, behind = code("train", piece("steps.train", "def train(): ..."))
    made_of = manifest(part("seed", 1), shared=[table, part("param.lr", 0.1)], pieces=behind)
    [mine, _] = store.put_many(
        [
            new(made_of, outputs=(model,), small_blobs=small, provenance={"n": 1}, seconds=3.0, facts={"seed": 1}),
            new(job(9), label="b/baseline/0"),
        ]
    )

    done = adopt(other, exported(store), run=7)
    decision = decide(ask(made_of), other)

    assert (done.records, done.present, done.untrusted, done.labels) == (1, 0, 0, ("a/baseline/0",))
    assert isinstance(decision, Hit)
    assert (decision.record.metrics, decision.record.facts) == (mine.metrics, mine.facts)
    assert (decision.record.seconds, decision.record.created, decision.record.run) == (3.0, mine.created, 7)
    assert other.manifest_of(1) == (made_of.kind, list(made_of.parts()))
    assert other.pieces_of(table.digest) == list(behind[table.digest])
    assert other.provenance_of(1) == {"n": 1}
    other.lay(decision.record.outputs[0], tmp_path / "laid")
    assert (tmp_path / "laid/weights").read_bytes() == LARGE
    assert other.lookup.all([job(9).fingerprint]) == {}
    assert verify(other).is_sound


def test_importing_again_adds_nothing(store: Store, other: Store) -> None:
    store.put_many([new(job(n), **wrote(store, "x", LARGE)) for n in range(3)])
    file = exported(store)

    first, second = adopt(other, file, run=1), adopt(other, file, run=2)
    home = adopt(store, file, run=3)

    assert (first.records, first.blobs) == (3, 1)
    assert (second.records, second.present, second.blobs) == (0, 3, 0)
    assert (home.records, home.present) == (0, 3)


def test_what_a_job_was_seen_to_read_comes_along(store: Store, other: Store) -> None:
    seen = (
        Observation("contents", "data.csv", digest_bytes(b"1")),
        Observation("contents", "none.csv", digest_bytes(b"")),
    )
    store.put_many([new(observations=seen)])

    adopt(other, exported(store), run=1)

    assert other.observations_of(1) == store.observations_of(1) == seen
    assert isinstance(decide(ask(), other), Miss)  # nobody looked whether it is so here


def test_the_records_of_this_run_are_not_taken_for_its_own(store: Store, other: Store) -> None:
    store.put_many([new(run=5)])
    adopt(other, exported(store), run=1)

    assert isinstance(decide(ask(policy=Force("rerun")), other, run=5), Miss)


def test_what_was_discarded_stays_discarded(store: Store, other: Store) -> None:
    store.put_many([new()])
    other.set_floor("a/baseline/0", other.latest_number(), "failed since")

    adopt(other, exported(store), run=1)
    number, why = other.floors()["a/baseline/0"]

    assert isinstance(decide(ask(policy=After(number, why)), other), Miss)


def test_a_result_that_may_not_be_reused_comes_as_one(store: Store, other: Store) -> None:
    store.put_many([new(once=True)])
    other.put_many([new(job(3), label="c/baseline/0")])

    adopt(other, exported(store), run=1)
    decision = decide(ask(), other)

    assert isinstance(decision, Miss)
    assert decision.why == "its last result, record 2, may not be reused"


def test_pickles_are_neither_loaded_nor_taken_unless_trusted(
    store: Store, other: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put_many([new(metrics={"m": [range(3)]}), new(job(2))])
    file = exported(store)

    with monkeypatch.context() as patched:
        patched.setattr("pickle.loads", lambda data: pytest.fail("loaded"))
        careful = adopt(other, file, run=1)
        trusting = adopt(other, file, run=2, trusted=True)

    assert (careful.records, careful.untrusted) == (1, 1)
    assert (trusting.records, trusting.present, trusting.untrusted) == (1, 1, 0)


@pytest.mark.parametrize("name", ["records.jsonl", "part_tables.jsonl", "observations.jsonl", "blobs/"])
def test_a_changed_file_is_refused_and_adds_no_record(store: Store, other: Store, name: str) -> None:
    seen = (Observation("contents", "data.csv", digest_bytes(b"1")),)
    store.put_many([new(observations=seen, **wrote(store, "x", LARGE))])
    file = exported(store)

    def change(member: str, data: bytes) -> bytes:
        if not member.startswith(name):
            return data
        if name == "blobs/":
            return data[:-1] + b"!"
        old = b'"own":"' if name == "records.jsonl" else b'"contents":"'
        at = data.index(old) + len(old) + 20
        return data[:at] + (b"0" if data[at : at + 1] != b"0" else b"1") + data[at + 1 :]

    rewritten(file, change)

    with pytest.raises(StoreError, match=r"a\.crystals: it is damaged, or no export of crystallize"):
        adopt(other, file, run=1)
    assert other.latest_number() == 0


@pytest.mark.parametrize("size", [0, 30, 500, -40])
def test_a_truncated_file_is_refused(store: Store, other: Store, size: int) -> None:
    store.put_many([new(**wrote(store, "x", LARGE))])
    file = exported(store)
    file.write_bytes(file.read_bytes()[:size])

    with pytest.raises(StoreError, match="export it again"):
        adopt(other, file, run=1)


def test_a_file_of_a_newer_format_is_refused(store: Store, other: Store) -> None:
    store.put_many([new()])
    file = exported(store)
    rewritten(file, lambda name, data: data.replace(b"export/1", b"export/2"))

    with pytest.raises(StoreError, match="its format is 'crystallize export/2'"):
        adopt(other, file, run=1)


def test_what_was_swept_is_not_in_the_file_and_runs_again(store: Store, other: Store) -> None:
    store.put_many([new(**wrote(store, "out.bin", LARGE))])
    sweep(store, Rules(keep_last=0))

    done = export(store, "a", store.root.parent / "a.crystals")
    adopt(other, store.root.parent / "a.crystals", run=1)

    assert (done.records, done.blobs, done.lacking) == (1, 0, ("out.bin",))
    assert isinstance(decide(ask(), other), Miss)


def test_a_damaged_record_is_not_exported(store: Store) -> None:
    store.put_many([new()])
    with store.database.transaction() as connection:
        connection.execute("UPDATE records SET payload = ?", (b"s1234[{},{}]",))

    with pytest.raises(StoreError, match=r"record 1 \(a/baseline/0\): its row is damaged.*; forget it, then export"):
        exported(store)
    assert not (store.root.parent / "a.crystals").exists()
