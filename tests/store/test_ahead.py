from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crystallize.store import ahead
from crystallize.store.ahead import FARTHEST, TRUE_SECONDS
from crystallize.store.reuse import Hit, decide
from crystallize.store.store import Store

from .making import ask, job, new, wrote

CHAIN = 3 * FARTHEST


class Clock:
    """Stands still until it is set on."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def pass_by(self) -> None:
        """So much that nothing is taken for true unasked."""
        self.now += TRUE_SECONDS


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(ahead, "perf_counter", made)
    return made


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[Store]:
    """A store with the records of a chain, each of which wrote something."""
    store = Store.open(tmp_path)
    store.put_many([new(job(n), f"node_{n}", **wrote(store, f"{n}.json", b"%d" % n)) for n in range(CHAIN)])
    yield store
    store.close()


@pytest.fixture
def other(chain: Store) -> Iterator[Store]:
    """As another process has it."""
    store = Store.open(chain.root)
    yield store
    store.close()


def test_questions_along_a_chain_cost_few_statements(chain: Store, statements: list[str]) -> None:
    decisions = [number_of(chain, n) for n in range(CHAIN)]

    assert decisions == list(range(1, CHAIN + 1))
    assert sum("FROM records" in each for each in statements) < 20
    assert sum("FROM blobs" in each for each in statements) < 20


def test_nothing_is_read_ahead_for_questions_here_and_there(chain: Store, statements: list[str]) -> None:
    for n in range(CHAIN - 1, 0, -7):
        number_of(chain, n)

    assert not any("number >" in each for each in statements)


def test_nothing_is_read_ahead_where_there_are_no_records(chain: Store, statements: list[str]) -> None:
    for n in range(CHAIN, CHAIN + 50):
        assert not isinstance(decide(ask(job(n)), chain), Hit)

    assert not any("number >" in each for each in statements)


def test_what_another_process_records_is_found_though_older_was_read_ahead(
    chain: Store, other: Store, clock: Clock
) -> None:
    follow(chain, 40)
    clock.pass_by()
    assert number_of(chain, 40) == 41
    [newer] = other.put_many([new(job(50))])
    clock.pass_by()

    assert number_of(chain, 50) == newer.number


def test_whether_others_have_written_is_asked_once_in_a_while(
    chain: Store, statements: list[str], clock: Clock
) -> None:
    for n in range(CHAIN):
        clock.now += TRUE_SECONDS / 50
        number_of(chain, n)

    assert CHAIN / 60 < sum("data_version" in each for each in statements) < CHAIN / 30


def test_what_is_recorded_here_is_found_though_older_was_read_ahead(chain: Store) -> None:
    follow(chain, 40)
    [newer] = chain.put_many([new(job(50))])

    assert number_of(chain, 50) == newer.number


def test_an_output_that_goes_after_it_was_read_ahead_is_missed(chain: Store, other: Store, clock: Clock) -> None:
    follow(chain, 40)
    with other.database.transaction() as connection:
        connection.execute("DELETE FROM blobs")
    clock.pass_by()

    decision = decide(ask(job(50)), chain)

    assert not isinstance(decision, Hit)
    assert decision.kind == "gone"


def test_read_ahead_is_the_newest_there_is_under_a_fingerprint(chain: Store, statements: list[str]) -> None:
    chain.put_many([new(job(n), f"node_{n}", **wrote(chain, f"{n}.json", b"%d" % n)) for n in range(CHAIN)])
    for n in range(CHAIN):
        found = chain.lookup.newest([job(n).fingerprint], chain.read_ahead())[job(n).fingerprint]

        assert found.number == CHAIN + n + 1
    assert sum("FROM records" in each for each in statements) < 20


def test_a_folder_is_looked_into_though_its_listing_was_read_ahead(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "root")
    for n in range(100):
        folder = tmp_path / f"folder_{n}"
        folder.mkdir()
        (folder / "part").write_bytes(b"%d" % n)
        output, small = store.keep_path("parts", "Step", folder)
        store.put_many([new(job(n), outputs=(output,), small_blobs=small)])
        if n == 50:
            [part] = [digest for digest in small if digest != output.digest]
    with store.database.transaction() as connection:
        connection.execute("DELETE FROM blobs WHERE digest = ?", (part,))
    follow(store, 50)

    decision = decide(ask(job(50)), store)
    store.close()

    assert not isinstance(decision, Hit)


def test_a_damaged_row_that_was_read_ahead_is_left_out(chain: Store, caplog: pytest.LogCaptureFixture) -> None:
    with chain.database.transaction() as connection:
        connection.execute("UPDATE records SET outputs = 7 WHERE number = 51")
    follow(chain, 40)
    assert not caplog.text

    decision = decide(ask(job(50)), chain)

    assert not isinstance(decision, Hit)
    assert "record 51 (node_50): its row is damaged" in caplog.text


def test_who_has_not_asked_what_was_read_ahead_gets_what_is_there_now(chain: Store, other: Store) -> None:
    follow(chain, 40)
    [newer] = other.put_many([new(job(50))])

    assert chain.lookup.newest([job(50).fingerprint]) == {newer.fingerprint: newer}


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(["follow", "here", "there", "lost"]), st.integers(0, 59)), max_size=30))
def test_whatever_happens_the_decision_is_the_one_without_reading_ahead(
    tmp_path_factory: pytest.TempPathFactory, clock: Clock, steps: list[tuple[str, int]]
) -> None:
    root = tmp_path_factory.mktemp("root")
    here, there, plain = Store.open(root), Store.open(root), Store.open(root)
    here.put_many([new(job(n), **wrote(here, f"{n}.json", b"%d" % n)) for n in range(60)])
    for what, n in steps:
        if what == "follow":
            follow(here, n)
        elif what == "lost":
            with there.database.transaction() as connection:
                connection.execute("DELETE FROM blobs WHERE data = ?", (b"%d" % n,))
        else:
            store = here if what == "here" else there
            store.put_many([new(job(n), **wrote(store, f"{n}.json", b"%d" % n))])
        if what != "here":
            clock.pass_by()
        for m in (n, n + 1):
            decision = decide(ask(job(m)), here)

            assert decision == decide(ask(job(m)), plain)
    for store in (here, there, plain):
        store.close()


@pytest.fixture
def statements(chain: Store) -> list[str]:
    """All that the database of `chain` is asked from here on."""
    asked: list[str] = []
    with chain.database.transaction() as connection:
        connection.set_trace_callback(asked.append)
    return asked


def follow(store: Store, count: int) -> None:
    """Asks about the first jobs of the chain."""
    for n in range(count):
        decide(ask(job(n)), store)


def number_of(store: Store, n: int) -> int:
    """The record that serves in place of a job."""
    decision = decide(ask(job(n)), store)

    assert isinstance(decision, Hit)
    return decision.record.number
