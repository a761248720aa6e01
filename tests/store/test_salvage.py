"""Salvage: what a damaged database still holds serves on, what does not prove itself runs again."""

from __future__ import annotations

import logging
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crystallize.errors import StoreError
from crystallize.fingerprint.digest import digest_bytes
from crystallize.fingerprint.reads.observations import Observation
from crystallize.store.database import _set_aside
from crystallize.store.records import once_fingerprint
from crystallize.store.reuse import Hit, decide
from crystallize.store.salvage import salvage
from crystallize.store.store import Store
from crystallize.store.verify import verify

from .making import ask, job, new, wrote

JOBS = 60
PAGE = 4096


def contents(n: int) -> bytes:
    return f"artifact {n} ".encode() * (3 if n % 2 else 3_000)


def filled(root: Path) -> Path:
    """A store of many records, some of them resting on files or made once, closed."""
    store = Store.open(root)
    rests_on = (Observation("file", "table.csv", digest_bytes(b"1")),)
    for n in range(JOBS):
        fields = {} if n % 5 else {"observations": rests_on}
        store.put_many(
            [
                new(
                    job(n),
                    f"a/baseline/{n}",
                    metrics={"n": [n]},
                    run=n % 7,
                    **wrote(store, "out", contents(n)),
                    **fields,
                )
            ]
        )
    store.put_many([new(job(-1), "a/once/0", once=True)])
    store.set_floor("a/barred/0", 3, "failed since")
    store.close()
    return root


def served(store: Store) -> list[int]:
    """The jobs for which a record serves; what it yields must be right."""
    store.survey_with(Always())
    found = []
    for n in range(JOBS):
        decision = decide(ask(job(n), label=f"a/baseline/{n}"), store)
        if isinstance(decision, Hit):
            assert decision.record.metrics == {"n": [n]}
            assert store.read_bytes(decision.record.outputs[0]) == contents(n)
            found.append(n)
    return found


class Always:
    """Finds nothing changed."""

    def changes(self, observations: object) -> tuple[()]:
        return ()


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return filled(tmp_path_factory.mktemp("sound") / "data")


@pytest.fixture
def root(sound: Path, tmp_path: Path) -> Path:
    shutil.copytree(sound, tmp_path / "data")
    return tmp_path / "data"


def database_of(root: Path) -> Path:
    return root / ".crystallize/store.sqlite"


def test_a_database_that_is_whole_is_taken_over_whole(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    before = Store.open(root, write=False)
    key, number, parts = before.secret_key, before.latest_number(), before.manifest_of(7)
    observed = before.observations_of(1)
    before.close()
    _set_aside(database_of(root))

    with caplog.at_level(logging.WARNING):
        store = Store.open(root)
    again = served(store)
    once = store.record(number)
    found = verify(store)

    assert f"{JOBS + 1} results were taken over from store.sqlite.damaged-1" in caplog.text
    assert again == list(range(JOBS))
    assert once is not None and once.fingerprint == once_fingerprint(job(-1).fingerprint, number)
    assert (store.secret_key, store.latest_number(), store.manifest_of(7)) == (key, number, parts)
    assert store.observations_of(1) == observed
    assert store.floors() == {"a/barred/0": (3, "failed since")}
    assert found.is_sound
    store.close()


def test_numbers_of_records_and_runs_go_on(root: Path) -> None:
    _set_aside(database_of(root))
    store = Store.open(root)

    [record] = store.put_many([new(job(999))])
    rows = store.database.read("SELECT seq FROM sqlite_sequence WHERE name = 'runs'")
    store.close()

    assert record.number == JOBS + 2
    assert rows == [(6,)]


def test_it_happens_once(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    _set_aside(database_of(root))
    Store.open(root).close()
    store = Store.open(root)
    with store.database.transaction() as connection:
        connection.execute("DELETE FROM records")

    caplog.clear()
    salvage(store.database)
    again = served(store)
    store.close()

    assert caplog.text == ""
    assert again == []


def test_the_database_set_aside_is_not_changed(root: Path) -> None:
    _set_aside(database_of(root))
    aside = root / ".crystallize/store.sqlite.damaged-1"
    before = aside.read_bytes()

    Store.open(root).close()

    assert aside.read_bytes() == before


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE records SET payload = CAST('s1234[{\"n\":[77]},{}]' AS BLOB) WHERE number = 8",
        "UPDATE records SET kind = 'other/1' WHERE number = 8",
        "UPDATE records SET seconds = 'long' WHERE number = 8",
        "UPDATE details SET own = CAST('x' AS BLOB) WHERE number = 8",
        "UPDATE details SET provenance = '{' WHERE number = 8",
        "DELETE FROM details WHERE number = 8",
        "UPDATE blobs SET data = CAST('other' AS BLOB) WHERE rowid = 4",
    ],
)
def test_what_does_not_prove_itself_is_left_behind(root: Path, damage: str) -> None:
    connection = sqlite3.connect(database_of(root))
    connection.execute(damage)
    connection.commit()
    connection.close()
    _set_aside(database_of(root))

    store = Store.open(root)
    again = served(store)
    store.close()

    assert again == [n for n in range(JOBS) if n != 7]


@settings(deadline=None, max_examples=40)
@given(page=st.integers(0, 200), kind=st.sampled_from(["zeros", "noise", "end"]))
def test_wherever_a_page_is_lost_the_rest_serves_on(
    tmp_path_factory: pytest.TempPathFactory, sound: Path, page: int, kind: str
) -> None:
    root = tmp_path_factory.mktemp("copy") / "data"
    shutil.copytree(sound, root)
    path = database_of(root)
    data = bytearray(path.read_bytes())
    at = page * PAGE % len(data)
    data[at : at + PAGE] = {"zeros": bytes(PAGE), "noise": bytes(range(256)) * 16, "end": b""}[kind]
    path.write_bytes(data[:at] if kind == "end" else data)
    _set_aside(path)

    store = Store.open(root)
    again = served(store)
    found = verify(store)
    [record] = store.put_many([new(job(1000))])
    store.close()

    assert not found.faults
    assert kind == "end" or at < 40 * PAGE or len(again) >= JOBS // 4
    assert record.number > max((n + 1 for n in again), default=0)
    shutil.rmtree(root)


def test_damage_that_a_run_finds_is_salvaged_by_the_next(root: Path) -> None:
    path = database_of(root)
    data = bytearray(path.read_bytes())
    data[-2 * PAGE :] = b"\xff" * (2 * PAGE)
    path.write_bytes(data)

    told = r"set aside as store\.sqlite\.damaged-1, and the next run takes over what"
    with pytest.raises(StoreError, match=told), closing(Store.open(root)) as store:
        served(store)
    store = Store.open(root)
    again = served(store)
    store.close()

    assert len(again) > JOBS // 2


def test_tables_of_another_kind_give_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "data/.crystallize"
    folder.mkdir(parents=True)
    connection = sqlite3.connect(folder / "store.sqlite.damaged-1")
    connection.execute("CREATE TABLE records (number TEXT)")
    connection.commit()
    connection.close()

    store = Store.open(tmp_path / "data")

    assert store.latest_number() == 0
    assert store.database.read("SELECT * FROM sqlite_sequence") == []
    store.close()
