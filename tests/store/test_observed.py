from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from crystallize.fingerprint.digest import Digest, digest_bytes
from crystallize.fingerprint.reads.observations import ABSENT, Observation
from crystallize.store.reuse import Exactly, Hit, Miss, decide
from crystallize.store.store import Store

from .making import ask, new

READ = (Observation("file", "a.csv", digest_bytes(b"1")), Observation("file", "b.csv", ABSENT))


class Looks:
    """A surveyor of a dict: name → digest."""

    def __init__(self, **now: Digest) -> None:
        self.now = now
        self.asked = 0

    def changes(self, observations: Iterable[Observation]) -> list[str]:
        self.asked += 1
        return [f"{each.name} changed" for each in observations if self.now.get(each.name, ABSENT) != each.digest]


def looking(store: Store, **now: Digest) -> Looks:
    looks = Looks(**{name.replace("_", "."): digest for name, digest in now.items()})
    store.survey_with(looks)  # type: ignore[arg-type]
    return looks


def test_observations_come_back_as_they_were_given_and_once_for_all_records(store: Store) -> None:
    records = store.put_many([new(observations=READ), new(observations=READ), new()])

    assert [store.observations_of(record.number) for record in records] == [READ, READ, ()]
    assert store.database.read("SELECT count(*) FROM observations") == [(1,)]


def test_a_record_serves_while_what_it_read_is_so(store: Store) -> None:
    store.put_many([new(observations=READ)])
    looking(store, a_csv=digest_bytes(b"1"))
    same = decide(ask(), store)
    looking(store, a_csv=digest_bytes(b"2"))

    assert isinstance(same, Hit)
    assert decide(ask(), store) == Miss("changed", "a.csv changed", (), 1)


def test_the_newest_record_that_holds_serves(store: Store) -> None:
    other = (Observation("file", "a.csv", digest_bytes(b"2")),)
    store.put_many([new(observations=READ), new(observations=other)])
    looking(store, a_csv=digest_bytes(b"1"))

    decision = decide(ask(), store)

    assert isinstance(decision, Hit) and decision.record.number == 1


def test_each_set_is_looked_at_once_until_jobs_have_run(store: Store) -> None:
    store.put_many([new(label=f"a/baseline/{n}", observations=READ) for n in range(5)])
    looks = looking(store, a_csv=digest_bytes(b"1"))
    for _ in range(5):
        decide(ask(), store)
    before = looks.asked
    store.put_many([new(observations=READ)])
    decide(ask(), store)

    assert (before, looks.asked) == (1, 2)


def test_without_anybody_to_look_such_records_do_not_serve(store: Store) -> None:
    store.put_many([new(observations=READ)])

    decision = decide(ask(), store)

    assert isinstance(decision, Miss) and "cannot be looked at" in decision.why


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM observations",
        "UPDATE observations SET listing = substr(listing, 2)",
        "UPDATE observations SET listing = x''",
    ],
)
def test_a_record_does_not_outlive_the_list_of_what_it_rests_on(store: Store, damage: str) -> None:
    store.put_many([new(observations=READ)])
    with store.database.transaction() as connection:
        connection.execute(damage)
    looking(store, a_csv=digest_bytes(b"1"))

    decision = decide(ask(), store)

    assert isinstance(decision, Miss) and decision.why == "the list of what its job read is damaged"


def test_a_record_still_serves_only_by_its_list_when_its_row_is_lost(store: Store) -> None:
    store.put_many([new(observations=READ)])
    with store.database.transaction() as connection:
        connection.execute("DELETE FROM observed")
    looking(store, a_csv=digest_bytes(b"2"))

    assert isinstance(decide(ask(), store), Miss)


def test_a_pin_asks_for_outputs_only(store: Store) -> None:
    store.put_many([new(observations=READ)])
    looking(store)

    assert isinstance(decide(ask(policy=Exactly(1)), store), Hit)


def test_a_result_that_may_not_be_reused_says_why(store: Store) -> None:
    store.put_many([new(once=True, facts={"not_reusable": "a.csv: read and written"})])

    decision: Any = decide(ask(), store)

    assert decision.why == "its last result, record 1, may not be reused: a.csv: read and written"


@pytest.mark.parametrize("write", [True, False])
def test_a_store_from_before_has_no_observations(tmp_path: Path, write: bool) -> None:
    older = Store.open(tmp_path)
    [record] = older.put_many([new()])
    with older.database.transaction() as connection:
        connection.execute("DROP TABLE observed")
        connection.execute("DROP TABLE observations")
    older.close()
    store = Store.open(tmp_path, write=write)

    decision = decide(ask(), store)
    observations = store.observations_of(record.number)
    store.close()

    assert decision == Hit(record)
    assert observations == ()
